<?php

declare(strict_types=1);

namespace TokenMgr\Exception;

/** No TLS connection could be made: an untrusted certificate, a wrong name, no common version. */
final class Tls extends TokenManagerException
{
}
