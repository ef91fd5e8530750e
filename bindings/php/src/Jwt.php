<?php

declare(strict_types=1);

namespace TokenMgr;

use TokenMgr\Exception\BadToken;

/**
 * Looks into a JWT. Signatures are not checked: this is for clients, who cannot. A C string ends
 * at a NUL byte, so a token that holds one is malformed before the library sees it.
 */
final class Jwt
{
    /** Whether it has expired, by this machine's clock; true for anything malformed or without `exp`. */
    public static function isExpired(#[\SensitiveParameter] string $token): bool
    {
        Library::load();

        return str_contains($token, "\0") || Native::$ffi->tm_jwt_is_expired($token);
    }

    /** How many seconds it is still valid; 0 for anything malformed or without `exp`. */
    public static function secondsLeft(#[\SensitiveParameter] string $token): int
    {
        Library::load();

        return str_contains($token, "\0") ? 0 : Native::$ffi->tm_jwt_seconds_left($token);
    }

    /** Whether it has no more than so many minutes left; true for anything malformed or without `exp`. */
    public static function shouldRefresh(#[\SensitiveParameter] string $token, int $minutes = 5): bool
    {
        Library::load();

        return str_contains($token, "\0") || Native::$ffi->tm_jwt_should_refresh($token, Arguments::minutes($minutes));
    }

    /**
     * Its claims.
     *
     * @return array<string, mixed>
     *
     * @throws BadToken if it is not a JWT
     */
    public static function payload(#[\SensitiveParameter] string $token): array
    {
        Library::load();
        if (str_contains($token, "\0")) {
            throw new BadToken('the token holds a NUL byte, so it is no JWT', Native::$ffi->TM_BAD_TOKEN);
        }
        $err = new ErrorSlot();
        $json = Native::text(Native::$ffi->tm_jwt_payload_json($token, $err->at) ?? throw $err->exception());

        /** @var array<string, mixed>|null $claims */
        $claims = json_decode($json, true, 512, JSON_BIGINT_AS_STRING);

        return $claims ?? [];
    }

    private function __construct()
    {
    }
}
