<?php

declare(strict_types=1);

namespace TokenMgr\Tests;

use DomainException;
use TokenMgr\Exception;
use TokenMgr\TokenManager;
use TypeError;

/**
 * Bodies that pass through streams.
 */
final class StreamTest extends ApiTestCase
{
    private string $folder;

    protected function setUp(): void
    {
        parent::setUp();
        $this->folder = sys_get_temp_dir() . '/tokenmgr-' . bin2hex(random_bytes(6));
        mkdir($this->folder, 0700);
    }

    protected function tearDown(): void
    {
        exec('rm -rf ' . escapeshellarg($this->folder));
    }

    private static function pattern(int $bytes): string
    {
        return substr(str_repeat(implode('', array_map('chr', range(0, 250))), intdiv($bytes, 251) + 1), 0, $bytes);
    }

    /** @return resource a file that holds `text`, and stands at `position` */
    private function file(string $text, int $position = 0)
    {
        $path = "$this->folder/" . bin2hex(random_bytes(6));
        file_put_contents($path, $text);
        $file = fopen($path, 'rb');
        fseek($file, $position);

        return $file;
    }

    /** @return resource something that cannot be rewound, and whose size nobody knows; for a body of a few kilobytes */
    private static function pipe(string $text)
    {
        [$ours, $theirs] = stream_socket_pair(STREAM_PF_UNIX, STREAM_SOCK_STREAM, 0);
        fwrite($theirs, $text);
        fclose($theirs);

        return $ours;
    }

    // ---- answers

    public function testADownload(): void
    {
        $tm = $this->manager();
        $sink = fopen("$this->folder/sink", 'w+b');
        fwrite($sink, 'before: ');
        $response = $tm->get('/api/v1/blob', ['bytes' => 300_000], sink: $sink);
        self::assertSame([200, ''], [$response->status, $response->body]);
        self::assertSame('300000', $response->header('content-length'));
        self::assertSame('application/octet-stream', $response->headers()['content-type'][0]);
        self::assertSame(self::$api->url . '/api/v1/blob?bytes=300000', $response->url());
        self::assertSame($response, $response->throw());
        fwrite($sink, ' :after');
        self::assertTrue(
            file_get_contents("$this->folder/sink") === 'before: ' . self::pattern(300_000) . ' :after',
            'the sink is where it was, is left open and is the caller\'s again'
        );
        self::assertSame(3, strlen($tm->get('/api/v1/blob', ['bytes' => 3])->body), 'the next one has a body');
    }

    /** @dataProvider methods */
    public function testEachMethodHasASink(string $method): void
    {
        $sink = fopen('php://memory', 'w+b');
        $response = $this->manager()->$method('/api/v1/echo', sink: $sink);
        self::assertSame('', $response->body);
        rewind($sink);
        self::assertSame(strtoupper($method), json_decode(stream_get_contents($sink), true)['data']['method']);
    }

    public function methods(): array
    {
        return [['get'], ['post'], ['put'], ['patch'], ['delete']];
    }

    public function testAnAnswerArrivesDecompressed(): void
    {
        $sink = fopen('php://memory', 'w+b');
        $tm = $this->manager(['max_response_bytes' => 1000]);
        $tm->get('/api/v1/blob', ['bytes' => 200_000, 'gzip' => 1], sink: $sink);
        rewind($sink);
        self::assertTrue(stream_get_contents($sink) === self::pattern(200_000));
    }

    public function testAnAnswerThatIsNoSuccessIsInTheResponse(): void
    {
        $path = "$this->folder/sink";
        file_put_contents($path, 'kept');
        $sink = fopen('php://memory', 'w+b');
        foreach ([$sink, $path] as $to) {
            $response = $this->manager()->get('/api/v1/status/404', sink: $to);
            self::assertSame('as_requested', $response->json()['error']['code']);
            $thrown = self::thrownBy(fn () => $response->throw(), Exception\HttpError::class);
            self::assertSame('as_requested', $thrown->serverCode);
        }
        self::assertSame([0, 'kept'], [fstat($sink)['size'], file_get_contents($path)]);
    }

    public function testTheAnswerThatCountsIsInTheSink(): void
    {
        $tm = $this->manager();
        $tm->login();
        self::$api->revoke('access');
        $sink = fopen('php://memory', 'w+b');
        self::assertSame(200, $tm->get('/api/v1/blob', ['bytes' => 3], sink: $sink)->status);
        rewind($sink);
        self::assertSame("\0\1\2", stream_get_contents($sink));
        self::assertSame(2, self::$api->counter('api_401'), 'a new token is sent twice before it is renewed');
    }

