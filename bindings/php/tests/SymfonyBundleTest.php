<?php

declare(strict_types=1);

namespace TokenMgr\Tests;

/**
 * The bundle, in an application of its own process.
 */
final class SymfonyBundleTest extends ApiTestCase
{
    private const CONFIG = <<<'YAML'
        framework:
            secret: none
            http_method_override: false
            lock: flock
            cache: { app: cache.adapter.filesystem }
            http_client:
                scoped_clients:
                    api.client: { base_uri: '%env(SHOP_HOST)%', headers: { X-Scoped: 'yes' }%RETRY% }
        services:
            logger: { class: Psr\Log\NullLogger }
            consumer: { class: TokenMgr\Tests\Consumer, autowire: true, public: true }
        tokenmgr:
            managers:
                shop:
                    host: '%env(SHOP_HOST)%'
                    username: '%env(SHOP_USER)%'
                    password: '%env(trim:file:SHOP_PASSWORD_FILE)%'
                    options: { timeout_ms: '%env(int:SHOP_TIMEOUT)%' }
                    store: { cache: cache.app, lock: lock.factory }
                    http_clients: [api.client]
                second:
                    host: '%env(SHOP_HOST)%'
                    username: second
                    password: '%env(SHOP_PASSWORD)%'
                    log_level: none
        YAML;

    private string $folder;

    protected function setUp(): void
    {
        parent::setUp();
        $this->folder = sys_get_temp_dir() . '/tokenmgr-' . bin2hex(random_bytes(6));
        mkdir($this->folder, 0700);
        file_put_contents("$this->folder/password", "demo-password\n");
        $this->configure(self::CONFIG);
    }

    protected function tearDown(): void
    {
        exec('rm -rf ' . escapeshellarg($this->folder));
    }

    private function configure(string $yaml, string $retry = ''): void
    {
        file_put_contents("$this->folder/config.yaml", str_replace('%RETRY%', $retry, $yaml));
        exec('rm -rf ' . escapeshellarg("$this->folder/var"));
    }

    private function app(string $code, array $environment = []): string
    {
        $script = Script::run(
            sprintf("require %s;\n%s", var_export(__DIR__ . '/symfony/app.php', true), $code),
            ['error_reporting' => (string) (E_ALL & ~E_DEPRECATED)],
            $environment + [
                'CONFIG' => "$this->folder/config.yaml",
                'SHOP_HOST' => self::$api->url,
                'SHOP_USER' => 'demo',
                'SHOP_PASSWORD_FILE' => "$this->folder/password",
                'SHOP_PASSWORD' => 'demo-password',
                'SHOP_TIMEOUT' => '5000',
                'API' => self::$api->url,
            ]
        );

        return $script->output;
    }

    public function testManagersAndClientsAreWiredByTypeAndName(): void
    {
        self::$api->control(['accounts' => [['username' => 'second', 'password' => 'demo-password']]]);
        $output = $this->app(<<<'PHP'
            echo $app->tm->get('/api/v1/products')->status, ' ';
            echo $app->apiClient->request('GET', '/api/v1/products')->getStatusCode(), ' ';
            echo $app->secondClient->request('GET', '/api/v1/products')->getStatusCode(), ' ';
            echo $app->tm === $app->second ? 'same' : 'other';
            PHP);
        self::assertSame('200 200 200 other', $output);
        self::assertSame(2, self::$api->counter('logins'));
    }

    /** @dataProvider variants */
    public function testAScopedClientRecovers(string $retry, string $debug): void
    {
        $this->configure(self::CONFIG, $retry);
        $output = $this->app(<<<'PHP'
            for ($i = 0; $i < 4; $i++) {
                $sent = $app->apiClient->request('POST', '/api/v1/echo', ['body' => 'x'])->toArray()['data'];
                echo $sent['body'], $sent['headers']['x-scoped'][0], ' ';
                file_get_contents(getenv('API') . '/control', false, stream_context_create(['http' => [
                    'method' => 'POST',
                    'header' => 'Content-Type: application/json',
                    'content' => '{"revoke":{"what":"access"}}',
                ]]));
            }
            PHP, ['DEBUG' => $debug]);
        self::assertSame('xyes xyes xyes xyes ', $output);
        self::assertSame([1, 3], [self::$api->counter('logins'), self::$api->counter('refreshes')]);
    }

