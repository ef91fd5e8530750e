<?php

// phpcs:disable PSR1.Methods.CamelCapsMethodName -- the names are PHP's

declare(strict_types=1);

namespace TokenMgr\Tests;

use Closure;

/**
 * A stream that a test implements: what it gives and takes are closures.
 */
final class CallbackStream
{
    /** @var resource|null set by PHP */
    public $context;

    private static ?Closure $nextRead = null;
    private static ?Closure $nextWrite = null;

    private ?Closure $read;
    private ?Closure $write;
    private bool $isAtEnd = false;

    /**
     * @param (callable(int): string)|null $read  the next piece; an empty one is the end
     * @param (callable(string): int)|null $write takes a piece, and returns how much of it
     *
     * @return resource
     */
    public static function open(?callable $read, ?callable $write = null)
    {
        if (!in_array('tm-test', stream_get_wrappers(), true)) {
            stream_wrapper_register('tm-test', self::class);
        }
        self::$nextRead = $read === null ? null : $read(...);
        self::$nextWrite = $write === null ? null : $write(...);

        return fopen('tm-test://', $read === null ? 'w' : 'r');
    }

    public function stream_open(): bool
    {
        [$this->read, $this->write] = [self::$nextRead, self::$nextWrite];

        return true;
    }

    public function stream_read(int $length): string
    {
        $piece = ($this->read)($length);
        $this->isAtEnd = $piece === '';

        return $piece;
    }

    public function stream_eof(): bool
    {
        return $this->isAtEnd;
    }

    public function stream_write(string $piece): int
    {
        return ($this->write)($piece);
    }
}