    public function testAPath(): void
    {
        $path = "$this->folder/sink";
        $tm = $this->manager();
        file_put_contents($path, 'older than the request');
        self::assertSame('', $tm->get('/api/v1/blob', ['bytes' => 100_000], sink: $path)->body);
        self::assertTrue(file_get_contents($path) === self::pattern(100_000));
        $tm->get('/api/v1/blob', ['bytes' => 0], sink: $path);
        self::assertSame('', file_get_contents($path));
        $open = array_map(fn (string $descriptor) => @readlink($descriptor), glob('/proc/self/fd/*'));
        self::assertNotContains($path, $open, 'it is closed');

        foreach ([3, 0] as $bytes) {
            $get = fn () => $tm->get('/api/v1/blob', ['bytes' => $bytes], sink: "$this->folder/none/sink");
            $thrown = self::thrownBy($get, Exception\Cancelled::class);
            self::assertStringContainsString('No such file or directory', $thrown->getMessage());
            self::assertNull(error_get_last());
        }
    }

    public function testShortWritesAreContinued(): void
    {
        [$taken, $isFull, $reported] = ['', false, []];
        $sink = CallbackStream::open(null, function (string $piece) use (&$taken, &$isFull, &$reported): int {
            $reported[error_reporting()] = true;
            if ($isFull) { // PHP itself goes on until nothing is taken
                $isFull = false;

                return 0;
            }
            $isFull = strlen($piece) > 999;
            $taken .= substr($piece, 0, 999);

            return min(strlen($piece), 999);
        });
        self::assertSame(200, $this->manager()->get('/api/v1/blob', ['bytes' => 200_000], sink: $sink)->status);
        self::assertTrue($taken === self::pattern(200_000));
        self::assertSame([error_reporting()], array_keys($reported), 'warnings of its code are not silenced');
    }

    public function testASinkThatDoesNotBlock(): void
    {
        [$sink, $other] = stream_socket_pair(STREAM_PF_UNIX, STREAM_SOCK_STREAM, 0);
        stream_set_blocking($sink, false);
        $get = fn () => $this->manager()->get('/api/v1/blob', ['bytes' => 2_000_000], sink: $sink);
        $thrown = self::thrownBy($get, Exception\Cancelled::class);
        self::assertStringContainsString('the sink took no more of the answer', $thrown->getMessage());
        stream_set_blocking($other, false);
        $taken = stream_get_contents($other);
        self::assertNotSame('', $taken);
        self::assertTrue($taken === self::pattern(strlen($taken)));
    }

    public function testADiskThatIsFull(): void
    {
        $script = Script::run(<<<'PHP'
            $tm = new TokenMgr\TokenManager(getenv('API'), 'demo', 'demo-password');
            foreach ([fopen('/dev/full', 'w'), '/dev/full'] as $sink) {
                try {
                    $tm->get('/api/v1/blob?bytes=100000', sink: $sink);
                } catch (TokenMgr\Exception\Cancelled $end) {
                    echo $end->getMessage(), "\n";
                }
            }
            echo $tm->get('/api/v1/products')->status;
            PHP, [], ['API' => self::$api->url]);
        $message = 'the sink took no more of the answer (Write of \d+ bytes failed with errno=28 No space left on'
            . ' device\); see that it can be written to and blocks\n';
        self::assertMatchesRegularExpression('/^(' . strtr($message, ['r (' => 'r \(']) . '){2}200$/', $script->output);
    }

    public function testAnAnswerWithoutEndIsCancelled(): void
    {
        $tm = $this->manager();
        $tm->login();
        $taken = 0;
        $tm->onInterrupt(function () use (&$taken): bool {
            return $taken > 0;
        });
        $sink = CallbackStream::open(null, function (string $piece) use (&$taken): int {
            return $taken += strlen($piece);
        });
        self::$api->control(['faults' => ['route' => '/api/v1/products', 'do' => 'trickle_body', 'every_ms' => 5000]]);
        self::thrownBy(fn () => $tm->get('/api/v1/products', sink: $sink), Exception\Cancelled::class);
        self::assertGreaterThan(0, $taken);
        $tm->onInterrupt(null);
        self::assertSame(200, $tm->get('/api/v1/products')->status);
    }

    // ---- requests

