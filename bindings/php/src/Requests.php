<?php

declare(strict_types=1);

namespace TokenMgr;

use FFI;
use FFI\CData;
use Throwable;
use TokenMgr\Exception\TokenManagerException;

/**
 * The API calls of a TokenManager.
 *
 * @phpstan-type Query = array<string, scalar|array<array-key, mixed>|null>
 *
 * @internal
 */
trait Requests
{
    /** Null once it is freed: every function refuses that. */
    private ?CData $manager = null;

    private ?Callbacks $callbacks = null;

    /** Until when accessToken() returns again what it returned last, by hrtime(); any other call ends that. */
    private static int $cachedUntil = 0;

    /**
     * Sends an API call with a valid Bearer token and reads the whole answer. It logs in and refreshes when due, and
     * recovers from a 401. A response of 400 and above is returned like any other; see Response::throw().
     *
     * @param string               $url     a path that starts with one `/`; or a URL on the host's or an allowed origin
     * @param mixed                $json    sent as the body, as JSON; null: not
     * @param Query                $query   appended to the URL; a value may be a list (repeated) or nested (as
     *                                      http_build_query() does it), null leaves it out
     * @param array<string, mixed> $headers a value may be a list (repeated)
     * @param float|null           $timeout how long the call may take in all, in seconds; null: the manager's
     * @param string|resource|null $body    sent as it is, as application/json unless the headers say otherwise; a
     *                                      stream from its position, and once more from there after a 401
     * @param bool                 $idempotent whether the call may safely reach the server twice, whatever its method
     * @param resource|string|null $sink    a stream, or a file's path, that takes the body of a 2xx answer as it
     *                                      arrives; the response then has none. It may hold a part if the call fails
     *
     * @throws TokenManagerException where there is no response to give: Network, Timeout, Tls, LoginRejected, …
     */
    public function request(
        string $method,
        string $url,
        #[\SensitiveParameter] mixed $json = null,
        #[\SensitiveParameter] array $query = [],
        #[\SensitiveParameter] array $headers = [],
        ?float $timeout = null,
        #[\SensitiveParameter] mixed $body = null,
        bool $idempotent = false,
        mixed $sink = null
    ): Response {
        if (\str_contains($method, "\0")) {
            Arguments::refuseNul(['method' => $method]);
        }
        if ($json !== null) {
            if ($body !== null) {
                throw Arguments::invalid('both json and body were given; a request has one of them');
            }
            $body = Arguments::body($json);
        }
        $options = $query || $headers || $timeout !== null || $idempotent
            ? Arguments::requestOptions($query, $headers, $timeout, $idempotent)
            : null;

        return $sink === null && ($body === null || \is_string($body))
            ? $this->send($method, $url, $body, $options)
            : $this->stream($method, $url, $body, $options, $sink);
    }

    /**
     * See request().
     *
     * @param Query                $query
     * @param array<string, mixed> $headers
     * @param resource|string|null $sink
     */
    public function get(
        string $url,
        #[\SensitiveParameter] array $query = [],
        #[\SensitiveParameter] array $headers = [],
        ?float $timeout = null,
        mixed $sink = null
    ): Response {
        $options = $query || $headers || $timeout !== null
            ? Arguments::requestOptions($query, $headers, $timeout, false)
            : null;

        return $sink === null
            ? $this->send('GET', $url, null, $options)
            : $this->stream('GET', $url, null, $options, $sink);
    }

    /**
     * See request().
     *
     * @param Query                $query
     * @param array<string, mixed> $headers
     * @param string|resource|null $body
     * @param resource|string|null $sink
     */
    public function post(
        string $url,
        #[\SensitiveParameter] mixed $json = null,
        #[\SensitiveParameter] array $query = [],
        #[\SensitiveParameter] array $headers = [],
        ?float $timeout = null,
        #[\SensitiveParameter] mixed $body = null,
        bool $idempotent = false,
        mixed $sink = null
    ): Response {
        return $this->request('POST', $url, $json, $query, $headers, $timeout, $body, $idempotent, $sink);
    }

