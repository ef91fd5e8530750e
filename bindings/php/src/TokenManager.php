<?php

declare(strict_types=1);

namespace TokenMgr;

use Closure;
use DateTimeInterface;
use FFI;
use FFI\CData;
use Throwable;
use TokenMgr\Exception\TokenManagerException;

/**
 * Credentials, tokens, store and connections of one API client.
 *
 * Every method may throw a TokenManagerException, whose class tells why. Calls block, for their timeout at the most. A
 * manager goes on working in a forked child.
 */
final class TokenManager
{
    use Secret;

    /** Levels of log lines. */
    public const ERROR = 1;
    public const WARNING = 2;
    public const INFO = 3;
    public const DEBUG = 4;

    /** Null once it is freed: every function refuses that. */
    private ?CData $manager = null;

    private readonly Origins $origins;

    private ?Callbacks $callbacks = null;

    /**
     * The access token that was handed out last, its manager, and until when it is handed out again without asking the
     * library: for a moment only, which no refresh window is shorter than, and only while nothing else is called here.
     */
    private static string $lent = '';
    private static ?CData $lender = null;
    private static int $lentUntil = 0;
    private const LENT_FOR = 20_000_000; // nanoseconds

    /**
     * Where access tokens are copied to on their way to PHP, for all managers. Who uses it takes it out meanwhile: a
     * callback or a signal handler that asks for a token must not write into it.
     */
    private static ?TokenRoom $room = null;

    /** An outcome with a larger body is not kept for the next request: the body would stay with it. */
    private const KEPT_BYTES = 65536;

    /**
     * @param string|null          $host     `scheme://authority[/prefix]`; null: from TOKENMGR_HOST
     * @param string|null          $username null: from TOKENMGR_USERNAME, or the file that TOKENMGR_USERNAME_FILE names
     * @param string|null          $password null: from TOKENMGR_PASSWORD, or the file that TOKENMGR_PASSWORD_FILE names
     * @param array<string, mixed> $options  docs/OPTIONS.md. `store` may also be a Store. `persistent` is true by
     *                                       default under FPM: the worker's next request finds tokens and connections
     *
     * @throws TokenManagerException InvalidArgument, InvalidOptions, UrlNotAllowed, LibraryNotLoaded
     */
    public function __construct(
        ?string $host = null,
        #[\SensitiveParameter] ?string $username = null,
        #[\SensitiveParameter] ?string $password = null,
        #[\SensitiveParameter] array $options = []
    ) {
        Library::load();
        Arguments::refuseNul(['host' => $host, 'username' => $username, 'password' => $password]);
        $store = $options['store'] ?? null;
        if ($store instanceof Store) {
            $options['store'] = ['type' => 'callback', 'id' => $store->id()];
        }
        if (PHP_SAPI === 'fpm-fcgi') {
            $options['persistent'] ??= true;
        }
        $this->origins = new Origins($host ?? Origins::host(), $options['allowed_origins'] ?? []);
        $err = new ErrorPlace();
        $this->manager = Library::$ffi->tm_new($host, $username, $password, Arguments::json($options), $err->at)
            ?? throw $err->exception();
        if ($store instanceof Store) {
            $this->keepIn($store);
        }
    }

    /**
     * Sends an API call with a valid Bearer token and reads the whole answer. It logs in and refreshes when due, and
     * recovers from a 401. A response of 400 and above is returned like any other; see Response::throw().
     *
     * @param string               $url     a path that starts with one `/`; or a URL on the host's or an allowed origin
     * @param mixed                $json    sent as the body, as JSON; null: not
     * @param array<string, mixed> $query   appended to the URL; a value may be a list (repeated), null leaves it out
     * @param array<string, mixed> $headers a value may be a list (repeated)
     * @param float|null           $timeout how long the call may take in all, in seconds; null: the manager's
     * @param string|resource|null $body    sent as it is, as application/json unless the headers say otherwise; a
     *                                      stream from where it stands, and once more from there after a 401
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

    /** See request(). */
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

    /** See request(). */
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

    /** See request(). */
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

    /** See request(). */
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

    /** See request(). */
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