    /** @dataProvider knownSizes */
    public function testAnUploadOfKnownSize(callable $body, string $sent): void
    {
        $body = $body($this);
        $headers = ['Content-Type' => 'image/png'];
        $data = $this->manager()->put('/api/v1/echo', body: $body, headers: $headers)->json()['data'];
        self::assertTrue(base64_decode($data['body_base64']) === $sent);
        self::assertSame([(string) strlen($sent)], $data['headers']['content-length']);
        self::assertSame(['image/png'], $data['headers']['content-type']);
        self::assertArrayNotHasKey('transfer-encoding', $data['headers']);
        self::assertIsResource($body);
        self::assertSame('', fread($body, 1), 'it was read to its end');
    }

    public function knownSizes(): array
    {
        $pattern = self::pattern(200_000);
        $memory = function (string $kind) use ($pattern) {
            $stream = fopen($kind, 'w+b');
            fwrite($stream, $pattern);
            fseek($stream, 1000);

            return $stream;
        };

        return [
            'a file' => [fn (self $test) => $test->file($pattern), $pattern],
            'the rest of a file' => [fn (self $test) => $test->file($pattern, 150_000), substr($pattern, 150_000)],
            'nothing of a file' => [fn (self $test) => $test->file('x', 1), ''],
            'in memory' => [fn () => $memory('php://memory'), substr($pattern, 1000)],
            'in memory, or not' => [fn () => $memory('php://temp/maxmemory:1000'), substr($pattern, 1000)],
        ];
    }

    /** @dataProvider unknownSizes */
    public function testAnUploadOfUnknownSize(callable $body, string $sent): void
    {
        $data = $this->manager()->post('/api/v1/echo', body: $body($this))->json()['data'];
        self::assertTrue(base64_decode($data['body_base64']) === $sent);
        self::assertSame(['chunked'], $data['headers']['transfer-encoding']);
        self::assertArrayNotHasKey('content-length', $data['headers']);
    }

    public function unknownSizes(): array
    {
        $pattern = self::pattern(200_000);

        return [
            'a socket' => [fn () => self::pipe('the body'), 'the body'],
            'a process' => [fn () => popen('head -c 200000 /dev/zero', 'r'), str_repeat("\0", 200_000)],
            'a stream of the application\'s' => [function () use ($pattern) {
                $pieces = str_split($pattern, 7000);

                return CallbackStream::open(function () use (&$pieces): string {
                    return array_shift($pieces) ?? '';
                });
            }, $pattern],
            'a filter' => [function (self $test) use ($pattern) {
                $path = stream_get_meta_data($test->file($pattern))['uri'];

                return fopen("php://filter/read=convert.base64-encode/resource=$path", 'rb');
            }, base64_encode($pattern)],
            'a file that claims to be empty' => [
                fn () => fopen('/proc/version', 'r'),
                file_get_contents('/proc/version'),
            ],
        ];
    }

    public function testBothAtOnce(): void
    {
        $tm = $this->manager();
        foreach (['body' => 'x y', 'json' => 'x y'] as $argument => $value) {
            $sink = fopen('php://memory', 'w+b');
            $tm->post('/api/v1/echo', ...[$argument => $value, 'sink' => $sink]);
            rewind($sink);
            $sent = json_decode(stream_get_contents($sink), true)['data'];
            self::assertSame($argument === 'json' ? '"x y"' : 'x y', $sent['body']);
        }
        $sink = fopen('php://memory', 'w+b');
        self::assertSame('', $tm->post('/api/v1/echo', body: $this->file('x y'), sink: $sink)->body);
        rewind($sink);
        self::assertStringContainsString('"body":"x y"', stream_get_contents($sink));
    }

    public function testA401RewindsTheBodyToWhereItBegan(): void
    {
        $pattern = self::pattern(200_000);
        $tm = $this->manager();
        foreach ([0, 1000] as $start) {
            $tm->login();
            self::$api->revoke('access');
            $response = $tm->post('/api/v1/echo', body: $this->file($pattern, $start));
            self::assertSame(200, $response->status);
            self::assertTrue(base64_decode($response->json()['data']['body_base64']) === substr($pattern, $start));
        }
        self::assertSame(4, self::$api->counter('api_401'), 'a new token is sent twice before it is renewed');
    }

    public function testABodyThatCanNotBeRewoundIsSentOnce(): void
    {
        $tm = $this->manager();
        foreach ([self::pipe('the body'), CallbackStream::open(self::giving('the body'))] as $body) {
            $tm->login();
            self::$api->revoke('access');
            $response = $tm->post('/api/v1/echo', body: $body);
            self::assertSame(401, $response->status);
            self::assertSame('invalid_token', $response->json()['error']['code']);
            self::assertSame(200, $tm->post('/api/v1/echo', body: self::pipe('the body'))->status);
        }
        self::assertSame(4, self::$api->counter('api_arrivals'));
    }

