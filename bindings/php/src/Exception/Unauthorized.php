<?php

declare(strict_types=1);

namespace TokenMgr\Exception;

/** An API call was still answered 401 after its token was renewed, or the token could not be renewed. */
final class Unauthorized extends TokenManagerException
{
}
