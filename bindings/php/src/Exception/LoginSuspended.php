<?php

declare(strict_types=1);

namespace TokenMgr\Exception;

/** Not tried: recent logins were refused; $retryAfter says for how long. */
final class LoginSuspended extends TokenManagerException
{
}
