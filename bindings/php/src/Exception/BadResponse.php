<?php

declare(strict_types=1);

namespace TokenMgr\Exception;

/** An auth endpoint answered something that holds no usable token. */
final class BadResponse extends TokenManagerException
{
}
