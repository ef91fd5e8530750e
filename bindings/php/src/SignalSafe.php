<?php

declare(strict_types=1);

namespace TokenMgr;

use FFI;

/**
 * The library's functions from PHP 8.4 on, for calls that may wait. A signal that arrives meanwhile has its handler run
 * (pcntl_async_signals()) when the function has returned: since 8.4 that is while its frame still stands there, but has
 * lost its function, and PHP crashes where the handler makes an exception. Under call_user_func_array() the frame has
 * gone by then. PHP's compiler must not know that it is called: it would make a plain call of it.
 *
 * @internal
 */
final class SignalSafe
{
    private const CALL = 'call_user_func_array';

    public function __construct(private readonly FFI $ffi)
    {
    }

    /** @param list<mixed> $arguments */
    public function __call(string $function, #[\SensitiveParameter] array $arguments): mixed
    {
        // @mago-expect analysis:less-specific-nested-argument-type -- C's functions, which only FFI knows
        return (self::CALL)([$this->ffi, $function], $arguments);
    }
}
