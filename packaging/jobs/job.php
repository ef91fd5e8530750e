<?php

/*
 * What every installed package has to do, in PHP: log in, call, refresh, share a file store, and survive a fork.
 * Usage: job.php AUTOLOADER FOLDER
 */

declare(strict_types=1);

use TokenMgr\TokenManager;

[, $autoloader, $folder] = $argv;
require $autoloader;

$options = ['store' => ['type' => 'file', 'path' => "$folder/tokens", 'key' => ['file' => "$folder/key"]]];
$products = static fn (TokenManager $tm) => count($tm->get('/api/v1/products')->throw()->json()['data']);
$require = static function (bool $holds): void {
    $holds || throw new LogicException('not so');
};

$tm = new TokenManager(options: $options);
$require($products($tm) === 3);
$first = $tm->accessToken();
$tm->refresh();
$require($tm->accessToken() !== $first);
$child = pcntl_fork();
if ($child === 0) {
    exit($products($tm) === 3 ? 0 : 1);
}
pcntl_waitpid($child, $status);
$require($status === 0);
$other = new TokenManager(options: $options);
$require($products($other) === 3 && $other->accessToken() === $tm->accessToken());
$path = (new ReflectionProperty(TokenMgr\Library::class, 'path'))->getValue();
echo 'job done by ', $path, "\n";
