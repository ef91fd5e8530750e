<?php

declare(strict_types=1);

namespace TokenMgr\Symfony;

use Psr\Log\LoggerInterface;
use Symfony\Component\Config\Definition\Exception\InvalidConfigurationException;
use Symfony\Component\DependencyInjection\ContainerBuilder;
use Symfony\Component\DependencyInjection\ContainerInterface;
use Symfony\Component\DependencyInjection\Definition;
use Symfony\Component\DependencyInjection\Extension\Extension;
use Symfony\Component\DependencyInjection\Reference;
use Symfony\Component\HttpClient\AsyncDecoratorTrait;
use Symfony\Component\HttpClient\ScopingHttpClient;
use Symfony\Contracts\HttpClient\HttpClientInterface;
use TokenMgr\Store\Psr6Store;
use TokenMgr\TokenManager;

/**
 * The services of each manager NAME: tokenmgr.manager.NAME, `TokenManager $NAME`, and with symfony/http-client
 * tokenmgr.client.NAME, `HttpClientInterface $NAMEClient`.
 *
 * @phpstan-import-type Config from Configuration
 * @phpstan-import-type Settings from Configuration
 *
 * @internal
 */
final class TokenMgrExtension extends Extension
{
    /** On definitions of managers: the HTTP clients that get its tokens. */
    public const CLIENTS = 'tokenmgr.http_clients';

    public function getAlias(): string
    {
        return 'tokenmgr';
    }

    /** @param array<array-key, mixed> $configs */
    public function load(array $configs, ContainerBuilder $container): void
    {
        /** @var Config $config */
        $config = $this->processConfiguration(new Configuration(), $configs);
        $names = array_keys($config['managers']);
        $default = $config['default'] ?? $names[0] ?? null;
        foreach ($config['managers'] as $name => $settings) {
            $this->addManager($container, (string) $name, $settings);
        }
        if ($default !== null && !in_array($default, $names, true)) {
            throw new InvalidConfigurationException("tokenmgr.default is \"$default\", which is none of the managers ("
                . implode(', ', $names) . ')');
        }
        if ($default !== null) {
            $container->setAlias(TokenManager::class, "tokenmgr.manager.$default");
        }
    }

    /** @param Settings $settings */
    private function addManager(ContainerBuilder $container, string $name, array $settings): void
    {
        $options = $settings['options'];
        if ($settings['store'] !== []) {
            $options['store'] = $this->store($name, $settings['store']);
        }
        $manager = $container->register("tokenmgr.manager.$name", TokenManager::class)
            ->setArguments([$settings['host'], $settings['username'], $settings['password'], $options])
            ->addTag(self::CLIENTS, ['ids' => implode(' ', $settings['http_clients'])]);
        $level = Configuration::LOG_LEVELS[$settings['log_level']];
        if ($level > 0 && interface_exists(LoggerInterface::class)) {
            $logger = new Reference('logger', ContainerInterface::IGNORE_ON_INVALID_REFERENCE);
            $manager->addMethodCall('setLogger', [$logger, $level])
                ->addTag('monolog.logger', ['channel' => 'tokenmgr']);
        }
        $container->registerAliasForArgument("tokenmgr.manager.$name", TokenManager::class, $name);
        if (trait_exists(AsyncDecoratorTrait::class)) {
            $this->addClient($container, $name, $settings['host'] ?? '%env(TOKENMGR_HOST)%');
        }
    }

    private function addClient(ContainerBuilder $container, string $name, string $host): void
    {
        $container->register("tokenmgr.client.$name", ScopingHttpClient::class)
            ->setFactory([ScopingHttpClient::class, 'forBaseUri'])
            ->setArguments([self::withTokens(
                new Reference('http_client', ContainerInterface::NULL_ON_INVALID_REFERENCE),
                "tokenmgr.manager.$name"
            ), $host])
            ->addTag('http_client.client');
        $container->registerAliasForArgument("tokenmgr.client.$name", HttpClientInterface::class, "$name.client");
    }

    /** The client, with the tokens of this manager. */
    public static function withTokens(Reference|Definition $client, string $manager): Definition
    {
        return new Definition(BearerHttpClient::class, [$client, new Reference($manager)]);
    }

    /** @param array{service?: string, cache?: string, lock?: string, ...} $store */
    private function store(string $name, array $store): mixed
    {
        if (isset($store['service'])) {
            return new Reference($store['service']);
        }
        if (!isset($store['cache'])) {
            return $store;
        }
        if (!isset($store['lock'])) {
            throw new InvalidConfigurationException("tokenmgr.managers.$name.store has a cache and no lock; add lock:"
                . ' the ID of a lock factory that all who share the cache share, such as lock.factory');
        }
        $lock = new Definition(SymfonyLock::class, [new Reference($store['lock'])]);

        return new Definition(Psr6Store::class, [new Reference($store['cache']), $lock]);
    }
}