    /**
     * See request().
     *
     * @param Query                $query
     * @param array<string, mixed> $headers
     * @param string|resource|null $body
     * @param resource|string|null $sink
     */
    public function put(
        string $url,
        #[\SensitiveParameter] mixed $json = null,
        #[\SensitiveParameter] array $query = [],
        #[\SensitiveParameter] array $headers = [],
        ?float $timeout = null,
        #[\SensitiveParameter] mixed $body = null,
        bool $idempotent = false,
        mixed $sink = null
    ): Response {
        return $this->request('PUT', $url, $json, $query, $headers, $timeout, $body, $idempotent, $sink);
    }

    /**
     * See request().
     *
     * @param Query                $query
     * @param array<string, mixed> $headers
     * @param string|resource|null $body
     * @param resource|string|null $sink
     */
    public function patch(
        string $url,
        #[\SensitiveParameter] mixed $json = null,
        #[\SensitiveParameter] array $query = [],
        #[\SensitiveParameter] array $headers = [],
        ?float $timeout = null,
        #[\SensitiveParameter] mixed $body = null,
        bool $idempotent = false,
        mixed $sink = null
    ): Response {
        return $this->request('PATCH', $url, $json, $query, $headers, $timeout, $body, $idempotent, $sink);
    }

    /**
     * See request().
     *
     * @param Query                $query
     * @param array<string, mixed> $headers
     * @param string|resource|null $body
     * @param resource|string|null $sink
     */
    public function delete(
        string $url,
        #[\SensitiveParameter] mixed $json = null,
        #[\SensitiveParameter] array $query = [],
        #[\SensitiveParameter] array $headers = [],
        ?float $timeout = null,
        #[\SensitiveParameter] mixed $body = null,
        bool $idempotent = false,
        mixed $sink = null
    ): Response {
        return $this->request('DELETE', $url, $json, $query, $headers, $timeout, $body, $idempotent, $sink);
    }

    private function send(
        string $method,
        string $url,
        #[\SensitiveParameter] ?string $body,
        #[\SensitiveParameter] ?string $options
    ): Response {
        if (\str_contains($url, "\0")) {
            Arguments::refuseNul(['url' => $url]);
        }
        self::$cachedUntil = 0;
        $length = $body === null ? 0 : \strlen($body);
        $outcome = Outcome::$spare ?? new Outcome();
        Outcome::$spare = null;
        $at = $outcome->at;
        if (Native::$waiting->tm_request_into($this->manager, $method, $url, $body, $length, $options, $at) !== 0) {
            throw $this->failure(TokenManagerException::of($at->error));
        }
        $status = $at->status;
        $length = $at->body_len;
        $response = new Response(
            $status,
            FFI::string($at->body, $length),
            FFI::string($at->head),
            $status < 400 ? null : TokenManagerException::read($at->error)
        );
        if ($length <= Outcome::REUSED_BYTES) {
            Outcome::$spare = $outcome;
        }
        if ($this->callbacks !== null) {
            $this->throwPending();
        }

        return $response;
    }

    /**
     * As send(), with a body or an answer that passes through a stream.
     *
     * @param mixed                $body see request()
     * @param resource|string|null $sink
     */
    private function stream(
        string $method,
        string $url,
        #[\SensitiveParameter] mixed $body,
        #[\SensitiveParameter] ?string $options,
        mixed $sink
    ): Response {
        Arguments::refuseNul(['url' => $url]);
        self::$cachedUntil = 0;
        $streams = new Streams($this->callbacks(), $body, $sink);
        $err = new ErrorSlot();
        $response = $streams->send($this->manager, $method, $url, $options, $err->at)
            ?? throw $this->failure($err->exception());
        $this->throwPending();

        return $response;
    }

    abstract private function callbacks(): Callbacks;

    abstract private function failure(TokenManagerException $failure): Throwable;

    abstract private function throwPending(): void;
}
