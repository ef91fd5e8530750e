<?php

declare(strict_types=1);

namespace TokenMgr\Tests;

use DomainException;
use TokenMgr\Exception;
use TokenMgr\Native;
use TokenMgr\SignalSafe;
use TokenMgr\TokenManager;

final class CallbackTest extends ApiTestCase
{
    public function testLogLines(): void
    {
        $tm = $this->manager();
        $lines = [];
        $tm->onLog(function (int $level, string $message) use (&$lines): void {
            $lines[] = [$level, $message];
        });
        $tm->get('/api/v1/products');
        self::assertContains(TokenManager::INFO, array_column($lines, 0));
        self::assertStringContainsString('logged in', implode("\n", array_column($lines, 1)));
        self::assertStringNotContainsString($tm->accessToken(), implode("\n", array_column($lines, 1)));

        $tm->onLog(null);
        $count = count($lines);
        $tm->refresh();
        self::assertCount($count, $lines);
    }

    public function testEachManagerHasItsOwn(): void
    {
        $managers = [$this->manager(), $this->manager()];
        $heard = [0, 0];
        foreach ($managers as $i => $tm) {
            $tm->onLog(function () use (&$heard, $i): void {
                $heard[$i]++;
            });
        }
        $managers[1]->login();
        self::assertSame(0, $heard[0]);
        self::assertGreaterThan(0, $heard[1]);
    }

    /** @dataProvider calls */
    public function testAnExceptionComesOutOfTheCallThatItHappenedIn(callable $call): void
    {
        $tm = $this->manager();
        $tm->login();
        self::$api->revoke('all');
        $tm->onLog(fn () => throw new DomainException('from the log'), TokenManager::DEBUG);
        $thrown = self::thrownBy(fn () => $call($tm), DomainException::class);
        self::assertSame('from the log', $thrown->getMessage());

        $tm->onLog(null);
        self::assertTrue($tm->get('/api/v1/products')->ok(), 'once, and no more');
    }

    public function calls(): array
    {
        return [
            'request' => [fn (TokenManager $tm) => $tm->get('/api/v1/products')],
            'login' => [fn (TokenManager $tm) => $tm->login()],
            'refresh' => [fn (TokenManager $tm) => $tm->refresh()],
            'accessToken' => [function (TokenManager $tm): void {
                $tm->reject($tm->accessToken());
                $tm->accessToken();
            }],
            'token' => [function (TokenManager $tm): void {
                $tm->reject($tm->accessToken());
                $tm->token();
            }],
        ];
    }

    public function testOfTwoExceptionsTheFirst(): void
    {
        $tm = $this->manager();
        $count = 0;
        $tm->onLog(function () use (&$count): void {
            throw new DomainException('number ' . ++$count);
        }, TokenManager::DEBUG);
        $thrown = self::thrownBy(fn () => $tm->login(), DomainException::class);
        self::assertGreaterThan(1, $count);
        self::assertSame('number 1', $thrown->getMessage());
    }

    public function testACallbackMayUseManagers(): void
    {
        $tm = $this->manager();
        $other = $this->manager();
        $inside = [];
        $tm->onLog(function () use ($tm, $other, &$inside): void {
            $inside[] = [$tm->stats()['token'], $other->get('/api/v1/products')->status];
        });
        self::assertTrue($tm->get('/api/v1/products')->ok());
        self::assertSame(200, $inside[0][1]);
    }

    /** @dataProvider callbacksThatAskForAToken */
    public function testATokenIsItsOwnManagersWhateverACallbackAsksFor(int $bytes, callable $manager): void
    {
        $elsewhere = new DemoApi();
        try {
            $elsewhere->control(['access_token_bytes' => $bytes]); // more than the buffer held until now
            $other = new TokenManager($elsewhere->url, 'demo', 'demo-password');
            $asked = [];
            $tm = $manager(function () use ($other, &$asked): void {
                $asked[] = $other->accessToken();
            });
            $token = $tm->accessToken();
            self::assertGreaterThan($bytes / 2, strlen($asked[0]));
            self::assertSame($tm->token()->accessToken(), $token);
            self::assertSame($other->token()->accessToken(), $asked[0]);
        } finally {
            $elsewhere->stop();
        }
    }

    public function callbacksThatAskForAToken(): array
    {
        return [
            'log' => [50_000, function (callable $ask): TokenManager {
                $tm = $this->manager();
                $tm->onLog($ask);

                return $tm;
            }],
            'store' => [200_000, function (callable $ask): TokenManager {
                $store = new ArrayStore();
                $store->before = $ask(...);

                return $this->manager(['store' => $store]);
            }],
        ];
    }

    public function testALogCallbackIsNotCalledForItsOwnCalls(): void
    {
        $tm = $this->manager();
        $heard = 0;
        $tm->onLog(function () use ($tm, &$heard): void {
            $heard++;
            $tm->login();
        }, TokenManager::DEBUG);
        $tm->login();
        self::assertSame($heard + 1, self::$api->counter('logins'));
        self::assertLessThan(9, $heard);
    }

