<?php

declare(strict_types=1);

namespace TokenMgr\Tests;

/**
 * What docs/PHP.md shows does what it says: each snippet runs, by itself, against the demo API.
 */
final class DocsSnippetsTest extends ApiTestCase
{
    /** What the page leaves to its reader. */
    private const GIVEN = <<<'PHP'
        foreach (['GuzzleHttp', 'Psr/Log', 'Psr/SimpleCache', 'Symfony/Component/Cache'] as $package) {
            require_once "$package/autoload.php";
        }
        foreach (['HttpClient', 'Lock'] as $component) {
            require_once "Symfony/Component/$component/autoload.php";
        }
        $password = $newPassword = 'demo-password';
        [$id, $bytes, $url, $stopping] = ['4711', 'x', '/', false];
        $tm = new TokenMgr\TokenManager();
        [$access, $refresh, $time] = [$token = $tm->accessToken(), null, time() + 3600];
        $logger = new Psr\Log\NullLogger();
        $anyPsr18Client = new GuzzleHttp\Client();
        $cache = new Symfony\Component\Cache\Psr16Cache(new Symfony\Component\Cache\Adapter\ArrayAdapter());
        $locks = new Symfony\Component\Lock\Store\FlockStore(getenv('FOLDER'));
        $lockFactory = new Symfony\Component\Lock\LockFactory($locks);

        PHP;

    private string $folder;

    protected function setUp(): void
    {
        parent::setUp();
        $this->folder = sys_get_temp_dir() . '/tokenmgr-' . bin2hex(random_bytes(6));
        mkdir($this->folder, 0700);
        file_put_contents("$this->folder/tokens_key", base64_encode(random_bytes(32)));
        file_put_contents("$this->folder/image.png", 'an image');
    }

    protected function tearDown(): void
    {
        exec('rm -rf ' . escapeshellarg($this->folder));
    }

    /** @return array<string, array{string}> the snippets, but Laravel's, by their first lines */
    public function snippets(): array
    {
        preg_match_all('/^```php\n(.*?)^```$/ms', file_get_contents(__DIR__ . '/../../../docs/PHP.md'), $found);
        $snippets = [];
        foreach (preg_grep('/TokenManagers/', $found[1], PREG_GREP_INVERT) as $snippet) {
            $snippets[strtok($snippet, "\n")] = [$snippet];
        }

        return $snippets;
    }

    /** @dataProvider snippets */
    public function testASnippetRuns(string $snippet): void
    {
        $here = [
            'https://api.example.com' => self::$api->url,
            "'user', 'secret'" => "'demo', 'demo-password'",
            "'user'" => "'demo'",
            '/run/secrets' => $this->folder,
            '/run/shop' => $this->folder,
            '/var/lib/shop' => $this->folder,
            'image.png' => "$this->folder/image.png",
            'mysql:host=db;dbname=shop' => "sqlite:$this->folder/shop.db",
            '/api/v1/images/1' => '/api/v1/echo',
            '/api/v1/reports/2024' => '/api/v1/categories',
            '/api/v1/search' => '/api/v1/echo',
        ];
        $script = Script::run(
            self::GIVEN . strtr($snippet, $here),
            ['error_reporting' => (string) (E_ALL & ~E_DEPRECATED)],
            [
                'TOKENMGR_HOST' => self::$api->url,
                'TOKENMGR_USERNAME' => 'demo',
                'TOKENMGR_PASSWORD' => 'demo-password',
                'FOLDER' => $this->folder,
            ]
        );
        self::assertSame(0, $script->exitCode, $script->output);
        self::assertDoesNotMatchRegularExpression('/^(PHP )?(Warning|Notice|Fatal)/m', $script->output);
        self::assertGreaterThan(0, self::$api->counter('logins'));
    }
}
