<?php

declare(strict_types=1);

namespace TokenMgr\Exception;

/** The answer is larger than the option max_response_bytes. */
final class ResponseTooLarge extends TokenManagerException
{
}
