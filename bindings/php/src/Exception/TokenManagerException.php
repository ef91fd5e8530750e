<?php

declare(strict_types=1);

namespace TokenMgr\Exception;

use FFI\CData;
use RuntimeException;
use Throwable;
use TokenMgr\Native;
use TokenMgr\Response;

/**
 * Whatever goes wrong in this package. The class tells why, by the library's status: TM_LOGIN_REJECTED is
 * LoginRejected. A status that this package is too old to know has this class itself. getCode() is the status's
 * number. No message holds a password, a token, a key or a body.
 *
 * @phpstan-type ErrorParts = array{class-string<self>, string, int, int, string|null, float|null, bool}
 */
class TokenManagerException extends RuntimeException
{
    /** The HTTP status of the answer that the error came from; 0 if there was none. */
    public readonly int $httpStatus;

    /** The API's own error code, if it gave one. */
    public readonly ?string $serverCode;

    /** How many seconds to wait before the next try; null if unknown. */
    public readonly ?float $retryAfter;

    /** Whether the same call may succeed later without anyone changing anything. */
    public readonly bool $isRetryable;

    /** The response, where Response::throw() threw this. */
    public readonly ?Response $response;

    final public function __construct(
        string $message,
        int $code = 0,
        ?Throwable $previous = null,
        int $httpStatus = 0,
        ?string $serverCode = null,
        ?float $retryAfter = null,
        bool $isRetryable = false,
        ?Response $response = null
    ) {
        parent::__construct($message, $code, $previous);
        $this->httpStatus = $httpStatus;
        $this->serverCode = $serverCode;
        $this->retryAfter = $retryAfter;
        $this->isRetryable = $isRetryable;
        $this->response = $response;
    }

    /**
     * The exception for an error of the library, which stays its owner's.
     *
     * @internal
     */
    public static function of(CData $error): self
    {
        return self::make(self::read($error));
    }

    /**
     * What an error of the library says, for make().
     *
     * @internal
     *
     * @return ErrorParts
     */
    public static function read(CData $error): array
    {
        $ffi = Native::$ffi;
        $status = $ffi->tm_error_code($error);
        $retryAfterMs = $ffi->tm_error_retry_after_ms($error);

        return [
            self::classOf($ffi->tm_status_name($status)),
            $ffi->tm_error_message($error) ?? 'an unknown error',
            $status,
            $ffi->tm_error_http_status($error),
            $ffi->tm_error_server_code($error),
            $retryAfterMs < 0 ? null : $retryAfterMs / 1000,
            $ffi->tm_error_is_retryable($error),
        ];
    }

    /**
     * The same problem in this class, which another package's interface asks for.
     *
     * @internal
     */
    public static function because(self $problem): static
    {
        return new static(
            $problem->getMessage(),
            (int) $problem->getCode(),
            $problem,
            $problem->httpStatus,
            $problem->serverCode,
            $problem->retryAfter,
            $problem->isRetryable
        );
    }

    /**
     * @internal
     *
     * @param ErrorParts $read
     */
    public static function make(array $read, ?Response $response = null): self
    {
        [$class, $message, $status, $httpStatus, $serverCode, $retryAfter, $isRetryable] = $read;

        return new $class($message, $status, null, $httpStatus, $serverCode, $retryAfter, $isRetryable, $response);
    }

    /**
     * TM_LOGIN_REJECTED: LoginRejected.
     *
     * @return class-string<self>
     */
    private static function classOf(string $status): string
    {
        $class = __NAMESPACE__ . '\\' . str_replace('_', '', ucwords(strtolower(substr($status, 3)), '_'));

        return is_subclass_of($class, self::class) ? $class : self::class;
    }
}
