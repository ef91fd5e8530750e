<?php

declare(strict_types=1);

namespace TokenMgr\Exception;

/** NULL, bad UTF-8, a bad method or URL. */
final class InvalidArgument extends TokenManagerException
{
}
