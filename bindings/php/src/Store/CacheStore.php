<?php

declare(strict_types=1);

namespace TokenMgr\Store;

use Throwable;
use TokenMgr\Exception;
use TokenMgr\Store;

/**
 * What stores on caches have in common. A cache cannot compare and swap, and has no lock: the lock makes loading,
 * comparing and saving one step.
 *
 * @internal
 */
abstract class CacheStore implements Store
{
    private readonly Lock $lock;

    /**
     * @param Lock|null $lock null: a FileLock, which is right for the processes of one machine. Where several machines
     *                        share the cache, they have to share the lock, too
     */
    public function __construct(?Lock $lock, private readonly string $prefix)
    {
        $this->lock = $lock ?? new FileLock();
    }

    public function id(): string
    {
        return static::class . ' ' . $this->prefix;
    }

    public function load(string $key): ?string
    {
        return $this->trying('read', fn (): ?string => self::record($this->read($this->name($key))));
    }

    public function save(
        string $key,
        #[\SensitiveParameter] ?string $data,
        #[\SensitiveParameter] ?string $expected,
        int $ttlSeconds
    ): bool {
        if ($this->load($key) !== $expected) {
            return false;
        }
        $name = $this->name($key);
        $done = $this->trying('written', fn (): bool => $data === null
            ? $this->remove($name)
            : $this->write($name, $data, $ttlSeconds));
        if (!$done) {
            throw new Exception\Store('the cache that keeps the tokens refused to be written; see what it logs');
        }

        return true;
    }

    public function lock(string $key, int $waitMs): bool
    {
        return $this->lock->acquire($this->lockOf($key), $waitMs);
    }

    public function unlock(string $key): void
    {
        $this->lock->release($this->lockOf($key));
    }

    /** The cached value; null if there is none. */
    abstract protected function read(string $name): mixed;

    abstract protected function write(string $name, #[\SensitiveParameter] string $data, int $ttlSeconds): bool;

    abstract protected function remove(string $name): bool;

    /** A name that every cache takes, whatever is in the key: both PSRs promise 64 letters, digits, "_" and "." only. */
    private function name(string $key): string
    {
        return $this->prefix . substr(hash('sha256', $key), 0, 40);
    }

    /** Not the record's name: cache and locks may be in one database. */
    private function lockOf(string $key): string
    {
        return $this->name($key) . '.lock';
    }

    private static function record(#[\SensitiveParameter] mixed $cached): ?string
    {
        return is_string($cached) && $cached !== '' ? $cached : null;
    }

    /**
     * @template T
     *
     * @param callable(): T $action
     *
     * @return T
     */
    private function trying(string $what, #[\SensitiveParameter] callable $action): mixed
    {
        try {
            return $action();
        } catch (Throwable $problem) {
            throw new Exception\Store("the cache that keeps the tokens could not be $what: " . Reason::of($problem));
        }
    }
}
