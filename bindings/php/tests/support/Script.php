<?php

declare(strict_types=1);

namespace TokenMgr\Tests;

/**
 * A PHP program in a process of its own, as a user would run it.
 */
final class Script
{
    public int $exitCode = 0;
    public string $output = '';

    /**
     * @param array<string, string>      $ini
     * @param array<string, string|null> $environment laid over this process's; null takes a variable out
     * @param list<string>               $options     of the php command
     */
    public static function run(string $code, array $ini = [], array $environment = [], array $options = []): self
    {
        $ini += ['ffi.enable' => '1', 'display_errors' => '1', 'error_reporting' => '-1', 'html_errors' => '0'];
        $settings = array_map(static fn (string $name) => "-d$name=$ini[$name]", array_keys($ini));
        $code = sprintf("<?php\nrequire %s;\n%s", var_export(PACKAGE . '/autoload.php', true), $code);
        $process = proc_open(
            [PHP_BINARY, ...$options, ...$settings],
            [['pipe', 'r'], ['pipe', 'w'], ['redirect', 1]],
            $pipes,
            null,
            array_filter($environment + getenv(), static fn (?string $value) => $value !== null)
        );
        fwrite($pipes[0], $code);
        fclose($pipes[0]);
        $script = new self();
        $script->output = stream_get_contents($pipes[1]);
        fclose($pipes[1]);
        $script->exitCode = proc_close($process);

        return $script;
    }
}
