<?php

declare(strict_types=1);

namespace TokenMgr\Symfony;

use Symfony\Component\DependencyInjection\Compiler\PassConfig;
use Symfony\Component\DependencyInjection\ContainerBuilder;
use Symfony\Component\DependencyInjection\Extension\ExtensionInterface;
use Symfony\Component\HttpKernel\Bundle\Bundle;

/**
 * Makes the managers that config/packages/tokenmgr.yaml names services, and gives their tokens to HTTP clients.
 */
final class TokenMgrBundle extends Bundle
{
    public function build(ContainerBuilder $container): void
    {
        // Before decorators are resolved: those of FrameworkBundle's clients must find ours in place.
        $container->addCompilerPass(new HttpClientsPass(), PassConfig::TYPE_BEFORE_OPTIMIZATION);
    }

    public function getContainerExtension(): ?ExtensionInterface
    {
        return new TokenMgrExtension();
    }
}
