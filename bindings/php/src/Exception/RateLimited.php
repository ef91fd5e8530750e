<?php

declare(strict_types=1);

namespace TokenMgr\Exception;

/** 429. */
final class RateLimited extends TokenManagerException
{
}
