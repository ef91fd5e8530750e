<?php

// PHPUnit as its command starts it, from wherever the include path has it.

declare(strict_types=1);

error_reporting(E_ALL & ~E_DEPRECATED);
define('PHPUNIT_COMPOSER_INSTALL', 'PHPUnit/Autoload.php');
require 'PHPUnit/Autoload.php';
PHPUnit\TextUI\Command::main();
