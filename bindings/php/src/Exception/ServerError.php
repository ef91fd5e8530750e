<?php

declare(strict_types=1);

namespace TokenMgr\Exception;

/** 5xx. */
final class ServerError extends TokenManagerException
{
}
