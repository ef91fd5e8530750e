<?php

/**
 * What an FPM worker does for a request: one call, and how things stand in this worker afterwards.
 */

declare(strict_types=1);

use TokenMgr\TokenManager;

if (getenv('AUTOLOAD')) { // unless it is preloaded
    require getenv('AUTOLOAD');
}

header('Content-Type: application/json');
try {
    $options = json_decode(getenv('OPTIONS') ?: '[]', true);
    if (getenv('SQLITE')) {
        $options['store'] = new TokenMgr\Store\PdoStore(fn () => new PDO('sqlite:' . getenv('SQLITE')));
    }
    $tm = new TokenManager(getenv('API'), 'demo', 'demo-password', $options);
    $lines = 0;
    $tm->onLog(function () use (&$lines): void {
        $lines++;
    });
    $response = $tm->get('/api/v1/products')->throw();
    $worker = ['worker' => getmypid(), 'log lines' => $lines];
    if (getenv('TOKENMGR_HOST', true)) {
        $named = new TokenManager(null, 'demo', 'demo-password');
        $worker['may'] = array_map($named->maySendTokenTo(...), [getenv('API'), getenv('TOKENMGR_HOST')]);
    }
    echo json_encode($worker + ['status' => $response->status, 'stats' => $tm->stats()]);
} catch (Throwable $problem) {
    http_response_code(500);
    echo json_encode(['problem' => $problem::class . ': ' . $problem->getMessage()]);
}
