<?php

declare(strict_types=1);

namespace TokenMgr;

use FFI\CData;

/**
 * A snapshot of a token pair. It never changes.
 */
final class Token
{
    use Secret;

    /** When the access token expires, by this machine's clock: Unix seconds; null if unknown. */
    public readonly ?int $expiresAt;

    /** When the refresh token expires, likewise. */
    public readonly ?int $refreshExpiresAt;

    /** @internal see TokenManager::token() */
    public function __construct(private ?CData $token)
    {
        $this->expiresAt = Native::$ffi->tm_token_expires_at($token) ?: null;
        $this->refreshExpiresAt = Native::$ffi->tm_token_refresh_expires_at($token) ?: null;
    }

    /** The access token: what follows "Bearer" in an Authorization header. */
    public function accessToken(): string
    {
        return Native::$ffi->tm_token_access($this->token) ?? throw self::destroyed();
    }

    /**
     * The refresh token, for moving a pair elsewhere; null if there is none, or none that this process may use. Never
     * use it beside this library: the server treats the second use of a refresh token as theft.
     */
    public function refreshToken(): ?string
    {
        return Native::$ffi->tm_token_refresh($this->token);
    }

    /** How many seconds the access token still lives, counted on a clock that no one can set; 0 if unknown. */
    public function secondsLeft(): int
    {
        return Native::$ffi->tm_token_seconds_left($this->token);
    }

    /** Whether the access token has no more than so many minutes left; false if its lifetime is unknown. */
    public function shouldRefresh(int $minutes = 5): bool
    {
        return Native::$ffi->tm_token_should_refresh($this->token, Arguments::minutes($minutes));
    }

    /** @return array{expiresAt: int|null, refreshExpiresAt: int|null} */
    public function __debugInfo(): array
    {
        return ['expiresAt' => $this->expiresAt, 'refreshExpiresAt' => $this->refreshExpiresAt];
    }

    public function __destruct()
    {
        Native::$ffi->tm_token_free($this->token);
        $this->token = null;
    }
}
