<?php

declare(strict_types=1);

namespace TokenMgr\Store;

use PDO;
use PDOException;

/**
 * MySQL and MariaDB: GET_LOCK belongs to the connection, so it ends with a process that dies.
 *
 * @internal
 */
final class MysqlDialect extends PdoDialect
{
    /** "Server has gone away", "Lost connection", and MariaDB's "closed for being idle". */
    private const GONE = [2006, 2013, 4031];

    public function __construct(PDO $pdo)
    {
        parent::__construct($pdo);
        if (!$pdo->inTransaction()) {
            $pdo->setAttribute(PDO::ATTR_AUTOCOMMIT, true);
        }
    }

    public function text(): string
    {
        return 'MEDIUMTEXT';
    }

    protected function tryLock(string $name): bool
    {
        return (int) $this->execute('SELECT GET_LOCK(?, 0)', [$name])->fetchColumn() === 1;
    }

    public function unlock(string $name): void
    {
        $this->execute('SELECT RELEASE_LOCK(?)', [$name])->fetchColumn();
    }

    public function isGone(PDOException $problem): bool
    {
        return in_array($problem->errorInfo[1] ?? null, self::GONE, true);
    }
}
