<?php

declare(strict_types=1);

namespace TokenMgr\Exception;

/** Another process held the refresh lock for longer than the wait allowed. */
final class LockTimeout extends TokenManagerException
{
}
