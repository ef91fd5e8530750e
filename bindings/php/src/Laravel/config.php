<?php

/*
 * The API clients of this application. `php artisan vendor:publish --tag=tokenmgr` copies this file to
 * config/tokenmgr.php.
 */

declare(strict_types=1);

return [
    // The manager that TokenManager and Http::tokenmgr() stand for where no name is given.
    'default' => env('TOKENMGR_MANAGER', 'default'),

    // The log channel of what becomes of the tokens; null: none. And the least important level of it: error, warning,
    // info or debug.
    'log' => env('TOKENMGR_LOG_CHANNEL'),
    'log_level' => env('TOKENMGR_LOG_LEVEL', 'info'),

    'managers' => [
        'default' => [
            'host' => env('TOKENMGR_HOST'),
            'username' => env('TOKENMGR_USERNAME'),
            'password' => env('TOKENMGR_PASSWORD'),

            // Of the library: docs/OPTIONS.md.
            'options' => [],

            // null: in memory. ['type' => 'file', …] of the library. ['cache' => 'redis']: a cache of config/cache.php
            // whose locks all share who share the cache.
            'store' => null,
        ],
    ],
];
