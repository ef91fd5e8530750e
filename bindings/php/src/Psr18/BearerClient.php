<?php

declare(strict_types=1);

namespace TokenMgr\Psr18;

use Psr\Http\Client\ClientInterface;
use Psr\Http\Message\RequestInterface;
use Psr\Http\Message\ResponseInterface;
use TokenMgr\Exception\TokenManagerException;
use TokenMgr\TokenManager;

/**
 * A PSR-18 client around another: sends the access token, and where a 401 answers, renews it and sends the request once
 * more. Requests to other origins than the manager's pass through untouched. The other client must not follow redirects
 * by itself: it would know of no origin where the token may not go.
 */
final class BearerClient implements ClientInterface
{
    public function __construct(private readonly ClientInterface $client, private readonly TokenManager $manager)
    {
    }

    /** @throws NoToken if no token was to be had: the exception before it tells why */
    public function sendRequest(RequestInterface $request): ResponseInterface
    {
        if (!$this->manager->maySendTokenTo((string) $request->getUri())) {
            return $this->client->sendRequest($request);
        }
        $token = $this->token();
        $response = $this->client->sendRequest($request->withHeader('Authorization', "Bearer $token"));
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

        return $this->client->sendRequest($request->withHeader('Authorization', "Bearer {$this->token()}"));
    }

    private function token(): string
    {
        try {
            return $this->manager->accessToken();
        } catch (TokenManagerException $problem) {
            throw NoToken::because($problem);
        }
    }
}
