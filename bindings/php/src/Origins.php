<?php

declare(strict_types=1);

namespace TokenMgr;

/**
 * Where a manager's token may go: the host's own origin and the option allowed_origins. The library watches over its
 * own requests; this is for other HTTP clients, and says no where it is in doubt.
 *
 * @internal
 */
final class Origins
{
    /** @var array<string, true> */
    private array $allowed = [];

    /** @param list<string> $urls */
    public function __construct(#[\SensitiveParameter] array $urls)
    {
        foreach ($urls as $url) {
            $origin = self::of($url);
            if ($origin !== null) {
                $this->allowed[$origin] = true;
            }
        }
    }

    public function include(string $url): bool
    {
        $origin = self::of($url);

        return $origin !== null && isset($this->allowed[$origin]);
    }

    /** Scheme, host and port; null for what is no http(s) URL beyond doubt. */
    private static function of(string $url): ?string
    {
        // What PHP and an HTTP client might read differently: blanks, control characters, backslashes.
        if (preg_match('/[\x00-\x20\x7f\\\\]/', $url)) {
            return null;
        }
        $parts = parse_url($url);
        $scheme = strtolower($parts['scheme'] ?? '');
        $port = $parts['port'] ?? ['http' => 80, 'https' => 443][$scheme] ?? null;
        if ($port === null || ($parts['host'] ?? '') === '') {
            return null;
        }

        return $scheme . '://' . strtolower($parts['host']) . ':' . $port;
    }
}
