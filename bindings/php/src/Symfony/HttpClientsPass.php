<?php

declare(strict_types=1);

namespace TokenMgr\Symfony;

use Symfony\Component\Config\Definition\Exception\InvalidConfigurationException;
use Symfony\Component\DependencyInjection\Compiler\CompilerPassInterface;
use Symfony\Component\DependencyInjection\ContainerBuilder;
use Symfony\Component\DependencyInjection\Definition;
use Symfony\Component\DependencyInjection\Reference;
use Symfony\Component\HttpClient\ScopingHttpClient;

/**
 * Gives the tokens of a manager to the HTTP clients that its setting http_clients names.
 *
 * @internal
 */
final class HttpClientsPass implements CompilerPassInterface
{
    /** Inside FrameworkBundle's decorators that change a request (25 and less), outside the one that traces it (100). */
    private const PRIORITY = 50;

    public function process(ContainerBuilder $container): void
    {
        /** @var array<string, array{array{ids: string}}> $managers */
        $managers = $container->findTaggedServiceIds(TokenMgrExtension::CLIENTS);
        foreach ($managers as $manager => [['ids' => $ids]]) {
            foreach (preg_split('/ /', $ids, -1, PREG_SPLIT_NO_EMPTY) ?: [] as $id) {
                if (!$container->hasDefinition($id)) {
                    throw new InvalidConfigurationException("the HTTP client \"$id\" of $manager is no service;"
                        . ' name one of framework.http_client.scoped_clients');
                }
                $this->decorate($container, $id, $manager);
            }
        }
    }

    private function decorate(ContainerBuilder $container, string $id, string $manager): void
    {
        $client = $container->getDefinition($id);
        if ($client->getClass() === ScopingHttpClient::class) {
            // Up to Symfony 7.3 a scoped client is the ScopingHttpClient itself: ours goes into it.
            /** @var Reference|Definition $inner */
            $inner = $client->getArgument(0);
            $client->replaceArgument(0, TokenMgrExtension::withTokens($inner, $manager));
        } else {
            $container->setDefinition("$id.$manager", TokenMgrExtension::withTokens(new Reference('.inner'), $manager))
                ->setDecoratedService($id, null, self::PRIORITY);
        }
    }
}
