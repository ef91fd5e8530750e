<?php

declare(strict_types=1);

namespace TokenMgr\Tests;

final class PostgresServer extends DatabaseServer
{
    public function __construct()
    {
        parent::__construct();
        // It refuses to run as root.
        $drop = posix_geteuid() === 0
            ? ['setpriv', '--reuid=nobody', '--regid=nogroup', '--clear-groups', '--']
            : [];
        $data = "$this->folder/data";
        mkdir($data, 0700);
        if ($drop) {
            chown($this->folder, 'nobody');
            chown($data, 'nobody');
        }
        $programs = glob('/usr/lib/postgresql/*/bin');
        $bin = end($programs);
        self::run(...$drop, ...["$bin/initdb", '--no-sync', '--auth=trust', '--username=root', '-D', $data]);
        // What setpriv drops takes the parent's death signal with it: so it is set again behind it.
        $this->start(...$drop, ...[
            'setpriv', '--pdeathsig', $this->stopSignal(),
            "$bin/postgres", '-D', $data,
            '-c', 'listen_addresses=', '-c', "unix_socket_directories=$this->folder", '-c', 'fsync=off',
        ]);
        $this->dsn = "pgsql:host=$this->folder;dbname=postgres";
        $this->await(fn () => $this->accepts());
    }

    public function closeConnections(): int
    {
        return count($this->connect()->query(
            'SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity'
            . " WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
        )->fetchAll());
    }

    protected function stopSignal(): string
    {
        return 'QUIT'; // at once
    }
}
