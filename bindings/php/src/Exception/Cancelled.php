<?php

declare(strict_types=1);

namespace TokenMgr\Exception;

/** The interrupt callback ended the call. */
final class Cancelled extends TokenManagerException
{
}
