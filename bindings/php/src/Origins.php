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

    /** @param mixed $allowed what is no list of URLs allows nothing: the library refuses it, and says so better */
    public function __construct(#[\SensitiveParameter] string $host, mixed $allowed)
    {
        foreach ([$host, ...(is_array($allowed) ? array_values($allowed) : [])] as $url) {
            // As the library reads what it is configured with: without blanks and line ends around it.
            $origin = is_string($url) ? self::of(trim($url, "\x00..\x20")) : null;
            if ($origin !== null) {
                $this->allowed[$origin] = true;
            }
        }
    }

    /**
     * The host, where the library finds it that nobody gave it; empty if it is nowhere. In the environment of the
     * process only: what getenv() finds besides came with an FPM request, and the library does not know it.
     */
    public static function host(): string
    {
        $host = getenv('TOKENMGR_HOST', true) ?: '';
        $file = getenv('TOKENMGR_HOST_FILE', true) ?: '';
        if ($host !== '' || $file === '') {
            return $host;
        }

        return (string) preg_replace('/\r?\n?\z/', '', (string) @file_get_contents($file), 1);
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
