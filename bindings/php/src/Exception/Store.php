<?php

declare(strict_types=1);

namespace TokenMgr\Exception;

/** The token store failed; the message says which operation. A Store may throw it, too: see there. */
final class Store extends TokenManagerException
{
}
