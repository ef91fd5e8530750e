<?php

declare(strict_types=1);

namespace TokenMgr\Exception;

/** Not the host's origin nor an allowed one, or http:// off loopback. Nothing was sent. */
final class UrlNotAllowed extends TokenManagerException
{
}
