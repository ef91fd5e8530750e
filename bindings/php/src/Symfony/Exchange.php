<?php

declare(strict_types=1);

namespace TokenMgr\Symfony;

use Closure;
use Generator;
use Symfony\Component\HttpClient\Response\AsyncContext;
use Symfony\Contracts\HttpClient\ChunkInterface;
use TokenMgr\Bearer;
use TokenMgr\Exception\TokenManagerException;
use TokenMgr\TokenManager;
use Traversable;

/**
 * One request of BearerHttpClient up to its answer: after a 401 it is sent once more, and redirects are followed.
 *
 * @phpstan-type Headers = iterable<array-key, string|iterable<string>>
 * @phpstan-type Options = array{
 *     body?: array<array-key, mixed>|string|resource|Traversable<string>|Closure|null, headers?: Headers,
 *     max_redirects?: int, base_uri?: string|array<array-key, string|null>|null, query?: array<array-key, mixed>, ...
 * }
 *
 * @internal
 */
final class Exchange
{
    private const REDIRECTS = 20; // as many as Symfony follows

    /** What a request must not carry to another origin. */
    private const PRIVATE = ['authorization', 'cookie', 'host'];

    /** What tells of a body. */
    private const CONTENT = ['content-length', 'content-type', 'transfer-encoding'];

    /** The token that was sent last; null: none, the request was redirected to somebody else. */
    private ?string $token;

    private bool $isRepeated = false;
    private int $redirects = 0;
    private readonly int $mostRedirects;

    /** @var resource|null the body, if it is a stream that can be rewound */
    private mixed $stream;

    /** Where in it the body begins. */
    private readonly int $start;

    /** @param Options $options */
    public function __construct(
        private readonly TokenManager $manager,
        private string $method,
        private string $url,
        #[\SensitiveParameter] private array $options
    ) {
        $body = $options['body'] ?? null;
        $this->stream = is_resource($body) && stream_get_meta_data($body)['seekable'] ? $body : null;
        $this->start = $this->stream === null ? 0 : (int) ftell($this->stream);
        $this->mostRedirects = $options['max_redirects'] ?? self::REDIRECTS;
        // The URL has the query already. The token is the authorization.
        $this->options = ['max_redirects' => 0, 'query' => [], 'base_uri' => null] + $options;
        $this->options['auth_basic'] = $this->options['auth_bearer'] = null; // in place of the client's own, too
        $this->options['headers'] = self::without(['authorization'], $options['headers'] ?? []);
        $this->token = $this->nextToken();
    }

    /** @return Options those of the next send */
    public function options(): array
    {
        $options = $this->options;
        if ($this->token !== null) {
            $options['headers'] = [...$options['headers'], 'Authorization' => "Bearer $this->token"];
        }

        return $options;
    }

    /** What AsyncResponse asks with each piece that arrives. */
    public function __invoke(ChunkInterface $chunk, AsyncContext $context): Generator
    {
        if ($context->getInfo('canceled') === true || $chunk->getError() !== null || !$chunk->isFirst()) {
            yield $chunk;

            return;
        }
        if (!$this->mustSendAgain($context->getStatusCode()) && !$this->isRedirected($context)) {
            $context->passthru();
            yield $chunk;

            return;
        }
        $context->getResponse()->cancel();
        $this->token = $this->nextToken();
        $context->replaceRequest($this->method, $this->url, $this->options());
    }

    /** @return array{method: string, url: string} */
    public function __debugInfo(): array
    {
        return ['method' => $this->method, 'url' => $this->url]; // no token
    }

    /** Tells the manager what the server thinks of the token. */
    private function mustSendAgain(int $status): bool
    {
        if ($this->token === null) {
            return false;
        }
        if ($this->isRepeated) {
            Bearer::accept($this->manager, $this->token, $status);

            return false;
        }

        return $this->isRepeated = Bearer::isRefused($this->manager, $this->token, $status) && $this->rewind();
    }

    private function isRedirected(AsyncContext $context): bool
    {
        $status = $context->getStatusCode();
        /** @var string|null $url */
        $url = $context->getInfo('redirect_url');
        if ($status < 300 || $status >= 400 || $url === null || $this->redirects >= $this->mostRedirects) {
            return false;
        }
        // As browsers do it: what was posted is not posted again to where the answer is to be got.
        if ($status === 303 || ($this->method === 'POST' && in_array($status, [301, 302], true))) {
            $this->method = $this->method === 'HEAD' ? 'HEAD' : 'GET';
            /** @var Options $bodiless */
            $bodiless = array_diff_key($this->options, ['body' => 0, 'json' => 0]);
            $this->options = $bodiless;
            $this->stream = null;
            $this->options['headers'] = self::without(self::CONTENT, $this->options['headers']);
        } elseif (!$this->rewind()) {
            return false;
        }
        if (self::origin($url) !== self::origin($this->url)) {
            // Empty ones take the place of those that the client has by itself, as from withOptions().
            $this->options['headers'] = ['Authorization' => [], 'Cookie' => []]
                + self::without(self::PRIVATE, $this->options['headers']);
        }
        $this->url = $url;
        $context->setInfo('redirect_count', ++$this->redirects);

        return true;
    }

    /** Back to the body's beginning; false if that is impossible: then the answer is the application's. */
    private function rewind(): bool
    {
        $stream = $this->stream;
        if ($stream !== null) {
            // curl keeps a stream that it has read to its end for ended, wherever that is set back to.
            $this->options['body'] = static fn (int $length): string => (string) fread($stream, $length);

            return fseek($stream, $this->start) === 0;
        }
        $body = $this->options['body'] ?? null;

        return $body === null || is_string($body) || is_array($body);
    }

    private function nextToken(): ?string
    {
        try {
            return $this->manager->maySendTokenTo($this->url) ? $this->manager->accessToken() : null;
        } catch (TokenManagerException $problem) {
            throw NoToken::because($problem);
        }
    }

    /**
     * @param list<string> $names
     * @param Headers      $headers by their names, or as whole lines
     *
     * @return array<array-key, string|iterable<string>>
     */
    private static function without(array $names, iterable $headers): array
    {
        $kept = [];
        foreach ($headers as $name => $value) {
            $header = is_int($name) ? (string) strstr("$value:", ':', true) : $name;
            if (!in_array(strtolower($header), $names, true)) {
                is_int($name) ? $kept[] = $value : $kept[$name] = $value;
            }
        }

        return $kept;
    }

    /** @return array{string, string, int|null} */
    private static function origin(string $url): array
    {
        $parts = parse_url($url);

        return [$parts['scheme'] ?? '', $parts['host'] ?? '', $parts['port'] ?? null];
    }
}
