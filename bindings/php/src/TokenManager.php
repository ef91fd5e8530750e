<?php

declare(strict_types=1);

namespace TokenMgr;

use Closure;
use DateTimeInterface;
use FFI\CData;
use Psr\Log\LoggerInterface;
use Throwable;
use TokenMgr\Exception\TokenManagerException;

/**
 * Credentials, tokens, store and connections of one API client.
 *
 * Every method may throw a TokenManagerException, whose class tells why. Calls block, for their timeout at the most. A
 * manager works in a forked child, too.
 *
 * @phpstan-type Options = array{store?: Store|array<string, mixed>, ...}
 */
final class TokenManager
{
    use Requests;
    use Secret;

    /** Levels of log lines. */
    public const ERROR = 1;
    public const WARNING = 2;
    public const INFO = 3;
    public const DEBUG = 4;

    /**
     * The access token that accessToken() returned last, its manager, and for how long accessToken() returns it again
     * without a call of the library. That time is too short to matter beside any refresh window, and it ends with every
     * other call.
     */
    private static string $cached = '';
    private static ?CData $cachedOf = null;
    private const CACHED_FOR = 20_000_000; // nanoseconds

    /**
     * Where access tokens are copied to on their way to PHP, for all managers. A call that uses it puts null here
     * meanwhile: a callback or a signal handler that asks for a token must not write into it.
     */
    private static ?TokenBuffer $buffer = null;

    /**
     * @param string|null $host     `scheme://authority[/prefix]`; null: from TOKENMGR_HOST
     * @param string|null $username null: from TOKENMGR_USERNAME, or the file that TOKENMGR_USERNAME_FILE names
     * @param string|null $password null: from TOKENMGR_PASSWORD, or the file that TOKENMGR_PASSWORD_FILE names
     * @param Options     $options  docs/OPTIONS.md. `store` may also be a Store. `persistent` is true by default under
     *                              FPM: the worker's next request finds tokens and connections
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
        $err = new ErrorSlot();
        $this->manager = Native::$ffi->tm_new($host, $username, $password, Arguments::json($options), $err->at)
            ?? throw $err->exception();
        if ($store instanceof Store) {
            $this->keepIn($store);
        }
    }

    /** An access token that is good now, for another HTTP client; logs in or refreshes when due. See reject(). */
    public function accessToken(): string
    {
        if (self::$cachedOf === $this->manager && \hrtime(true) < self::$cachedUntil) {
            return self::$cached;
        }
        [$buffer, self::$buffer] = [self::$buffer ?? new TokenBuffer(), null];
        $token = $buffer->take($this->manager);
        if ($token === '') {
            throw $this->failure($buffer->err->exception());
        }
        self::$buffer = $buffer;
        $this->throwPending();
        self::$cached = $token;
        self::$cachedOf = $this->manager;
        self::$cachedUntil = (int) \hrtime(true) + self::CACHED_FOR;

        return $token;
    }

    /** A token pair that is good now; logs in or refreshes when due. */
    public function token(): Token
    {
        self::$cachedUntil = 0;
        $err = new ErrorSlot();
        $token = Native::$waiting->tm_get_token($this->manager, $err->at)
            ?? throw $this->failure($err->exception());
        $token = new Token($token);
        $this->throwPending();

        return $token;
    }

