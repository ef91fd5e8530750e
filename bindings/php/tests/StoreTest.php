<?php

declare(strict_types=1);

namespace TokenMgr\Tests;

use DomainException;
use LogicException;
use PDO;
use TokenMgr\Exception;
use TokenMgr\Library;
use TokenMgr\Store;
use TokenMgr\Store\PdoStore;
use TokenMgr\TokenManager;

final class StoreTest extends StoreTestCase
{
    /** @dataProvider stores */
    public function testLoadingAndSaving(string $name): void
    {
        $store = self::store($name);
        self::assertNull($store->load('key'));
        self::assertFalse($store->save('key', 'new', 'something', 60));
        self::assertTrue($store->save('key', '{"a":"ü"}', null, 60));
        self::assertFalse($store->save('key', 'new', null, 60));
        self::assertFalse($store->save('key', 'new', '{"a":"u"}', 60));
        self::assertSame('{"a":"ü"}', $store->load('key'));
        self::assertTrue($store->save('key', '{"a":"ü"}', '{"a":"ü"}', 60), 'the same again');
        self::assertFalse($store->save('key', 'new', 'new', 60), 'the same as what is not there');
        self::assertFalse($store->save('other', 'new', 'new', 60));
        self::assertTrue($store->save('key', $large = str_repeat('x', 200_000), '{"a":"ü"}', 60));
        self::assertSame($large, $store->load('key'));
        self::assertNull($store->load('other'));
        self::assertNull($store->load("KEY/{}()\\@: '\";--"));
        self::assertFalse($store->save('key', null, 'other', 60));
        self::assertTrue($store->save('key', null, $large, 60));
        self::assertNull($store->load('key'));
    }

    /** @dataProvider stores */
    public function testARecordRunsOut(string $name): void
    {
        $store = self::store($name);
        self::assertTrue($store->save('key', 'old', null, 1));
        $until = hrtime(true) + 5e9;
        while ($store->load('key') !== null) {
            self::assertLessThan($until, hrtime(true));
            usleep(50_000);
        }
        self::assertTrue($store->save('key', 'new', null, 60));
        self::assertSame('new', $store->load('key'));
    }

    /** @dataProvider stores */
    public function testManyProcessesShareOnePair(string $name): void
    {
        self::store($name);
        self::$api->control(['access_ms' => 1000]);
        $script = self::script($name, <<<'PHP'
            $children = [];
            for ($i = 0; $i < 4; $i++) {
                $children[] = $child = pcntl_fork();
                if ($child === 0) {
                    $tm = new TokenMgr\TokenManager(getenv('API'), 'demo', 'demo-password', ['store' => $store]);
                    $seen = [];
                    for ($until = microtime(true) + 20; count($seen) < 3 && microtime(true) < $until; usleep(5000)) {
                        $tm->get('/api/v1/products')->throw();
                        $seen[$tm->accessToken()] = true;
                    }
                    exit(count($seen) < 3 ? 1 : 0);
                }
            }
            foreach ($children as $child) {
                pcntl_waitpid($child, $status);
                echo $status, ' ';
            }
            PHP);
        self::assertSame('0 0 0 0 ', $script->output);
        self::assertSame(1, self::$api->counter('logins'), 'one login for all');
        self::assertGreaterThan(1, self::$api->counter('refreshes'));
        self::assertSame(0, self::$api->counter('reuse'));
        self::assertSame(1, self::$api->counter('max_arrivals_of_one_refresh_token'));
    }

    public function testTheCommandAndPhpShareAFile(): void
    {
        $key = self::$folder . '/key';
        file_put_contents($key, Library::generateKey());
        $store = ['type' => 'file', 'path' => self::$folder . '/tokens', 'key' => ['file' => $key]];
        $tm = $this->manager(['store' => $store]);
        $command = sprintf(
            'TOKENMGR_HOST=%s TOKENMGR_USERNAME=demo TOKENMGR_PASSWORD=demo-password TOKENMGR_OPTIONS=%s %s token',
            escapeshellarg(self::$api->url),
            escapeshellarg(json_encode(['store' => $store])),
            escapeshellarg(ROOT . '/build/bin/tokenmgr')
        );
        self::assertSame($tm->accessToken(), exec($command));
        self::$api->revoke('access');
        self::assertTrue($tm->get('/api/v1/products')->ok());
        self::assertSame($tm->accessToken(), exec($command));
        self::assertSame([1, 1], [self::$api->counter('logins'), self::$api->counter('refreshes')]);
    }

