<?php

declare(strict_types=1);

namespace TokenMgr\Exception;

/** 403: the caller's IP address is not whitelisted; no refresh can help. */
final class Forbidden extends TokenManagerException
{
}
