<?php

declare(strict_types=1);

namespace TokenMgr\Tests;

/**
 * Forks, ends of processes, and what they leave behind.
 */
final class ProcessTest extends ApiTestCase
{
    private function script(string $code, array $ini = []): Script
    {
        return Script::run($code, $ini, ['API' => self::$api->url]);
    }

    private function endsWell(string $code): string
    {
        $script = $this->script($code);
        self::assertSame(0, $script->exitCode, $script->output);

        return $script->output;
    }

    public function testDestructorsInForkedChildrenDisturbNobody(): void
    {
        $output = $this->endsWell(<<<'PHP'
            $tm = new TokenMgr\TokenManager(getenv('API'), 'demo', 'demo-password');
            $tm->onLog(fn () => null);
            [$response, $token] = [$tm->get('/api/v1/products'), $tm->token()];
            for ($i = 0; $i < 10; $i++) {
                $child = pcntl_fork();
                if ($child === 0) {
                    if ($i % 2) {
                        unset($tm, $response, $token);
                        gc_collect_cycles();
                    }
                    exit($i);
                }
                pcntl_waitpid($child, $status);
                if (!pcntl_wifexited($status) || pcntl_wexitstatus($status) !== $i) {
                    exit("child $i ended badly\n");
                }
                echo $tm->get('/api/v1/products')->status, ' ';
            }
            echo count($response->json()['data']), $token->accessToken() === $tm->accessToken() ? ' same' : ' other';
            PHP);
        self::assertSame(str_repeat('200 ', 10) . '3 same', $output);
        self::assertSame(1, self::$api->counter('logins'));
        self::assertSame(1, self::$api->counter('connections'), 'no child touched its parent\'s connection');
        self::assertSame(0, self::$api->counter('logouts'));
    }

    public function testChildrenGoOnByThemselves(): void
    {
        $this->endsWell(<<<'PHP'
            $tm = new TokenMgr\TokenManager(getenv('API'), 'demo', 'demo-password');
            $tm->get('/api/v1/products');
            $children = [];
            for ($i = 0; $i < 4; $i++) {
                $child = pcntl_fork();
                if ($child === 0) {
                    for ($k = 0; $k < 20; $k++) {
                        $tm->get('/api/v1/products')->throw();
                    }
                    $tm->refresh();
                    $tm->get('/api/v1/products')->throw();
                    exit(0);
                }
                $children[] = $child;
            }
            $failed = 0;
            foreach ($children as $child) {
                pcntl_waitpid($child, $status);
                $failed += $status !== 0;
            }
            $tm->refresh();
            $tm->get('/api/v1/products')->throw();
            exit($failed);
            PHP);
        self::assertSame(5, self::$api->counter('logins'), 'a child never uses its parent\'s refresh token');
        self::assertSame(0, self::$api->counter('reuse'));
        self::assertSame(1, self::$api->counter('max_arrivals_of_one_refresh_token'));
    }

    /** @dataProvider ends */
    public function testHoweverAScriptEnds(string $code, int $exitCode, string $output): void
    {
        $script = $this->script(<<<'PHP'
            $tm = new TokenMgr\TokenManager(getenv('API'), 'demo', 'demo-password');
            $response = $tm->get('/api/v1/products');
            $token = $tm->token();
            PHP . "\n$code", ['display_errors' => '0', 'log_errors' => '0']);
        self::assertSame([$exitCode, $output], [$script->exitCode, $script->output]);
    }

    public function ends(): array
    {
        return [
            'end of file' => ['', 0, ''],
            'exit' => ['exit(3);', 3, ''],
            'in a function' => ['(function () use ($tm) { $tm->accessToken(); exit(4); })();', 4, ''],
            'uncaught exception' => ['throw new Exception("x");', 255, ''],
            'fatal error' => ['ini_set("memory_limit", "8M"); str_repeat("x", 1 << 30);', 255, ''],
            'kept in a static' => ['class K { public static $k; } K::$k = [$tm, $response, $token];', 0, ''],
            'in a cycle' => ['$o = new stdClass(); $o->o = $o; $o->tm = $tm; unset($tm, $o);', 0, ''],
            'used by a shutdown function' => [
                'register_shutdown_function(function () use ($tm) { echo $tm->get("/api/v1/products")->status; });',
                0,
                '200',
            ],
            'used by a destructor' => [
                'class D { public $tm; function __destruct() { echo $this->tm->get("/api/v1/products")->status; } }'
                . '$d = new D(); $d->tm = $tm; unset($tm);',
                0,
                '200',
            ],
            // In a cycle all destructors run at the very end, in the order of PHP's table of objects: the others take
            // up what is free in it, and this one is the last.
            'used by a destructor after its own' => [
                'class D { public $of; public $d; function __destruct() { foreach ($this->of as $use) { try { $use(); }'
                . ' catch (LogicException $gone) { echo strlen($gone->getMessage()) > 50 ? "gone " : "?"; } } } }'
                . 'for ($i = 0; $i < 99; $i++) { $others[] = new stdClass(); }'
                . '$d = new D(); $d->d = $d; $tm->onLog(fn () => null);'
                . '$d->of = [fn () => $tm->accessToken(), fn () => $tm->get("/"), fn () => $tm->token(),'
                . ' fn () => $tm->login(), fn () => $tm->stats(), fn () => $tm->onLog(null),'
                . ' fn () => $tm->peekToken(), fn () => $token->accessToken()];'
                . 'unset($tm, $d, $token, $response);',
                0,
                'gone gone gone gone gone gone gone gone ',
            ],
            // What managers share is gone by then, this manager is not.
            'used by a destructor after what requests share' => [
                'class D { public $tm; public $d; function __destruct() {'
                . ' $this->tm->accessToken(); echo $this->tm->get("/api/v1/products")->status; } }'
                . '$d = new D(); $d->d = $d;'
                . '$d->tm = new TokenMgr\\TokenManager(getenv("API"), "demo", "demo-password"); $d->tm->accessToken();'
                . 'unset($d);',
                0,
                '200',
            ],
            'exit in a callback' => ['$tm->onLog(function () { exit(5); }); $tm->refresh(); echo "went on";', 255, ''],
            'fatal error in a callback' => [
                '$tm->onLog(function () { ini_set("memory_limit", "8M"); str_repeat("x", 1 << 30); });'
                . 'register_shutdown_function(function () use ($tm) { echo $tm->get("/api/v1/products")->status; });'
                . '$tm->refresh(); echo "went on";',
                255,
                '200',
            ],
        ];
    }

    public function testAPersistentManagerOutlivesItsObject(): void
    {
        $output = $this->endsWell(<<<'PHP'
            for ($i = 0; $i < 3; $i++) {
                $tm = new TokenMgr\TokenManager(getenv('API'), 'demo', 'demo-password', ['persistent' => true]);
                echo $tm->get('/api/v1/products')->status;
                unset($tm);
            }
            PHP);
        self::assertSame('200200200', $output);
        self::assertSame(1, self::$api->counter('logins'));
        self::assertSame(1, self::$api->counter('connections'));
    }
}
