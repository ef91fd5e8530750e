<?php

declare(strict_types=1);

namespace TokenMgr\Tests;

use Illuminate\Cache\ApcStore;
use Illuminate\Cache\ApcWrapper;
use Illuminate\Cache\ArrayStore as CacheWithLocks;
use Illuminate\Cache\Repository;
use InvalidArgumentException;
use TokenMgr\Laravel\LaravelLock;

/**
 * The service provider, in a Laravel application of its own process.
 *
 * @group laravel
 */
final class LaravelTest extends ApiTestCase
{
    private string $folder;

    protected function setUp(): void
    {
        parent::setUp();
        require_once 'Illuminate/Cache/autoload.php';
        $this->folder = sys_get_temp_dir() . '/tokenmgr-' . bin2hex(random_bytes(6));
        mkdir("$this->folder/cache", 0700, true);
    }

    protected function tearDown(): void
    {
        exec('rm -rf ' . escapeshellarg($this->folder));
    }

    private function app(string $code, array $environment = []): string
    {
        $script = Script::run(
            sprintf("require %s;\n%s", var_export(__DIR__ . '/app.php', true), $code),
            ['error_reporting' => (string) (E_ALL & ~E_DEPRECATED)],
            $environment + ['FOLDER' => $this->folder, 'API' => self::$api->url]
        );

        return $script->output;
    }

    public function testEachRevocationIsOneRefresh(): void
    {
        $output = $this->app(<<<'PHP'
            for ($i = 0; $i < 4; $i++) {
                echo Http::tokenmgr()->get('/api/v1/products')->status(), ' ';
                Http::post(getenv('API') . '/control', ['revoke' => ['what' => 'access']]);
            }
            echo app(TokenMgr\TokenManager::class)->get('/api/v1/products')->status, ' ';
            echo Http::tokenmgr('other')->get('/api/v1/products')->status();
            PHP);
        self::assertSame('200 200 200 200 200 200', $output);
        self::assertSame([2, 4], [self::$api->counter('logins'), self::$api->counter('refreshes')]);
    }

    public function testManyAtOnce(): void
    {
        $output = $this->app(<<<'PHP'
            Http::tokenmgr()->get('/api/v1/products');
            Http::post(getenv('API') . '/control', ['revoke' => ['what' => 'access']]);
            $promises = array_map(fn () => Http::tokenmgr()->async()->get('/api/v1/products'), range(1, 5));
            foreach ($promises as $promise) {
                echo $promise->wait()->status(), ' ';
            }
            PHP);
        self::assertSame('200 200 200 200 200 ', $output);
        self::assertSame([1, 1], [self::$api->counter('logins'), self::$api->counter('refreshes')]);
    }

    public function testProcessesShareACacheAndItsLocks(): void
    {
        $code = <<<'PHP'
            echo app(TokenMgr\Laravel\TokenManagers::class)->manager('shared')->get('/api/v1/products')->status;
            PHP;
        for ($round = 0; $round < 3; $round++) {
            self::assertSame('200', $this->app($code));
            self::assertSame([1, $round], [self::$api->counter('logins'), self::$api->counter('refreshes')]);
            self::$api->revoke('access');
        }
    }

    public function testLocksHoldOthersBack(): void
    {
        $cache = new Repository(new CacheWithLocks());
        [$one, $other] = [new LaravelLock($cache), new LaravelLock($cache)];
        self::assertTrue($one->acquire('name', 0));
        self::assertFalse($other->acquire('name', 30));
        $one->release('name');
        self::assertTrue($other->acquire('name', 0));

        $thrown = self::thrownBy(
            fn () => new LaravelLock(new Repository(new ApcStore(new ApcWrapper()))),
            InvalidArgumentException::class
        );
        self::assertStringContainsString('ApcStore has no locks', $thrown->getMessage());
    }

    public function testLinesGoToTheChannel(): void
    {
        $this->app('Http::tokenmgr()->get("/api/v1/products");', ['LOG' => 'single']);
        self::assertStringContainsString('logged in', file_get_contents("$this->folder/laravel.log"));
    }

    public function testAFakeReachesNobody(): void
    {
        $output = $this->app(<<<'PHP'
            app(TokenMgr\Laravel\TokenManagers::class)->fake();
            try {
                app(TokenMgr\TokenManager::class)->get('/api/v1/products');
            } catch (TokenMgr\Exception\Network) {
                echo 'nobody ';
            }
            $dump = print_r(app(TokenMgr\Laravel\TokenManagers::class), true);
            echo str_contains($dump, 'demo-password') ? 'shown ' : '';
            Http::fake(['*/api/v1/products' => Http::response(['data' => [1, 2]])]);
            echo count(Http::tokenmgr()->get('/api/v1/products')->json('data')), ' ';
            echo Http::recorded()[0][0]->header('Authorization')[0], ' ';
            echo Http::tokenmgr('nowhere')->get('/api/v1/products')->status(), ' ';
            Http::fake(['*/refused' => Http::response('', 401), '*/elsewhere' => Http::response()]);
            for ($i = 0; $i < 2; $i++) {
                echo Http::tokenmgr()->get('/refused')->status(), ' ';
            }
            Http::tokenmgr()->get('https://other.test/elsewhere');
            echo count(Http::recorded(fn ($sent) => !$sent->hasHeader('Authorization')));
            PHP);
        self::assertSame('nobody 2 Bearer fake-token 200 401 401 1', $output);
        self::assertSame([0, 0], [self::$api->counter('login_arrivals'), self::$api->counter('api_arrivals')]);
    }

    public function testTheSnippetsInTheDocs(): void
    {
        preg_match_all('/^```php\n(.*?)^```$/ms', file_get_contents(ROOT . '/docs/PHP.md'), $found);
        $ours = str_replace("'partner'", "'other'", preg_grep('/TokenManagers/', $found[1]));
        self::assertCount(2, $ours);
        self::assertSame('', $this->app(implode($ours)));
        self::assertSame([1, 1], [self::$api->counter('orders_created'), self::$api->counter('logouts')]);
    }

    public function testAManagerThatIsNotThere(): void
    {
        self::assertStringContainsString('config/tokenmgr.php has no manager "third"', $this->app(
            'Http::tokenmgr("third");'
        ));
    }
}
