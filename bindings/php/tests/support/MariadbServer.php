<?php

declare(strict_types=1);

namespace TokenMgr\Tests;

use PDO;
use PDOException;

final class MariadbServer extends DatabaseServer
{
    public function __construct()
    {
        parent::__construct();
        $this->user = posix_getpwuid(posix_geteuid())['name'];
        self::run(
            'mariadb-install-db',
            '--no-defaults',
            "--datadir=$this->folder/data",
            '--auth-root-authentication-method=normal',
            '--skip-test-db',
            "--user=$this->user"
        );
        $this->start(
            '/usr/sbin/mariadbd',
            '--no-defaults',
            "--datadir=$this->folder/data",
            "--socket=$this->folder/socket",
            '--skip-networking',
            '--innodb-buffer-pool-size=8M',
            '--innodb-flush-log-at-trx-commit=0',
            "--user=$this->user"
        );
        $this->user = 'root';
        $this->dsn = "mysql:unix_socket=$this->folder/socket;dbname=mysql";
        $this->await(fn () => $this->accepts());
    }

    public function closeConnections(): int
    {
        $admin = $this->connect();
        $others = "FROM information_schema.processlist WHERE user = 'root' AND id <> CONNECTION_ID()";
        $ids = $admin->query("SELECT id $others")->fetchAll(PDO::FETCH_COLUMN);
        foreach ($ids as $id) {
            try {
                $admin->exec("KILL $id");
            } catch (PDOException) {
                // it ended by itself
            }
        }
        $this->await(fn () => (int) $admin->query("SELECT COUNT(*) $others")->fetchColumn() === 0);

        return count($ids);
    }
}
