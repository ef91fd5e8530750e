<?php

declare(strict_types=1);

namespace TokenMgr\Exception;

/** The call was made inside a callback and would have to wait for a refresh that its own thread is running. */
final class Reentrant extends TokenManagerException
{
}
