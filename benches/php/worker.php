<?php

/**
 * The PHP side of the benchmark's protocol (see README.md, "Another peer"): rounds of calls, when told to.
 */

declare(strict_types=1);

const PRODUCTS_PATH = '/api/v1/products';

/** The products are about 1 KB: an answer below this was cut short. */
const PRODUCTS_LEAST = 900;

/** Nanoseconds of CPU time that this process has used. */
function cpu_time(): int
{
    $used = getrusage();

    return 1000 * (1_000_000 * ($used['ru_utime.tv_sec'] + $used['ru_stime.tv_sec'])
        + $used['ru_utime.tv_usec'] + $used['ru_stime.tv_usec']);
}

/** @param callable(): array{int, string} $request makes one call; gives the status and the body */
function serve(callable $request): void
{
    while (($line = fgets(STDIN)) !== false) {
        $calls = (int) $line;
        $times = [];
        [$wall, $cpu] = [hrtime(true), cpu_time()];
        $before = $wall;
        for ($call = 0; $call < $calls; $call++) {
            [$status, $body] = $request();
            if ($status !== 200 || strlen($body) < PRODUCTS_LEAST) {
                fwrite(STDERR, "unexpected answer $status\n");
                exit(1);
            }
            $after = hrtime(true);
            $times[] = $after - $before;
            $before = $after;
        }
        echo $before - $wall, ' ', cpu_time() - $cpu, ' ', implode(' ', $times), "\n";
    }
}
