<?php

declare(strict_types=1);

namespace TokenMgr\Tests;

use PHPUnit\Framework\TestCase;
use Throwable;
use TokenMgr\TokenManager;

/**
 * A test against a demo API, one for all, reset before each.
 */
abstract class ApiTestCase extends TestCase
{
    protected static ?DemoApi $api = null;

    protected function setUp(): void
    {
        self::$api ??= new DemoApi();
        self::$api->reset();
    }

    protected function manager(array $options = []): TokenManager
    {
        return new TokenManager(self::$api->url, 'demo', 'demo-password', $options);
    }

    /** Exactly this class is thrown, and handed over. */
    protected static function thrownBy(callable $action, string $class): Throwable
    {
        try {
            $action();
        } catch (Throwable $thrown) {
            self::assertSame($class, $thrown::class, $thrown->getMessage());

            return $thrown;
        }
        self::fail("no $class was thrown");
    }
}
