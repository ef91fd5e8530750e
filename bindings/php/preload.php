<?php

/**
 * For `opcache.preload`, or to be required by a preload script of your own. It makes this package work under FPM with
 * `ffi.enable=preload`, and spares each request the loading of its classes; `ffi.preload` with the header
 * include/tokenmgr-ffi.h beside this file spares it the loading of the library, too.
 */

declare(strict_types=1);

require_once __DIR__ . '/autoload.php';

foreach (['Exception/*', '*', 'Store/*', 'Guzzle/*', 'Psr18/*'] as $files) {
    foreach (glob(__DIR__ . "/src/$files.php") as $file) {
        // These implement interfaces of packages that may not be installed: they are loaded when they are used.
        if (!preg_match('~/(Psr6Store|Psr16Store|BearerClient|NoToken)\.php$~', $file)) {
            opcache_compile_file($file);
        }
    }
}
