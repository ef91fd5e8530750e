<?php

declare(strict_types=1);

namespace TokenMgr;

/**
 * Which line goes into which file so that this PHP, the way it runs, allows its FFI.
 *
 * @internal
 */
final class FfiAdvice
{
    private const SETTING = 'ffi.enable';

    /** What has to be started again before a changed php.ini counts, by the SAPI. */
    private const RESTARTED = [
        'fpm-fcgi' => 'FPM',
        'apache2handler' => 'Apache',
        'frankenphp' => 'FrankenPHP',
        'cli-server' => 'the server',
        'litespeed' => 'LiteSpeed',
        'cgi-fcgi' => 'the FastCGI server',
    ];

    /** @var list<string> the files that PHP read, in that order: of two with one setting, the latter counts */
    private readonly array $files;

    /** Where a setting of its own goes. */
    private readonly string $file;

    public function __construct(private readonly string $sapi = PHP_SAPI)
    {
        $main = php_ini_loaded_file();
        $others = array_map('trim', explode(',', (string) php_ini_scanned_files()));
        $this->files = array_values(array_filter([$main, ...$others]));
        $this->file = $main ?: PHP_CONFIG_FILE_PATH . '/php.ini';
    }

    /** PHP has no FFI. */
    public function missing(): string
    {
        $isInstalled = is_file((string) ini_get('extension_dir') . '/ffi.so');
        $advice = $isInstalled
            ? "it is installed, so put the line extension=ffi into $this->file{$this->unlessNoneIsRead()}"
            : "install it ({$this->packages()})";

        return "PHP has no FFI extension, through which it calls libtokenmgr; $advice{$this->restart()}";
    }

    /** What brings FFI along, and enables it. */
    private function packages(): string
    {
        $version = PHP_MAJOR_VERSION . '.' . PHP_MINOR_VERSION;

        return $this->sapi === 'frankenphp'
            ? 'Docker: install-php-extensions ffi; Debian, Fedora: php-zts-ffi; the standalone binary cannot have it'
            : "Debian: php$version-common; Docker: docker-php-ext-install ffi; Fedora: php-ffi";
    }

    /** It is switched off altogether. */
    public function switchedOff(): string
    {
        return "PHP's FFI is switched off by ffi.enable; {$this->allow()}{$this->restart()}";
    }

    /** It is for preloaded code only. */
    public function restricted(): string
    {
        return "PHP's FFI is restricted to preloaded code (ffi.enable=preload, the default outside the command line);"
            . " {$this->allow()}{$this->restart()}; or, to allow it for this package only, put the lines"
            . ' opcache.preload=' . dirname(__DIR__) . "/preload.php and opcache.preload_user={$this->user()}"
            . " into $this->file";
    }

    /** Whose rights preloaded code gets: a server that root starts does not start without it. */
    private function user(): string
    {
        $user = function_exists('posix_geteuid') ? posix_getpwuid(posix_geteuid()) : false;

        return $user === false ? 'www-data' : $user['name'];
    }

    /** The line and its file. */
    private function allow(): string
    {
        $set = $this->fileThatSetsIt();

        return match (true) {
            // What the pool and the server say comes after every php.ini.
            $this->sapi === 'fpm-fcgi' => (new FpmPool())->allow(),
            $set !== null => "change ffi.enable in $set to ffi.enable=true",
            $this->isSetBesideTheFiles() => $this->allowBesideTheFiles(),
            default => "put the line ffi.enable=true into $this->file{$this->unlessNoneIsRead()}",
        };
    }

    private function allowBesideTheFiles(): string
    {
        return match ($this->sapi) {
            'apache2handler' => 'no php.ini says so, thus change php_admin_value ffi.enable in Apache\'s configuration'
                . ' to php_admin_value ffi.enable true',
            'frankenphp' => 'no php.ini says so, thus change php_ini ffi.enable in the Caddyfile to'
                . ' php_ini ffi.enable true',
            default => 'no php.ini says so, thus start PHP with -d ffi.enable=true',
        };
    }

    /** Whether it is no default: the command line, or the server's own configuration. */
    private function isSetBesideTheFiles(): bool
    {
        return ini_get(self::SETTING) !== 'preload';
    }

    /** The file that the value in force comes from. */
    private function fileThatSetsIt(): ?string
    {
        foreach (array_reverse($this->files) as $file) {
            $line = $this->settingIn($file);
            if ($line !== null) {
                return @parse_ini_string($line) === [self::SETTING => ini_get(self::SETTING)] ? $file : null;
            }
        }

        return null;
    }

    /** The last line of the file that sets it: that one counts. */
    private function settingIn(string $file): ?string
    {
        $text = (string) @file_get_contents($file);

        return preg_match('/\A.*^(\s*ffi\.enable\s*=.*?)$/smi', $text, $found) === 1 ? $found[1] : null;
    }

    private function unlessNoneIsRead(): string
    {
        return $this->files === [] ? ' (no php.ini is read now, so leave out -n if PHP was started with that)' : '';
    }

    private function restart(): string
    {
        return isset(self::RESTARTED[$this->sapi]) ? ' and restart ' . self::RESTARTED[$this->sapi] : '';
    }
}
