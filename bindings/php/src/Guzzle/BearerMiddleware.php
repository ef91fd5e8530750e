<?php

declare(strict_types=1);

namespace TokenMgr\Guzzle;

use GuzzleHttp\Promise\PromiseInterface;
use GuzzleHttp\Psr7\Utils;
use Psr\Http\Message\RequestInterface;
use Psr\Http\Message\ResponseInterface;
use TokenMgr\Bearer;
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

    /** @param callable(RequestInterface, array): PromiseInterface $next */
    public function __invoke(callable $next): callable
    {
        return function (RequestInterface $request, array $options) use ($next) {
            if (!$this->manager->maySendTokenTo((string) $request->getUri())) {
                return $next($request, $options);
            }
            $token = $this->manager->accessToken();
            /** @var mixed $resource */
            $resource = $options['sink'] ?? null;
            $before = self::lengthOf($resource);
            if (is_resource($resource)) {
                // One stream for both sends: a second one would find the resource closed with the first.
                $options['sink'] = Utils::streamFor($resource);
            }

            return $next(Bearer::request($request, $token), $options)->then(
                function (ResponseInterface $response) use ($next, $request, $options, $token, $resource, $before) {
                    if (!Bearer::isRefused($this->manager, $token, $response->getStatusCode())) {
                        return $response;
                    }
                    if ($before === null || (is_resource($resource) && !self::setBack($resource, $before))) {
                        return $response; // what the 401 wrote into the sink cannot be taken out again
                    }

                    return Bearer::rewind($request) ? $this->sendAgain($next, $request, $options) : $response;
                }
            );
        };
    }

    /** How long a sink is before an answer is written to its end; null if it cannot be set back to that. */
    private static function lengthOf(mixed $sink): ?int
    {
        if (!is_resource($sink)) {
            return $sink === null || is_string($sink) ? 0 : null; // a path is opened anew each time
        }
        $length = fstat($sink)['size'] ?? null;

        return stream_get_meta_data($sink)['seekable'] && ftell($sink) === $length ? $length : null;
    }

    /** @param resource $sink */
    private static function setBack(mixed $sink, int $length): bool
    {
        return ftruncate($sink, $length) && fseek($sink, $length) === 0;
    }

    /**
     * @param callable(RequestInterface, array): PromiseInterface $next
     * @param array<array-key, mixed>                             $options
     */
    private function sendAgain(callable $next, RequestInterface $request, array $options): PromiseInterface
    {
        $token = $this->manager->accessToken();

        return $next(Bearer::request($request, $token), $options)->then(
            function (ResponseInterface $response) use ($token): ResponseInterface {
                Bearer::accept($this->manager, $token, $response->getStatusCode());

                return $response;
            }
        );
    }
}
