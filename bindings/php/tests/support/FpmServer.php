<?php

declare(strict_types=1);

namespace TokenMgr\Tests;

/**
 * A pool of PHP-FPM workers that run tests/fpm/app.php.
 */
final class FpmServer extends Server
{
    public const WORKERS = 8;

    /**
     * @param array<string, string> $environment of the workers
     * @param array<string, string> $ini         of the pool
     * @param array<string, string> $system      what only the whole server can be told
     */
    public function __construct(array $environment, array $ini = ['ffi.enable' => 'true'], array $system = [])
    {
        parent::__construct();
        mkdir("$this->folder/pool.d");
        $main = "[global]\ndaemonize = no\nerror_log = $this->folder/log\ninclude = $this->folder/pool.d/*.conf\n";
        $pool = "[www]\nlisten = $this->folder/fpm.sock\n"
            . "pm = static\npm.max_children = " . self::WORKERS . "\ncatch_workers_output = yes\n"
            . 'user = ' . posix_getpwuid(posix_geteuid())['name'] . "\n";
        foreach (array_filter($environment) as $name => $value) {
            $pool .= "env[$name] = '$value'\n";
        }
        foreach ($ini as $name => $value) {
            $pool .= "php_admin_value[$name] = $value\n";
        }
        file_put_contents("$this->folder/fpm.conf", $main);
        file_put_contents($this->file(), $pool);
        $programs = glob('/usr/sbin/php-fpm*');
        $options = posix_geteuid() === 0 ? ['-R'] : [];
        foreach ($system as $name => $value) {
            array_push($options, '-d', "$name=$value");
        }
        $this->start(end($programs), '-F', '-y', "$this->folder/fpm.conf", ...$options);
        // The file is there before anybody listens.
        $this->await(fn () => @stream_socket_client("unix://$this->folder/fpm.sock") !== false);
    }

    /** The file of its pool [www]. */
    public function file(): string
    {
        return "$this->folder/pool.d/www.conf";
    }

    public function socket(): string
    {
        return "$this->folder/fpm.sock";
    }

    public function log(): string
    {
        return (string) file_get_contents("$this->folder/log");
    }
}
