<?php

declare(strict_types=1);

namespace TokenMgr;

use FFI;
use FFI\CData;
use TokenMgr\Exception\TokenManagerException;

/**
 * Where a call of the library puts its error. Each call has a slot of its own: between a call that failed and the
 * reading of its error, a signal handler may make calls that fail, too.
 *
 * @internal
 */
final class ErrorSlot
{
    /** What a function is given as `err`. */
    public readonly CData $at;

    private readonly CData $error;

    public function __construct()
    {
        $error = Native::$ffi->new('tm_error *');
        $this->error = $error;
        $this->at = FFI::addr($error);
    }

    /** The error of the call that has just failed. */
    public function exception(): TokenManagerException
    {
        return TokenManagerException::of($this->error);
    }

    public function __destruct()
    {
        Native::$ffi->tm_error_free($this->error);
    }
}
