<?php

declare(strict_types=1);

namespace TokenMgr\Tests;

use PHPUnit\Framework\TestCase;

/**
 * What docs/PHP.md shows is PHP, and names what there is.
 */
final class DocsTest extends TestCase
{
    private static function text(): string
    {
        return file_get_contents(ROOT . '/docs/PHP.md');
    }

    public function testTheSnippetsAreValid(): void
    {
        preg_match_all('/^```php\n(.*?)^```$/ms', self::text(), $found);
        self::assertGreaterThan(4, count($found[1]));
        foreach ($found[1] as $snippet) {
            $script = Script::run("return;\n?>\n<?php\n$snippet");
            self::assertSame('', $script->output, $snippet);
        }
    }

    public function testTheReferenceOfTheSiteHasTheClasses(): void
    {
        exec(sprintf('%s %s 2>&1', PHP_BINARY, escapeshellarg(ROOT . '/docs/site/php_reference.php')), $lines, $code);
        self::assertSame(0, $code, implode("\n", $lines));
        foreach (['TokenManager', 'Guzzle\BearerMiddleware', 'Laravel\TokenManagers', 'Symfony\NoToken'] as $class) {
            self::assertContains("## TokenMgr\\$class", $lines);
        }
    }

    public function testEveryMethodAndClassIsThere(): void
    {
        preg_match_all('/\$tm->(\w+)\(/', self::text(), $methods);
        foreach ($methods[1] as $method) {
            self::assertTrue(method_exists(\TokenMgr\TokenManager::class, $method), $method);
        }
        preg_match_all('/\bTokenMgr(?:\\\\\w+)+/', self::text(), $classes);
        foreach ($classes[0] as $class) {
            $folder = PACKAGE . '/src' . strtr(substr($class, strlen('TokenMgr')), '\\', '/');
            self::assertTrue(is_file("$folder.php") || is_dir($folder), $class);
        }
    }

    public function testEveryExceptionIsNamed(): void
    {
        foreach (glob(PACKAGE . '/src/Exception/*.php') as $file) {
            self::assertStringContainsString('`' . basename($file, '.php') . '`', self::text());
        }
    }

    public function testEveryLinkLeadsSomewhere(): void
    {
        preg_match_all('/\]\(([^)#]+)/', self::text(), $links);
        foreach ($links[1] as $link) {
            self::assertFileExists(ROOT . "/docs/$link");
        }
    }
}
