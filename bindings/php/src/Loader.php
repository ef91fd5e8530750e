<?php

declare(strict_types=1);

namespace TokenMgr;

use FFI;
use FFI\Exception as FFIException;
use TokenMgr\Exception\LibraryNotLoaded;

/**
 * Finds the shared library and makes sure that it fits.
 *
 * @internal
 */
final class Loader
{
    /** The version of the interface that this package is written for: TM_ABI_VERSION of its header. */
    public const ABI_VERSION = 3;

    /** The header, as it is generated from the library's sources. */
    public const HEADER = __DIR__ . '/../include/tokenmgr-ffi.h';

    private const SONAME = 'libtokenmgr.so.0';

    /** Enough to ask a library of any version which it is. */
    private const VERSIONS = 'const char *tm_version(void); uint32_t tm_abi_version(void);';

    /**
     * @return array{FFI&Functions, string|null} the library and its path; null where PHP preloaded it
     *
     * @throws LibraryNotLoaded
     */
    public function load(?string $path): array
    {
        $this->requireFfi();
        $path ??= $this->namedByEnvironment();
        if ($path === null && ($preloaded = $this->preloaded()) !== null) {
            $this->requireVersion($preloaded, 'the libtokenmgr that ffi.preload loaded');

            return [$preloaded, null];
        }
        $path ??= $this->bundled() ?? self::SONAME;
        try {
            /** @var FFI&Functions $asked of which it has those of VERSIONS */
            $asked = FFI::cdef(self::VERSIONS, $path);
            $this->requireVersion($asked, $path);
            /** @var FFI&Functions $library */
            $library = FFI::cdef($this->header(), $path);

            return [$library, $path];
        } catch (FFIException $problem) {
            throw new LibraryNotLoaded($this->advice($path, $problem), 0, $problem);
        }
    }

    private function header(): string
    {
        return @file_get_contents(self::HEADER)
            ?: throw new LibraryNotLoaded(self::HEADER . ' cannot be read; install the package anew, and whole');
    }

    private function requireFfi(): void
    {
        if (!extension_loaded('ffi')) {
            throw new LibraryNotLoaded((new FfiAdvice())->missing());
        }
        $enable = strtolower((string) ini_get('ffi.enable'));
        if (in_array($enable, ['', '0', 'off', 'false', 'no'], true)) {
            throw new LibraryNotLoaded((new FfiAdvice())->switchedOff());
        }
    }

    /** The library that the environment names, itself or its folder. */
    private function namedByEnvironment(): ?string
    {
        $path = getenv('TOKENMGR_LIBRARY') ?: null;
        if ($path === null || @is_file($path)) {
            return $path;
        }
        // Where open_basedir keeps PHP from looking, the name tells: the loader may go there all the same.
        $isFolder = @is_dir($path) || !str_contains(basename($path), '.so');

        return $isFolder ? rtrim($path, '/') . '/' . self::SONAME : $path;
    }

    /** @return (FFI&Functions)|null the library that `ffi.preload` loaded, if it did */
    private function preloaded(): ?FFI
    {
        if (!ini_get('ffi.preload')) {
            return null;
        }
        try {
            /** @var FFI&Functions $library */
            $library = FFI::scope('TOKENMGR');

            return $library;
        } catch (FFIException $problem) {
            if ($this->isRestricted($problem)) {
                throw new LibraryNotLoaded((new FfiAdvice())->restricted(), 0, $problem);
            }

            return null; // other headers were preloaded, ours was not
        }
    }

    /** The library in the package's own folder `lib`: the only one there, or the one for this kind of machine. */
    private function bundled(): ?string
    {
        $path = dirname(__DIR__) . '/lib/' . self::SONAME;
        if (@is_file($path)) {
            return $path;
        }
        $carried = $this->carried();

        return $carried ? $carried[Platform::name()] ?? null : null;
    }

    /** @return array<string, string> the libraries in folders of `lib`, by the kind of machine that each is for */
    private function carried(): array
    {
        $lib = dirname(__DIR__) . '/lib';
        $carried = [];
        foreach (@scandir($lib) ?: [] as $platform) {
            if (@is_file("$lib/$platform/" . self::SONAME)) {
                $carried[$platform] = "$lib/$platform/" . self::SONAME;
            }
        }

        return $carried;
    }

    /** @param FFI&Functions $library */
    private function requireVersion(FFI $library, string $name): void
    {
        $abi = $library->tm_abi_version();
        if ($abi < self::ABI_VERSION) {
            throw new LibraryNotLoaded(sprintf(
                '%s is too old: it is version %s with interface %d, and this package needs interface %d;'
                . ' install a libtokenmgr of the package\'s version or later',
                $name,
                $library->tm_version(),
                $abi,
                self::ABI_VERSION
            ));
        }
    }

    private function advice(string $path, FFIException $problem): string
    {
        if ($this->isRestricted($problem)) {
            return (new FfiAdvice())->restricted();
        }
        if (str_contains($problem->getMessage(), 'resolving')) {
            return "$path is not a libtokenmgr that fits this package ({$problem->getMessage()});"
                . ' install a libtokenmgr of the package\'s version or later';
        }
        $where = @is_file($path)
            ? 'it is there, so see with "ldd" what it lacks, and that it was built for this machine'
            : 'install it ("make install", then "ldconfig"), or name its file or folder in TOKENMGR_LIBRARY';

        $carried = array_keys($this->carried());
        if ($path === self::SONAME && $carried) {
            $where = 'this package carries it for ' . implode(', ', $carried) . ' and PHP runs on ' . Platform::name()
                . ", so $where";
        }

        return "$path could not be loaded; $where";
    }

    private function isRestricted(FFIException $problem): bool
    {
        return str_contains($problem->getMessage(), 'ffi.enable');
    }
}
