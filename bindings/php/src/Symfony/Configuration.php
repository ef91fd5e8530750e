<?php

declare(strict_types=1);

namespace TokenMgr\Symfony;

use Symfony\Component\Config\Definition\Builder\TreeBuilder;
use Symfony\Component\Config\Definition\ConfigurationInterface;

/**
 * What tokenmgr.yaml may say. The options themselves the library checks, when a manager is made: they may come from
 * the environment.
 */
final class Configuration implements ConfigurationInterface
{
    public const LOG_LEVELS = ['none' => 0, 'error' => 1, 'warning' => 2, 'info' => 3, 'debug' => 4];

    public function getConfigTreeBuilder(): TreeBuilder
    {
        $tree = new TreeBuilder('tokenmgr');
        $tree->getRootNode()->children()
            ->scalarNode('default')
                ->defaultNull()
                ->info('the manager that TokenManager stands for where no name is given; the first unless named')
            ->end()
            ->arrayNode('managers')
                ->useAttributeAsKey('name')
                ->requiresAtLeastOneElement()
                ->arrayPrototype()->children()
                    ->scalarNode('host')
                        ->defaultNull()
                        ->info('scheme://authority[/prefix]; unless given, TOKENMGR_HOST')
                    ->end()
                    ->scalarNode('username')->defaultNull()->info('unless given, TOKENMGR_USERNAME or _FILE')->end()
                    ->scalarNode('password')
                        ->defaultNull()
                        ->info('a secret, such as "%env(SHOP_PASSWORD)%"; unless given, TOKENMGR_PASSWORD or _FILE')
                    ->end()
                    ->variableNode('options')
                        ->defaultValue([])
                        ->validate()->ifTrue(self::isNoMap(...))->thenInvalid('it is a map of options')->end()
                        ->info('of the library: docs/OPTIONS.md')
                    ->end()
                    ->variableNode('store')
                        ->defaultValue([])
                        ->validate()->ifTrue(self::isNoMap(...))->thenInvalid('it is a map')->end()
                        ->info('{type: file, …} of the library; {service: ID} of a TokenMgr\Store;'
                            . ' or {cache: ID of a PSR-6 pool, lock: ID of a lock factory}')
                    ->end()
                    ->arrayNode('http_clients')
                        ->scalarPrototype()->end()
                        ->info('HTTP clients, scoped ones above all, that send this manager\'s tokens to its host')
                    ->end()
                    ->enumNode('log_level')->values(array_keys(self::LOG_LEVELS))->defaultValue('info')->end()
                ->end()->end()
            ->end()
        ->end();

        return $tree;
    }

    private static function isNoMap(mixed $value): bool
    {
        return !is_array($value);
    }
}
