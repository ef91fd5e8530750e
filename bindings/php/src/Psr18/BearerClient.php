<?php

declare(strict_types=1);

namespace TokenMgr\Psr18;

use Psr\Http\Client\ClientInterface;
use Psr\Http\Message\RequestInterface;
use Psr\Http\Message\ResponseInterface;
use TokenMgr\Bearer;
use TokenMgr\Exception\TokenManagerException;
use TokenMgr\TokenManager;

/**
 * A PSR-18 client around another: sends the access token, and where a 401 answers, renews it and sends the request once
 * more. Requests to other origins than the manager's pass through untouched. The other client must not follow redirects
 * by itself: it would send the token to any origin.
 */
final class BearerClient implements ClientInterface
{
    public function __construct(private readonly ClientInterface $client, private readonly TokenManager $manager)
    {
    }

    /** @throws NoToken if the manager has no token; getPrevious() tells why */
    public function sendRequest(RequestInterface $request): ResponseInterface
    {
        if (!$this->manager->maySendTokenTo((string) $request->getUri())) {
            return $this->client->sendRequest($request);
        }
        $token = $this->token();
        $response = $this->client->sendRequest(Bearer::request($request, $token));
        $isRefused = Bearer::isRefused($this->manager, $token, $response->getStatusCode());
        if (!$isRefused || !Bearer::rewind($request)) {
            return $response;
        }
        $token = $this->token();
        $response = $this->client->sendRequest(Bearer::request($request, $token));
        Bearer::accept($this->manager, $token, $response->getStatusCode());

        return $response;
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
