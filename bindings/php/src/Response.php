<?php

declare(strict_types=1);

namespace TokenMgr;

use FFI;
use FFI\CData;
use JsonException;
use LogicException;
use TokenMgr\Exception\BadResponse;
use TokenMgr\Exception\TokenManagerException;

/**
 * An HTTP response, read whole. What is not asked for is not copied.
 *
 * @property-read string $body   the body, decompressed
 * @property-read string $url    the URL that answered, after redirects
 */
final class Response
{
    use Secret;

    /** The HTTP status, such as 200. */
    public readonly int $status;

    private ?string $content = null;

    /** @internal see TokenManager::request() */
    public function __construct(private ?CData $response)
    {
        $this->status = Library::$ffi->tm_response_status($response);
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
                "the answer of $this->url (HTTP $this->status) is not JSON: {$problem->getMessage()};"
                . ' see what answers there',
                Library::$ffi->TM_BAD_RESPONSE,
                $problem,
                $this->status,
                response: $this
            );
        }
    }

    /** A header's first value; null if it is absent. */
    public function header(string $name): ?string
    {
        return Library::$ffi->tm_response_header($this->response, $name);
    }

    /**
     * All headers, by their names in lower case.
     *
     * @return array<string, list<string>>
     */
    public function headers(): array
    {
        $headers = [];
        $count = Library::$ffi->tm_response_header_count($this->response);
        for ($i = 0; $i < $count; $i++) {
            $name = Library::$ffi->tm_response_header_name($this->response, $i);
            $headers[$name][] = Library::$ffi->tm_response_header_value($this->response, $i);
        }

        return $headers;
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
        $error = Library::$ffi->tm_response_error($this->response);
        if ($error !== null) {
            throw TokenManagerException::of($error, $this);
        }

        return $this;
    }

    /** Copies body and url when they are first asked for. */
    public function __get(string $name): string
    {
        return match ($name) {
            'body' => $this->content ??= FFI::string(
                Library::$ffi->tm_response_body($this->response) ?? throw self::gone(),
                Library::$ffi->tm_response_body_len($this->response)
            ),
            'url' => Library::$ffi->tm_response_url($this->response) ?? throw self::gone(),
            default => throw new LogicException(self::class . " has no property \$$name"),
        };
    }

    public function __isset(string $name): bool
    {
        return $name === 'body' || $name === 'url';
    }

    public function __set(string $name, mixed $value): void
    {
        throw new LogicException(self::class . " never changes: \$$name can not be set");
    }

    public function __debugInfo(): array
    {
        return [
            'status' => $this->status,
            'url' => $this->url,
            'bytes' => Library::$ffi->tm_response_body_len($this->response),
        ];
    }

    public function __destruct()
    {
        Library::$ffi->tm_response_free($this->response);
        $this->response = null;
    }
}
