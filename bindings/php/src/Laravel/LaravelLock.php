<?php

declare(strict_types=1);

namespace TokenMgr\Laravel;

use Illuminate\Contracts\Cache\Lock;
use Illuminate\Contracts\Cache\LockProvider;
use Illuminate\Contracts\Cache\Repository;
use InvalidArgumentException;
use TokenMgr\Store\PolledLock;

/**
 * The locks of a Laravel cache, for a Psr16Store on that cache: whoever shares the one shares the other.
 *
 * @extends PolledLock<Lock>
 */
final class LaravelLock extends PolledLock
{
    private readonly LockProvider $locks;

    public function __construct(Repository $cache, float $seconds = 30.0)
    {
        parent::__construct($seconds);
        $store = $cache->getStore();
        if (!$store instanceof LockProvider) {
            throw new InvalidArgumentException($store::class . ' has no locks; keep tokens in a cache that has, such as'
                . ' redis, memcached, dynamodb, database or file');
        }
        $this->locks = $store;
    }

    protected function make(string $name): object
    {
        return $this->locks->lock($name, (int) ceil($this->seconds));
    }

    protected function take(object $lock): bool
    {
        return $lock->get() === true;
    }

    protected function giveBack(object $lock): void
    {
        $lock->release();
    }
}
