<?php

declare(strict_types=1);

namespace TokenMgr;

use FFI;
use FFI\Exception as FFIException;

/**
 * The kind of machine that PHP runs on, as a package that carries the library for several calls its folders.
 *
 * @internal
 */
final class Platform
{
    /** Such as "x86_64-glibc" or "aarch64-musl". */
    public static function name(): string
    {
        return php_uname('m') . '-' . self::libc();
    }

    /** Asks the process itself, as open_basedir may keep PHP from reading the files that would tell. */
    private static function libc(): string
    {
        try {
            FFI::cdef('const char *gnu_get_libc_version(void);');

            return 'glibc';
        } catch (FFIException) {
            return 'musl';
        }
    }

    private function __construct()
    {
    }
}
