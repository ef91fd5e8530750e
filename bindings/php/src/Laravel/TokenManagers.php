<?php

declare(strict_types=1);

namespace TokenMgr\Laravel;

use Closure;
use Illuminate\Contracts\Cache\Factory as Caches;
use Illuminate\Http\Client\Factory as Http;
use Illuminate\Http\Client\PendingRequest;
use InvalidArgumentException;
use Psr\Http\Message\RequestInterface;
use Psr\Log\LoggerInterface;
use TokenMgr\Bearer;
use TokenMgr\Guzzle\BearerMiddleware;
use TokenMgr\Store\Psr16Store;
use TokenMgr\TokenManager;

/**
 * The managers that config/tokenmgr.php names, each made when it is first asked for.
 *
 * @phpstan-import-type Options from TokenManager
 * @phpstan-type Settings = array{
 *     host?: string|null, username?: string|null, password?: string|null, options?: Options,
 *     store?: array{cache?: string, ...<string, mixed>}|null
 * }
 * @phpstan-type Config = array{
 *     default: string, managers: array<Settings>, log?: string|null, log_level?: string
 * }
 */
final class TokenManagers
{
    private const LEVELS = ['error' => 1, 'warning' => 2, 'info' => 3, 'debug' => 4];

    /** Nothing listens there: what a fake manager sends itself gets no further. */
    private const NOWHERE = 'http://127.0.0.1:1';

    /** Of managers that have none: only fakes do without one. */
    private const FAKE_HOST = 'https://fake.invalid';

    /** @var array<TokenManager> */
    private array $made = [];

    private bool $isFake = false;

    /**
     * @param Config                           $config  see config.php
     * @param Closure(string): LoggerInterface $channel gives a log channel by its name
     */
    public function __construct(
        #[\SensitiveParameter] private readonly array $config,
        private readonly Caches $caches,
        private readonly Closure $channel
    ) {
    }

    /** @param string|null $name null: the default one */
    public function manager(?string $name = null): TokenManager
    {
        $name ??= $this->config['default'];

        return $this->made[$name] ??= $this->make($this->settings($name));
    }

    /** A request to the manager's host, with its tokens: what Http::tokenmgr() gives. */
    public function request(Http $http, ?string $name = null): PendingRequest
    {
        $name ??= $this->config['default'];

        $manager = $this->manager($name);
        $middleware = $this->isFake ? self::sendingOnce($manager) : new BearerMiddleware($manager);

        return $http->baseUrl($this->host($name))->withMiddleware($middleware);
    }

    /**
     * For tests: from now on managers have a token that nobody gave them, and reach nobody. With Http::fake() a test of
     * Http::tokenmgr() needs no API. An answer of 401 comes back as it is: there is no other token.
     */
    public function fake(string $accessToken = 'fake-token'): void
    {
        $this->isFake = true;
        foreach (array_keys($this->config['managers']) as $name) {
            $manager = new TokenManager($this->host((string) $name), 'fake', null, ['proxy' => self::NOWHERE]);
            $manager->setTokens($accessToken, null, time() + 86400);
            $this->made[$name] = $manager;
        }
    }

    /** @return array{managers: list<int|string>} */
    public function __debugInfo(): array
    {
        return ['managers' => array_keys($this->config['managers'])]; // no passwords
    }

    /** What BearerMiddleware does, but for its recovery. */
    private static function sendingOnce(TokenManager $manager): callable
    {
        return static fn (callable $next): callable => static fn (RequestInterface $request, array $options) => $next(
            $manager->maySendTokenTo((string) $request->getUri())
                ? Bearer::request($request, $manager->accessToken())
                : $request,
            $options
        );
    }

    /** @param Settings $settings */
    private function make(#[\SensitiveParameter] array $settings): TokenManager
    {
        $options = $settings['options'] ?? [];
        $store = $settings['store'] ?? null;
        if (isset($store['cache'])) {
            $cache = $this->caches->store($store['cache']);
            $store = new Psr16Store($cache, new LaravelLock($cache));
        }
        if ($store !== null) {
            $options['store'] = $store;
        }
        $manager = new TokenManager(
            $settings['host'] ?? null,
            $settings['username'] ?? null,
            $settings['password'] ?? null,
            $options
        );
        if (isset($this->config['log'])) {
            $level = self::LEVELS[$this->config['log_level'] ?? 'info']
                ?? throw new InvalidArgumentException('tokenmgr.log_level is one of error, warning, info, debug');
            $manager->setLogger(($this->channel)($this->config['log']), $level);
        }

        return $manager;
    }

    private function host(string $name): string
    {
        return $this->settings($name)['host'] ?? ($this->isFake ? self::FAKE_HOST : null)
            ?? throw new InvalidArgumentException("tokenmgr.managers.$name has no host; set it, or TOKENMGR_HOST");
    }

    /** @return Settings */
    private function settings(string $name): array
    {
        return $this->config['managers'][$name]
            ?? throw new InvalidArgumentException("config/tokenmgr.php has no manager \"$name\"");
    }
}
