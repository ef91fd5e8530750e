<?php

declare(strict_types=1);

namespace TokenMgr\Store;

use PDO;
use PDOException;

/**
 * PostgreSQL: an advisory lock of the session, so it ends with a process that dies. Behind a pooler it has to be a pool
 * of sessions, not of transactions.
 *
 * @internal
 */
final class PgsqlDialect extends PdoDialect
{
    protected function tryLock(string $name): bool
    {
        /** @var bool|int|string $isTaken as PDO::ATTR_STRINGIFY_FETCHES says */
        $isTaken = $this->execute('SELECT pg_try_advisory_lock(?)', [self::number($name)])->fetchColumn();

        return (bool) $isTaken;
    }

    public function unlock(string $name): void
    {
        $this->execute('SELECT pg_advisory_unlock(?)', [self::number($name)])->fetchColumn();
    }

    public function isGone(PDOException $problem): bool
    {
        // Class 57P: the server was shut down; 08: the connection failed. The rest only libpq itself knows.
        return preg_match('/^(57P|08)/', (string) $problem->getCode())
            || !str_contains((string) $this->pdo->getAttribute(PDO::ATTR_CONNECTION_STATUS), 'OK');
    }

    /** An advisory lock is named by 64 bits. */
    private static function number(string $name): int
    {
        return unpack('q', (string) hex2bin(substr($name, 0, 16)))[1];
    }
}
