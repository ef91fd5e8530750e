<?php

declare(strict_types=1);

namespace TokenMgr\Symfony;

use Symfony\Component\Lock\LockFactory;
use Symfony\Component\Lock\LockInterface;
use TokenMgr\Store\PolledLock;

/**
 * Locks of symfony/lock for Psr6Store and Psr16Store: with one of its stores that several machines share (Redis, PDO,
 * …), so can they share the cache.
 *
 * @extends PolledLock<LockInterface>
 */
final class SymfonyLock extends PolledLock
{
    public function __construct(private readonly LockFactory $factory, float $seconds = 30.0)
    {
        parent::__construct($seconds);
    }

    protected function make(string $name): object
    {
        return $this->factory->createLock($name, $this->seconds);
    }

    protected function take(object $lock): bool
    {
        return $lock->acquire();
    }

    protected function giveBack(object $lock): void
    {
        $lock->release();
    }
}
