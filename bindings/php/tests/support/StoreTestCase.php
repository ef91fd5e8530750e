<?php

declare(strict_types=1);

namespace TokenMgr\Tests;

use TokenMgr\Store;
use TokenMgr\Store\PdoStore;

/**
 * A test of the ready-made stores, on real databases: one server of each kind for all tests, started when first needed.
 */
abstract class StoreTestCase extends ApiTestCase
{
    protected static string $folder;
    protected static ?MariadbServer $mariadb = null;
    protected static ?PostgresServer $postgres = null;

    public static function setUpBeforeClass(): void
    {
        self::$folder = sys_get_temp_dir() . '/tokenmgr-' . bin2hex(random_bytes(6));
        mkdir(self::$folder);
    }

    public static function tearDownAfterClass(): void
    {
        exec('rm -rf ' . escapeshellarg(self::$folder));
    }

    /** Each store as PHP code, so that other processes can make it, too. */
    public function stores(): array
    {
        return [
            'SQLite' => ['sqlite'],
            'MariaDB' => ['mariadb'],
            'PostgreSQL' => ['postgres'],
            'PSR-16' => ['psr16'],
            'PSR-6' => ['psr6'],
        ];
    }

    public function databases(): array
    {
        return array_intersect_key($this->stores(), ['SQLite' => 1, 'MariaDB' => 1, 'PostgreSQL' => 1]);
    }

    protected static function dsn(string $database): string
    {
        return match ($database) {
            'sqlite' => 'sqlite:' . self::$folder . '/tokens.sqlite',
            'mariadb' => (self::$mariadb ??= new MariadbServer())->dsn,
            'postgres' => (self::$postgres ??= new PostgresServer())->dsn,
        };
    }

    protected static function code(string $name): string
    {
        $folder = self::$folder;
        $pool = "new Symfony\\Component\\Cache\\Adapter\\FilesystemAdapter('', 0, '$folder/$name')";
        $lock = "new TokenMgr\\Store\\FileLock('$folder')";

        return match ($name) {
            'psr16' => "new TokenMgr\\Store\\Psr16Store(new Symfony\\Component\\Cache\\Psr16Cache($pool), $lock)",
            'psr6' => "new TokenMgr\\Store\\Psr6Store($pool, $lock)",
            default => sprintf("new TokenMgr\\Store\\PdoStore(fn () => new PDO('%s', 'root', ''))", self::dsn($name)),
        };
    }

    protected static function store(string $name): Store
    {
        $store = eval('return ' . self::code($name) . ';');
        if ($store instanceof PdoStore) {
            $store->createTable();
            $store->createTable();
        }
        foreach (['key', 'other', 'demo'] as $key) {
            $store->save($key, null, $store->load($key), 60);
        }

        return $store;
    }

    /** What a process of its own does with such a store. */
    protected static function script(string $name, string $code, array $ini = []): Script
    {
        $require = 'require "Psr/SimpleCache/autoload.php"; require "Symfony/Component/Cache/autoload.php";';
        $code = "$require \$store = " . self::code($name) . ";\n$code";

        return Script::run($code, $ini, ['API' => self::$api->url]);
    }
}
