<?php

declare(strict_types=1);

namespace TokenMgr\Tests;

final class RedisServer extends Server
{
    public readonly string $url;

    public function __construct()
    {
        parent::__construct();
        $port = self::freePort();
        $this->url = "redis://127.0.0.1:$port";
        $settings = ['--bind', '127.0.0.1', '--port', (string) $port, '--dir', $this->folder, '--save', ''];
        $this->start('redis-server', ...$settings);
        $this->await(fn () => @fsockopen('127.0.0.1', $port) !== false);
    }
}
