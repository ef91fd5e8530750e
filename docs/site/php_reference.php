<?php

/*
 * Prints the reference of the PHP package as Markdown, from its docblocks: every class that is not @internal, with its
 * public members. Usage: php docs/site/php_reference.php >php.md
 */

declare(strict_types=1);

require __DIR__ . '/../../bindings/php/tests/bootstrap.php';

// What the provider extends: its name is all that the reference needs of Laravel.
if (!class_exists(Illuminate\Support\ServiceProvider::class)) {
    eval('namespace Illuminate\Support; abstract class ServiceProvider {}');
}

/** What PHP calls, and nobody else. */
const MAGIC = ['__destruct', '__debugInfo', '__serialize', '__unserialize'];
const SOURCES = __DIR__ . '/../../bindings/php/src/';

/** A docblock without its asterisks; its tags as a list. */
function prose(string|false $docblock): string
{
    $text = preg_replace('~^\s*/?\*+/?[ ]?|\s*\*/$~m', '', (string) $docblock);
    [$words, $tags] = array_pad(preg_split('/^(?=@)/m', $text, 2), 2, '');
    $tags = preg_replace('/\n[ \t]+(?=\S)/', ' ', $tags);
    $tags = preg_replace('/^@internal.*$/m', '', $tags);
    $tags = preg_replace('/^@(param|var)\s+(\S.*?)\s+(\$\w+)[ ]*/m', '- `$3` (`$2`): ', $tags);
    $tags = preg_replace('/^@(return|throws)\s+((?:[^\s<]|<[^>]*>)+)[ ]*/m', '- *$1* `$2` ', $tags);

    return trim(trim($words) . "\n\n" . preg_replace('/ +/', ' ', trim($tags))) . "\n\n";
}

/** A function's head as it stands in its file, without attributes. */
function signature(ReflectionMethod $method): string
{
    $lines = array_slice(file($method->getFileName()), $method->getStartLine() - 1);
    preg_match('/^.*?function\s.*?(?=\s*(?:\{|;))/s', implode('', $lines), $found);

    return preg_replace(['/#\[[^\]]*\]\s*/', '/^ {4}/m'], '', $found[0]);
}

function isInternal(ReflectionClass|ReflectionMethod|ReflectionProperty $of): bool
{
    return str_contains((string) $of->getDocComment(), '@internal');
}

function heading(ReflectionClass $class): string
{
    $kind = match (true) {
        $class->isInterface() => 'interface',
        $class->isAbstract() => 'abstract class',
        default => 'class',
    };
    $parent = $class->getParentClass();
    $names = array_filter([...($parent ? [$parent->getName()] : []), ...$class->getInterfaceNames()], isTold(...));

    return "## {$class->getName()}\n\n*$kind*" . ($names ? ', is a `' . implode('`, `', $names) . '`' : '') . "\n\n";
}

/** What is inherited from PHP's own classes, and what only the package sees, says nothing. */
function isTold(string $name): bool
{
    return !in_array($name, ['Throwable', 'Stringable'], true) && !isInternal(new ReflectionClass($name));
}

/** A member that another class of the reference has stands there only. */
function isToldAt(ReflectionClass $class, ReflectionMethod|ReflectionProperty $member): bool
{
    $declaring = $member->getDeclaringClass();
    $isInherited = $declaring->getName() !== $class->getName();

    return !isInternal($member) && (!$isInherited || isInternal($declaring));
}

function members(ReflectionClass $class): string
{
    $text = '';
    foreach ($class->getReflectionConstants(ReflectionClassConstant::IS_PUBLIC) as $constant) {
        $value = var_export($constant->getValue(), true);
        $text .= "- `{$constant->getName()}` = `$value`\n";
    }
    $text .= $text === '' ? '' : "\n";
    foreach ($class->getProperties(ReflectionProperty::IS_PUBLIC) as $property) {
        if (isToldAt($class, $property)) {
            $text .= "### `\${$property->getName()}`\n\n`{$property->getType()}`\n\n" . prose($property->getDocComment());
        }
    }
    foreach ($class->getMethods(ReflectionMethod::IS_PUBLIC) as $method) {
        $name = $method->getName();
        if (isToldAt($class, $method) && !in_array($name, MAGIC, true)) {
            $text .= "### $name()\n\n```php\n" . signature($method) . "\n```\n\n" . prose($method->getDocComment());
        }
    }

    return $text;
}

echo "# The PHP package, class by class\n\nHow to use them: [PHP](../php.md).\n\n";
$files = new RecursiveIteratorIterator(new RecursiveDirectoryIterator(SOURCES, FilesystemIterator::SKIP_DOTS));
$names = [];
foreach ($files as $file) {
    if (ctype_upper($file->getFilename()[0])) { // a class; others hold settings
        $names[] = 'TokenMgr\\' . strtr(substr((string) $file, strlen(SOURCES), -4), '/', '\\');
    }
}
// The manager, what stands beside it, and then the folders, by name.
$rank = fn (string $name) => [$name !== TokenMgr\TokenManager::class, substr_count($name, '\\'), $name];
usort($names, fn (string $a, string $b) => $rank($a) <=> $rank($b));
foreach ($names as $name) {
    if ((class_exists($name) || interface_exists($name)) && !isInternal($class = new ReflectionClass($name))) {
        echo heading($class), prose($class->getDocComment()), members($class);
    }
}
