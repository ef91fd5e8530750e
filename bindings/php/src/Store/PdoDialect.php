<?php

declare(strict_types=1);

namespace TokenMgr\Store;

use PDO;
use PDOException;
use PDOStatement;

/**
 * What differs between databases: locks, transactions, and some words of SQL.
 *
 * @internal
 */
abstract class PdoDialect
{
    public function __construct(public readonly PDO $pdo)
    {
        $pdo->setAttribute(PDO::ATTR_ERRMODE, PDO::ERRMODE_EXCEPTION);
    }

    /** The type of a column that takes a record. */
    public function text(): string
    {
        return 'TEXT';
    }

    /** Whether no transaction of someone else's is open on the connection. */
    public function isOurs(): bool
    {
        return !$this->pdo->inTransaction();
    }

    /** @param list<int|string> $values bound one by one: given to PDO's execute(), they would be in its trace */
    public function execute(string $statement, #[\SensitiveParameter] array $values): PDOStatement
    {
        $prepared = $this->pdo->prepare($statement)
            ?: throw new PDOException('the connection is set to be silent about errors; leave PDO::ATTR_ERRMODE alone');
        foreach ($values as $i => $value) {
            $prepared->bindValue($i + 1, $value, is_int($value) ? PDO::PARAM_INT : PDO::PARAM_STR);
        }
        $prepared->execute();

        return $prepared;
    }

    /**
     * Takes the lock of this name, 64 hexadecimal digits; false if it was not free within that time. It is tried again
     * and again: while a database waits for a lock by itself, no signal handler runs.
     */
    public function lock(string $name, int $waitMs): bool
    {
        $until = hrtime(true) + $waitMs * 1_000_000;
        while (!$this->tryLock($name)) {
            if (hrtime(true) >= $until) {
                return false;
            }
            usleep(10_000);
        }

        return true;
    }

    abstract protected function tryLock(string $name): bool;

    abstract public function unlock(string $name): void;

    /** Commits what was written under the lock. */
    public function commit(): void
    {
    }

    /** Whether the server has closed the connection. */
    public function isGone(PDOException $problem): bool
    {
        return false;
    }
}
