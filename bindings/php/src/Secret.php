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
}
