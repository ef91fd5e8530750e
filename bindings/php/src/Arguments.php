<?php

declare(strict_types=1);

namespace TokenMgr;

use DateTimeInterface;
use JsonException;
use TokenMgr\Exception\InvalidArgument;
use TokenMgr\Exception\InvalidOptions;

/**
 * PHP's values as the library takes them.
 *
 * @phpstan-import-type Query from Requests
 *
 * @internal
 */
final class Arguments
{
    /**
     * The options of a request, as JSON.
     *
     * @param Query                $query
     * @param array<string, mixed> $headers
     */
    public static function requestOptions(
        #[\SensitiveParameter] array $query,
        #[\SensitiveParameter] array $headers,
        ?float $timeout,
        bool $idempotent
    ): ?string {
        $options = [];
        if ($query) {
            $options['query'] = self::query($query);
        }
        if ($headers) {
            $options['headers'] = $headers;
        }
        if ($timeout !== null) {
            $options['timeout_ms'] = self::milliseconds($timeout);
        }
        if ($idempotent) {
            $options['idempotent'] = true;
        }

        return self::json($options);
    }

    /**
     * A query with its nested parts flattened as http_build_query() does it: `filter[status]`, `filter[tags][0]`. A
     * list of plain values stays one, whose name is repeated.
     *
     * @param Query $query
     *
     * @return Query
     */
    private static function query(#[\SensitiveParameter] array $query): array
    {
        $flat = [];
        foreach ($query as $name => $value) {
            if ($value === null) {
                continue;
            }
            $isNested = is_array($value)
                && (!array_is_list($value) || array_filter($value, static fn (mixed $one): bool => !is_scalar($one)));
            if (!$isNested) {
                $flat[$name] = $value;
                continue;
            }
            $encoded = http_build_query([$name => $value], '', '&', PHP_QUERY_RFC3986);
            foreach (array_filter(explode('&', $encoded)) as $pair) {
                [$inner, $text] = array_map(rawurldecode(...), explode('=', $pair, 2) + [1 => '']);
                $flat[$inner] = $text;
            }
        }

        return $flat;
    }

    /**
     * Options as JSON; null for none.
     *
     * @param array<array-key, mixed> $options
     */
    public static function json(#[\SensitiveParameter] array $options): ?string
    {
        try {
            return $options ? json_encode($options, JSON_THROW_ON_ERROR | JSON_UNESCAPED_SLASHES) : null;
        } catch (JsonException $problem) {
            $name = self::unwritable($options);
            throw new InvalidOptions(
                "the option $name cannot be written as JSON: {$problem->getMessage()}; text has to be UTF-8, and"
                . ' numbers finite',
                Native::$ffi->TM_INVALID_OPTIONS
            );
        }
    }

    /** A value as a JSON body. */
    public static function body(#[\SensitiveParameter] mixed $json): string
    {
        try {
            return json_encode(
                $json,
                JSON_THROW_ON_ERROR | JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE | JSON_PRESERVE_ZERO_FRACTION
            );
        } catch (JsonException $problem) {
            throw self::invalid(
                "the argument json cannot be written as JSON: {$problem->getMessage()}; text in it has to be UTF-8"
            );
        }
    }

    /** Unix seconds; 0 for unknown. */
    public static function seconds(DateTimeInterface|int|null $time): int
    {
        return $time instanceof DateTimeInterface ? $time->getTimestamp() : $time ?? 0;
    }

    /**
     * A C string ends at a NUL: what follows it would be lost unnoticed.
     *
     * @param array<string, string|null> $arguments by their names
     */
    public static function refuseNul(#[\SensitiveParameter] array $arguments): void
    {
        foreach ($arguments as $name => $value) {
            if ($value !== null && str_contains($value, "\0")) {
                throw self::invalid("the argument $name holds a NUL byte; take it out");
            }
        }
    }

    /** Minutes in seconds: where 64 bits cannot count them, as many as they can. */
    public static function minutes(int $minutes): int
    {
        $most = intdiv(PHP_INT_MAX, 60);

        return max(-$most, min($minutes, $most)) * 60;
    }

    public static function invalid(string $message): InvalidArgument
    {
        return new InvalidArgument($message, Native::$ffi->TM_INVALID_ARGUMENT);
    }

    /**
     * Which of these options no JSON can carry.
     *
     * @param array<array-key, mixed> $options
     */
    private static function unwritable(#[\SensitiveParameter] array $options): int|string
    {
        foreach (array_keys($options) as $name) {
            if (json_encode($options[$name]) === false) {
                return is_array($options[$name]) ? "$name." . self::unwritable($options[$name]) : $name;
            }
        }

        return '(its name)';
    }

    private static function milliseconds(float $seconds): int
    {
        if (!is_finite($seconds) || abs($seconds) >= PHP_INT_MAX / 1000) {
            $timeout = var_export($seconds, true); // unlike a cast, this may be NAN

            throw self::invalid("the argument timeout is $timeout; it is a number of seconds");
        }

        return (int) ceil($seconds * 1000);
    }
}
