<?php

declare(strict_types=1);

namespace TokenMgr;

use FFI;
use FFI\CData;

/**
 * The functions and types of tokenmgr-ffi.h.
 *
 * @internal
 */
final class Native
{
    /**
     * Library::load() sets it: call that before the first use.
     *
     * @var Functions
     */
    public static FFI $ffi;

    /**
     * The same, for calls that may wait.
     *
     * @var Functions
     */
    public static FFI|SignalSafe $waiting;

    /** The string that a function gave as `char *`, which is freed. */
    public static function text(CData $owned): string
    {
        $text = FFI::string($owned);
        self::$ffi->tm_string_free($owned);

        return $text;
    }

    private function __construct()
    {
    }
}
