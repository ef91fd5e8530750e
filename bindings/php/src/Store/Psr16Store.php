<?php

declare(strict_types=1);

namespace TokenMgr\Store;

use Psr\SimpleCache\CacheInterface;

/**
 * Keeps tokens in a PSR-16 cache.
 */
final class Psr16Store extends CacheStore
{
    /** @param Lock|null $lock see CacheStore */
    public function __construct(
        private readonly CacheInterface $cache,
        ?Lock $lock = null,
        string $prefix = 'tokenmgr.'
    ) {
        parent::__construct($lock, $prefix);
    }

    protected function read(string $name): mixed
    {
        return $this->cache->get($name);
    }

    protected function write(string $name, #[\SensitiveParameter] string $data, int $ttlSeconds): bool
    {
        return $this->cache->set($name, $data, $ttlSeconds);
    }

    protected function remove(string $name): bool
    {
        return $this->cache->delete($name);
    }
}
