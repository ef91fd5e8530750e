<?php

declare(strict_types=1);

namespace TokenMgr;

use ArrayAccess;
use Closure;
use Error;
use FFI;
use FFI\CData;
use ReflectionProperty;
use Throwable;
use WeakReference;

/**
 * What one manager calls back: log, interrupt, store. An exception must not pass through the library: it is pending
 * here, and thrown when the call that it happened in has returned.
 *
 * PHP keeps the C side of a callback until the request ends. So there is one per kind, for all managers together, and
 * the number that it is given as userdata tells whose it is: a worker that makes managers for days does not grow.
 *
 * @phpstan-type Pointer = CData|Closure
 * @phpstan-type CallbackFunctions = CData&object{
 *     log: Pointer, interrupt: Pointer, load: Pointer, save: Pointer, lock: Pointer, unlock: Pointer
 * }
 *
 * @internal
 */
final class Callbacks
{
    public ?Closure $log = null;
    public ?Closure $interrupt = null;
    public ?Store $store = null;

    /** @var array<string, true> */
    private array $running = [];

    /** The first exception that a callback threw in the call that is running. */
    private ?Throwable $pending = null;

    /** The first that its store threw: not thrown where the library could do without the store. */
    private ?Exception\Store $storeFailure = null;

    /** This object, as the library hands it back. */
    public readonly CData $userdata;

    private readonly int $number;

    /** @var array<int, WeakReference<self>> weak, or a callback that uses its own manager would keep that for ever */
    private static array $all = [];
    private static int $made = 0;

    /** @var CallbackFunctions|null */
    private static ?CData $functions = null;

    private const STRUCT = 'struct { tm_log_callback log; tm_interrupt_callback interrupt; tm_store_load load;'
        . ' tm_store_save save; tm_store_lock lock; tm_store_unlock unlock; }';

    /** What C functions answer. */
    public const DONE = 1;
    public const NO = 0;
    public const FAILED = -1;

    public function __construct()
    {
        $number = ++self::$made;
        self::$all[$number] = WeakReference::create($this);
        $this->number = $number;
        $this->userdata = Native::$ffi->cast('void *', $number);
    }

    /** No callback finds this object any more. */
    public function forget(): void
    {
        unset(self::$all[$this->number]);
    }

    /** @return CallbackFunctions the C functions, as members of a struct */
    public static function functions(): CData
    {
        if (self::$functions === null) {
            /** @var CallbackFunctions $functions */
            $functions = Native::$ffi->new(self::STRUCT);
            $functions->log = static function (CData $userdata, int $level, string $message): void {
                self::run($userdata, static function (self $of) use ($level, $message): int {
                    $of->once('log', $of->log, [$level, $message]);

                    return self::DONE;
                });
            };
            $functions->interrupt = static function (CData $userdata): int {
                // A call whose callback has thrown is over.
                $callback = static fn (self $of): int => $of->once('interrupt', $of->interrupt, []) ? 1 : 0;

                return self::run($userdata, $callback, 1);
            };
            $functions->load = static function (CData $userdata, string $key, CData $sink): int {
                return self::run($userdata, static function (self $of) use ($key, $sink): int {
                    $data = $of->store?->load($key) ?? '';
                    Native::$ffi->tm_sink_put($sink, $data, strlen($data));

                    return self::DONE;
                }, self::FAILED);
            };
            $functions->save = static function (
                CData $userdata,
                string $key,
                ?CData $data,
                int $length,
                ?CData $expected,
                int $expectedLength,
                int $ttlSeconds
            ): int {
                return self::run($userdata, static fn (self $of): int => $of->store?->save(
                    $key,
                    $data === null || $length === 0 ? null : FFI::string($data, $length),
                    $expected === null ? null : FFI::string($expected, $expectedLength),
                    $ttlSeconds
                ) ? self::DONE : self::NO, self::FAILED);
            };
            $functions->lock = static function (CData $userdata, string $key, int $waitMs): int {
                return self::run(
                    $userdata,
                    static fn (self $of): int => $of->store?->lock($key, $waitMs) ? self::DONE : self::NO,
                    self::FAILED
                );
            };
            $functions->unlock = static function (CData $userdata, string $key): int {
                return self::run($userdata, static function (self $of) use ($key): int {
                    $of->store?->unlock($key);

                    return self::DONE;
                }, self::FAILED);
            };
            self::$functions = $functions;
        }

        return self::$functions;
    }

