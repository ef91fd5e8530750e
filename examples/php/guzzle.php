<?php

/*
 * Guzzle with our tokens: it sends the access token, and where a 401 answers, renews it and sends once more.
 *
 *   TOKENMGR_HOST=https://api.example.com TOKENMGR_USERNAME=shop TOKENMGR_PASSWORD_FILE=/run/secrets/api \
 *     php guzzle.php
 */

declare(strict_types=1);

require __DIR__ . '/../../bindings/php/autoload.php'; // with Composer: vendor/autoload.php
require_once 'GuzzleHttp/autoload.php'; // Debian's; with Composer: nothing

$stack = GuzzleHttp\HandlerStack::create();
$stack->push(new TokenMgr\Guzzle\BearerMiddleware(new TokenMgr\TokenManager()), 'tokenmgr');
$client = new GuzzleHttp\Client(['handler' => $stack, 'base_uri' => getenv('TOKENMGR_HOST')]);

foreach (json_decode((string) $client->get('/api/v1/products')->getBody(), true)['data'] as $product) {
    echo $product['name'], "\n";
}