    /** The token pair that is held, good or not; null if none is. Never waits. */
    public function peekToken(): ?Token
    {
        if ($this->manager === null) {
            throw self::destroyed();
        }
        $token = Native::$ffi->tm_peek_token($this->manager, null);

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
     * Tries the option `auth` on the live server, step by step: what was sent, what was understood, and in `change`
     * what to correct. On tokens of its own, and without a secret in it (docs/DIALECTS.md).
     *
     * @param string|null $path the API call to try, with GET; null: none
     *
     * @return array{ok: bool, steps: list<array<string, mixed>>}
     */
    public function check(?string $path = null): array
    {
        self::$cachedUntil = 0;
        Arguments::refuseNul(['path' => $path]);
        $err = new ErrorSlot();
        $json = Native::$waiting->tm_check($this->manager, $path, $err->at)
            ?? throw $this->failure($err->exception());
        /** @var array{ok: bool, steps: list<array<string, mixed>>} $report */
        $report = json_decode(Native::text($json), true);
        $this->throwPending();

        return $report;
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
     * For another HTTP client: the server answered something other than 401 to this access token. A later 401 is then
     * taken for a revocation, not for a server that refuses every token. Cheap enough to be called for every answer.
     */
    public function accept(#[\SensitiveParameter] string $accessToken): void
    {
        Arguments::refuseNul(['accessToken' => $accessToken]);
        $this->do('tm_accept', $accessToken);
    }

    /**
     * Takes over a token pair from elsewhere, in place of what is held and stored. From then on only the manager may
     * use its refresh token.
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
            throw self::destroyed();
        }

        $err = new ErrorSlot();
        $json = Native::$ffi->tm_stats_json($this->manager, $err->at) ?? throw $err->exception();

        /** @var array<string, int|bool|string|null> $stats */
        $stats = json_decode(Native::text($json), true);

        return $stats;
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
     * Hands log lines to a PSR-3 logger, at its levels error, warning, info and debug. As with onLog(), what it throws
     * comes out of the call. It is released when the manager is freed.
     *
     * @param LoggerInterface|null $logger   null: none
     * @param int                  $maxLevel the least important level wanted; debug lines come with every call
     */
    public function setLogger(?LoggerInterface $logger, int $maxLevel = self::INFO): void
    {
        $this->onLog($logger === null ? null : static function (int $level, string $message) use ($logger): void {
            match ($level) {
                self::ERROR => $logger->error($message),
                self::WARNING => $logger->warning($message),
                self::INFO => $logger->info($message),
                default => $logger->debug($message),
            };
        }, $maxLevel);
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

    /**
     * For another HTTP client: whether this URL is on the host's own origin or one of the option allowed_origins. To
     * any other the token must not be sent.
     */
    public function maySendTokenTo(string $url): bool
    {
        if ($this->manager === null) {
            throw self::destroyed();
        }

        // A path names no host to another HTTP client, and C's strings end at a NUL.
        return !preg_match('~^/|\x00~', $url) && Native::$ffi->tm_check_url($this->manager, $url, null) === 0;
    }

    /** @return array<string, int|bool|string|null> */
    public function __debugInfo(): array
    {
        return $this->manager === null ? [] : $this->stats();
    }

    public function __destruct()
    {
        if ($this->manager !== null) {
            if (self::$cachedOf === $this->manager) {
                [self::$cached, self::$cachedOf, self::$cachedUntil] = ['', null, 0];
            }
            Native::$ffi->tm_free($this->manager);
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

    /**
     * Calls a function of the library that takes the manager first, `err` last, and returns a tm_status. By its name:
     * a closure for each call would cost more, and accept() is called for every answer.
     */
    private function do(string $function, #[\SensitiveParameter] mixed ...$arguments): void
    {
        self::$cachedUntil = 0;
        $err = new ErrorSlot();
        $arguments[] = $err->at;
        // @mago-expect analysis:string-member-selector -- that is the point of it
        if (Native::$waiting->$function($this->manager, ...$arguments) !== 0) {
            throw $this->failure($err->exception());
        }
        $this->throwPending();
    }

    /** What to throw for a call that failed. */
    private function failure(TokenManagerException $failure): Throwable
    {
        if ($this->manager === null) {
            return self::destroyed();
        }

        return $this->callbacks?->due($failure) ?? $failure;
    }

    /** Throws what a callback threw in a call that succeeded. */
    private function throwPending(): void
    {
        $thrown = $this->callbacks?->due(null);
        if ($thrown !== null) {
            throw $thrown;
        }
    }
}
