<?php

declare(strict_types=1);

namespace TokenMgr\Store;

use Throwable;

/**
 * What went wrong in a database or a cache, in its words. The exception itself is not handed on: its trace holds the
 * arguments of those who do not know that they are secret, the record among them.
 *
 * @internal
 */
final class Reason
{
    /** Longer than a name, and as long as the pieces of a row that PostgreSQL and MySQL quote. */
    private const QUOTED = '/[\w+=-]{33,}/';

    public static function of(Throwable $problem): string
    {
        // PostgreSQL tells the row that it refused in the lines behind the first.
        $line = trim((string) strtok($problem->getMessage(), "\r\n"));

        return $line === '' ? $problem::class : (string) preg_replace(self::QUOTED, '(...)', $line);
    }

    private function __construct()
    {
    }
}
