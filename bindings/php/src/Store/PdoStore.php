<?php

declare(strict_types=1);

namespace TokenMgr\Store;

use Closure;
use InvalidArgumentException;
use LogicException;
use PDO;
use PDOException;
use Throwable;
use TokenMgr\Exception;
use TokenMgr\Store;

/**
 * Keeps tokens in a table: SQLite, MySQL or MariaDB, PostgreSQL. Saving compares and swaps in one statement; the lock
 * is SQLite's own write lock, MySQL's GET_LOCK, PostgreSQL's advisory lock.
 *
 * Give it a connection of its own, best as a function that opens one: it is called when it is first needed, again in a
 * forked child, and again when the server has closed the connection. On a connection that the application uses, a
 * transaction that is rolled back would take the tokens with it, so that is refused.
 *
 *     new PdoStore(fn () => new PDO('mysql:host=db;dbname=shop', 'shop', $password));
 */
final class PdoStore implements Store
{
    private ?PdoDialect $dialect = null;

    /** The process that opened the connection. */
    private int $process = 0;

    /** @var list<PdoDialect> connections of the parent process: closing them here would close them there */
    private static array $inherited = [];

    /** @var Closure(): PDO */
    private readonly Closure $open;

    private bool $locked = false;

    /**
     * @param (callable(): PDO)|PDO $connection
     * @param string                $table      see createTable()
     * @param string|null           $id         tells stores of one process apart whose tables have the same name
     */
    public function __construct(
        callable|PDO $connection,
        private readonly string $table = 'tokenmgr_tokens',
        private readonly ?string $id = null
    ) {
        if (!preg_match('/^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)?$/D', $table)) {
            throw new InvalidArgumentException("\"$table\" is no name for a table: letters, digits and _ make one");
        }
        $this->open = static fn (): PDO => $connection instanceof PDO ? $connection : $connection();
    }

    /** Makes the table, unless it is there. */
    public function createTable(): void
    {
        $this->trying('made', fn () => $this->dialect()->pdo->exec(
            "CREATE TABLE IF NOT EXISTS $this->table (client CHAR(64) NOT NULL PRIMARY KEY,"
            . " record {$this->dialect()->text()} NOT NULL, version CHAR(64) NOT NULL, expires_at BIGINT NOT NULL)"
        ));
    }

    public function id(): string
    {
        return self::class . ' ' . ($this->id ?? $this->table);
    }

    public function load(string $key): ?string
    {
        /** @var string|false|null $found */
        $found = $this->trying('read', fn (): mixed => $this->dialect()->execute(
            "SELECT record FROM $this->table WHERE client = ? AND expires_at > ?",
            [self::hash($key), time()]
        )->fetchColumn());

        return $found === false ? null : (base64_decode((string) $found, true) ?: null);
    }

    public function save(
        string $key,
        #[\SensitiveParameter] ?string $data,
        #[\SensitiveParameter] ?string $expected,
        int $ttlSeconds
    ): bool {
        return $this->trying('written', function () use ($key, $data, $expected, $ttlSeconds): bool {
            $dialect = $this->dialect();
            $client = self::hash($key);
            // Base64 is the same in every character set and collation; a version is compared as one number would be.
            $columns = $data === null ? [] : [base64_encode($data), self::hash($data), time() + $ttlSeconds];
            if ($expected === null) {
                $dialect->execute("DELETE FROM $this->table WHERE client = ? AND expires_at <= ?", [$client, time()]);
                $done = $data === null || $this->insert($client, $columns);
            } elseif ($data === null) {
                $done = $dialect->execute(
                    "DELETE FROM $this->table WHERE client = ? AND version = ?",
                    [$client, self::hash($expected)]
                )->rowCount() === 1;
            } else {
                $done = $dialect->execute(
                    "UPDATE $this->table SET record = ?, version = ?, expires_at = ? WHERE client = ? AND version = ?",
                    [...$columns, $client, self::hash($expected)]
                )->rowCount() === 1;
                // MySQL counts no row where nothing changes.
                $done = $done || ($data === $expected && $this->load($key) === $data);
            }
            if ($done) {
                $dialect->commit();
            }

            return $done;
        });
    }

