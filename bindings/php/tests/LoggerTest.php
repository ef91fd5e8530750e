<?php

declare(strict_types=1);

namespace TokenMgr\Tests;

use DomainException;
use Psr\Log\AbstractLogger;
use Psr\Log\LogLevel;
use TokenMgr\TokenManager;
use WeakReference;

/**
 * PSR-3 loggers.
 */
final class LoggerTest extends ApiTestCase
{
    public function testTheLevelsAreThoseOfPsr3(): void
    {
        $logger = new ArrayLogger();
        $tm = $this->manager();
        $tm->setLogger($logger, TokenManager::DEBUG);
        $tm->get('/api/v1/products');
        self::$api->control(['faults' => ['route' => '/auth/refresh', 'status' => 503, 'times' => 9]]);
        self::thrownBy(
            fn () => (new TokenManager(self::$api->url, 'demo', 'wrong'))->login(),
            \TokenMgr\Exception\LoginRejected::class
        );
        $tm->setCredentials(null, 'wrong');
        try {
            $tm->refresh();
        } catch (\TokenMgr\Exception\TokenManagerException) {
            // what matters is what was logged
        }
        $levels = array_unique(array_column($logger->lines, 0));
        self::assertContains(LogLevel::INFO, $levels);
        self::assertSame([], array_diff($levels, ['error', 'warning', 'info', 'debug']));
        self::assertGreaterThan(1, count($levels), implode(' ', $levels));
        self::assertStringContainsString('logged in', implode("\n", array_column($logger->lines, 1)));
    }

    public function testEachLevelHasItsMethod(): void
    {
        $logger = new ArrayLogger();
        $tm = $this->manager();
        $tm->setLogger($logger);
        $callbacks = (new \ReflectionProperty($tm, 'callbacks'))->getValue($tm);
        foreach ([TokenManager::ERROR, TokenManager::WARNING, TokenManager::INFO, TokenManager::DEBUG] as $level) {
            ($callbacks->log)($level, "level $level");
        }
        $expected = [['error', 'level 1'], ['warning', 'level 2'], ['info', 'level 3'], ['debug', 'level 4']];
        self::assertSame($expected, $logger->lines);
    }

    public function testNullIsNoLogger(): void
    {
        $logger = new ArrayLogger();
        $tm = $this->manager();
        $tm->setLogger($logger);
        $tm->login();
        $count = count($logger->lines);
        $tm->setLogger(null);
        $tm->login();
        self::assertSame($count, count($logger->lines));
    }

    public function testWhatALoggerThrowsComesOutOfTheCall(): void
    {
        $tm = $this->manager();
        $tm->setLogger(new class extends AbstractLogger {
            public function log($level, $message, array $context = []): void
            {
                throw new DomainException('the disk is full');
            }
        });
        self::thrownBy(fn () => $tm->login(), DomainException::class);
        $tm->setLogger(null);
        self::assertTrue($tm->get('/api/v1/products')->ok());
        self::assertSame(1, self::$api->counter('logins'));
    }

    /** @dataProvider managers */
    public function testItIsLetGoWithTheManager(array $options): void
    {
        $logger = new ArrayLogger();
        $weak = WeakReference::create($logger);
        $tm = $this->manager($options);
        $tm->setLogger($logger);
        $tm->login();
        unset($logger, $tm);
        self::assertNull($weak->get());
    }

    public function managers(): array
    {
        return ['of its own' => [[]], 'persistent' => [['persistent' => true, 'client_id' => 'its own']]];
    }

    /** As one does that ships its lines by an API. */
    public function testALoggerThatUsesItsManagerKeepsItNotAlive(): void
    {
        $logger = new ArrayLogger();
        $tm = $this->manager();
        $logger->uses = $tm;
        $tm->setLogger($logger);
        $tm->login();
        $tm->onInterrupt(fn () => $tm->peekToken() === $logger);
        $weak = [WeakReference::create($logger), WeakReference::create($tm)];
        unset($logger, $tm);
        gc_collect_cycles();
        self::assertSame([null, null], array_map(fn (WeakReference $of) => $of->get(), $weak));
    }

    public function testGarbageIsCollectedInALogger(): void
    {
        $logger = new ArrayLogger();
        $logger->before = function (): void {
            for ($i = 0; $i < 100; $i++) {
                $cycle = new \stdClass();
                $cycle->self = $cycle;
                $other = $this->manager();
                $other->onLog(fn () => $other);
                unset($cycle, $other);
            }
            gc_collect_cycles();
        };
        $tm = $this->manager();
        $tm->setLogger($logger);
        self::assertTrue($tm->get('/api/v1/products')->ok());
        self::assertNotSame([], $logger->lines);
    }

    public function testAForkedChildLogsToItsCopy(): void
    {
        $script = Script::run(self::LOGGER . <<<'PHP'
            $tm->login();
            $count = $logger->count;
            if (pcntl_fork() === 0) {
                $tm->login();
                echo $logger->count > $count ? 'child ' : 'nothing ';
                exit;
            }
            pcntl_wait($status);
            echo $status, ' ', $logger->count === $count ? 'unchanged ' : 'changed ';
            $tm->refresh();
            echo $logger->count > $count ? 'parent' : 'nothing';
            PHP, [], ['API' => self::$api->url]);
        self::assertSame(['child 0 unchanged parent', 0], [$script->output, $script->exitCode]);
    }

    public function testExitEndsTheScriptAndNothingElse(): void
    {
        $script = Script::run(self::LOGGER . <<<'PHP'
            $logger->then = fn () => exit('left');
            register_shutdown_function(function () use ($tm, $logger): void {
                $logger->then = null;
                echo ' ', $tm->get('/api/v1/products')->status;
            });
            $tm->login();
            PHP, [], ['API' => self::$api->url]);
        self::assertMatchesRegularExpression('/^left.* 200$/s', $script->output);
        self::assertContains($script->exitCode, [0, 255]);
    }

    /** $logger, which counts, and the manager $tm that it belongs to. */
    private const LOGGER = <<<'PHP'
        require 'Psr/Log/autoload.php';
        $logger = new class extends Psr\Log\AbstractLogger {
            public int $count = 0;
            public ?Closure $then = null;

            public function log($level, $message, array $context = []): void
            {
                $this->count++;
                $this->then === null || ($this->then)();
            }
        };
        $tm = new TokenMgr\TokenManager(getenv('API'), 'demo', 'demo-password');
        $tm->setLogger($logger);

        PHP;
}
