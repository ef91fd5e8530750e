<?php

declare(strict_types=1);

namespace TokenMgr\Tests;

use PHPUnit\Framework\TestCase;
use ReflectionClass;
use TokenMgr\Exception\TokenManagerException;
use TokenMgr\Library;
use TokenMgr\Loader;
use TokenMgr\Native;

/**
 * Whatever the header says is not said again in PHP, or is the same.
 */
final class HeaderTest extends TestCase
{
    public function testThePackageCarriesTheGeneratedHeader(): void
    {
        self::assertFileEquals(ROOT . '/include/tokenmgr-ffi.h', PACKAGE . '/include/tokenmgr-ffi.h');
    }

    public function testWhatEditorsReadIsTheHeaders(): void
    {
        $generated = shell_exec(escapeshellarg(PHP_BINARY) . ' ' . escapeshellarg(PACKAGE . '/generate') . ' --print');
        self::assertStringEqualsFile(PACKAGE . '/src/Functions.php', $generated, 'run bindings/php/generate');
        $symbols = file(ROOT . '/include/symbols.txt', FILE_IGNORE_NEW_LINES);
        preg_match_all('/@method \S+ (tm_\w+)\(/', $generated, $methods);
        sort($methods[1]);
        self::assertSame($symbols, $methods[1]);
    }

    public function testTheInterfaceIsTheHeaders(): void
    {
        self::assertMatchesRegularExpression(
            '/^#define TM_ABI_VERSION ' . Loader::ABI_VERSION . '$/m',
            file_get_contents(Loader::HEADER)
        );
    }

    public function testThePackageHasTheLibrarysVersion(): void
    {
        $package = json_decode(file_get_contents(PACKAGE . '/composer.json'), true);
        self::assertSame($package['version'], Library::version());
    }

    /** @return array<string, array{string, int}> */
    public function statuses(): array
    {
        preg_match_all('/^  (TM_\w+) = (\d+),$/m', file_get_contents(Loader::HEADER), $found, PREG_SET_ORDER);
        $statuses = [];
        foreach ($found as [, $name, $number]) {
            $statuses[$name] = [$name, (int) $number];
        }
        unset($statuses['TM_OK']);

        return $statuses;
    }

    /** @dataProvider statuses */
    public function testEveryStatusHasItsException(string $name, int $number): void
    {
        Library::load();
        $class = (new ReflectionClass(TokenManagerException::class))->getMethod('classOf')->invoke(null, $name);
        self::assertSame(strtolower(str_replace('_', '', substr($name, 3))), strtolower($this->last($class)));
        self::assertSame($name, Native::$ffi->tm_status_name($number));
        self::assertSame($number, Native::$ffi->$name);
    }

    public function testEveryExceptionHasItsStatus(): void
    {
        $classes = array_map(fn (string $file) => basename($file, '.php'), glob(PACKAGE . '/src/Exception/*.php'));
        // One is every other's parent, and one is thrown before there is a library.
        self::assertCount(count($this->statuses()) + 2, $classes);
    }

    public function testAStatusOfALaterLibraryHasTheParentsClass(): void
    {
        $class = (new ReflectionClass(TokenManagerException::class))->getMethod('classOf')->invoke(null, 'TM_UNKNOWN');
        self::assertSame(TokenManagerException::class, $class);
    }

    private function last(string $class): string
    {
        return substr($class, strrpos($class, '\\') + 1);
    }
}
