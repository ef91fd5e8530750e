<?php

declare(strict_types=1);

namespace TokenMgr;

use FFI;
use TokenMgr\Exception\LibraryNotLoaded;

/**
 * The shared library, loaded once per process (under FPM: per request, which costs nothing with `ffi.preload`).
 * It is loaded by itself when it is first needed.
 */
final class Library
{
    private static bool $isLoaded = false;

    private static ?string $path = null;

    /**
     * Loads the library, unless it is loaded.
     *
     * @param string|null $path the library's file; null: TOKENMGR_LIBRARY, then the package's own folder `lib`,
     *                          then the system's libtokenmgr.so.0
     *
     * @throws LibraryNotLoaded saying what is missing and what to do; or because another file is loaded already
     */
    public static function load(?string $path = null): void
    {
        if (!self::$isLoaded) {
            [$ffi, self::$path] = (new Loader())->load($path);
            /** @var FFI&Functions $waiting a SignalSafe has every function of its FFI */
            $waiting = PHP_VERSION_ID < 80400 ? $ffi : new SignalSafe($ffi);
            [Native::$ffi, Native::$waiting, self::$isLoaded] = [$ffi, $waiting, true];
        } elseif ($path !== null && $path !== self::$path) {
            $loaded = self::$path ?? 'the one that ffi.preload names';
            throw new LibraryNotLoaded(
                "$path cannot be loaded because another libtokenmgr is loaded already ($loaded);"
                . ' name the library before it is first used'
            );
        }
    }

    /** The library's version, such as "0.1.0". */
    public static function version(): string
    {
        self::load();

        return Native::$ffi->tm_version();
    }

    /** A new random key for the encrypted stores, in base64. */
    public static function generateKey(): string
    {
        self::load();

        $err = new ErrorSlot();

        return Native::text(Native::$ffi->tm_generate_key($err->at) ?? throw $err->exception());
    }

    private function __construct()
    {
    }
}
