<?php

declare(strict_types=1);

namespace TokenMgr\Tests;

use PDO;
use PDOException;

/**
 * A database server that is reached through a socket in its folder.
 */
abstract class DatabaseServer extends Server
{
    public string $dsn;
    public string $user = 'root';

    public function connect(): PDO
    {
        return new PDO($this->dsn, $this->user, '');
    }

    /** Closes every connection but its own; returns how many there were. */
    abstract public function closeConnections(): int;

    protected function accepts(): bool
    {
        try {
            $this->connect();

            return true;
        } catch (PDOException) {
            return false;
        }
    }
}
