<?php

declare(strict_types=1);

namespace TokenMgr\Symfony;

use Symfony\Contracts\HttpClient\Exception\TransportExceptionInterface;
use TokenMgr\Exception\TokenManagerException;

/**
 * The request was not sent because the manager has no token; getPrevious() tells why, by its class.
 */
final class NoToken extends TokenManagerException implements TransportExceptionInterface
{
}
