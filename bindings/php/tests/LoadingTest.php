<?php

declare(strict_types=1);

namespace TokenMgr\Tests;

use PHPUnit\Framework\TestCase;
use TokenMgr\Library;

/**
 * Finding the library, and what is said where that fails.
 */
final class LoadingTest extends TestCase
{
    private const TELL = <<<'PHP'
        try {
            echo 'version ', TokenMgr\Library::version();
        } catch (TokenMgr\Exception\LibraryNotLoaded $problem) {
            echo $problem->getMessage();
        }
        PHP;

    private string $folder;

    protected function setUp(): void
    {
        $this->folder = sys_get_temp_dir() . '/tokenmgr-' . bin2hex(random_bytes(6));
        mkdir($this->folder);
    }

    protected function tearDown(): void
    {
        exec('rm -rf ' . escapeshellarg($this->folder));
    }

    private function tells(string $what, array $ini = [], array $environment = [], array $options = []): void
    {
        $script = Script::run(self::TELL, $ini, $environment, $options);
        self::assertStringContainsString($what, $script->output);
        self::assertSame(0, $script->exitCode);
    }

    private function works(array $ini = [], array $environment = []): void
    {
        $script = Script::run(self::TELL, $ini, $environment);
        self::assertSame(['version ' . Library::version(), 0], [$script->output, $script->exitCode]);
    }

    private static function library(): string
    {
        return (string) realpath(ROOT . '/build/lib/libtokenmgr.so.0');
    }

    /** A package of its own: a copy, so that something can be put beside it. */
    private function copyOfThePackage(): string
    {
        exec(sprintf('cp -r %s %s', escapeshellarg(PACKAGE), escapeshellarg("$this->folder/package")));

        return "$this->folder/package";
    }

    public function testByTheEnvironment(): void
    {
        $this->works([], ['TOKENMGR_LIBRARY' => self::library()]);
        $this->works([], ['TOKENMGR_LIBRARY' => ROOT . '/build/lib']);
        $this->works([], ['TOKENMGR_LIBRARY' => ROOT . '/build/lib/']);
    }

    public function testByAFolderWherePhpMayNotLook(): void
    {
        $this->works(['open_basedir' => PACKAGE], ['TOKENMGR_LIBRARY' => ROOT . '/build/lib']);
        $this->works(['open_basedir' => PACKAGE], ['TOKENMGR_LIBRARY' => self::library()]);
        $this->works(
            ['open_basedir' => PACKAGE . '/src:' . PACKAGE . '/include:' . PACKAGE . '/autoload.php'],
            ['TOKENMGR_LIBRARY' => null, 'LD_LIBRARY_PATH' => dirname(self::library())]
        );
        $script = Script::run(self::TELL, ['open_basedir' => PACKAGE], ['TOKENMGR_LIBRARY' => "$this->folder/no.so"]);
        self::assertStringContainsString('could not be loaded; install it', $script->output);
        self::assertStringNotContainsString('Warning', $script->output);
    }

    public function testByThePackagesOwnFolder(): void
    {
        $package = $this->copyOfThePackage();
        mkdir("$package/lib");
        copy(self::library(), "$package/lib/libtokenmgr.so.0");
        $script = Script::run(
            "require '$package/src/Loader.php'; require '$package/src/Library.php';" . self::TELL
            . 'echo basename((new ReflectionProperty("TokenMgr\Library", "path"))->getValue());',
            [],
            ['TOKENMGR_LIBRARY' => null]
        );
        self::assertSame('version ' . Library::version() . 'libtokenmgr.so.0', $script->output);
    }

    /** What a copy of the package with these files in `lib` says, each a copy of the library. */
    private function tellsWith(string ...$platforms): string
    {
        $package = $this->copyOfThePackage();
        foreach ($platforms as $platform) {
            mkdir("$package/lib/$platform", recursive: true);
            copy(self::library(), "$package/lib/$platform/libtokenmgr.so.0");
        }
        $script = Script::run(
            "require '$package/src/Loader.php'; require '$package/src/Library.php';" . self::TELL
            . 'echo "\n", (new ReflectionProperty("TokenMgr\Library", "path"))->getValue();',
            [],
            ['TOKENMGR_LIBRARY' => null]
        );
        exec('rm -rf ' . escapeshellarg($package));

        return str_replace($this->folder, '', $script->output);
    }

    public function testByTheKindOfMachine(): void
    {
        $here = php_uname('m') . '-glibc';
        self::assertSame(
            'version ' . Library::version() . "\n/package/lib/$here/libtokenmgr.so.0",
            $this->tellsWith('riscv64-musl', $here, php_uname('m') . '-musl')
        );
        self::assertStringContainsString(
            'libtokenmgr.so.0 could not be loaded; this package carries it for riscv64-glibc, riscv64-musl'
            . " and PHP runs on $here, so install it",
            $this->tellsWith('riscv64-musl', 'riscv64-glibc')
        );
    }

    public function testByItsSoname(): void
    {
        $this->works([], ['TOKENMGR_LIBRARY' => null, 'LD_LIBRARY_PATH' => dirname(self::library())]);
    }

    public function testByAnExplicitPathBeforeAllElse(): void
    {
        $load = sprintf('TokenMgr\Library::load(%s);', var_export(self::library(), true));
        $script = Script::run($load . $load . self::TELL, [], ['TOKENMGR_LIBRARY' => '/nonexistent']);
        self::assertSame('version ' . Library::version(), $script->output);
        $script = Script::run($load . 'TokenMgr\Library::load("/other.so");');
        self::assertStringContainsString('/other.so cannot be loaded because another', $script->output);
    }

