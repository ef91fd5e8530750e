<?php

declare(strict_types=1);

namespace TokenMgr\Symfony;

use Symfony\Component\HttpClient\AsyncDecoratorTrait;
use Symfony\Component\HttpClient\Exception\InvalidArgumentException;
use Symfony\Component\HttpClient\HttpClient;
use Symfony\Component\HttpClient\HttpClientTrait;
use Symfony\Component\HttpClient\Response\AsyncResponse;
use Symfony\Contracts\HttpClient\HttpClientInterface;
use Symfony\Contracts\HttpClient\ResponseInterface;
use Symfony\Contracts\Service\ResetInterface;
use TokenMgr\TokenManager;

/**
 * Symfony's HTTP client with our tokens: sends the access token, and where a 401 answers, renews it and sends the
 * request once more, while the responses stay as asynchronous as they were.
 *
 *     $client = new BearerHttpClient(HttpClient::create(), $tm);
 *     $client = ScopingHttpClient::forBaseUri($client, 'https://api.example.com');
 *
 * It has to be inside a ScopingHttpClient, as above: it must know where each request goes. Requests to other origins
 * than the manager's pass through untouched. Of the others it follows the redirects itself, so that the token goes
 * where it may go, and nowhere else.
 *
 * @phpstan-import-type Options from Exchange
 */
final class BearerHttpClient implements HttpClientInterface, ResetInterface
{
    use AsyncDecoratorTrait;
    use HttpClientTrait;

    /** @var Options what withOptions() was given */
    private array $defaults = [];

    public function __construct(?HttpClientInterface $client, private readonly TokenManager $manager)
    {
        $this->client = $client ?? HttpClient::create();
    }

    /**
     * @param array<array-key, mixed> $options
     *
     * @throws NoToken if the manager has no token; getPrevious() tells why. A second send throws it in the response
     */
    public function request(string $method, string $url, array $options = []): ResponseInterface
    {
        /** @var Options $options */
        $url = self::absolute($url, $options + $this->defaults);
        if (!$this->manager->maySendTokenTo($url)) {
            return new AsyncResponse($this->inner(), $method, $url, ['query' => [], 'base_uri' => null] + $options);
        }
        $exchange = new Exchange($this->manager, $method, $url, $options + $this->defaults);

        return new AsyncResponse($this->inner(), $method, $url, $exchange->options(), $exchange);
    }

    /** @param array<array-key, mixed> $options */
    public function withOptions(array $options): static
    {
        /** @var Options $options */
        $clone = clone $this;
        $clone->client = $this->inner()->withOptions($options);
        $clone->defaults = array_intersect_key($options, ['base_uri' => 1, 'max_redirects' => 1]) + $this->defaults;

        return $clone;
    }

    private function inner(): HttpClientInterface
    {
        /** @var HttpClientInterface $client the trait's, which says so itself from Symfony 6 on */
        $client = $this->client;

        return $client;
    }

    /**
     * The URL that the request goes to, its query included.
     *
     * @param Options $options
     */
    private static function absolute(string $url, array $options): string
    {
        $base = $options['base_uri'] ?? null;
        try {
            $base = is_string($base) ? self::parseUrl($base) : $base;

            /** @var array<string, string|null> $parts */
            $parts = self::resolveUrl(self::parseUrl($url, $options['query'] ?? []), $base);

            return implode('', $parts);
        } catch (InvalidArgumentException $problem) {
            throw new InvalidArgumentException(
                "{$problem->getMessage()} BearerHttpClient has to know where the token goes: put a ScopingHttpClient"
                . ' around it, or give it the option "base_uri".',
                0,
                $problem
            );
        }
    }
}
