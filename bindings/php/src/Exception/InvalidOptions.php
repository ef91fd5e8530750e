<?php

declare(strict_types=1);

namespace TokenMgr\Exception;

/** The options' JSON: the message names the key, what it got and what it takes. */
final class InvalidOptions extends TokenManagerException
{
}
