<?php

declare(strict_types=1);

namespace TokenMgr\Tests;

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
}
