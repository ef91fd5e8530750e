<?php

declare(strict_types=1);

namespace TokenMgr\Tests;

use RuntimeException;

/**
 * A demo API of its own (examples/demo-api). It ends with this process, however that ends.
 */
final class DemoApi
{
    public readonly string $url;

    /** @var resource */
    private $process;

    /** @var array<int, resource> */
    private array $pipes = [];

    public function __construct(string ...$options)
    {
        $this->process = proc_open(
            [ROOT . '/build/libexec/demo-api', '--listen', '127.0.0.1:0', '--parent-exits', ...$options],
            [['pipe', 'r'], ['pipe', 'w'], ['file', '/dev/null', 'w']],
            $this->pipes
        );
        while (($line = fgets($this->pipes[1])) !== false) {
            if (str_starts_with($line, 'listening on ')) {
                $this->url = trim(substr($line, 13));

                return;
            }
        }
        throw new RuntimeException('the demo API did not start');
    }

    public function stop(): void
    {
        if ($this->pipes) {
            array_map('fclose', $this->pipes);
            $this->pipes = [];
            proc_close($this->process);
        }
    }

    /** What examples/demo-api/README.md says. */
    public function control(array $document): void
    {
        $context = stream_context_create(['http' => [
            'method' => 'POST',
            'header' => 'Content-Type: application/json',
            'content' => json_encode($document, JSON_THROW_ON_ERROR),
        ]]);
        if (file_get_contents("$this->url/control", false, $context) === false) {
            throw new RuntimeException('the demo API refused a control document');
        }
    }

    public function reset(): void
    {
        $this->control(['reset' => true]);
    }

    public function revoke(string $what): void
    {
        $this->control(['revoke' => ['what' => $what]]);
    }

    public function counter(string $name): int
    {
        $counters = json_decode(file_get_contents("$this->url/control/counters"), true);

        // Those of the API's answers by status are there from the first on.
        return $counters[$name] ?? (preg_match('/^api_\d+$/', $name) ? 0 : throw new RuntimeException("no $name"));
    }

    /** Waits until a counter has got there. */
    public function waitFor(string $counter, int $atLeast): void
    {
        file_get_contents("$this->url/control/wait?counter=$counter&at_least=$atLeast&timeout_ms=10000");
    }
}
