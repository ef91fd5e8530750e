<?php

declare(strict_types=1);

namespace TokenMgr\Store;

use Psr\Cache\CacheItemPoolInterface;

/**
 * Keeps tokens in a PSR-6 cache pool.
 */
final class Psr6Store extends CacheStore
{
    /** @param Lock|null $lock see CacheStore */
    public function __construct(
        private readonly CacheItemPoolInterface $pool,
        ?Lock $lock = null,
        string $prefix = 'tokenmgr.'
    ) {
        parent::__construct($lock, $prefix);
    }

    protected function read(string $name): mixed
    {
        $item = $this->pool->getItem($name);

        return $item->isHit() ? $item->get() : null;
    }

    protected function write(string $name, #[\SensitiveParameter] string $data, int $ttlSeconds): bool
    {
        return $this->pool->save($this->pool->getItem($name)->set($data)->expiresAfter($ttlSeconds));
    }

    protected function remove(string $name): bool
    {
        return $this->pool->deleteItem($name);
    }
}
