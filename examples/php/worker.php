<?php

/*
 * A worker that runs for weeks: it fetches once a second and ends well on SIGTERM, in the middle of a call, too. Tokens
 * in a database that many workers share; what becomes of them goes to the log.
 */

declare(strict_types=1);

use TokenMgr\Exception\Cancelled;
use TokenMgr\Exception\TokenManagerException;
use TokenMgr\Store\PdoStore;
use TokenMgr\TokenManager;

require __DIR__ . '/../../bindings/php/autoload.php'; // with Composer: vendor/autoload.php

$stopping = false;
pcntl_async_signals(true);
pcntl_signal(SIGTERM, function () use (&$stopping): void {
    $stopping = true;
});

$store = new PdoStore(fn () => new PDO((string) getenv('TOKENS_DSN'), getenv('TOKENS_USER') ?: null));
$store->createTable();
$tm = new TokenManager(options: ['store' => $store]);
$tm->onLog(fn (int $level, string $message) => error_log($message));
$tm->onInterrupt(function () use (&$stopping): bool {
    return $stopping; // asked while a call waits
});

while (!$stopping) {
    try {
        echo $tm->get('/api/v1/products')->throw()->status, "\n";
    } catch (Cancelled) {
        break;
    } catch (TokenManagerException $problem) {
        error_log($problem->getMessage());
        sleep(max(1, (int) ($problem->retryAfter ?? 5)));
    }
    sleep(1);
}