    /** An access token that is good now, for another HTTP client; logs in or refreshes when due. See reject(). */
    public function accessToken(): string
    {
        if (self::$lender === $this->manager && \hrtime(true) < self::$lentUntil) {
            return self::$lent;
        }
        [$room, self::$room] = [self::$room ?? new TokenRoom(), null];
        $token = $room->take($this->manager);
        if ($token === '') {
            throw $this->failure($room->err->exception());
        }
        self::$room = $room;
        $this->throwPending();
        self::$lent = $token;
        self::$lender = $this->manager;
        self::$lentUntil = \hrtime(true) + self::LENT_FOR;

        return $token;
    }

    /** A token pair that is good now; logs in or refreshes when due. */
    public function token(): Token
    {
        self::$lentUntil = 0;
        $err = new ErrorPlace();
        $token = Library::$ffi->tm_get_token($this->manager, $err->at)
            ?? throw $this->failure($err->exception());
        $token = new Token($token);
        $this->throwPending();

        return $token;
    }

    /** The token pair that is held, good or not; null if none is. Never waits. */
    public function peekToken(): ?Token
    {
        if ($this->manager === null) {
            throw self::gone();
        }
        $token = Library::$ffi->tm_peek_token($this->manager, null);

        return $token === null ? null : new Token($token);
    }

    /** Logs in now, whatever is held. */
    public function login(): void
    {
        $this->do('tm_login');
    }

    /** Refreshes now, however long the token would still live; falls back to a login. */
    public function refresh(): void
    {
        $this->do('tm_refresh');
    }

    /** Revokes the tokens at the server: every token of the client, not only this one. */
    public function logout(): void
    {
        $this->do('tm_logout');
    }

    /**
     * Reads the store once, and changes nothing. For health checks: a store that cannot be used costs each process a
     * login.
     *
     * @throws Exception\Store where it cannot be used
     */
    public function checkStore(): void
    {
        $this->do('tm_check_store');
    }

