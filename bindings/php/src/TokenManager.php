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

    /** Where access tokens are copied to on their way to PHP, for all managers; null while one uses it. */
    private static ?CData $buffer = null;

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
        $this->manager = Library::$ffi->tm_new($host, $username, $password, Arguments::json($options), Library::$err)
            ?? throw Library::failure();
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
     * @param string|null          $body    sent as it is, as application/json unless the headers say otherwise
     * @param bool                 $idempotent whether the call may safely reach the server twice, whatever its method
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
        #[\SensitiveParameter] ?string $body = null,
        bool $idempotent = false
    ): Response {
        if (\str_contains($url, "\0") || \str_contains($method, "\0")) {
            Arguments::refuseNul(['method' => $method, 'url' => $url]);
        }
        self::$lentUntil = 0;
        if ($json !== null) {
            if ($body !== null) {
                throw Arguments::invalid('both json and body were given; a request has one of them');
            }
            $body = Arguments::body($json);
        }
        $options = $query || $headers || $timeout !== null || $idempotent
            ? Arguments::requestOptions($query, $headers, $timeout, $idempotent)
            : null;
        $length = $body === null ? 0 : \strlen($body);
        $response = Library::$ffi->tm_request($this->manager, $method, $url, $body, $length, $options, Library::$err);
        if ($response === null) {
            throw $this->failure();
        }
        $response = new Response($response);
        if ($this->callbacks !== null) {
            $this->throwPending();
        }

        return $response;
    }

    /** See request(). */
    public function get(
        string $url,
        #[\SensitiveParameter] array $query = [],
        #[\SensitiveParameter] array $headers = [],
        ?float $timeout = null
    ): Response {
        return $this->request('GET', $url, null, $query, $headers, $timeout);
    }

    /** See request(). */
    public function post(
        string $url,
        #[\SensitiveParameter] mixed $json = null,
        #[\SensitiveParameter] array $query = [],
        #[\SensitiveParameter] array $headers = [],
        ?float $timeout = null,
        #[\SensitiveParameter] ?string $body = null,
        bool $idempotent = false
    ): Response {
        return $this->request('POST', $url, $json, $query, $headers, $timeout, $body, $idempotent);
    }

    /** See request(). */
    public function put(
        string $url,
        #[\SensitiveParameter] mixed $json = null,
        #[\SensitiveParameter] array $query = [],
        #[\SensitiveParameter] array $headers = [],
        ?float $timeout = null,
        #[\SensitiveParameter] ?string $body = null,
        bool $idempotent = false
    ): Response {
        return $this->request('PUT', $url, $json, $query, $headers, $timeout, $body, $idempotent);
    }

    /** See request(). */
    public function patch(
        string $url,
        #[\SensitiveParameter] mixed $json = null,
        #[\SensitiveParameter] array $query = [],
        #[\SensitiveParameter] array $headers = [],
        ?float $timeout = null,
        #[\SensitiveParameter] ?string $body = null,
        bool $idempotent = false
    ): Response {
        return $this->request('PATCH', $url, $json, $query, $headers, $timeout, $body, $idempotent);
    }

    /** See request(). */
    public function delete(
        string $url,
        #[\SensitiveParameter] mixed $json = null,
        #[\SensitiveParameter] array $query = [],
        #[\SensitiveParameter] array $headers = [],
        ?float $timeout = null,
        #[\SensitiveParameter] ?string $body = null,
        bool $idempotent = false
    ): Response {
        return $this->request('DELETE', $url, $json, $query, $headers, $timeout, $body, $idempotent);
    }

    /** An access token that is good now, for another HTTP client; logs in or refreshes when due. See reject(). */
    public function accessToken(): string
    {
        if (self::$lender === $this->manager && \hrtime(true) < self::$lentUntil) {
            return self::$lent;
        }
        // Taken out: a callback or a signal handler that asks for a token in the meantime must not write into it.
        [$buffer, self::$buffer] = [self::$buffer ?? self::room(4096), null];
        $length = Library::$ffi->tm_copy_access_token($this->manager, $buffer, FFI::sizeof($buffer), Library::$err);
        while ($length >= FFI::sizeof($buffer)) {
            $buffer = self::room(2 * $length);
            $length = Library::$ffi->tm_copy_access_token($this->manager, $buffer, FFI::sizeof($buffer), Library::$err);
        }
        [$token, self::$buffer] = [FFI::string($buffer, $length), $buffer];
        if ($length === 0) {
            throw $this->failure();
        }
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
        $token = Library::$ffi->tm_get_token($this->manager, Library::$err);
        if ($token === null) {
            throw $this->failure();
        }
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
        $token = Library::$ffi->tm_peek_token($this->manager, Library::$err);

        return $token === null ? null : new Token($token);
    }

    /** Logs in now, whatever is held. */
    public function login(): void
    {
        $this->finish(Library::$ffi->tm_login($this->manager, Library::$err));
    }

    /** Refreshes now, however long the token would still live; falls back to a login. */
    public function refresh(): void
    {
        $this->finish(Library::$ffi->tm_refresh($this->manager, Library::$err));
    }

    /** Revokes the tokens at the server: every token of the client, not only this one. */
    public function logout(): void
    {
        $this->finish(Library::$ffi->tm_logout($this->manager, Library::$err));
    }

    /**
     * For another HTTP client: the server answered 401 to this access token. The next call that needs a token renews
     * it. Nothing happens if it is no longer the current one.
     */
    public function reject(#[\SensitiveParameter] string $accessToken): void
    {
        Arguments::refuseNul(['accessToken' => $accessToken]);
        $this->finish(Library::$ffi->tm_reject($this->manager, $accessToken, Library::$err));
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
        $this->finish(Library::$ffi->tm_set_tokens(
            $this->manager,
            $accessToken,
            $refreshToken,
            Arguments::seconds($expiresAt),
            Arguments::seconds($refreshExpiresAt),
            Library::$err
        ));
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
        $this->finish(Library::$ffi->tm_set_credentials($this->manager, $username, $password, Library::$err));
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

        return json_decode(Library::text(Library::$ffi->tm_stats_json($this->manager, Library::$err)), true);
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
        $this->finish(Library::$ffi->tm_set_log_callback(
            $this->manager,
            $log === null ? null : Callbacks::functions()->log,
            $callbacks->userdata,
            $maxLevel,
            Library::$err
        ));
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
        $this->finish(Library::$ffi->tm_set_interrupt_callback(
            $this->manager,
            $interrupt === null ? null : Callbacks::functions()->interrupt,
            $callbacks->userdata,
            Library::$err
        ));
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
        $functions = Callbacks::functions();
        $this->finish(Library::$ffi->tm_set_store(
            $this->manager,
            $functions->load,
            $functions->save,
            $functions->lock,
            $functions->unlock,
            $callbacks->userdata,
            Library::$err
        ));
    }

    private function callbacks(): Callbacks
    {
        return $this->callbacks ??= new Callbacks();
    }

    private static function room(int $bytes): CData
    {
        return Library::$ffi->new("char[$bytes]");
    }

    private function finish(int $status): void
    {
        self::$lentUntil = 0;
        if ($status !== 0) {
            throw $this->failure();
        }
        $this->throwPending();
    }

    /** What to throw for the call that failed. */
    private function failure(): Throwable
    {
        $failure = Library::failure();
        if ($this->manager === null) {
            return self::gone();
        }

        return $this->callbacks?->outcome($failure) ?? $failure;
    }

    /** Throws what a callback threw in a call that came to a good end all the same. */
    private function throwPending(): void
    {
        $thrown = $this->callbacks?->outcome(null);
        if ($thrown !== null) {
            throw $thrown;
        }
    }
}
