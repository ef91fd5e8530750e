<?php

declare(strict_types=1);

namespace TokenMgr;

/**
 * The pool of this FPM worker, and the files that its settings are in.
 *
 * @internal
 */
final class FpmPool
{
    private const ALLOWED = 'php_admin_value[ffi.enable] = true';

    private readonly string $name;

    public function __construct()
    {
        $status = function_exists('fpm_get_status') ? fpm_get_status() : false;
        $this->name = $status['pool'] ?? 'www';
    }

    /** Which line goes into which file so that the pool allows FFI, whatever php.ini says. */
    public function allow(): string
    {
        $files = $this->files();
        foreach ($files as $file => $settings) {
            if (preg_match('/^\s*(php_admin_(?:value|flag)\[ffi\.enable\])\s*=/m', $settings, $found)) {
                return "change $found[1] below [$this->name] in $file to " . self::ALLOWED;
            }
        }
        $file = array_key_first($files);

        return $file === null
            ? 'put the line ' . self::ALLOWED . " into the file of FPM's pool [$this->name]"
            : 'put the line ' . self::ALLOWED . " below [$this->name] into $file";
    }

    /** @return array<string, string> the settings of this pool, by the files that have any */
    private function files(): array
    {
        $section = '/^\s*\[' . preg_quote($this->name, '/') . '\](.*?)(?=^\s*\[|\z)/ms';
        $files = [];
        foreach ($this->configuration() as $file) {
            if (preg_match_all($section, (string) @file_get_contents($file), $found)) {
                $files[$file] = implode($found[1]);
            }
        }

        return $files;
    }

    /** @return list<string> FPM's configuration file, if it can be found and read, and those that it includes */
    private function configuration(): array
    {
        $main = $this->main();
        if ($main === null) {
            return [];
        }
        $files = [$main];
        preg_match_all('/^\s*include\s*=\s*"?([^"\s]+)/m', (string) @file_get_contents($main), $includes);
        foreach ($includes[1] as $pattern) {
            $absolute = str_starts_with($pattern, '/') ? $pattern : PHP_PREFIX . "/$pattern";
            array_push($files, ...(glob($absolute) ?: []));
        }

        return $files;
    }

    /** The configuration file, which FPM has in the title of its first process, the parent of all workers. */
    private function main(): ?string
    {
        if (!preg_match('/^PPid:\s*(\d+)/m', (string) @file_get_contents('/proc/self/status'), $parent)) {
            return null;
        }
        $title = (string) @file_get_contents("/proc/$parent[1]/cmdline");

        return preg_match('/master process \((.+)\)/', $title, $main) ? $main[1] : null;
    }
}