    private static function giving(string $piece): callable
    {
        return function () use (&$piece): string {
            [$given, $piece] = [$piece, ''];

            return $given;
        };
    }

    public function testABodyOfAnotherSizeThanItsFile(): void
    {
        $tm = $this->manager();
        foreach (['convert.base64-encode', 'convert.base64-decode'] as $filter) {
            $body = $this->file(str_repeat('abcd', 1 << 14));
            stream_filter_append($body, $filter, STREAM_FILTER_READ);
            self::thrownBy(fn () => $tm->post('/api/v1/echo', body: $body), Exception\InvalidArgument::class);
        }
        self::assertSame(0, self::$api->counter('api_200'));

        $path = "$this->folder/log";
        file_put_contents($path, 'first');
        $body = fopen($path, 'rb');
        self::duringTheLogin($tm, fn () => file_put_contents($path, 'first, and more'));
        $tm->logout();
        self::assertSame('first', $tm->post('/api/v1/echo', body: $body)->json()['data']['body']);
        self::assertSame('first, and more', file_get_contents($path));
    }

    /** Does something after the streams were looked at, and before they are used. */
    private static function duringTheLogin(TokenManager $tm, callable $do): void
    {
        self::$api->control(['faults' => ['route' => '/auth/login', 'delay_before_ms' => 500]]);
        $tm->onInterrupt(function () use ($do): bool {
            $do();

            return false;
        });
    }

    // ---- what goes wrong

    /** @dataProvider streamsThatThrow */
    public function testAnExceptionInAStreamComesOutOfTheCall(callable $call, string $class): void
    {
        $tm = $this->manager();
        $thrown = self::thrownBy(fn () => $call($tm), $class);
        self::assertNull($thrown->getPrevious());
        foreach ($thrown->getTrace() as $frame) {
            if (($frame['function'] ?? '') === 'stream_write') {
                self::assertArrayNotHasKey('args', $frame);
            }
        }
        self::assertTrue($tm->get('/api/v1/products')->ok(), 'once, and no more');
    }

    public function streamsThatThrow(): array
    {
        $throw = fn () => throw new DomainException('from the stream');
        $closes = fn (TokenManager $tm, $stream) => self::duringTheLogin($tm, function () use ($stream): void {
            is_resource($stream) && fclose($stream);
        });

        return [
            'a body' => [
                fn (TokenManager $tm) => $tm->post('/api/v1/echo', body: CallbackStream::open($throw)),
                DomainException::class,
            ],
            'a sink' => [
                fn (TokenManager $tm) => $tm->get('/api/v1/products', sink: CallbackStream::open(null, $throw)),
                DomainException::class,
            ],
            'one of the package\'s own' => [
                fn (TokenManager $tm) => $tm->get('/api/v1/products', sink: CallbackStream::open(
                    null,
                    fn () => throw new Exception\Store('of another manager')
                )),
                Exception\Store::class,
            ],
            'a body that is closed meanwhile' => [function (TokenManager $tm) use ($closes) {
                $body = tmpfile();
                $closes($tm, $body);
                $tm->post('/api/v1/echo', body: $body);
            }, TypeError::class],
            'a sink that is closed meanwhile' => [function (TokenManager $tm) use ($closes) {
                $sink = fopen('php://memory', 'w');
                $closes($tm, $sink);
                $tm->get('/api/v1/products', sink: $sink);
            }, TypeError::class],
            'a body that cannot be read' => [
                fn (TokenManager $tm) => $tm->post('/api/v1/echo', body: fopen('/', 'r')),
                Exception\Cancelled::class,
            ],
            'a body that does not block' => [function (TokenManager $tm) {
                [$body] = $pair = stream_socket_pair(STREAM_PF_UNIX, STREAM_SOCK_STREAM, 0);
                stream_set_blocking($body, false);
                $tm->post('/api/v1/echo', body: $body);
                unset($pair);
            }, Exception\Cancelled::class],
        ];
    }

    public function testAStreamMayUseManagers(): void
    {
        $tm = $this->manager();
        $inner = fopen('php://memory', 'w+b');
        $outer = CallbackStream::open(null, function (string $piece) use ($tm, $inner): int {
            $tm->put('/api/v1/echo', body: $this->file($piece), sink: $inner);

            return strlen($piece);
        });
        self::assertSame(200, $tm->get('/api/v1/blob', ['bytes' => 5], sink: $outer)->status);
        rewind($inner);
        self::assertStringContainsString('"body_bytes":5', stream_get_contents($inner));
    }

