<?php

declare(strict_types=1);

namespace TokenMgr\Tests;

use PDO;
use TokenMgr\Library;
use TokenMgr\Store\PdoStore;

/**
 * A real pool of FPM workers behind nginx, while tokens run out and are revoked.
 */
final class FpmTest extends ApiTestCase
{
    private string $folder;
    private ?FpmServer $fpm = null;
    private ?NginxServer $nginx = null;
    private ?RedisServer $redis = null;

    protected function setUp(): void
    {
        parent::setUp();
        $this->folder = sys_get_temp_dir() . '/tokenmgr-' . bin2hex(random_bytes(6));
        mkdir($this->folder, 0700);
    }

    protected function tearDown(): void
    {
        $this->nginx?->stop();
        $this->fpm?->stop();
        $this->redis?->stop();
        exec('rm -rf ' . escapeshellarg($this->folder));
    }

    /** @param array<string, string> $environment */
    private function startPool(array $environment = [], mixed ...$settings): void
    {
        $this->fpm = new FpmServer($environment + [
            'API' => self::$api->url,
            'AUTOLOAD' => realpath(PACKAGE . '/autoload.php'),
            'TOKENMGR_LIBRARY' => realpath(ROOT . '/build/lib/libtokenmgr.so.0'),
        ], ...$settings);
        $this->nginx = new NginxServer($this->fpm);
    }

    /** @return array<string, array{string, int}> a store, and how many logins there may be */
    public function stores(): array
    {
        return [
            'memory' => ['memory', FpmServer::WORKERS],
            'file' => ['file', 1],
            'Redis' => ['redis', 1],
            'SQLite' => ['sqlite', 1],
        ];
    }

    /** @dataProvider stores */
    public function testTwoThousandRequestsWhileTokensRunOutAndAreRevoked(string $store, int $mostLogins): void
    {
        $this->startPool($this->keepIn($store));
        self::$api->control(['access_ms' => 2000]);
        $connections = [];
        for ($round = 0; $round < 10; $round++) {
            $until = hrtime(true) + 500e6;
            foreach ($this->nginx->requests(200) as $answer) {
                self::assertSame(200, $answer['status'] ?? $answer['problem'], $this->fpm->log());
                $opened = $answer['stats']['connections_opened'];
                $connections[$answer['worker']] = max($connections[$answer['worker']] ?? 0, $opened);
            }
            if ($round % 3 === 2) {
                self::$api->revoke('access');
            }
            usleep((int) max(0, ($until - hrtime(true)) / 1000)); // so that several lifetimes go by
        }
        self::assertSame(2000, self::$api->counter('api_200'));
        self::assertLessThanOrEqual($mostLogins, self::$api->counter('logins'));
        self::assertGreaterThanOrEqual(3, self::$api->counter('refreshes'));
        self::assertSame(0, self::$api->counter('reuse'));
        self::assertSame(1, self::$api->counter('max_arrivals_of_one_refresh_token'));
        self::assertSame(array_sum($connections), self::$api->counter('connections'));
    }

    /** @return array<string, string> what tests/fpm/app.php reads */
    private function keepIn(string $store): array
    {
        $folder = $this->folder;
        if ($store === 'sqlite') {
            (new PdoStore(fn () => new PDO("sqlite:$folder/tokens")))->createTable();

            return ['SQLITE' => "$folder/tokens"];
        }
        if ($store === 'file') {
            file_put_contents("$folder/key", Library::generateKey());
            $options = ['type' => 'file', 'path' => "$folder/tokens", 'key' => ['file' => "$folder/key"]];
        } elseif ($store === 'redis') {
            $this->redis = new RedisServer();
            $options = ['type' => 'redis', 'url' => $this->redis->url];
        } else {
            $options = ['type' => $store];
        }

        return ['OPTIONS' => json_encode(['store' => $options], JSON_UNESCAPED_SLASHES)];
    }

    public function testARestrictedPoolIsToldWhatToDo(): void
    {
        $this->startPool([], []);
        self::assertStringContainsString(
            "; put the line php_admin_value[ffi.enable] = true below [www] into {$this->fpm->file()} and restart FPM",
            $this->nginx->requests(1)[0]['problem']
        );
        $this->nginx->stop();
        $this->fpm->stop();

        $this->startPool([], ['ffi.enable' => 'preload']);
        self::assertStringContainsString(
            "; change php_admin_value[ffi.enable] below [www] in {$this->fpm->file()} to"
            . ' php_admin_value[ffi.enable] = true and restart FPM',
            $this->nginx->requests(1)[0]['problem']
        );
    }

    /** The library does not see what comes with a request: nor do those who ask where its token may go. */
    public function testTheHostIsTheWorkersNotTheRequests(): void
    {
        $this->startPool(['TOKENMGR_HOST' => self::$api->url]);
        self::assertSame([true, false], $this->nginx->requests(1)[0]['may']);
    }

    public function testWithEverythingPreloaded(): void
    {
        $preload = [
            'ffi.enable' => 'preload',
            'opcache.preload' => realpath(PACKAGE . '/preload.php'),
            'opcache.preload_user' => posix_getpwuid(posix_geteuid())['name'],
        ];
        $this->startPool(['AUTOLOAD' => ''] + $this->keepIn('sqlite'), [], $preload);
        $this->allAreServed();
        $this->nginx->stop();
        $this->fpm->stop();

        // The library, too: found by its soname.
        putenv('LD_LIBRARY_PATH=' . realpath(ROOT . '/build/lib'));
        try {
            $header = ['ffi.preload' => realpath(PACKAGE . '/include/tokenmgr-ffi.h')];
            $this->startPool(
                ['AUTOLOAD' => '', 'TOKENMGR_LIBRARY' => ''] + $this->keepIn('sqlite'),
                [],
                $preload + $header
            );
        } finally {
            putenv('LD_LIBRARY_PATH');
        }
        $this->allAreServed();
    }

    /** With callbacks and all. */
    private function allAreServed(): void
    {
        self::$api->reset();
        $lines = 0;
        foreach ($this->nginx->requests(50) as $answer) {
            self::assertSame(200, $answer['status'] ?? $answer['problem'], $this->fpm->log());
            $lines += $answer['log lines'];
        }
        self::assertGreaterThan(0, $lines);
        self::assertSame(1, self::$api->counter('logins'));
    }
}
