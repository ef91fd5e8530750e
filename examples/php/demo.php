<?php

/*
 * A client as programs have them: it calls the API once a second and cares for nothing else. What becomes of the tokens
 * in the meantime, the library's own log lines tell. SIGTERM ends it: it logs out.
 *
 *   php demo.php '{"refresh_before_seconds":2,"refresh_jitter_seconds":0}'
 */

declare(strict_types=1);

use TokenMgr\Exception\TokenManagerException;
use TokenMgr\TokenManager;

require __DIR__ . '/../../bindings/php/autoload.php';

$stopping = false;
pcntl_async_signals(true);
pcntl_signal(SIGTERM, function () use (&$stopping): void {
    $stopping = true;
});

try {
    $tm = new TokenManager(options: json_decode($argv[1] ?? '{}', true, 16, JSON_THROW_ON_ERROR));
    $tm->onLog(function (int $level, string $message): void {
        echo "    library  $message\n";
    });

    for ($calls = 0; !$stopping; $calls++) {
        $response = $tm->get('/api/v1/products');
        $left = $tm->peekToken()?->secondsLeft() ?? 0;
        echo "    client   GET /api/v1/products: $response->status, the token is good for $left more s\n";
        try {
            $response->throw();
        } catch (TokenManagerException $refused) {
            echo '    client   ', basename(strtr($refused::class, '\\', '/')), ": {$refused->getMessage()}\n";
        }
        sleep(1);
    }

    $tm->logout();
    echo "    client   logged out after $calls calls\n";
} catch (TokenManagerException $failure) {
    echo "    client   failed: {$failure->getMessage()}\n";
    exit(1);
}