    public function testAStoreThatIsAwayDoesNotStopTheService(): void
    {
        $store = new ArrayStore();
        $tm = $this->manager(['store' => $store]);
        $tm->checkStore();
        $store->before = fn () => throw new Exception\Store('the database is down');
        self::thrownBy(fn () => $tm->checkStore(), Exception\Store::class);
        self::assertTrue($tm->get('/api/v1/products')->ok());
        self::assertTrue($tm->stats()['token_is_private']);
        self::assertGreaterThan(0, $tm->stats()['store_failures']);

        // Without a password nothing else helps: then it is told.
        $tm = new TokenManager(self::$api->url, 'demo', null, ['store' => $store]);
        $thrown = self::thrownBy(fn () => $tm->get('/api/v1/products'), Exception\Store::class);
        self::assertSame('the database is down', $thrown->getMessage());
        self::assertTrue($thrown->isRetryable);
        self::assertGreaterThan(0, $thrown->getCode(), 'the status');
    }

    public function testAStoreThatIsAwayDoesNotHideWhatIsWrong(): void
    {
        $store = new ArrayStore();
        $store->before = fn () => throw new Exception\Store('the database is down');
        $tm = new TokenManager(self::$api->url, 'demo', 'wrong', ['store' => $store]);
        self::thrownBy(fn () => $tm->get('/api/v1/products'), Exception\LoginRejected::class);
        self::assertContains('load', $store->calls);

        $tm->onInterrupt(fn () => throw new Exception\Store('the database went down meanwhile'));
        self::$api->control(['faults' => ['route' => '/auth/login', 'do' => 'hang']]);
        $tm->setCredentials(null, 'demo-password');
        $thrown = self::thrownBy(fn () => $tm->get('/api/v1/products'), Exception\Store::class);
        self::assertStringContainsString('the database', $thrown->getMessage(), 'which ended the call');
    }

    /** @dataProvider operations */
    public function testAnyOtherExceptionComesOutOfTheCall(string $operation): void
    {
        $store = new ArrayStore();
        $store->before = function (string $call) use ($operation): void {
            if ($call === $operation) {
                throw new DomainException("in $call");
            }
        };
        $tm = $this->manager(['store' => $store]);
        $thrown = self::thrownBy(fn () => $tm->get('/api/v1/products'), DomainException::class);
        self::assertSame("in $operation", $thrown->getMessage());
        $store->before = null;
        self::assertTrue($tm->get('/api/v1/products')->ok());
    }

    public function operations(): array
    {
        return [['load'], ['save'], ['lock'], ['unlock']];
    }

    public function testTheStoreIsHeldWithThePersistentManager(): void
    {
        $store = new ArrayStore();
        foreach ([1, 2, 3] as $ignored) {
            $tm = $this->manager(['store' => $store, 'persistent' => true]);
            self::assertTrue($tm->get('/api/v1/products')->ok());
            unset($tm);
        }
        self::assertSame(1, self::$api->counter('logins'));
        self::assertSame(1, self::$api->counter('connections'));
        self::assertCount(1, $store->records);
    }

    public function testStoresByTheirOptions(): void
    {
        self::assertTrue($this->manager(['store' => ['type' => 'memory']])->get('/api/v1/products')->ok());
        self::thrownBy(fn () => $this->manager(['store' => ['type' => 'nonsense']]), Exception\InvalidOptions::class);
    }

    public function testAConnectionInATransactionIsRefused(): void
    {
        $pdo = new PDO('sqlite::memory:');
        $store = new PdoStore($pdo);
        $store->createTable();
        $pdo->beginTransaction();
        $thrown = self::thrownBy(fn () => $store->load('key'), LogicException::class);
        self::assertStringContainsString('a connection of its own', $thrown->getMessage());
    }

    /** @dataProvider connections */
    public function testHowTheConnectionIsSetDoesNotMatter(string $database, array $attributes): void
    {
        $stores = [self::store($database)];
        foreach ([1, 2] as $i) {
            $stores[$i] = new PdoStore(fn (): PDO => new PDO(self::dsn($database), 'root', '', $attributes));
        }
        foreach ([['first', null], ['second', 'first'], ['second', 'second'], [null, 'second']] as [$data, $expected]) {
            self::assertTrue($stores[1]->lock('key', 0));
            self::assertFalse($stores[2]->lock('key', 0));
            self::assertFalse($stores[1]->save('key', 'other', 'another', 60));
            self::assertTrue($stores[1]->save('key', $data, $expected, 60));
            $stores[1]->unlock('key');
            self::assertTrue($stores[2]->lock('key', 0));
            $stores[2]->unlock('key');
            self::assertSame([$data, $data], [$stores[0]->load('key'), $stores[2]->load('key')]);
        }
    }

