<?php

declare(strict_types=1);

namespace TokenMgr\Exception;

/** A bug in the library, contained. */
final class Panic extends TokenManagerException
{
}