    public function testACallThatWouldWaitForItselfIsRefused(): void
    {
        $tm = $this->manager();
        $tm->onInterrupt(fn () => $tm->login());
        self::$api->control(['faults' => ['route' => '/auth/login', 'do' => 'hang']]);
        self::thrownBy(fn () => $tm->login(), Exception\Reentrant::class);
    }

    public function testAnInterruptEndsTheCall(): void
    {
        $tm = $this->manager();
        $tm->login();
        $asked = 0;
        $tm->onInterrupt(function () use (&$asked): bool {
            return ++$asked === 3;
        });
        self::$api->control(['faults' => ['route' => '/api/v1/products', 'do' => 'hang']]);
        $began = hrtime(true);
        self::thrownBy(fn () => $tm->get('/api/v1/products'), Exception\Cancelled::class);
        self::assertLessThan(10e9, hrtime(true) - $began);
        self::assertSame(3, $asked);

        $tm->onInterrupt(fn () => throw new DomainException('stop'));
        self::$api->control(['faults' => ['route' => '/api/v1/products', 'do' => 'hang']]);
        self::thrownBy(fn () => $tm->get('/api/v1/products'), DomainException::class);
        $tm->onInterrupt(null);
        self::assertTrue($tm->get('/api/v1/products')->ok());
    }

    public function testASignalEndsTheCallThroughTheInterrupt(): void
    {
        $script = Script::run(<<<'PHP'
            pcntl_async_signals(true);
            $stop = false;
            pcntl_signal(SIGTERM, function () use (&$stop) { $stop = true; });
            $tm = new TokenMgr\TokenManager(getenv('API'), 'demo', 'demo-password');
            $tm->onInterrupt(function () use (&$stop) { return $stop; });
            $tm->login();
            $parent = getmypid();
            if (pcntl_fork() === 0) {
                file_get_contents(getenv('API') . '/control/wait?counter=api_arrivals&at_least=1');
                posix_kill($parent, SIGTERM);
                exit;
            }
            try {
                $tm->get('/api/v1/products');
            } catch (TokenMgr\Exception\Cancelled $end) {
                echo 'cancelled';
            }
            PHP, [], ['API' => $this->hanging()]);
        self::assertSame('cancelled', $script->output);
    }

    /** From PHP 8.4 on a handler that throws crashes PHP otherwise; the way of calling is the same for all. */
    public function testWhatMayWaitIsCalledInTheWayThatSignalHandlersNeed(): void
    {
        $calls = [
            'token' => static fn (TokenManager $tm) => $tm->token(),
            'accessToken' => static fn (TokenManager $tm) => $tm->accessToken(),
            'login' => static fn (TokenManager $tm) => $tm->login(),
            'request' => static fn (TokenManager $tm) => $tm->get('/api/v1/products'),
            'stream' => static fn (TokenManager $tm) => $tm->get('/api/v1/products', sink: '/dev/null'),
            'check' => static fn (TokenManager $tm) => $tm->check('/api/v1/products'),
        ];
        foreach ($calls as $name => $call) {
            $tm = $this->manager();
            $traces = [];
            $tm->onInterrupt(static function () use (&$traces): bool {
                $traces[] = array_column(debug_backtrace(), 'class');

                return false;
            });
            self::$api->control(['faults' => ['route' => '/auth/login', 'delay_before_ms' => 200]]);
            $before = Native::$waiting;
            Native::$waiting = new SignalSafe(Native::$ffi);
            try {
                $call($tm);
            } finally {
                Native::$waiting = $before;
            }
            self::assertNotEmpty($traces, $name);
            self::assertContains(SignalSafe::class, $traces[0], $name);
        }
    }

    /**
     * PHP runs the handler as soon as the library's function has returned, before anything else.
     *
     * @dataProvider interrupted
     */
    public function testASignalHandlersOwnCallsChangeNothing(string $call, array $fault, string $output): void
    {
        self::$api->control(['faults' => $fault]);
        $script = Script::run(<<<'PHP'
            pcntl_async_signals(true);
            $other = new TokenMgr\TokenManager(getenv('API'), 'demo', 'demo-password');
            $other->get('/api/v1/status/404');
            pcntl_signal(SIGUSR1, function () use ($other) {
                try {
                    $other->setTokens('x', null, -5);
                } catch (TokenMgr\Exception\InvalidArgument $failure) {
                    echo 'handled ';
                }
                echo $other->get('/api/v1/status/404')->status, ' ';
                try {
                    $other->get('//nowhere');
                } catch (TokenMgr\Exception\InvalidArgument $failure) {
                    echo 'handled ';
                }
            });
            $tm = new TokenMgr\TokenManager(getenv('API'), 'demo', 'demo-password', ['timeout_ms' => 1500]);
            $parent = getmypid();
            if (pcntl_fork() === 0) {
                file_get_contents(getenv('API') . '/control/wait?counter=' . getenv('COUNTER'));
                posix_kill($parent, SIGUSR1);
                exit;
            }
            try {
                eval(getenv('CALL'));
            } catch (TokenMgr\Exception\TokenManagerException $failure) {
                echo $failure::class, ' ', $failure->getMessage();
            }
            PHP, [], [
                'API' => self::$api->url,
                'CALL' => $call,
                'COUNTER' => isset($fault['skip']) ? 'login_arrivals&at_least=2' : 'api_arrivals&at_least=2',
            ]);
        self::assertStringStartsWith("handled 404 handled $output", $script->output);
        self::assertSame(0, $script->exitCode);
    }

