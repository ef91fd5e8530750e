<?php

// What is given to the PHP package arrives at the server as it was given: queries and bodies at random, for FUZZ_SECONDS,
// and options, which are taken or refused in words of the package's own.

declare(strict_types=1);

$root = dirname(__DIR__);
putenv("TOKENMGR_LIBRARY=$root/build/lib");
require "$root/bindings/php/autoload.php";

const CHARACTERS = [
    'a', 'Z', '0', ' ', '-', '.', '~', '&', '=', '+', '%', '#', '?', '/', '\\', '"', '<', '{', '[', '|', ',', ';', ':', '@',
    "\t", "\n", "\r", "\x7f", "\u{80}", 'é', '€', '中', "\u{2028}", "\u{feff}", "\u{1f600}",
];

function text(): string
{
    $text = '';
    for ($length = mt_rand(0, 11); $length > 0; $length--) {
        $text .= CHARACTERS[array_rand(CHARACTERS)];
    }
    return $text;
}

function tree(int $depth = 3): mixed
{
    $children = static fn (): array => $depth > 0 ? array_map(fn () => tree($depth - 1), range(1, mt_rand(1, 4))) : [];
    return match (mt_rand(0, 6)) {
        0, 1 => text(),
        2 => mt_rand(PHP_INT_MIN, PHP_INT_MAX),
        3 => mt_rand(0, 1) === 1,
        4 => null,
        5 => $children(),
        default => array_combine(array_map(fn ($n) => "k$n" . text(), array_keys($list = $children())), $list),
    };
}

function check(bool $held, string $what, mixed $given, mixed $arrived): void
{
    if (!$held) {
        fwrite(STDERR, "$what: given " . var_export($given, true) . ', arrived ' . var_export($arrived, true) . "\n");
        exit(1);
    }
}

$seed = (int) (getenv('FUZZ_SEED') ?: hrtime(true));
mt_srand($seed);
echo "FUZZ_SEED=$seed\n";
$api = proc_open(["$root/build/libexec/demo-api", '--parent-exits'], [['pipe', 'r'], ['pipe', 'w']], $pipes);
$url = trim(substr(fgets($pipes[1]), strlen('listening on ')));
$tm = new TokenMgr\TokenManager($url, 'demo', 'demo-password');
$end = hrtime(true) + (int) ((getenv('FUZZ_SECONDS') ?: 20) * 1e9);
for ($count = 0; hrtime(true) < $end; $count++) {
    $query = [];
    for ($number = mt_rand(0, 3); $number > 0; $number--) {
        $query["q$number" . text()] = text();
    }
    $body = [tree()];
    $answer = $tm->request('POST', '/api/v1/echo', $body, $query)->throw()->json()['data'];
    $arrived = array_column($answer['query'], 1, 0);
    ksort($arrived);
    ksort($query);
    check($arrived === $query, 'the query', $query, $arrived);
    $body = json_decode(json_encode($body), true);
    check(json_decode($answer['body'], true) === $body, 'the body', $body, $answer['body']);

    $options = [];
    foreach (['timeout_ms', 'client_id', 'headers', 'proxy', 'allowed_origins', 'store', 'x'] as $name) {
        if (mt_rand(0, 3) === 0) {
            $options[$name] = tree();
        }
    }
    try {
        new TokenMgr\TokenManager($url, 'demo', 'demo-password', $options);
    } catch (TokenMgr\Exception\TokenManagerException) {
    }
}
proc_terminate($api);
echo "$count requests and options\n";
