<?php

/**
 * For `opcache.preload`, or to be required by a preload script of your own. It makes this package work under FPM with
 * `ffi.enable=preload`, and spares each request the loading of its classes; `ffi.preload` with the header
 * include/tokenmgr-ffi.h beside this file spares it the loading of the library, too.
 */

declare(strict_types=1);

require_once __DIR__ . '/autoload.php';

// Psr18/, Symfony/ and Laravel/ implement interfaces of packages that may not be installed, and so do these of Store/:
// they are loaded when they are used.
foreach (['Exception/*', '*', 'Store/*', 'Guzzle/*'] as $files) {
    foreach (glob(__DIR__ . "/src/$files.php") ?: [] as $file) {
        if (!preg_match('~/(Psr6Store|Psr16Store)\.php$~', $file)) {
            opcache_compile_file($file);
        }
    }
}