    public function interrupted(): array
    {
        $get = 'echo $tm->get("/api/v1/products")->body;';
        $late = ['route' => '/api/v1/products', 'delay_after_ms' => 500];
        $never = ['route' => '/api/v1/products', 'do' => 'hang'];
        $noLogin = ['route' => '/auth/login', 'do' => 'hang', 'skip' => 1];
        $timeout = Exception\Timeout::class . ' the call\'s time';

        return [
            'a request that succeeds' => [$get, $late, '{"data":'],
            'a request that fails' => [$get, $never, $timeout],
            'a login that fails' => ['$tm->login();', $noLogin, $timeout],
            'a token that fails' => ['$tm->accessToken();', $noLogin, $timeout],
        ];
    }

    /**
     * `exit`, which PHP says is fatal here, leaves the callback and the call in it for good. What runs after that waits
     * for neither.
     *
     * @dataProvider waysOut
     */
    public function testACallThatExitLeftHoldsUpNothing(string $program): void
    {
        self::$api->control(['faults' => ['route' => '/auth/login', 'do' => 'hang']]);
        $script = Script::run(<<<'PHP'
            function deeper(int $levels, callable $what): mixed
            {
                return $levels > 0 ? array_map(fn () => deeper($levels - 1, $what), [0])[0] : $what();
            }
            $files = fn () => count(scandir('/proc/self/fd'));
            $tm = new TokenMgr\TokenManager(getenv('API'), 'demo', 'demo-password', ['timeout_ms' => 60000]);
            $tm->onInterrupt(function () use (&$before, $files) {
                $arrivals = file_get_contents(getenv('API') . '/control/counters');
                if (json_decode($arrivals)->login_arrivals === 1) {
                    $before ??= $files();
                    exit('left ');
                }
            });
            register_shutdown_function(function () use ($tm, $files, &$before) {
                foreach ([0, 40] as $levels) {
                    $answer = deeper($levels, fn () => $tm->get('/api/v1/products', ['timeout_ms' => 10000]));
                    echo $answer->status, ' ';
                }
                echo $files() - $before;
            });

            PHP . $program, [], ['API' => self::$api->url]);
        // The connection to the login has made way for the one to the API.
        self::assertMatchesRegularExpression('/^left .*\n200 200 0$/s', $script->output);
        self::assertSame(1, self::$api->counter('logins'));
    }

    public function waysOut(): array
    {
        return [
            'a script' => ['$tm->login();'],
            'deep in it' => ['deeper(40, fn () => $tm->login());'],
            'a fiber' => ['(new Fiber(fn () => $tm->login()))->start();'],
        ];
    }

    public function testACallThatAFiberSuspendedIsNotLost(): void
    {
        self::$api->control(['faults' => ['route' => '/api/v1/products', 'delay_before_ms' => 300]]);
        $script = Script::run(<<<'PHP'
            $tm = new TokenMgr\TokenManager(getenv('API'), 'demo', 'demo-password');
            $tm->login();
            $fiber = new Fiber(fn () => $tm->get('/api/v1/products')->status);
            $tm->onInterrupt(function () use ($fiber) {
                if (Fiber::getCurrent() === $fiber) {
                    Fiber::suspend();
                }
            });
            $fiber->start();
            echo $tm->get('/api/v1/products')->status, ' ';
            while (!$fiber->isTerminated()) {
                $fiber->resume();
            }
            echo $fiber->getReturn();
            PHP, [], ['API' => self::$api->url]);
        self::assertSame('200 200', $script->output);
        self::assertSame(1, self::$api->counter('logins'));
    }

    public function testNothingGrowsInAWorkerThatMakesManagersForDays(): void
    {
        $make = function (int $count): void {
            for ($i = 0; $i < $count; $i++) {
                $tm = $this->manager(['store' => new ArrayStore()]);
                $tm->onLog(fn () => null);
                $tm->onInterrupt(fn () => false);
                $tm->setTokens('opaque', null, 2000000000);
                $tm->accessToken();
            }
        };
        $make(50);
        $before = memory_get_usage();
        $make(500);
        gc_collect_cycles();
        self::assertLessThan(20_000, memory_get_usage() - $before);
    }

    private function hanging(): string
    {
        self::$api->control(['faults' => ['route' => '/api/v1/products', 'do' => 'hang']]);

        return self::$api->url;
    }
}
