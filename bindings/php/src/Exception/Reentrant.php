<?php

declare(strict_types=1);

namespace TokenMgr\Exception;

/** Made inside a callback, the call would wait for a refresh that this very thread is in. */
final class Reentrant extends TokenManagerException
{
}
