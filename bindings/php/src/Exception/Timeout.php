<?php

declare(strict_types=1);

namespace TokenMgr\Exception;

/** The call's time ran out. */
final class Timeout extends TokenManagerException
{
}
