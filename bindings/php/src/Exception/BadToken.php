<?php

declare(strict_types=1);

namespace TokenMgr\Exception;

/** Not a JWT. */
final class BadToken extends TokenManagerException
{
}
