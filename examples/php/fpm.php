<?php

/*
 * A page behind PHP-FPM. The manager is made anew for each request and costs next to nothing: under FPM it is
 * persistent, so the worker's next request finds the token and the connection. docs/PHP.md has the pool's settings.
 *
 * All workers share one login through the file in TOKENS_FILE, which is sealed with the key in TOKENS_KEY_FILE
 * (made by `tokenmgr key`).
 */

declare(strict_types=1);

use TokenMgr\Exception\LoginRejected;
use TokenMgr\Exception\TokenManagerException;
use TokenMgr\TokenManager;

require __DIR__ . '/../../bindings/php/autoload.php'; // with Composer: vendor/autoload.php

header('Content-Type: application/json');
try {
    $tm = new TokenManager(options: [
        'store' => ['type' => 'file', 'path' => getenv('TOKENS_FILE'), 'key' => ['file' => getenv('TOKENS_KEY_FILE')]],
        'timeout_ms' => 5000,
    ]);
    echo $tm->get('/api/v1/products', query: ['page' => $_GET['page'] ?? 1])->throw()->body;
} catch (LoginRejected $problem) {
    error_log('Please correct the API credentials: ' . $problem->getMessage());
    http_response_code(500);
} catch (TokenManagerException $problem) {
    error_log($problem->getMessage());
    http_response_code($problem->isRetryable ? 503 : 502);
    if ($problem->retryAfter !== null) {
        header('Retry-After: ' . (int) ceil($problem->retryAfter));
    }
}
