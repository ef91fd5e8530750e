<?php

declare(strict_types=1);

namespace TokenMgr\Exception;

/** 401 on an API call that stayed after the recovery was spent. */
final class Unauthorized extends TokenManagerException
{
}
