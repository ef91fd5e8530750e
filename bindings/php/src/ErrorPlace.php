<?php

declare(strict_types=1);

namespace TokenMgr;

use FFI;
use FFI\CData;
use TokenMgr\Exception\TokenManagerException;

/**
 * Where a call of the library puts its error. Each call has one of its own: a signal handler may make calls, which fail
 * too, between a call that failed and the look at its error.
 *
 * @internal
 */
final class ErrorPlace
{
    /** What a function is given as `err`. */
    public readonly CData $at;

    private readonly CData $error;

    public function __construct()
    {
        $error = Library::$ffi->new('tm_error *');
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
        Library::$ffi->tm_error_free($this->error);
    }
}
