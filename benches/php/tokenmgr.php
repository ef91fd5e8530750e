<?php

/**
 * Ours, through the PHP package.
 */

declare(strict_types=1);

require __DIR__ . '/worker.php';
require __DIR__ . '/../../bindings/php/autoload.php';

$tm = new TokenMgr\TokenManager(getenv('BENCH_URL'), 'bench', 'bench', array_filter([
    'ca_file' => getenv('BENCH_CA'),
]));
$tm->setTokens(getenv('BENCH_TOKEN'));
serve(static function () use ($tm): array {
    $response = $tm->get(PRODUCTS_PATH);

    return [$response->status, $response->body];
});