    public function lock(string $key, int $waitMs): bool
    {
        try {
            $lock = fn (): bool => $this->dialect()->lock($this->lockOf($key), $waitMs);

            return $this->locked = $this->trying('locked', $lock);
        } catch (Exception\Store $failure) {
            throw $failure;
        } catch (Throwable $problem) {
            // A signal handler threw it, perhaps right after the lock was taken: nothing else would release it.
            $this->unlock($key);
            throw $problem;
        }
    }

    public function unlock(string $key): void
    {
        $this->locked = false;
        if ($this->dialect === null) {
            return; // the lock went with the connection
        }
        $this->trying('unlocked', fn () => $this->dialect()->unlock($this->lockOf($key)));
    }

    private function lockOf(string $key): string
    {
        return self::hash("$this->table $key");
    }

    /** @param list<int|string> $columns those behind the client */
    private function insert(string $client, #[\SensitiveParameter] array $columns): bool
    {
        try {
            $this->dialect()->execute(
                "INSERT INTO $this->table (client, record, version, expires_at) VALUES (?, ?, ?, ?)",
                [$client, ...$columns]
            );

            return true;
        } catch (PDOException $problem) {
            // Class 23: the row breaks a rule of the table; if that is its key's, someone else inserted this client.
            if (str_starts_with((string) $problem->getCode(), '23') && $this->has($client)) {
                return false;
            }
            throw $problem;
        }
    }

    private function has(string $client): bool
    {
        $found = $this->dialect()->execute("SELECT 1 FROM $this->table WHERE client = ?", [$client]);

        return $found->fetchColumn() !== false;
    }

    private function dialect(): PdoDialect
    {
        if ($this->dialect !== null && $this->process !== getmypid()) {
            self::$inherited[] = $this->dialect;
            $this->dialect = null;
        }
        if ($this->dialect === null) {
            $pdo = ($this->open)();
            if ($pdo->getAttribute(PDO::ATTR_PERSISTENT)) {
                throw new LogicException(
                    'PdoStore cannot use a connection with PDO::ATTR_PERSISTENT, which others in this process get'
                    . ' with its locks, and forked children; give it a connection of its own'
                );
            }
            /** @var string $driver */
            $driver = $pdo->getAttribute(PDO::ATTR_DRIVER_NAME);
            $dialect = match ($driver) {
                'sqlite' => new SqliteDialect($pdo),
                'mysql' => new MysqlDialect($pdo),
                'pgsql' => new PgsqlDialect($pdo),
                default => throw new LogicException("PdoStore knows sqlite, mysql and pgsql, not $driver"),
            };
            foreach (self::$inherited as $inherited) {
                if ($inherited->pdo === $pdo) {
                    throw new LogicException(
                        'a forked child cannot use its parent\'s database connection;'
                        . ' give PdoStore a function that opens one'
                    );
                }
            }
            $this->dialect = $dialect;
            $this->process = (int) getmypid();
        }
        if (!$this->dialect->isOurs()) {
            throw new LogicException(
                'the connection of PdoStore is inside a transaction of the application, which may be rolled back;'
                . ' give it a connection of its own'
            );
        }

        return $this->dialect;
    }

    private static function hash(#[\SensitiveParameter] string $text): string
    {
        return hash('sha256', $text);
    }

    /**
     * @template T
     *
     * @param callable(): T $action
     *
     * @return T
     */
    private function trying(string $what, #[\SensitiveParameter] callable $action): mixed
    {
        // A connection that the server closed in the meantime is opened anew, unless the lock was on it.
        $isLast = $this->dialect === null || $this->locked;
        while (true) {
            try {
                return $action();
            } catch (PDOException $problem) {
                $isGone = $this->dialect?->isGone($problem) ?? false;
                if ($isGone) {
                    $this->dialect = null;
                }
                if ($isLast || !$isGone) {
                    throw new Exception\Store(
                        "the table $this->table, which keeps the tokens, could not be $what: " . Reason::of($problem)
                    );
                }
                $isLast = true;
            }
        }
    }
}
