<?php

declare(strict_types=1);

namespace TokenMgr\Laravel;

use Illuminate\Container\Container;
use Illuminate\Contracts\Foundation\Application;
use Illuminate\Http\Client\Factory as Http;
use Illuminate\Support\ServiceProvider;
use TokenMgr\TokenManager;

/**
 * Makes the managers of config/tokenmgr.php available: TokenManagers, TokenManager (the default one), Http::tokenmgr().
 */
final class TokenMgrServiceProvider extends ServiceProvider
{
    private const CONFIG = __DIR__ . '/config.php';

    public function register(): void
    {
        $this->mergeConfigFrom(self::CONFIG, 'tokenmgr');
        $this->app->singleton(TokenManagers::class, static fn (Application $app): TokenManagers => new TokenManagers(
            $app['config']['tokenmgr'],
            $app['cache'],
            static fn (string $channel) => $app['log']->channel($channel)
        ));
        // Not a singleton: TokenManagers keeps it, and may be told to fake it.
        $this->app->bind(
            TokenManager::class,
            static fn (Application $app): TokenManager => $app[TokenManagers::class]->manager()
        );
    }

    public function boot(): void
    {
        $this->publishes([self::CONFIG => $this->app->configPath('tokenmgr.php')], 'tokenmgr');
        Http::macro('tokenmgr', function (?string $manager = null) {
            /** @var Http $this */
            return Container::getInstance()->make(TokenManagers::class)->request($this, $manager);
        });
    }
}