    public function testAClientOfSeveralManagersSendsEachItsOwnTokens(): void
    {
        $other = new DemoApi();
        $this->configure(<<<'YAML'
            framework:
                secret: none
                http_method_override: false
                cache: { app: cache.adapter.filesystem }
                http_client: { enabled: true }
            services:
                logger: { class: Psr\Log\NullLogger }
                consumer: { class: ArrayObject, public: true, arguments: [['@http_client']] }
            tokenmgr:
                managers:
                    a: { host: '%env(API)%', username: demo, password: demo-password, http_clients: [http_client] }
                    b: { host: '%env(OTHER)%', username: demo, password: demo-password, http_clients: [http_client] }
            YAML);
        self::assertSame('200 200', $this->app(<<<'PHP'
            echo $app[0]->request('GET', getenv('API') . '/api/v1/products')->getStatusCode(), ' ';
            echo $app[0]->request('GET', getenv('OTHER') . '/api/v1/products')->getStatusCode();
            PHP, ['OTHER' => $other->url]));
        $other->stop();
    }

    /** @return array<string, array{string, string}> */
    public function variants(): array
    {
        return ['as it is' => ['', ''], 'retried' => [', retry_failed: true', ''], 'in development' => ['', '1']];
    }

    /** What docs/PHP.md shows, beside what every application has. */
    public function testTheConfigurationInTheDocs(): void
    {
        $snippet = '/^```yaml\n# config\/packages\/tokenmgr\.yaml\n(.*?)^```$/ms';
        preg_match($snippet, file_get_contents(ROOT . '/docs/PHP.md'), $docs);
        file_put_contents("$this->folder/docs.yaml", $docs[1]);
        $this->configure(<<<'YAML'
            imports: [{ resource: docs.yaml }]
            framework: { secret: none, http_method_override: false, cache: { app: cache.adapter.filesystem } }
            services:
                logger: { class: Psr\Log\NullLogger }
                consumer:
                    class: ArrayObject
                    public: true
                    arguments: [['@tokenmgr.manager.shop', '@shop.client']]
            YAML);
        self::assertSame('200 200', $this->app(<<<'PHP'
            echo $app[0]->get('/api/v1/products')->status, ' ';
            echo $app[1]->request('GET', '/api/v1/products')->getStatusCode();
            PHP, ['SHOP_USERNAME' => 'demo', 'LOCK_DSN' => 'flock']));
        self::assertSame(1, self::$api->counter('logins'));
    }

    public function testProcessesShareTheCacheAndItsLock(): void
    {
        for ($i = 0; $i < 2; $i++) {
            self::assertSame('200', $this->app("echo \$app->tm->get('/api/v1/products')->status;"));
        }
        self::assertSame(1, self::$api->counter('logins'));
    }

    public function testTheContainerThatIsDumpedHoldsNoSecret(): void
    {
        $this->app('echo $app->tm->get("/api/v1/products")->status;');
        $cache = escapeshellarg("$this->folder/var/cache/prod");
        exec("grep -rlE 'demo-password|127\\.0\\.0\\.1' --exclude-dir=pools $cache", $found);
        self::assertSame([], $found);
        // And what it does hold is read when a manager is made, not when the container is.
        self::assertStringContainsString('InvalidOptions', $this->app(
            'echo "started";',
            ['SHOP_TIMEOUT' => '-5']
        ));
    }

    /** @dataProvider mistakes */
    public function testMistakesAreNamed(string $from, string $to, string $said): void
    {
        $this->configure(str_replace($from, $to, self::CONFIG));
        self::assertStringContainsString($said, $this->app('echo "no mistake";'));
    }

    public function mistakes(): array
    {
        return [
            'an HTTP client' => ['[api.client]', '[no.client]', 'the HTTP client "no.client" of tokenmgr.manager.shop'],
            'no lock' => [', lock: lock.factory }', ' }', 'tokenmgr.managers.shop.store has a cache and no lock'],
            'the default' => ["tokenmgr:\n", "tokenmgr:\n    default: third\n", 'none of the managers (shop, second)'],
            'a store' => ['store: { cache: cache.app, lock: lock.factory }', 'store: cache.app', 'it is a map'],
        ];
    }
}
