<?php

declare(strict_types=1);

namespace TokenMgr\Store;

/**
 * A lock for all processes that share a store. It is held for milliseconds, and has to be free again when its holder
 * dies.
 */
interface Lock
{
    /**
     * Takes the lock of this name.
     *
     * @param int $waitMs how many milliseconds to wait for it at the most
     *
     * @return bool false if it was not free within that time
     */
    public function acquire(string $name, int $waitMs): bool;

    public function release(string $name): void;
}