    public function connections(): array
    {
        $attributes = [
            PDO::ATTR_ERRMODE => PDO::ERRMODE_SILENT,
            PDO::ATTR_STRINGIFY_FETCHES => true,
            PDO::ATTR_ORACLE_NULLS => PDO::NULL_EMPTY_STRING,
            PDO::ATTR_CASE => PDO::CASE_UPPER,
            PDO::ATTR_DEFAULT_FETCH_MODE => PDO::FETCH_OBJ,
        ];
        $native = $attributes + [PDO::ATTR_EMULATE_PREPARES => false];
        $emulated = $attributes + [PDO::ATTR_EMULATE_PREPARES => true];
        $backslash = [PDO::MYSQL_ATTR_INIT_COMMAND => "SET sql_mode = 'NO_BACKSLASH_ESCAPES,ANSI_QUOTES'"];

        return [
            'SQLite' => ['sqlite', $attributes],
            'MariaDB' => ['mariadb', $native],
            'MariaDB, emulated' => ['mariadb', $emulated + $backslash],
            'MariaDB, without autocommit' => ['mariadb', [PDO::ATTR_AUTOCOMMIT => false]],
            'MariaDB, counting what it finds' => ['mariadb', [PDO::MYSQL_ATTR_FOUND_ROWS => true]],
            'MariaDB, unbuffered' => ['mariadb', $native + [PDO::MYSQL_ATTR_USE_BUFFERED_QUERY => false]],
            'PostgreSQL' => ['postgres', $native],
            'PostgreSQL, emulated' => ['postgres', $emulated],
            'PostgreSQL, not prepared' => ['postgres', $attributes + [PDO::PGSQL_ATTR_DISABLE_PREPARES => true]],
        ];
    }

    /** Its next user in this process would find the lock, and a forked child its parent's connection. */
    public function testAPersistentConnectionIsRefused(): void
    {
        self::store('sqlite');
        $pdo = fn (): PDO => new PDO(self::dsn('sqlite'), null, null, [PDO::ATTR_PERSISTENT => true]);
        $thrown = self::thrownBy(fn () => (new PdoStore($pdo))->load('key'), LogicException::class);
        self::assertStringContainsString('PDO::ATTR_PERSISTENT', $thrown->getMessage());
    }

    /** @dataProvider databases */
    public function testAForkedChildOpensAConnectionOfItsOwn(string $name): void
    {
        self::store($name);
        $script = self::script($name, <<<'PHP'
            $store->save('key', 'parent', null, 60);
            if (pcntl_fork() === 0) {
                $store->lock('key', 1000);
                $store->save('key', 'child', $store->load('key'), 60);
                $store->unlock('key');
                posix_kill(getmypid(), SIGKILL); // no destructor of the child closes what its parent opened
            }
            pcntl_wait($status);
            echo $store->load('key');
            PHP);
        self::assertSame('child', $script->output);
        $pdo = new PDO('sqlite::memory:');
        $store = new PdoStore($pdo);
        $store->createTable();
        $script = Script::run(<<<'PHP'
            $pdo = new PDO('sqlite::memory:');
            $store = new TokenMgr\Store\PdoStore($pdo);
            $store->createTable();
            if (pcntl_fork() === 0) {
                try {
                    $store->load('key');
                } catch (LogicException $problem) {
                    echo $problem->getMessage();
                }
            }
            pcntl_wait($status);
            PHP);
        self::assertStringContainsString('give PdoStore a function', $script->output);
    }

    /** @dataProvider servers */
    public function testAConnectionThatTheServerClosedIsOpenedAnew(string $name): void
    {
        $store = self::store($name);
        self::assertTrue($store->lock('key', 100));
        $store->unlock('key');
        $server = $name === 'mariadb' ? self::$mariadb : self::$postgres;
        self::assertGreaterThan(0, $server->closeConnections());
        self::assertNull($store->load('key'));
        self::assertGreaterThan(0, $server->closeConnections());
        self::assertTrue($store->lock('key', 100));
        self::assertTrue($store->save('key', 'data', null, 60));
        $store->unlock('key');
    }

    /** @dataProvider servers */
    public function testAConnectionThatIsLostUnderTheLockIsOpenedAnewAfterwards(string $name): void
    {
        $store = self::store($name);
        $server = $name === 'mariadb' ? self::$mariadb : self::$postgres;
        self::assertTrue($store->lock('key', 0));
        self::assertGreaterThan(0, $server->closeConnections());
        self::thrownBy(fn () => $store->save('key', 'data', null, 60), Exception\Store::class);
        $store->unlock('key');
        self::assertTrue($store->lock('key', 0));
        self::assertTrue($store->save('key', 'data', null, 60));
        $store->unlock('key');
        self::assertSame('data', $store->load('key'));
    }

    public function servers(): array
    {
        return ['MariaDB' => ['mariadb'], 'PostgreSQL' => ['postgres']];
    }

    public function testATableThatIsNotThereIsAStoreThatIsAway(): void
    {
        $store = new PdoStore(fn () => new PDO('sqlite::memory:'), 'other_table');
        $thrown = self::thrownBy(fn () => $store->load('key'), Exception\Store::class);
        self::assertStringContainsString('other_table', $thrown->getMessage());
        self::thrownBy(fn () => new PdoStore(fn () => null, 'a; DROP'), \InvalidArgumentException::class);
    }
}
