<?php

declare(strict_types=1);

namespace TokenMgr;

use FFI\CData;

/**
 * Where the library puts what a request came to. It is used again and again, by one call at a time.
 *
 * @internal
 */
final class Outcome
{
    /** One that no call uses. Who takes it puts null here meanwhile: a callback may make a request of its own. */
    public static ?self $spare = null;

    /** The `tm_outcome *`, whose members are read without a call. */
    public readonly CData $at;

    public function __construct()
    {
        $this->at = Library::$ffi->tm_outcome_new();
    }

    public function __destruct()
    {
        if (self::$spare === $this) {
            self::$spare = null; // the script ends, and another object's destructor may still make a request
        }
        Library::$ffi->tm_outcome_free($this->at);
    }
}
