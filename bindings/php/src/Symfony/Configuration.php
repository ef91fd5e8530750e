<?php

declare(strict_types=1);

namespace TokenMgr\Symfony;

use Symfony\Component\Config\Definition\Builder\ArrayNodeDefinition;
use Symfony\Component\Config\Definition\Builder\NodeBuilder;
use Symfony\Component\Config\Definition\Builder\TreeBuilder;
use Symfony\Component\Config\Definition\ConfigurationInterface;

/**
 * What tokenmgr.yaml may say. The options themselves the library checks, when a manager is made: they may come from
 * the environment.
 *
 * @phpstan-type Settings = array{
 *     host: string|null, username: string|null, password: string|null, options: array<string, mixed>,
 *     store: array{service?: string, cache?: string, lock?: string, ...}, http_clients: list<string>,
 *     log_level: key-of<self::LOG_LEVELS>
 * }
 * @phpstan-type Config = array{default: string|null, managers: array<Settings>}
 */
final class Configuration implements ConfigurationInterface
{
    public const LOG_LEVELS = ['none' => 0, 'error' => 1, 'warning' => 2, 'info' => 3, 'debug' => 4];

    public function getConfigTreeBuilder(): TreeBuilder
    {
        $tree = new TreeBuilder('tokenmgr');
        /** @var ArrayNodeDefinition $root */
        $root = $tree->getRootNode();
        $root->children()
            ->scalarNode('default')
            ->defaultNull()
            ->info('the manager that TokenManager stands for where no name is given; the first unless named');
        $managers = $root->children()->arrayNode('managers')->useAttributeAsKey('name')->requiresAtLeastOneElement();
        self::addSettings($managers->arrayPrototype()->children());

        return $tree;
    }

    private static function addSettings(NodeBuilder $settings): void
    {
        $settings->scalarNode('host')
            ->defaultNull()
            ->info('scheme://authority[/prefix]; unless given, TOKENMGR_HOST');
        $settings->scalarNode('username')
            ->defaultNull()
            ->info('unless given, TOKENMGR_USERNAME or _FILE');
        $settings->scalarNode('password')
            ->defaultNull()
            ->info('a secret, such as "%env(SHOP_PASSWORD)%"; unless given, TOKENMGR_PASSWORD or _FILE');
        $options = $settings->variableNode('options');
        $options->defaultValue([])->info('of the library: docs/OPTIONS.md');
        $options->validate()->ifTrue(self::isNoMap(...))->thenInvalid('it is a map of options');
        $store = $settings->variableNode('store');
        $store->defaultValue([])->info('{type: file, …} of the library; {service: ID} of a TokenMgr\Store;'
            . ' or {cache: ID of a PSR-6 pool, lock: ID of a lock factory}');
        $store->validate()->ifTrue(self::isNoMap(...))->thenInvalid('it is a map');
        $clients = $settings->arrayNode('http_clients');
        $clients->info('HTTP clients, scoped ones above all, that send this manager\'s tokens to its host');
        $clients->scalarPrototype();
        $settings->enumNode('log_level')->values(array_keys(self::LOG_LEVELS))->defaultValue('info');
    }

    private static function isNoMap(mixed $value): bool
    {
        return !is_array($value);
    }
}