    /**
     * Runs a callback of the object that `userdata` names. What it throws is pending.
     *
     * @param callable(self): int $callback
     */
    private static function run(CData $userdata, callable $callback, int $failed = 0): int
    {
        $of = (self::$all[self::number($userdata)] ?? null)?->get();
        if ($of === null) {
            return $failed;
        }
        try {
            return $callback($of);
        } catch (Exception\Store $failure) {
            $of->storeFailure ??= self::withoutArguments($failure);
        } catch (Throwable $thrown) {
            $of->defer($thrown);
        }

        return $failed;
    }

    /** The number that a callback is given as userdata. */
    public static function number(CData $userdata): int
    {
        /** @var CData&ArrayAccess<int, int> $numbers */
        $numbers = Native::$ffi->cast('intptr_t *', FFI::addr($userdata));

        return $numbers[0];
    }

    /** For what was thrown in the call that is running: it is thrown when that has returned. */
    public function defer(Throwable $thrown): void
    {
        $this->pending ??= self::withoutArguments($thrown);
    }

    /**
     * Takes the arguments out of its trace, from the callback up to the call that it runs in. Functions of FFI have no
     * parameters to mark as sensitive, and tokens and bodies are given to them; and a store of the application's own
     * is given the record.
     *
     * @template T of Throwable
     *
     * @param T $thrown
     *
     * @return T
     */
    private static function withoutArguments(Throwable $thrown): Throwable
    {
        for ($problem = $thrown; $problem !== null; $problem = $problem->getPrevious()) {
            /** @var list<array{class?: string, args?: list<mixed>, ...}> $trace */
            $trace = $problem->getTrace();
            $isInside = false;
            foreach (array_reverse($trace, true) as $i => $frame) {
                $isInside = $isInside || in_array($frame['class'] ?? '', [FFI::class, SignalSafe::class], true);
                if ($isInside) {
                    unset($trace[$i]['args']);
                }
            }
            $class = $problem instanceof Error ? Error::class : \Exception::class;
            (new ReflectionProperty($class, 'trace'))->setValue($problem, $trace);
        }

        return $thrown;
    }

    /**
     * A callback that calls the manager is not called in that call again: that might never end.
     *
     * @param list<mixed> $arguments
     */
    private function once(string $name, ?Closure $callback, array $arguments): mixed
    {
        if ($callback === null || isset($this->running[$name])) {
            return null;
        }
        $this->running[$name] = true;
        try {
            return $callback(...$arguments);
        } finally {
            unset($this->running[$name]);
        }
    }

    /** What is to be thrown when a call has returned; `failure` is the library's own, if it failed. */
    public function due(?Throwable $failure): ?Throwable
    {
        [$pending, $storeFailure] = [$this->pending, $this->storeFailure];
        $this->pending = $this->storeFailure = null;
        if ($pending !== null || $storeFailure === null) {
            return $pending ?? $failure;
        }
        if ($failure instanceof Exception\Cancelled) {
            return $storeFailure; // an interrupt callback threw it
        }
        if (!$failure instanceof Exception\Store) {
            return $failure; // the store has nothing to do with it: a wrong password, for example
        }
        // In the store's words, with what the library knows of such a failure.
        [$code, $isRetryable] = [(int) $failure->getCode(), $failure->isRetryable];

        return new Exception\Store($storeFailure->getMessage(), $code, $storeFailure, isRetryable: $isRetryable);
    }
}
