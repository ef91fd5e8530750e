<?php

declare(strict_types=1);

namespace TokenMgr;

use FFI\CData;

/**
 * Where the library puts what a request came to. It is used again and again, by one call at a time.
 *
 * @phpstan-import-type TmOutcome from Functions
 *
 * @internal
 */
final class Outcome
{
    /** One with a larger body is not used for the next request: the body would stay in memory. */
    public const REUSED_BYTES = 65536;

    /** One that no call uses. A call that uses it puts null here meanwhile: a callback may make a request of its own. */
    public static ?self $spare = null;

    /** @var TmOutcome the `tm_outcome *`, whose members are read without a call */
    public readonly CData $at;

    public function __construct()
    {
        $this->at = Native::$ffi->tm_outcome_new();
    }

    public function __destruct()
    {
        if (self::$spare === $this) {
            self::$spare = null; // the script ends, and another object's destructor may still make a request
        }
        Native::$ffi->tm_outcome_free($this->at);
    }
}
