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
        /** @var array{pool?: string}|false $status */
        $status = function_exists('fpm_get_status') ? fpm_get_status() : false;
        $this->name = $status['pool'] ?? 'www';
    }

    /** Which line goes into which file so that the pool allows FFI, whatever php.ini says. */
    public function allow(): string
    {
        $files = $this->files();
        foreach ($files as $file => $settings) {
            $set = self::find('/^\s*(php_admin_(?:value|flag)\[ffi\.enable\])\s*=/m', $settings);
            if ($set !== null) {
                return "change $set below [$this->name] in $file to " . self::ALLOWED;
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
            $settings = self::find($section, self::read($file));
            if ($settings !== null) {
                $files[$file] = $settings;
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
        preg_match_all('/^\s*include\s*=\s*"?([^"\s]+)/m', self::read($main), $includes);
        foreach ($includes[1] as $pattern) {
            $absolute = str_starts_with($pattern, '/') ? $pattern : PHP_PREFIX . "/$pattern";
            array_push($files, ...(glob($absolute) ?: []));
        }

        return $files;
    }

    /** The configuration file, which FPM has in the title of its first process, the parent of all workers. */
    private function main(): ?string
    {
        $parent = self::find('/^PPid:\s*(\d+)/m', self::read('/proc/self/status'));

        return $parent === null ? null : self::find('/master process \((.+)\)/', self::read("/proc/$parent/cmdline"));
    }

    /** What the first group of the pattern finds. */
    private static function find(string $pattern, string $text): ?string
    {
        return preg_match($pattern, $text, $found) === 1 ? $found[1] : null;
    }

    /** The file's text; empty where open_basedir, or the file itself, forbids reading it. */
    private static function read(string $file): string
    {
        return (string) @file_get_contents($file);
    }
}
