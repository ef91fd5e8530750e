<?php

declare(strict_types=1);

namespace TokenMgr;

use FFI;
use FFI\CData;
use JsonException;
use TokenMgr\Exception\BadResponse;
use TokenMgr\Exception\TokenManagerException;

/**
 * An HTTP response, read whole. It never changes.
 */
final class Response
{
    use Secret;

    /** The HTTP status, such as 200. */
    public readonly int $status;

    /** The body, decompressed. */
    public readonly string $body;

    /** @internal see TokenManager::request() */
    public function __construct(private ?CData $response)
    {
        $ffi = Library::$ffi;
        $this->status = $ffi->tm_response_status($response);
        // Nearly everyone wants it, and to be asked for it later would cost more than a copy.
        $this->body = FFI::string($ffi->tm_response_body($response), $ffi->tm_response_body_len($response));
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
        return str_contains($name, "\0") ? null : Library::$ffi->tm_response_header($this->response, $name);
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

    /** The URL that answered, after redirects. */
    public function url(): string
    {
        return Library::$ffi->tm_response_url($this->response) ?? throw self::gone();
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

    public function __debugInfo(): array
    {
        return [
            'status' => $this->status,
            'bytes' => strlen($this->body),
        ];
    }

    public function __destruct()
    {
        Library::$ffi->tm_response_free($this->response);
        $this->response = null;
    }
}
