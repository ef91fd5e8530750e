<?php

declare(strict_types=1);

namespace TokenMgr;

use JsonException;
use TokenMgr\Exception\BadResponse;
use TokenMgr\Exception\TokenManagerException;

/**
 * An HTTP response, read whole but for a body that went to a sink. It never changes.
 *
 * @phpstan-import-type ErrorParts from TokenManagerException
 */
final class Response
{
    use Secret;

    /**
     * @internal see TokenManager::request()
     *
     * @param int              $status the HTTP status, such as 200
     * @param string           $body   the body, decompressed; empty if it went to a sink
     * @param string           $head   the member `head` of tm_outcome
     * @param ErrorParts|null  $error  what a status of 400 and above means: see TokenManagerException::read()
     */
    public function __construct(
        public readonly int $status,
        public readonly string $body,
        private readonly string $head,
        private readonly ?array $error
    ) {
    }

    /** Whether the status is 200 to 299. */
    public function ok(): bool
    {
        return intdiv($this->status, 100) === 2;
    }

    /**
     * The body's JSON; objects as arrays.
     *
     * @throws BadResponse if it is not JSON
     */
    public function json(): mixed
    {
        try {
            return json_decode($this->body, true, 512, JSON_THROW_ON_ERROR);
        } catch (JsonException $problem) {
            throw new BadResponse(
                "the answer of {$this->url()} (HTTP $this->status) is not JSON: {$problem->getMessage()};"
                . ' see what answers there',
                Native::$ffi->TM_BAD_RESPONSE,
                $problem,
                $this->status,
                response: $this
            );
        }
    }

    /** A header's first value; null if it is absent. */
    public function header(string $name): ?string
    {
        return $this->headers()[strtolower($name)][0] ?? null;
    }

    /**
     * All headers, by their names in lower case.
     *
     * @return array<string, list<string>>
     */
    public function headers(): array
    {
        $headers = [];
        $lines = explode("\n", $this->head);
        for ($i = 1; $i + 1 < count($lines); $i += 2) {
            $headers[$lines[$i]][] = $lines[$i + 1];
        }

        return $headers;
    }

    /** The URL that answered, after redirects. */
    public function url(): string
    {
        return (string) strstr($this->head, "\n", true);
    }

    /**
     * Does nothing below 400.
     *
     * @return $this
     *
     * @throws TokenManagerException by status: Unauthorized, Forbidden, RateLimited, ServerError, HttpError
     */
    public function throw(): self
    {
        if ($this->error !== null) {
            throw TokenManagerException::make($this->error, $this);
        }

        return $this;
    }

    /** @return array{status: int, bytes: int} */
    public function __debugInfo(): array
    {
        return [
            'status' => $this->status,
            'bytes' => strlen($this->body),
        ];
    }
}
