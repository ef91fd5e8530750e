<?php

declare(strict_types=1);

namespace TokenMgr\Exception;

/** The interrupt callback ended the call, or a stream that could not be read or written to. */
final class Cancelled extends TokenManagerException
{
}
