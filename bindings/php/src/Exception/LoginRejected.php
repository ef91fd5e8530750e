<?php

declare(strict_types=1);

namespace TokenMgr\Exception;

/** The login endpoint refused the credentials. */
final class LoginRejected extends TokenManagerException
{
}
