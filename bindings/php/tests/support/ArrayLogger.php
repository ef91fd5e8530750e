<?php

declare(strict_types=1);

namespace TokenMgr\Tests;

use Closure;
use Psr\Log\AbstractLogger;

/**
 * A logger that keeps its lines.
 */
final class ArrayLogger extends AbstractLogger
{
    /** @var list<array{string, string}> */
    public array $lines = [];

    /** Called with each line. */
    public ?Closure $before = null;

    /** Whatever the logger works with. */
    public ?object $uses = null;

    public function log($level, $message, array $context = []): void
    {
        if ($this->before !== null) {
            ($this->before)();
        }
        $this->lines[] = [$level, (string) $message];
    }
}
