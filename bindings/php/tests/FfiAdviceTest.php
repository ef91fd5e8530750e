<?php

declare(strict_types=1);

namespace TokenMgr\Tests;

use PHPUnit\Framework\TestCase;

/**
 * What is said where PHP does not allow its FFI: the line, and the file it belongs in.
 */
final class FfiAdviceTest extends TestCase
{
    private string $folder;

    protected function setUp(): void
    {
        $this->folder = sys_get_temp_dir() . '/tokenmgr-' . bin2hex(random_bytes(6));
        mkdir("$this->folder/conf.d", 0700, true);
        // The extension itself is loaded by one of the system's files, or is a part of PHP.
        $load = array_filter(
            explode(',', (string) php_ini_scanned_files()),
            static fn (string $file) => str_ends_with(trim($file), 'ffi.ini')
        );
        foreach ($load as $file) {
            copy(trim($file), "$this->folder/conf.d/20-ffi.ini");
        }
        file_put_contents("$this->folder/php.ini", "memory_limit = 64M\n");
    }

    protected function tearDown(): void
    {
        exec('rm -rf ' . escapeshellarg($this->folder));
    }

    /** What `FfiAdvice` says in a PHP that reads our php.ini. */
    private function says(string $what, string $sapi = 'cli', string ...$options): string
    {
        $code = "<?php require {$this->autoload()}; echo (new TokenMgr\\FfiAdvice('$sapi'))->$what();";
        $command = [PHP_BINARY, ...($options === ['-n'] ? [] : ['-c', "$this->folder/php.ini"]), ...$options];
        $process = proc_open($command, [['pipe', 'r'], ['pipe', 'w']], $pipes, null, [
            'PHP_INI_SCAN_DIR' => "$this->folder/conf.d",
        ]);
        fwrite($pipes[0], $code);
        fclose($pipes[0]);
        $said = stream_get_contents($pipes[1]);
        proc_close($process);

        return $said;
    }

    private function autoload(): string
    {
        return var_export(realpath(PACKAGE . '/autoload.php'), true);
    }

    public function testTheFileThatSwitchesItOff(): void
    {
        file_put_contents("$this->folder/php.ini", "ffi.enable = true\n");
        file_put_contents("$this->folder/conf.d/30-security.ini", "; ffi.enable = true\n ffi.enable = Off ; no\n");
        $restarts = ['cli' => '', 'apache2handler' => ' and restart Apache', 'frankenphp' => ' and restart FrankenPHP'];
        foreach ($restarts as $sapi => $restart) {
            self::assertSame(
                "PHP's FFI is switched off by ffi.enable; change ffi.enable in $this->folder/conf.d/30-security.ini"
                . " to ffi.enable=true$restart",
                $this->says('switchedOff', $sapi)
            );
        }
    }

    public function testTheDefaultIsChangedInPhpIni(): void
    {
        self::assertStringMatchesFormat(
            "%S; put the line ffi.enable=true into $this->folder/php.ini and restart Apache; or, to allow it for this"
            . ' package only, put the lines opcache.preload=' . realpath(PACKAGE) . '/preload.php and'
            . " opcache.preload_user=%s into $this->folder/php.ini",
            $this->says('restricted', 'apache2handler')
        );
    }

    public function testAPoolsSettingComesAfterEveryPhpIni(): void
    {
        file_put_contents("$this->folder/php.ini", "ffi.enable = 0\n");
        self::assertStringContainsString(
            "put the line php_admin_value[ffi.enable] = true into the file of FPM's pool [www] and restart FPM",
            $this->says('switchedOff', 'fpm-fcgi')
        );
    }

    /** @dataProvider servers */
    public function testASettingThatNoFileHas(string $sapi, string $said): void
    {
        file_put_contents("$this->folder/php.ini", "ffi.enable = true\n");
        self::assertStringContainsString(
            "no php.ini says so, thus $said",
            $this->says('switchedOff', $sapi, '-dffi.enable=0')
        );
    }

    /** @return array<string, array{string, string}> */
    public function servers(): array
    {
        return [
            'the command line' => ['cli', 'start PHP with -d ffi.enable=true'],
            'Apache' => ['apache2handler', 'change php_admin_value ffi.enable in Apache\'s configuration'],
            'FrankenPHP' => ['frankenphp', 'change php_ini ffi.enable in the Caddyfile to php_ini ffi.enable true'],
        ];
    }

    public function testWithoutAnyPhpIni(): void
    {
        $file = PHP_CONFIG_FILE_PATH . '/php.ini';
        self::assertStringContainsString(
            "put the line extension=ffi into $file (no php.ini is read now",
            $this->says('missing', 'cli', '-n')
        );
    }

    public function testWhatBringsIt(): void
    {
        $without = "-dextension_dir=$this->folder";
        self::assertStringEndsWith(
            '; install it (Debian: php' . PHP_MAJOR_VERSION . '.' . PHP_MINOR_VERSION
            . '-common; Docker: docker-php-ext-install ffi; Fedora: php-ffi) and restart FPM',
            $this->says('missing', 'fpm-fcgi', $without)
        );
        self::assertStringContainsString(
            'Docker: install-php-extensions ffi',
            $this->says('missing', 'frankenphp', $without)
        );
    }

    /** The line in the file, as it was said, is all that it takes. */
    public function testWhatItSaysHelps(): void
    {
        file_put_contents("$this->folder/php.ini", "ffi.enable = 0\n");
        preg_match('/change ffi\.enable in (\S+) to (\S+)/', $this->says('switchedOff'), $said);
        self::assertSame("$this->folder/php.ini", $said[1]);
        file_put_contents($said[1], "$said[2]\n");
        $process = proc_open(
            [PHP_BINARY, '-c', "$this->folder/php.ini"],
            [['pipe', 'r'], ['pipe', 'w']],
            $pipes,
            null,
            ['PHP_INI_SCAN_DIR' => "$this->folder/conf.d", 'TOKENMGR_LIBRARY' => ROOT . '/build/lib/libtokenmgr.so.0']
        );
        fwrite($pipes[0], "<?php require {$this->autoload()}; echo TokenMgr\\Library::version();");
        fclose($pipes[0]);
        self::assertSame(\TokenMgr\Library::version(), stream_get_contents($pipes[1]));
        proc_close($process);
    }
}
