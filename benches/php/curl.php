<?php

/**
 * PHP's curl extension: one handle, reused for every call; with the argument "new", a new one each time, as most
 * scripts have it.
 */

declare(strict_types=1);

require __DIR__ . '/worker.php';

function handle(): CurlHandle
{
    $handle = curl_init(getenv('BENCH_URL') . PRODUCTS_PATH);
    curl_setopt_array($handle, [
        CURLOPT_RETURNTRANSFER => true,
        CURLOPT_TIMEOUT => 30,
        CURLOPT_HTTPHEADER => ['Authorization: Bearer ' . getenv('BENCH_TOKEN')],
    ]);
    if (getenv('BENCH_BUNDLE')) {
        curl_setopt($handle, CURLOPT_CAINFO, getenv('BENCH_BUNDLE'));
    }

    return $handle;
}

function call(CurlHandle $handle): array
{
    $body = (string) curl_exec($handle);

    return [curl_getinfo($handle, CURLINFO_RESPONSE_CODE), $body];
}

if (($argv[1] ?? '') === 'new') {
    serve(static fn (): array => call(handle()));
} else {
    $handle = handle();
    serve(static fn (): array => call($handle));
}
