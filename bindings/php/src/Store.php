<?php

declare(strict_types=1);

namespace TokenMgr;

/**
 * A store of your own for the token pairs: any database that every process can reach. Ready-made:
 * Store\PdoStore, Store\Psr16Store, Store\Psr6Store.
 *
 * The library takes the lock, loads, compares, saves and gives the lock back at once: it never holds the lock while it
 * waits for the network. A store that cannot be reached throws Exception\Store: that fails no call which can do without
 * it, by a token in memory or by a login. Any other exception comes out of the call that it happened in.
 *
 * What is saved is JSON that holds the tokens: whoever reads the store can use them.
 */
interface Store
{
    /** Tells this store from others: two with the same id hold the same records. */
    public function id(): string;

    /** The record of this client; null if there is none. */
    public function load(string $key): ?string;

    /**
     * Saves the record, if what is stored is still `$expected`.
     *
     * @param string|null $data       null: delete it
     * @param string|null $expected   what load() gave; null: nothing
     * @param int         $ttlSeconds how long the record has to be kept; it may be kept for longer
     *
     * @return bool false if something else is stored now; nothing was saved then
     */
    public function save(
        string $key,
        #[\SensitiveParameter] ?string $data,
        #[\SensitiveParameter] ?string $expected,
        int $ttlSeconds
    ): bool;

    /**
     * Takes a lock that every process honours.
     *
     * @return bool false if it was not free within `$waitMs` milliseconds
     */
    public function lock(string $key, int $waitMs): bool;

    public function unlock(string $key): void;
}
