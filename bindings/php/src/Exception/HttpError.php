<?php

declare(strict_types=1);

namespace TokenMgr\Exception;

/** Any other 4xx on an API call. */
final class HttpError extends TokenManagerException
{
}
