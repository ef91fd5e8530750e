<?php

/**
 * Guzzle: one client, reused for every call.
 */

declare(strict_types=1);

error_reporting(E_ALL & ~E_DEPRECATED); // Debian's Guzzle is older than its PHP

require __DIR__ . '/worker.php';
require 'GuzzleHttp/autoload.php';

$client = new GuzzleHttp\Client([
    'base_uri' => getenv('BENCH_URL'),
    'timeout' => 30,
    'headers' => ['Authorization' => 'Bearer ' . getenv('BENCH_TOKEN')],
    'verify' => getenv('BENCH_BUNDLE') ?: true,
]);
serve(static function () use ($client): array {
    $response = $client->get(PRODUCTS_PATH);

    return [$response->getStatusCode(), (string) $response->getBody()];
});