    /** @dataProvider whatIsNoStream */
    public function testWhatIsNoStreamIsRefusedBeforeAnythingIsSent(array $arguments, string $message): void
    {
        $tm = $this->manager();
        $thrown = self::thrownBy(fn () => $tm->post('/api/v1/echo', ...$arguments), Exception\InvalidArgument::class);
        self::assertSame("the argument $message", $thrown->getMessage());
        self::assertSame(0, self::$api->counter('login_arrivals'));
    }

    public function whatIsNoStream(): array
    {
        $closed = fopen('php://memory', 'w+');
        fclose($closed);
        $context = stream_context_create();

        return [
            [['body' => $closed], 'body is of type resource (closed); pass a string or a stream open for reading'],
            [['sink' => $closed], 'sink is of type resource (closed); pass a string or a stream open for writing'],
            [
                ['body' => $context],
                'body is of type resource (stream-context); pass a string or a stream open for reading',
            ],
            [['body' => false], 'body is of type bool; pass a string or a stream open for reading'],
            [['body' => []], 'body is of type array; pass a string or a stream open for reading'],
            [['sink' => 1], 'sink is of type int; pass a string or a stream open for writing'],
            [
                ['body' => fopen('/dev/null', 'w')],
                'body is a stream of mode w; pass one that is open for reading',
            ],
            [['sink' => fopen('/dev/null', 'rb')], 'sink is a stream of mode rb; pass one that is open for writing'],
            [['sink' => ''], 'sink is empty; pass a path or a stream'],
            [['sink' => "a\0b"], 'sink holds a NUL byte; take it out'],
        ];
    }

    /** @dataProvider ends */
    public function testTheEndOfTheScriptInAStreamLosesThatCallOnly(string $call): void
    {
        $script = Script::run(<<<'PHP'
            class S {
                public $context;
                function stream_open() { return true; }
                function stream_eof() { return false; }
                function stream_read() { echo 'in '; exit(5); }
                function stream_write($piece) { echo 'in '; exit(5); }
            }
            stream_wrapper_register('test', 'S');
            $tm = new TokenMgr\TokenManager(getenv('API'), 'demo', 'demo-password');
            register_shutdown_function(function () use ($tm) {
                echo $tm->get('/api/v1/products')->status;
                echo strlen($tm->get('/api/v1/blob?bytes=9', sink: '/dev/null')->body);
            });
            PHP . "\n$call; echo 'went on';", ['display_errors' => '0', 'log_errors' => '0'], [
            'API' => self::$api->url,
        ]);
        self::assertSame([255, 'in 2000'], [$script->exitCode, $script->output]);
        self::assertSame(1, self::$api->counter('logins'));
    }

    public function ends(): array
    {
        return [
            'body' => ["\$tm->post('/api/v1/echo', body: fopen('test://', 'r'))"],
            'sink' => ["\$tm->get('/api/v1/products', sink: fopen('test://', 'w'))"],
        ];
    }

    /** @dataProvider large */
    public function testMemoryStaysConstant(string $call): void
    {
        $file = fopen("$this->folder/large", 'wb');
        ftruncate($file, 64 << 20);
        fclose($file);
        $script = Script::run(<<<'PHP'
            $tm = new TokenMgr\TokenManager(getenv('API'), 'demo', 'demo-password');
            $tm->put('/api/v1/status/200', body: fopen('/proc/version', 'r'), sink: '/dev/null');
            $before = memory_get_peak_usage();
            eval(getenv('CALL'));
            $more = memory_get_peak_usage() - $before;
            echo $sent >> 20, ' MiB ', $more < 2 << 20 ? 'constant' : $more;
            PHP, [], ['API' => self::$api->url, 'CALL' => $call, 'FOLDER' => $this->folder]);
        self::assertSame('64 MiB constant', $script->output);
    }

    public function large(): array
    {
        $sink = '$stream = fopen(getenv("FOLDER") . "/sink", "w+b");';
        $large = 'fopen(getenv("FOLDER") . "/large", "rb")';

        return [
            'an answer' => [
                "$sink \$tm->get('/api/v1/blob?bytes=67108864', sink: \$stream); \$sent = ftell(\$stream);",
            ],
            'a request' => [
                "\$tm->put('/api/v1/status/200', body: \$file = $large)->throw(); \$sent = ftell(\$file);",
            ],
            'a request of unknown size' => [
                "\$file = popen('cat ' . getenv('FOLDER') . '/large', 'r');"
                . "\$tm->put('/api/v1/status/200', body: \$file)->throw(); \$sent = ftell(\$file);",
            ],
        ];
    }
}
