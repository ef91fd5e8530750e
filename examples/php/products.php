<?php

/*
 * Fetches the product list: the whole of what a client has to do.
 *
 *   TOKENMGR_HOST=https://api.example.com TOKENMGR_USERNAME=shop TOKENMGR_PASSWORD_FILE=/run/secrets/api \
 *     php products.php
 */

declare(strict_types=1);

require __DIR__ . '/../../bindings/php/autoload.php'; // with Composer: vendor/autoload.php

$tm = new TokenMgr\TokenManager(); // host and credentials from the environment
foreach ($tm->get('/api/v1/products')->throw()->json()['data'] as $product) {
    echo $product['name'], "\n";
}