    /**
     * For another HTTP client: the server answered 401 to this access token. The next call that needs a token renews
     * it. Nothing happens if it is no longer the current one.
     */
    public function reject(#[\SensitiveParameter] string $accessToken): void
    {
        Arguments::refuseNul(['accessToken' => $accessToken]);
        $this->do('tm_reject', $accessToken);
    }

    /**
     * Takes over a token pair from elsewhere, in place of what is held and stored. From then on nobody else may use its
     * refresh token.
     *
     * @param DateTimeInterface|int|null $expiresAt        Unix seconds by this machine's clock; null: a JWT's own `exp`
     * @param DateTimeInterface|int|null $refreshExpiresAt likewise; null: unknown
     */
    public function setTokens(
        #[\SensitiveParameter] string $accessToken,
        #[\SensitiveParameter] ?string $refreshToken = null,
        DateTimeInterface|int|null $expiresAt = null,
        DateTimeInterface|int|null $refreshExpiresAt = null
    ): void {
        Arguments::refuseNul(['accessToken' => $accessToken, 'refreshToken' => $refreshToken]);
        $this->do(
            'tm_set_tokens',
            $accessToken,
            $refreshToken,
            Arguments::seconds($expiresAt),
            Arguments::seconds($refreshExpiresAt)
        );
    }

    /**
     * Replaces the credentials. Another username drops the tokens; a suspended login is lifted.
     *
     * @param string|null $username null keeps it
     */
    public function setCredentials(
        #[\SensitiveParameter] ?string $username,
        #[\SensitiveParameter] string $password
    ): void {
        Arguments::refuseNul(['username' => $username, 'password' => $password]);
        $this->do('tm_set_credentials', $username, $password);
    }

    /**
     * Counters and gauges (docs/STATS.md).
     *
     * @return array<string, int|bool|string|null>
     */
    public function stats(): array
    {
        if ($this->manager === null) {
            throw self::gone();
        }

        $err = new ErrorPlace();
        $json = Library::$ffi->tm_stats_json($this->manager, $err->at) ?? throw $err->exception();

        return json_decode(Library::text($json), true);
    }

    /**
     * Hands over log lines, in the calls that they come from. None holds a secret. Those of calls that `$log` itself
     * makes on this manager are left out.
     *
     * @param (callable(int, string): mixed)|null $log      takes level and message; null: none
     * @param int                                 $maxLevel the least important level wanted
     */
    public function onLog(?callable $log, int $maxLevel = self::INFO): void
    {
        $callbacks = $this->callbacks();
        $callbacks->log = $log === null ? null : Closure::fromCallable($log);
        $function = $log === null ? null : Callbacks::functions()->log;
        $this->do('tm_set_log_callback', $function, $callbacks->userdata, $maxLevel);
    }

    /**
     * Asks about every 50 ms, while a call waits, whether it is to end (with Exception\Cancelled). Signal handlers of
     * pcntl_async_signals() run then, too.
     *
     * @param (callable(): bool)|null $interrupt true: end the call; null: do not ask
     */
    public function onInterrupt(?callable $interrupt): void
    {
        $callbacks = $this->callbacks();
        $callbacks->interrupt = $interrupt === null ? null : Closure::fromCallable($interrupt);
        $function = $interrupt === null ? null : Callbacks::functions()->interrupt;
        $this->do('tm_set_interrupt_callback', $function, $callbacks->userdata);
    }

    /** Whether this URL is on the host's own origin or one of the option allowed_origins: nobody else gets the token. */
    public function maySendTokenTo(string $url): bool
    {
        return $this->origins->include($url);
    }

    public function __debugInfo(): array
    {
        return $this->manager === null ? [] : $this->stats();
    }

    public function __destruct()
    {
        if ($this->manager !== null) {
            if (self::$lender === $this->manager) {
                [self::$lent, self::$lender, self::$lentUntil] = ['', null, 0];
            }
            Library::$ffi->tm_free($this->manager);
            $this->manager = null;
            $this->callbacks?->forget();
        }
    }

    private function keepIn(Store $store): void
    {
        $callbacks = $this->callbacks();
        $callbacks->store = $store;
        $of = Callbacks::functions();
        $this->do('tm_set_store', $of->load, $of->save, $of->lock, $of->unlock, $callbacks->userdata);
    }

    private function callbacks(): Callbacks
    {
        return $this->callbacks ??= new Callbacks();
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
        self::$lentUntil = 0;
        $length = $body === null ? 0 : \strlen($body);
        $outcome = Outcome::$spare ?? new Outcome();
        Outcome::$spare = null;
        $at = $outcome->at;
        if (Library::$ffi->tm_request_into($this->manager, $method, $url, $body, $length, $options, $at) !== 0) {
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
        if ($length <= self::KEPT_BYTES) {
            Outcome::$spare = $outcome;
        }
        if ($this->callbacks !== null) {
            $this->throwPending();
        }

        return $response;
    }

    /** As send(), with a body or an answer that passes through a stream. */
    private function stream(
        string $method,
        string $url,
        #[\SensitiveParameter] mixed $body,
        #[\SensitiveParameter] ?string $options,
        mixed $sink
    ): Response {
        Arguments::refuseNul(['url' => $url]);
        self::$lentUntil = 0;
        $streams = new Streams($this->callbacks(), $body, $sink);
        $err = new ErrorPlace();
        $response = $streams->send($this->manager, $method, $url, $options, $err->at)
            ?? throw $this->failure($err->exception());
        $this->throwPending();

        return $response;
    }

    /** Calls a function of the library that takes the manager first, `err` last, and returns a tm_status. */
    private function do(string $function, #[\SensitiveParameter] mixed ...$arguments): void
    {
        self::$lentUntil = 0;
        $err = new ErrorPlace();
        $arguments[] = $err->at;
        if (Library::$ffi->$function($this->manager, ...$arguments) !== 0) {
            throw $this->failure($err->exception());
        }
        $this->throwPending();
    }

    /** What to throw for the call that failed thus. */
    private function failure(TokenManagerException $failure): Throwable
    {
        if ($this->manager === null) {
            return self::gone();
        }

        return $this->callbacks?->due($failure) ?? $failure;
    }

    /** Throws what a callback threw in a call that came to a good end all the same. */
    private function throwPending(): void
    {
        $thrown = $this->callbacks?->due(null);
        if ($thrown !== null) {
            throw $thrown;
        }
    }
}
