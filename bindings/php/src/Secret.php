<?php

declare(strict_types=1);

namespace TokenMgr;

use LogicException;

/**
 * An object that stands for secrets in this process: not to be copied, serialised or dumped.
 *
 * @internal
 */
trait Secret
{
    public function __serialize(): array
    {
        throw new LogicException(self::class . ' can not be serialised: it stands for secrets of this process');
    }

    public function __unserialize(array $data): void
    {
        throw new LogicException(self::class . ' can not be unserialised: it stands for secrets of this process');
    }

    private function __clone()
    {
    }

    /** At the end of a script PHP runs destructors in no useful order: another one may still use what is gone. */
    private static function gone(): LogicException
    {
        return new LogicException(self::class . ' is gone already: the script is ending, and PHP has destroyed it');
    }
}
