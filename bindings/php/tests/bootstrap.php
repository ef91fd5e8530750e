<?php

declare(strict_types=1);

namespace TokenMgr\Tests;

require __DIR__ . '/../autoload.php';

// From Debian's packages: php-guzzlehttp-guzzle (with PSR-7 and PSR-18) and php-symfony-cache (with PSR-6 and PSR-16).
require 'GuzzleHttp/autoload.php';
require 'Psr/Http/Client/autoload.php';
require 'Psr/Log/autoload.php';
require 'Psr/SimpleCache/autoload.php';
require 'Symfony/Component/Cache/autoload.php';

const ROOT = __DIR__ . '/../../..';
const PACKAGE = __DIR__ . '/..';

spl_autoload_register(static function (string $class): void {
    $file = __DIR__ . '/support/' . substr($class, strlen(__NAMESPACE__) + 1) . '.php';
    if (str_starts_with($class, __NAMESPACE__ . '\\') && is_file($file)) {
        require $file;
    }
});
