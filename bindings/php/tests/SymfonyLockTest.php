<?php

declare(strict_types=1);

namespace TokenMgr\Tests;

use Symfony\Component\Lock\LockFactory;
use Symfony\Component\Lock\Store\RedisStore;
use TokenMgr\Exception;
use TokenMgr\Symfony\SymfonyLock;

/**
 * Locks of symfony/lock in Redis, as machines share them.
 *
 * @group redis
 */
final class SymfonyLockTest extends ApiTestCase
{
    private static ?RedisServer $redis = null;

    protected function setUp(): void
    {
        parent::setUp();
        self::$redis ??= new RedisServer();
    }

    public static function tearDownAfterClass(): void
    {
        self::$redis?->stop();
        self::$redis = null;
    }

    private static function connect(): \Redis
    {
        $redis = new \Redis();
        $redis->connect('127.0.0.1', (int) substr(strrchr(self::$redis->url, ':'), 1));

        return $redis;
    }

    private static function lock(float $seconds = 30.0): SymfonyLock
    {
        return new SymfonyLock(new LockFactory(new RedisStore(self::connect())), $seconds);
    }

    public function testOneHasItOthersWait(): void
    {
        [$one, $other] = [self::lock(), self::lock()];
        self::assertTrue($one->acquire('name', 0));
        self::assertFalse($other->acquire('name', 50));
        self::assertTrue($other->acquire('another name', 0));
        $one->release('name');
        $one->release('name');
        self::assertTrue($other->acquire('name', 0));
        $other->release('name');
        $other->release('another name');
    }

    public function testItIsFreeAgainWhenItsHolderDied(): void
    {
        $holder = new LockFactory(new RedisStore(self::connect()));
        $lost = $holder->createLock('lost', 0.3, false);
        self::assertTrue($lost->acquire());
        unset($lost);
        self::assertFalse(self::lock()->acquire('lost', 0));
        $lock = self::lock();
        self::assertTrue($lock->acquire('lost', 5000));
        $lock->release('lost');
    }

    public function testARedisThatIsGoneIsAFailureOfTheStore(): void
    {
        $lock = self::lock();
        self::$redis->stop();
        self::$redis = null;
        $thrown = self::thrownBy(fn () => $lock->acquire('name', 100), Exception\Store::class);
        self::assertStringContainsString('the lock of the tokens could not be taken', $thrown->getMessage());
    }

    /** Eight processes, the cache and the lock in one Redis: one login, and one refresh for each revocation. */
    public function testProcessesShareACacheThroughIt(): void
    {
        $code = <<<'PHP'
            require 'Symfony/Component/Cache/autoload.php';
            require 'Symfony/Component/Lock/autoload.php';
            $redis = new Redis();
            $redis->connect('127.0.0.1', (int) getenv('PORT'));
            $store = new TokenMgr\Store\Psr6Store(
                new Symfony\Component\Cache\Adapter\RedisAdapter($redis),
                new TokenMgr\Symfony\SymfonyLock(
                    new Symfony\Component\Lock\LockFactory(new Symfony\Component\Lock\Store\RedisStore($redis))
                )
            );
            PHP;
        $work = <<<'PHP'
            for ($i = 0; $i < 8 && pcntl_fork() !== 0; $i++);
            if ($i === 8) {
                for ($failed = 0, $i = 0; $i < 8; $i++) {
                    pcntl_wait($status);
                    $failed += $status === 0 ? 0 : 1;
                }
                exit("$failed failed");
            }
            %s
            $tm = new TokenMgr\TokenManager(getenv('API'), 'demo', 'demo-password', ['store' => $store]);
            exit($tm->get('/api/v1/products')->status === 200 ? 0 : 1);
            PHP;
        $environment = ['API' => self::$api->url, 'PORT' => substr(strrchr(self::$redis->url, ':'), 1)];
        for ($round = 0; $round < 3; $round++) {
            self::assertSame('0 failed', Script::run(sprintf($work, $code), [], $environment)->output);
            self::assertSame([1, $round], [self::$api->counter('logins'), self::$api->counter('refreshes')]);
            self::$api->revoke('access');
        }
        self::assertSame(0, self::$api->counter('reuse'));
    }
}
