<?php

declare(strict_types=1);

namespace TokenMgr\Guzzle;

use Psr\Http\Message\RequestInterface;
use Psr\Http\Message\ResponseInterface;
use TokenMgr\TokenManager;

/**
 * A Guzzle middleware: sends the access token, and where a 401 answers, renews it and sends the request once more.
 *
 *     $stack = GuzzleHttp\HandlerStack::create();
 *     $stack->push(new TokenMgr\Guzzle\BearerMiddleware($tm), 'tokenmgr');
 *
 * Requests to other origins than the manager's pass through untouched, redirected ones as well. Push it after the
 * others, as above: then every redirect passes it, and Guzzle's http_errors sees only the last answer.
 */
final class BearerMiddleware
{
    public function __construct(private readonly TokenManager $manager)
    {
    }

    /** @param callable(RequestInterface, array): \GuzzleHttp\Promise\PromiseInterface $next */
    public function __invoke(callable $next): callable
    {
        return function (RequestInterface $request, array $options) use ($next) {
            if (!$this->manager->maySendTokenTo((string) $request->getUri())) {
                return $next($request, $options);
            }
            $token = $this->manager->accessToken();

            return $next(self::withToken($request, $token), $options)->then(
                function (ResponseInterface $response) use ($next, $request, $options, $token) {
                    if ($response->getStatusCode() !== 401) {
                        return $response;
                    }
                    $this->manager->reject($token);
                    $body = $request->getBody();
                    if ($body->getSize() !== 0) {
                        if (!$body->isSeekable()) {
                            return $response; // what was sent is gone; the next request has a new token
                        }
                        $body->rewind();
                    }

                    return $next(self::withToken($request, $this->manager->accessToken()), $options);
                }
            );
        };
    }

    private static function withToken(RequestInterface $request, #[\SensitiveParameter] string $token): RequestInterface
    {
        return $request->withHeader('Authorization', "Bearer $token");
    }
}
