<?php

declare(strict_types=1);

namespace TokenMgr\Tests;

require __DIR__ . '/../autoload.php';

// From Debian's packages, which bring the interfaces of the PSRs along.
foreach (['GuzzleHttp', 'Psr/Http/Client', 'Psr/Log', 'Psr/SimpleCache', 'Symfony/Component/Cache'] as $package) {
    require_once "$package/autoload.php";
}
foreach (['Bundle/FrameworkBundle', 'Component/HttpClient', 'Component/Lock', 'Component/Yaml'] as $package) {
    require_once "Symfony/$package/autoload.php";
}

const ROOT = __DIR__ . '/../../..';
const PACKAGE = __DIR__ . '/..';

spl_autoload_register(static function (string $class): void {
    $file = __DIR__ . '/support/' . substr($class, strlen(__NAMESPACE__) + 1) . '.php';
    if (str_starts_with($class, __NAMESPACE__ . '\\') && is_file($file)) {
        require $file;
    }
});
