<?php

declare(strict_types=1);

namespace TokenMgr\Tests;

use DomainException;
use PDO;
use TokenMgr\Exception;
use TokenMgr\Store;

/**
 * The locks of the stores: who waits for them, for how long, and when they are free again.
 */
final class StoreLockTest extends StoreTestCase
{
    /** @dataProvider stores */
    public function testTheLockHoldsOthersBackAndEndsWithItsHolder(string $name): void
    {
        $store = self::store($name);
        $try = 'var_export([$store->lock("key", 0), $store->lock("key", 100)]);';
        self::assertTrue($store->lock('key', 1000));
        self::assertStringContainsString("0 => false,\n  1 => false", self::script($name, $try)->output);
        $store->unlock('key');
        self::assertStringContainsString('true', self::script($name, 'var_export($store->lock("key", 0));')->output);
        self::script($name, '$store->lock("key", 0); posix_kill(getmypid(), SIGKILL);');
        self::assertTrue($store->lock('key', 2000), 'a killed holder gives it back');
        $store->unlock('key');
    }

    /** @dataProvider stores */
    public function testAWaitForTheLockAsksTheInterrupt(string $name): void
    {
        self::store($name);
        $script = self::script($name, <<<'PHP'
            [$ours, $theirs] = stream_socket_pair(STREAM_PF_UNIX, STREAM_SOCK_STREAM, 0);
            if (pcntl_fork() === 0) {
                fclose($ours);
                echo $store->lock('demo', 5000) ? 'held, ' : 'not held, ';
                fwrite($theirs, 'x');
                fgets($theirs); // until the other has ended
                posix_kill(getmypid(), SIGKILL);
            }
            fclose($theirs);
            fread($ours, 1);
            $tm = new TokenMgr\TokenManager(getenv('API'), 'demo', 'demo-password', ['store' => $store]);
            $asked = 0;
            // Asked once a second or two, as long as it waits for a lock at all, it does not get that far.
            $tm->onInterrupt(function () use (&$asked): bool {
                return ++$asked === 40;
            });
            try {
                $tm->get('/api/v1/products');
                echo "no end after $asked";
            } catch (TokenMgr\Exception\Cancelled) {
                echo "cancelled at $asked";
            }
            fclose($ours);
            pcntl_wait($status);
            PHP);
        self::assertSame('held, cancelled at 40', $script->output);
        self::assertSame(0, self::$api->counter('logins'));
    }

    public function testUsersShareALockFile(): void
    {
        $folder = self::$folder . '/locks';
        mkdir($folder);
        chmod(self::$folder, 0755);
        $lock = new Store\FileLock($folder);
        self::assertTrue($lock->acquire('name', 0));
        $lock->release('name');
        chmod(glob("$folder/*")[0], 0444);
        chmod($folder, 0555);
        $as = posix_geteuid() === 0 ? 'setpriv --reuid=nobody --regid=nogroup --clear-groups ' : '';
        $code = 'require $argv[1]; require $argv[2];'
            . ' var_dump((new TokenMgr\Store\FileLock($argv[3]))->acquire("name", 0));';
        $files = [PACKAGE . '/src/Store/Lock.php', PACKAGE . '/src/Store/FileLock.php', $folder];
        $command = $as . implode(' ', array_map('escapeshellarg', [PHP_BINARY, '-r', $code, ...$files]));
        self::assertSame('bool(true)', exec($command));
        self::assertTrue($lock->acquire('name', 0));
        self::assertSame('bool(false)', exec($command));
        $lock->release('name');
        chmod($folder, 0755);
    }

