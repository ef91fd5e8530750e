<?php

declare(strict_types=1);

namespace TokenMgr\Tests;

use Closure;
use TokenMgr\Store;

/**
 * A store in an array, which writes down what it is asked for.
 */
final class ArrayStore implements Store
{
    /** @var array<string, string> */
    public array $records = [];

    /** @var list<string> */
    public array $calls = [];

    /** Called with the name of each operation; may throw. */
    public ?Closure $before = null;

    public function id(): string
    {
        return 'array ' . spl_object_id($this);
    }

    public function load(string $key): ?string
    {
        $this->note('load');

        return $this->records[$key] ?? null;
    }

    public function save(string $key, ?string $data, ?string $expected, int $ttlSeconds): bool
    {
        $this->note('save');
        if (($this->records[$key] ?? null) !== $expected) {
            return false;
        }
        if ($data === null) {
            unset($this->records[$key]);
        } else {
            $this->records[$key] = $data;
        }

        return true;
    }

    public function lock(string $key, int $waitMs): bool
    {
        $this->note('lock');

        return true;
    }

    public function unlock(string $key): void
    {
        $this->note('unlock');
    }

    private function note(string $call): void
    {
        $this->calls[] = $call;
        if ($this->before !== null) {
            ($this->before)($call);
        }
    }
}
