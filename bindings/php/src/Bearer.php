<?php

declare(strict_types=1);

namespace TokenMgr;

use Psr\Http\Message\RequestInterface;

/**
 * What the adapters of other HTTP clients have in common.
 *
 * @internal
 */
final class Bearer
{
    public static function request(
        RequestInterface $request,
        #[\SensitiveParameter] string $token
    ): RequestInterface {
        return $request->withHeader('Authorization', "Bearer $token");
    }

    /** Whether the server refused the token with a 401; the manager is told either way. */
    public static function isRefused(
        TokenManager $manager,
        #[\SensitiveParameter] string $token,
        int $status
    ): bool {
        if ($status !== 401) {
            $manager->accept($token);

            return false;
        }
        $manager->reject($token);

        return true;
    }

    /** After the second and last send: tells the manager if the server took the token. */
    public static function accept(TokenManager $manager, #[\SensitiveParameter] string $token, int $status): void
    {
        if ($status !== 401) {
            $manager->accept($token);
        }
    }

    /** Rewinds the body for a second send; false if that is impossible: the next request has a new token. */
    public static function rewind(RequestInterface $request): bool
    {
        $body = $request->getBody();
        if ($body->getSize() !== 0) {
            if (!$body->isSeekable()) {
                return false;
            }
            $body->rewind();
        }

        return true;
    }

    private function __construct()
    {
    }
}
