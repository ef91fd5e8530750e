<?php

declare(strict_types=1);

namespace TokenMgr;

use FFI;
use FFI\CData;

/**
 * Where the library copies access tokens to on their way to PHP. It is used again and again, by one call at a time.
 *
 * @internal
 */
final class TokenBuffer
{
    /** Why take() failed. */
    public readonly ErrorSlot $err;

    private CData $buffer;

    public function __construct()
    {
        $this->err = new ErrorSlot();
        $this->buffer = Native::$ffi->new('char[4096]');
    }

    /** The access token; an empty string on failure. */
    public function take(?CData $manager): string
    {
        $ffi = Native::$waiting;
        $length = $ffi->tm_copy_access_token($manager, $this->buffer, FFI::sizeof($this->buffer), $this->err->at);
        while ($length >= FFI::sizeof($this->buffer)) {
            $size = 2 * $length;
            $this->buffer = Native::$ffi->new("char[$size]");
            $length = $ffi->tm_copy_access_token($manager, $this->buffer, $size, $this->err->at);
        }

        return FFI::string($this->buffer, $length);
    }
}
