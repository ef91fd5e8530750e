<?php

declare(strict_types=1);

namespace TokenMgr\Store;

use Throwable;
use TokenMgr\Exception;

/**
 * What the locks of frameworks have in common: each is tried until it is free or the wait is over.
 *
 * @template L of object
 *
 * @internal
 */
abstract class PolledLock implements Lock
{
    /** @var array<string, L> what release() gives back, by the lock's name */
    private array $held = [];

    /** @param float $seconds after which a lock is free whose holder died, or hangs; it is held for milliseconds */
    public function __construct(protected readonly float $seconds = 30.0)
    {
    }

    public function acquire(string $name, int $waitMs): bool
    {
        $until = hrtime(true) + $waitMs * 1_000_000;
        try {
            $lock = $this->make($name);
            while (!$this->take($lock)) {
                if (hrtime(true) >= $until) {
                    return false;
                }
                usleep(5_000);
            }
        } catch (Throwable $problem) {
            throw new Exception\Store('the lock of the tokens could not be taken: ' . Reason::of($problem));
        }
        $this->held[$name] = $lock;

        return true;
    }

    public function release(string $name): void
    {
        $lock = $this->held[$name] ?? null;
        if ($lock === null) {
            return;
        }
        unset($this->held[$name]);
        try {
            $this->giveBack($lock);
        } catch (Throwable $problem) {
            throw new Exception\Store('the lock of the tokens could not be given back: ' . Reason::of($problem));
        }
    }

    /** @return L a lock of the framework */
    abstract protected function make(string $name): object;

    /**
     * Takes it if it is free.
     *
     * @param L $lock
     */
    abstract protected function take(object $lock): bool;

    /** @param L $lock which was taken */
    abstract protected function giveBack(object $lock): void;
}
