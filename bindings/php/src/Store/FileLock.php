<?php

declare(strict_types=1);

namespace TokenMgr\Store;

use TokenMgr\Exception;

/**
 * Locks between the processes of one machine, by flock() on a file each. The folder has to be the same for all of them,
 * and on a local disk.
 */
final class FileLock implements Lock
{
    /** @var array<string, resource> */
    private array $held = [];

    /** @param string|null $folder null: the system's folder for temporary files */
    public function __construct(private readonly ?string $folder = null)
    {
    }

    public function acquire(string $name, int $waitMs): bool
    {
        $path = ($this->folder ?? sys_get_temp_dir()) . '/tokenmgr-' . substr(hash('sha256', $name), 0, 32) . '.lock';
        // "e": a program that this process starts does not inherit the lock. Another user's file can be locked, too.
        $file = is_link($path) ? false : (@fopen($path, 'ce') ?: @fopen($path, 're'));
        if ($file === false) {
            throw new Exception\Store("the lock file $path cannot be opened; see who owns it and its folder");
        }
        $until = hrtime(true) + $waitMs * 1_000_000;
        while (!flock($file, LOCK_EX | LOCK_NB)) {
            if (hrtime(true) >= $until) {
                fclose($file);

                return false;
            }
            usleep(5_000);
        }
        $this->held[$name] = $file;

        return true;
    }

    public function release(string $name): void
    {
        if (isset($this->held[$name])) {
            fclose($this->held[$name]);
            unset($this->held[$name]);
        }
    }
}
