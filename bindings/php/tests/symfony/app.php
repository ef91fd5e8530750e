<?php

/**
 * A Symfony application: FrameworkBundle and our bundle, configured by the file that CONFIG names. Whoever requires
 * this finds its service Consumer in $app.
 */

// phpcs:disable PSR1.Classes.ClassDeclaration.MultipleClasses

declare(strict_types=1);

namespace TokenMgr\Tests;

use Symfony\Bundle\FrameworkBundle\FrameworkBundle;
use Symfony\Component\Config\Loader\LoaderInterface;
use Symfony\Component\HttpKernel\Kernel;
use Symfony\Contracts\HttpClient\HttpClientInterface;
use TokenMgr\Symfony\TokenMgrBundle;
use TokenMgr\TokenManager;

require_once 'Composer/autoload.php'; // FrameworkBundle asks Composer what is installed
foreach (['Bundle/FrameworkBundle', 'Component/HttpClient', 'Component/Lock', 'Component/Yaml'] as $package) {
    require_once "Symfony/$package/autoload.php";
}

final class App extends Kernel
{
    public function registerBundles(): iterable
    {
        return [new FrameworkBundle(), new TokenMgrBundle()];
    }

    public function registerContainerConfiguration(LoaderInterface $loader): void
    {
        $loader->load(getenv('CONFIG'));
    }

    public function getProjectDir(): string
    {
        return dirname(getenv('CONFIG'));
    }
}

/** What an application's own services get by their arguments' types and names. */
final class Consumer
{
    public function __construct(
        public readonly TokenManager $tm,
        public readonly TokenManager $second,
        public readonly HttpClientInterface $secondClient,
        public readonly HttpClientInterface $apiClient,
    ) {
    }
}

$kernel = new App('prod', (bool) getenv('DEBUG'));
$kernel->boot();
$app = $kernel->getContainer()->get('consumer');
