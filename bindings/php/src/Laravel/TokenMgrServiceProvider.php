<?php

declare(strict_types=1);

namespace TokenMgr\Laravel;

use Illuminate\Container\Container;
use Illuminate\Contracts\Cache\Factory;
use Illuminate\Contracts\Config\Repository;
use Illuminate\Contracts\Container\Container as Services;
use Illuminate\Contracts\Foundation\Application;
use Illuminate\Http\Client\Factory as Http;
use Illuminate\Http\Client\PendingRequest;
use Illuminate\Log\LogManager;
use Illuminate\Support\ServiceProvider;
use Psr\Log\LoggerInterface;
use TokenMgr\TokenManager;

/**
 * Makes the managers of config/tokenmgr.php available: TokenManagers, TokenManager (the default one), Http::tokenmgr().
 *
 * @phpstan-import-type Config from TokenManagers
 */
final class TokenMgrServiceProvider extends ServiceProvider
{
    private const CONFIG = __DIR__ . '/config.php';

    public function register(): void
    {
        $this->mergeConfigFrom(self::CONFIG, 'tokenmgr');
        $this->app->singleton(TokenManagers::class, static function (Application $app): TokenManagers {
            /** @var Repository $repository */
            $repository = $app->make('config');
            /** @var Config $config */
            $config = $repository->get('tokenmgr');
            /** @var Factory $caches */
            $caches = $app->make('cache');

            return new TokenManagers($config, $caches, static function (string $channel) use ($app): LoggerInterface {
                /** @var LogManager $log */
                $log = $app->make('log');

                return $log->channel($channel);
            });
        });
        // Not a singleton: TokenManagers keeps it, and may be told to fake it.
        $this->app->bind(
            TokenManager::class,
            static fn (Application $app): TokenManager => self::managers($app)->manager()
        );
    }

    public function boot(): void
    {
        $this->publishes([self::CONFIG => $this->app->configPath('tokenmgr.php')], 'tokenmgr');
        Http::macro('tokenmgr', function (?string $manager = null): PendingRequest {
            // @mago-expect analysis:docblock-type-mismatch -- Laravel calls a macro as a method of what has it
            /** @var Http $this */
            return TokenMgrServiceProvider::managers(Container::getInstance())->request($this, $manager);
        });
    }

    /** @internal */
    public static function managers(Services $services): TokenManagers
    {
        /** @var TokenManagers $managers */
        $managers = $services->make(TokenManagers::class);

        return $managers;
    }
}
