<?php

declare(strict_types=1);

namespace TokenMgr\Tests;

use RuntimeException;

/**
 * A server program in a folder of its own, which goes with it. It is ended when this process ends, at the latest.
 */
abstract class Server
{
    public readonly string $folder;

    /** @var resource|null */
    private $process = null;

    public function __construct()
    {
        $this->folder = sys_get_temp_dir() . '/tokenmgr-' . bin2hex(random_bytes(6));
        mkdir($this->folder);
        chmod($this->folder, 0755);
        register_shutdown_function(fn () => $this->stop());
    }

    public function stop(): void
    {
        if ($this->process !== null) {
            proc_terminate($this->process, constant("SIG{$this->stopSignal()}"));
            proc_close($this->process);
            $this->process = null;
        }
        exec('rm -rf ' . escapeshellarg($this->folder));
    }

    protected function stopSignal(): string
    {
        return 'TERM';
    }

    /** Starts it; it is stopped, workers and all, even where the test run is killed. */
    protected function start(string ...$command): void
    {
        $log = ['file', "$this->folder/log", 'a'];
        $command = ['setpriv', '--pdeathsig', $this->stopSignal(), ...$command];
        $this->process = proc_open($command, [['file', '/dev/null', 'r'], $log, $log], $pipes) ?: null;
    }

    /** Waits until it is ready. */
    protected function await(callable $isReady): void
    {
        $until = hrtime(true) + 30e9;
        while (!$isReady()) {
            if (hrtime(true) > $until || !proc_get_status($this->process)['running']) {
                throw new RuntimeException(static::class . ' did not start: ' . file_get_contents("$this->folder/log"));
            }
            usleep(20_000);
        }
    }

    protected static function run(string ...$command): void
    {
        exec(implode(' ', array_map('escapeshellarg', $command)) . ' 2>&1', $output, $status);
        if ($status !== 0) {
            throw new RuntimeException("$command[0] failed: " . implode("\n", $output));
        }
    }

    protected static function freePort(): int
    {
        $socket = stream_socket_server('tcp://127.0.0.1:0');
        $name = stream_socket_get_name($socket, false);

        return (int) substr($name, strrpos($name, ':') + 1);
    }
}
