<?php

declare(strict_types=1);

namespace TokenMgr\Tests;

/**
 * The examples, as they stand.
 */
final class ExampleTest extends ApiTestCase
{
    private string $folder;

    protected function setUp(): void
    {
        parent::setUp();
        $this->folder = sys_get_temp_dir() . '/tokenmgr-' . bin2hex(random_bytes(6));
        mkdir($this->folder, 0700);
    }

    protected function tearDown(): void
    {
        exec('rm -rf ' . escapeshellarg($this->folder));
    }

    /** @return array<string, string> */
    private function environment(): array
    {
        file_put_contents("$this->folder/password", "demo-password\n");

        return [
            'TOKENMGR_HOST' => self::$api->url,
            'TOKENMGR_USERNAME' => 'demo',
            'TOKENMGR_PASSWORD_FILE' => "$this->folder/password",
        ];
    }

    private function example(string $example, array $environment = []): Script
    {
        return Script::run(
            sprintf('require %s;', var_export(ROOT . "/examples/php/$example", true)),
            ['error_reporting' => (string) (E_ALL & ~E_DEPRECATED)],
            $environment + $this->environment()
        );
    }

    public function testProducts(): void
    {
        foreach (['products.php', 'guzzle.php'] as $example) {
            self::assertSame(3, substr_count($this->example($example)->output, "\n"), $example);
        }
        self::assertSame(2, self::$api->counter('logins'));
    }

    public function testTheMainJobTakesFewLines(): void
    {
        $code = php_strip_whitespace(ROOT . '/examples/php/products.php');
        self::assertLessThan(15, substr_count($code, ';'));
    }

    public function testThePage(): void
    {
        $key = ['TOKENS_FILE' => "$this->folder/tokens", 'TOKENS_KEY_FILE' => "$this->folder/key"];
        file_put_contents("$this->folder/key", \TokenMgr\Library::generateKey());
        for ($i = 0; $i < 2; $i++) {
            $page = $this->example('fpm.php', $key);
            self::assertCount(3, json_decode($page->output, true)['data'] ?? [], $page->output);
        }
        self::assertSame(1, self::$api->counter('logins'), 'two processes, one login');

        self::$api->control(['faults' => ['route' => '/api/v1/products', 'status' => 503, 'times' => 9]]);
        self::assertStringContainsString('503', $this->example('fpm.php', $key)->output);
    }

    public function testTheWorkerEndsOnASignal(): void
    {
        $code = sprintf('require %s; echo "ended";', var_export(ROOT . '/examples/php/worker.php', true));
        self::$api->control(['faults' => ['route' => '/api/v1/products', 'do' => 'hang', 'skip' => 1]]);
        $script = Script::run(
            '$parent = getmypid(); if (pcntl_fork() === 0) { file_get_contents(getenv("TOKENMGR_HOST")'
            . ' . "/control/wait?counter=api_arrivals&at_least=2"); posix_kill($parent, SIGTERM);'
            . " posix_kill(getmypid(), SIGKILL); }\n$code",
            [],
            ['TOKENS_DSN' => "sqlite:$this->folder/tokens"] + $this->environment()
        );
        self::assertStringContainsString("200\n", $script->output);
        self::assertStringEndsWith('ended', $script->output);
    }

    public function testTheDemo(): void
    {
        $demo = ROOT . '/examples/php/demo.php';
        $script = Script::run(
            '$parent = getmypid(); if (pcntl_fork() === 0) { file_get_contents(getenv("TOKENMGR_HOST")'
            . ' . "/control/wait?counter=api_arrivals&at_least=2"); posix_kill($parent, SIGTERM);'
            . " posix_kill(getmypid(), SIGKILL); }\n" . sprintf('require %s;', var_export($demo, true)),
            [],
            $this->environment()
        );
        self::assertSame(0, $script->exitCode, $script->output);
        self::assertStringContainsString('library  logged in', $script->output);
        self::assertStringContainsString('GET /api/v1/products: 200', $script->output);
        self::assertStringContainsString('logged out after 2 calls', $script->output);
        self::assertSame(1, self::$api->counter('logouts'));
    }
}
