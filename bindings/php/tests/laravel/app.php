<?php

/**
 * A Laravel application with what our provider needs: config, cache, log and the HTTP client.
 */

declare(strict_types=1);

use Illuminate\Cache\CacheServiceProvider;
use Illuminate\Config\Repository;
use Illuminate\Filesystem\FilesystemServiceProvider;
use Illuminate\Foundation\Application;
use Illuminate\Support\Facades\Facade;
use Illuminate\Support\Facades\Http;
use TokenMgr\Laravel\TokenMgrServiceProvider;

require_once 'Illuminate/autoload.php';
require_once 'GuzzleHttp/autoload.php';

$folder = getenv('FOLDER');
$account = ['host' => getenv('API'), 'username' => 'demo', 'password' => 'demo-password'];
$app = new Application($folder);
$app->instance('config', new Repository([
    'app' => ['name' => 'test', 'env' => 'testing'],
    'cache' => [
        'default' => 'file',
        'prefix' => 'test',
        'stores' => ['file' => ['driver' => 'file', 'path' => "$folder/cache", 'lock_path' => "$folder/cache"]],
    ],
    'logging' => [
        'default' => 'single',
        'channels' => ['single' => ['driver' => 'single', 'path' => "$folder/laravel.log"]],
    ],
    'tokenmgr' => [
        'log' => getenv('LOG') ?: null,
        'managers' => [
            'default' => $account,
            'other' => $account,
            'nowhere' => ['host' => null],
            'shared' => ['store' => ['cache' => 'file']] + $account,
        ],
    ],
]));
Facade::setFacadeApplication($app);
foreach ([FilesystemServiceProvider::class, CacheServiceProvider::class, TokenMgrServiceProvider::class] as $provider) {
    $app->register($provider);
}
$app->boot();
class_alias(Http::class, 'Http');
