<?php

declare(strict_types=1);

namespace TokenMgr;

use LogicException;

/**
 * An object that holds secrets of this process: not to be copied, serialised or dumped.
 *
 * @internal
 */
trait Secret
{
    /** @return never */
    public function __serialize(): array
    {
        throw new LogicException(self::class . ' cannot be serialised: it holds secrets of this process');
    }

    /** @param array<array-key, mixed> $data */
    public function __unserialize(array $data): void
    {
        throw new LogicException(self::class . ' cannot be unserialised: it holds secrets of this process');
    }

    private function __clone(): void
    {
    }

    /** At the end of a script PHP runs destructors in no useful order: one may use an object that is destroyed already. */
    private static function destroyed(): LogicException
    {
        return new LogicException(self::class . ' is destroyed already: the script is ending');
    }
}
