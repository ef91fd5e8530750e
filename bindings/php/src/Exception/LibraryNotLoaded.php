<?php

declare(strict_types=1);

namespace TokenMgr\Exception;

/** The shared library could not be loaded; the message says what to do. */
final class LibraryNotLoaded extends TokenManagerException
{
}
