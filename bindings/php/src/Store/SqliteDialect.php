<?php

declare(strict_types=1);

namespace TokenMgr\Store;

use PDOException;

/**
 * SQLite has one lock, for writing, and it belongs to a transaction: so this begins one, and a save ends it.
 *
 * @internal
 */
final class SqliteDialect extends PdoDialect
{
    private const BUSY = 5;

    private bool $locked = false;

    public function isOurs(): bool
    {
        return $this->locked || parent::isOurs();
    }

    public function lock(string $name, int $waitMs): bool
    {
        $this->pdo->exec("PRAGMA busy_timeout = $waitMs");
        try {
            $this->pdo->exec('BEGIN IMMEDIATE');
        } catch (PDOException $problem) {
            if (($problem->errorInfo[1] ?? null) === self::BUSY) {
                return false;
            }
            throw $problem;
        }

        return $this->locked = true;
    }

    public function unlock(string $name): void
    {
        if ($this->locked) {
            $this->locked = false;
            $this->pdo->exec('ROLLBACK');
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
