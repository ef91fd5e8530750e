<?php

declare(strict_types=1);

require __DIR__ . '/../autoload.php';

// From Debian's packages: php-guzzlehttp-guzzle (with PSR-7 and PSR-18) and php-symfony-cache (with PSR-6 and PSR-16).
require 'GuzzleHttp/autoload.php';
require 'Psr/Http/Client/autoload.php';
require 'Symfony/Component/Cache/autoload.php';

foreach (glob(__DIR__ . '/support/*.php') as $file) {
    require $file;
}