    /** @dataProvider stores */
    public function testASignalHandlerThatThrowsLeavesNoLockBehind(string $name): void
    {
        self::store($name);
        $other = self::code($name);
        $script = self::script($name, <<<PHP
            pcntl_async_signals(true);
            \$waits = false;
            pcntl_signal(SIGUSR1, function () use (&\$waits): void {
                if (\$waits) {
                    \$waits = false;
                    throw new DomainException('stop');
                }
            });
            [\$ours, \$theirs] = stream_socket_pair(STREAM_PF_UNIX, STREAM_SOCK_STREAM, 0);
            \$parent = getmypid();
            if (pcntl_fork() === 0) {
                \$store->lock('key', 5000);
                fwrite(\$theirs, 'x');
                stream_set_blocking(\$theirs, false);
                for (\$i = 0; \$i < 800 && fread(\$theirs, 1) === ''; \$i++) {
                    posix_kill(\$parent, SIGUSR1); // until one of them has come while it waits
                    usleep(5000);
                }
                \$store->unlock('key');
                posix_kill(getmypid(), SIGKILL);
            }
            fread(\$ours, 1);
            try {
                \$waits = true;
                \$store->lock('key', 5000);
            } catch (DomainException) {
                echo 'thrown, ';
            }
            fwrite(\$ours, 'x');
            while (pcntl_wait(\$status) < 0);
            echo ($other)->lock('key', 0) ? 'free' : 'held';
            PHP);
        self::assertSame('thrown, free', $script->output);
    }

    public function testNorDoesOneThatThrowsInTheMomentAfter(): void
    {
        self::store('sqlite');
        $dsn = self::dsn('sqlite');
        $pdo = new class ($dsn) extends PDO {
            public bool $throws = true;

            public function exec(string $statement): int|false
            {
                $done = parent::exec($statement);
                if ($this->throws && str_starts_with($statement, 'BEGIN')) {
                    throw new DomainException('stop');
                }

                return $done;
            }
        };
        $store = new Store\PdoStore($pdo);
        self::thrownBy(fn () => $store->lock('key', 0), DomainException::class);
        $pdo->throws = false;
        $other = new Store\PdoStore(fn () => new PDO($dsn));
        self::assertTrue($other->lock('key', 0));
        $other->unlock('key');
        self::assertTrue($store->lock('key', 0));
        $store->unlock('key');
    }

    /** The lock is asked for without waiting; reading is not. */
    public function testAReaderWaitsForAWriterWhateverTheLockDid(): void
    {
        $store = self::store('sqlite');
        self::assertTrue($store->lock('key', 0));
        self::assertTrue($store->save('key', 'record', null, 60));
        $store->unlock('key');
        $folder = self::$folder;
        $writer = proc_open([PHP_BINARY, '-r', <<<PHP
            \$pdo = new PDO('sqlite:$folder/tokens.sqlite');
            \$pdo->exec('BEGIN EXCLUSIVE');
            touch('$folder/writing');
            fgets(STDIN);
            usleep(300_000); // the reader has begun by then, or has nothing to wait for
            \$pdo->exec('COMMIT');
            PHP], [['pipe', 'r']], $pipes);
        $until = hrtime(true) + 10e9;
        while (!file_exists("$folder/writing")) {
            self::assertLessThan($until, hrtime(true));
            usleep(5_000);
        }
        fwrite($pipes[0], "\n");
        try {
            self::assertSame('record', $store->load('key'));
        } finally {
            fclose($pipes[0]);
            proc_close($writer);
        }
    }

    /** SQLite then ends the transaction by itself, or leaves that to the lock. */
    public function testAFullDiskLeavesNoLockBehind(): void
    {
        $store = self::store('sqlite');
        $pdo = new PDO(self::dsn('sqlite'));
        $full = new Store\PdoStore($pdo);
        $pdo->exec('PRAGMA max_page_count = 1');
        self::assertTrue($full->lock('key', 0));
        $save = fn () => $full->save('key', str_repeat('x', 200_000), null, 60);
        $thrown = self::thrownBy($save, Exception\Store::class);
        self::assertStringContainsString('full', $thrown->getMessage());
        $full->unlock('key');
        self::assertTrue($store->lock('key', 0));
        $store->unlock('key');
    }
}