    public function testByFfiPreload(): void
    {
        $this->works(
            ['ffi.enable' => 'preload', 'ffi.preload' => PACKAGE . '/include/tokenmgr-ffi.h'],
            ['TOKENMGR_LIBRARY' => null, 'LD_LIBRARY_PATH' => dirname(self::library())]
        );
    }

    public function testBesideOtherPreloadedHeaders(): void
    {
        file_put_contents("$this->folder/other.h", "#define FFI_SCOPE \"OTHER\"\nint getpid(void);\n");
        $this->works(['ffi.preload' => "$this->folder/other.h"]);
    }

    public function testWithOpcachePreloading(): void
    {
        $ini = [
            'opcache.enable_cli' => '1',
            'opcache.preload' => PACKAGE . '/preload.php',
            'opcache.preload_user' => posix_getpwuid(posix_geteuid())['name'],
            'ffi.enable' => 'preload',
        ];
        $this->works($ini);
        $this->works(
            $ini + ['ffi.preload' => PACKAGE . '/include/tokenmgr-ffi.h'],
            ['TOKENMGR_LIBRARY' => null, 'LD_LIBRARY_PATH' => dirname(self::library())]
        );
        $script = Script::run('echo count(opcache_get_status()["preload_statistics"]["classes"]);', $ini);
        self::assertGreaterThan(30, (int) $script->output, $script->output);
    }

    /** One-shot scripts: what PHP compiled in one run serves the next. */
    public function testWithOpcachesFileCache(): void
    {
        $ini = ['opcache.enable_cli' => '1', 'opcache.file_cache_only' => '1', 'opcache.file_cache' => $this->folder];
        $this->works($ini);
        $list = 'find ' . escapeshellarg($this->folder) . ' -name "*.bin" | sort';
        $compiled = static fn () => trim((string) shell_exec($list));
        $first = $compiled();
        self::assertStringContainsString('Library.php.bin', $first);
        $this->works($ini);
        self::assertSame($first, $compiled());
    }

    public function testWithoutTheExtension(): void
    {
        $this->tells('PHP has no FFI extension', [], [], ['-n']);
    }

    public function testSwitchedOff(): void
    {
        foreach (['0', 'off', 'false'] as $off) {
            $this->tells('FFI is switched off by ffi.enable; no php.ini says so, thus start', ['ffi.enable' => $off]);
        }
    }

    public function testMissing(): void
    {
        $this->tells('/nonexistent/lib.so could not be loaded; install it', [], [
            'TOKENMGR_LIBRARY' => '/nonexistent/lib.so',
        ]);
        $this->tells('libtokenmgr.so.0 could not be loaded; install it', [], ['TOKENMGR_LIBRARY' => null]);
        $this->tells("$this->folder/libtokenmgr.so.0 could not be loaded; install it", [], [
            'TOKENMGR_LIBRARY' => $this->folder,
        ]);
    }

    public function testNoLibraryAtAll(): void
    {
        $this->tells('it is there, so see with "ldd"', [], ['TOKENMGR_LIBRARY' => __FILE__]);
        $this->tells('is not a libtokenmgr that fits', [], ['TOKENMGR_LIBRARY' => 'libc.so.6']);
    }

    public function testTooOld(): void
    {
        $this->tells('is too old: it is version 0.0.9 with interface 0, and this package needs interface 3', [], [
            'TOKENMGR_LIBRARY' => $this->compile(
                'const char *tm_version(void) { return "0.0.9"; } unsigned tm_abi_version(void) { return 0; }'
            ),
        ]);
    }

    public function testWithoutAFunction(): void
    {
        $this->tells('is not a libtokenmgr that fits', [], [
            'TOKENMGR_LIBRARY' => $this->compile(
                'const char *tm_version(void) { return "9.0"; } unsigned tm_abi_version(void) { return 9; }'
            ),
        ]);
    }

    private function compile(string $source): string
    {
        file_put_contents("$this->folder/library.c", $source);
        exec("cc -shared -fPIC -o $this->folder/library.so $this->folder/library.c", $output, $status);
        self::assertSame(0, $status);

        return "$this->folder/library.so";
    }

    /** @dataProvider copies */
    public function testComposerInstallsIt(bool $symlink): void
    {
        file_put_contents("$this->folder/composer.json", json_encode([
            'repositories' => [
                ['type' => 'path', 'url' => realpath(PACKAGE), 'options' => ['symlink' => $symlink]],
                ['packagist.org' => false],
            ],
            'require' => ['tokenmgr/tokenmgr' => '*'],
        ]));
        exec(
            "cd $this->folder && COMPOSER_HOME=$this->folder/home COMPOSER_ALLOW_SUPERUSER=1"
            . ' composer install --no-interaction --quiet 2>&1',
            $output,
            $status
        );
        self::assertSame(0, $status, implode("\n", $output));
        self::assertSame($symlink, is_link("$this->folder/vendor/tokenmgr/tokenmgr"));
        foreach (['LICENSE-MIT', 'LICENSE-APACHE'] as $licence) {
            self::assertFileEquals(ROOT . "/$licence", "$this->folder/vendor/tokenmgr/tokenmgr/$licence");
        }
        file_put_contents("$this->folder/script.php", '<?php require "vendor/autoload.php";' . self::TELL);
        self::assertSame(
            'version ' . Library::version(),
            exec("cd $this->folder && " . escapeshellarg(PHP_BINARY) . ' -d ffi.enable=1 script.php')
        );
    }

    public function copies(): array
    {
        return ['linked' => [true], 'copied' => [false]];
    }
}
