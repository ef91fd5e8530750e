<?php

declare(strict_types=1);

namespace TokenMgr\Store;

use PDO;
use PDOException;

/**
 * SQLite has one lock, for writing, and it belongs to a transaction: so this begins one, and a save ends it.
 *
 * @internal
 */
final class SqliteDialect extends PdoDialect
{
    private const BUSY = 5;

    /** How many seconds a statement waits for another process that is committing. */
    private const WAIT_SECONDS = 2;

    private bool $locked = false;

    public function __construct(PDO $pdo)
    {
        parent::__construct($pdo);
        $pdo->setAttribute(PDO::ATTR_TIMEOUT, self::WAIT_SECONDS);
    }

    public function isOurs(): bool
    {
        return $this->locked || parent::isOurs();
    }

    protected function tryLock(string $name): bool
    {
        $this->pdo->setAttribute(PDO::ATTR_TIMEOUT, 0);
        $this->locked = true;
        try {
            $this->pdo->exec('BEGIN IMMEDIATE');

            return true;
        } catch (PDOException $problem) {
            $this->locked = false;
            if (($problem->errorInfo[1] ?? null) === self::BUSY) {
                return false;
            }
            throw $problem;
        } finally {
            $this->pdo->setAttribute(PDO::ATTR_TIMEOUT, self::WAIT_SECONDS);
        }
    }

    public function unlock(string $name): void
    {
        if ($this->locked) {
            $this->locked = false;
            try {
                $this->pdo->exec('ROLLBACK');
            } catch (PDOException $problem) {
                // SQLite rolls back by itself when the disk is full, say. PDO does not know of either.
                if (!str_contains($problem->getMessage(), 'no transaction is active')) {
                    throw $problem;
                }
            }
        }
    }

    public function commit(): void
    {
        if ($this->locked) {
            $this->pdo->exec('COMMIT');
            $this->locked = false;
        }
    }
}
