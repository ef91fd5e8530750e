<?php

declare(strict_types=1);

namespace TokenMgr\Tests;

use GuzzleHttp\Client;
use GuzzleHttp\Exception\ClientException;
use GuzzleHttp\HandlerStack;
use GuzzleHttp\Promise\PromiseInterface;
use GuzzleHttp\Promise\Utils;
use GuzzleHttp\Psr7\NoSeekStream;
use GuzzleHttp\Psr7\Request;
use GuzzleHttp\Psr7\Utils as Psr7;
use Psr\Http\Client\ClientExceptionInterface;
use Psr\Http\Message\ResponseInterface;
use TokenMgr\Exception\LoginRejected;
use TokenMgr\Guzzle\BearerMiddleware;
use TokenMgr\Psr18\BearerClient;
use TokenMgr\Psr18\NoToken;
use TokenMgr\TokenManager;

/**
 * Other HTTP clients with our tokens: Guzzle by its middleware, any PSR-18 client by the decorator.
 */
final class HttpClientTest extends ApiTestCase
{
    private static ?DemoApi $elsewhere = null;

    protected function setUp(): void
    {
        parent::setUp();
        error_reporting(E_ALL & ~E_DEPRECATED); // Debian's Guzzle is older than its PHP
    }

    protected function tearDown(): void
    {
        error_reporting(E_ALL);
    }

    public static function tearDownAfterClass(): void
    {
        self::$elsewhere?->stop();
        self::$elsewhere = null;
    }

    private function guzzle(TokenManager $tm, array $settings = []): Client
    {
        $stack = HandlerStack::create();
        $stack->push(new BearerMiddleware($tm), 'tokenmgr');

        return new Client($settings + ['handler' => $stack, 'base_uri' => self::$api->url]);
    }

    /** @return array<string, array{callable(self, TokenManager, Request): ResponseInterface}> */
    public function clients(): array
    {
        $settings = ['http_errors' => false];

        return [
            'Guzzle' => [fn (self $test, TokenManager $tm, Request $request) => $test->guzzle($tm, $settings)
                ->send($request)],
            'Guzzle, asynchronous' => [fn (self $test, TokenManager $tm, Request $request) => $test
                ->guzzle($tm, $settings)->sendAsync($request)->wait()],
            'PSR-18' => [fn (self $test, TokenManager $tm, Request $request) => (new BearerClient(new Client(), $tm))
                ->sendRequest($request)],
        ];
    }

    private static function request(string $method, string $path, array $headers = [], mixed $body = null): Request
    {
        return new Request($method, self::$api->url . $path, $headers, $body);
    }

    /** @dataProvider clients */
    public function testItSendsTheToken(callable $send): void
    {
        $tm = $this->manager();
        for ($i = 0; $i < 3; $i++) {
            self::assertSame(200, $send($this, $tm, self::request('GET', '/api/v1/products'))->getStatusCode());
        }
        self::assertSame([1, 3], [self::$api->counter('logins'), self::$api->counter('api_200')]);
    }

    /** @dataProvider clients */
    public function testItRecoversFromA401(callable $send): void
    {
        $tm = $this->manager();
        $tm->login();
        self::$api->revoke('access');
        $answer = $send($this, $tm, self::request('POST', '/api/v1/echo', ['X-Kept' => 'yes'], 'the body'));
        self::assertSame(200, $answer->getStatusCode());
        $sent = json_decode((string) $answer->getBody(), true)['data'];
        self::assertSame(['the body', ['yes']], [$sent['body'], $sent['headers']['x-kept']]);
        self::$api->revoke('all');
        $answer = $send($this, $tm, self::request('GET', '/api/v1/products'));
        self::assertSame(200, $answer->getStatusCode());
        self::assertSame([2, 1], [self::$api->counter('logins'), self::$api->counter('refreshes')]);
        self::assertSame(2, self::$api->counter('api_401'));
        self::assertSame(0, self::$api->counter('reuse'));
    }

    /**
     * Otherwise a second 401 within a minute is taken for a server that refuses every token, and costs a login.
     *
     * @dataProvider clients
     */
    public function testItTellsThatATokenWorks(callable $send): void
    {
        $tm = $this->manager();
        for ($i = 0; $i < 4; $i++) {
            self::assertSame(200, $send($this, $tm, self::request('GET', '/api/v1/products'))->getStatusCode());
            self::assertSame([1, $i], [self::$api->counter('logins'), self::$api->counter('refreshes')]);
            self::$api->revoke('access');
        }
    }

    /** @dataProvider clients */
    public function testOnceOnly(callable $send): void
    {
        self::$api->control(['refuse_all_access' => true]);
        $answer = $send($this, $this->manager(), self::request('GET', '/api/v1/products'));
        self::assertSame(401, $answer->getStatusCode());
        self::assertSame(2, self::$api->counter('api_arrivals'));
    }

    /** @dataProvider clients */
    public function testWhatCanNotBeSentAgainIsNot(callable $send): void
    {
        $tm = $this->manager();
        $tm->login();
        self::$api->revoke('access');
        $body = fn () => new NoSeekStream(Psr7::streamFor('once'));
        $answer = $send($this, $tm, self::request('POST', '/api/v1/echo', ['Content-Length' => '4'], $body()));
        self::assertSame(401, $answer->getStatusCode());
        $answer = $send($this, $tm, self::request('POST', '/api/v1/echo', ['Content-Length' => '4'], $body()));
        self::assertSame(200, $answer->getStatusCode(), 'the next one has a new token');
        self::assertSame(2, self::$api->counter('api_arrivals'));
        self::$api->revoke('access');
        self::assertSame(200, $send($this, $tm, self::request('GET', '/api/v1/products'))->getStatusCode());
        self::assertSame([1, 2], [self::$api->counter('logins'), self::$api->counter('refreshes')]);
    }

    /** @dataProvider clients */
    public function testNobodyElseGetsTheToken(callable $send): void
    {
        self::$elsewhere ??= new DemoApi();
        self::$elsewhere->reset();
        $tm = $this->manager();
        $tm->login();
        $foreign = new Request('GET', self::$elsewhere->url . '/api/v1/products');
        $answer = $send($this, $tm, $foreign);
        self::assertSame('missing_token', json_decode((string) $answer->getBody(), true)['error']['code']);
        self::assertSame([1, 0], [self::$elsewhere->counter('api_401'), self::$api->counter('refreshes')]);
    }

    /** @dataProvider sinks */
    public function testASinkHoldsOnlyTheAnswerThatCounts(string $get, callable $sink): void
    {
        $tm = $this->manager();
        $tm->login();
        self::$api->revoke('access');
        $file = tempnam(sys_get_temp_dir(), 'tokenmgr-');
        file_put_contents($file, str_repeat('older than the request; ', 1000));
        try {
            [$sink, $kept] = $sink($file);
            $answer = $this->guzzle($tm)->$get('/api/v1/blob?bytes=3', ['sink' => $sink]);
            $answer = $answer instanceof PromiseInterface ? $answer->wait() : $answer;
            self::assertSame(200, $answer->getStatusCode());
            unset($answer, $sink);
            self::assertSame("$kept\0\1\2", file_get_contents($file));
            self::assertSame(1, self::$api->counter('api_401'));
        } finally {
            unlink($file);
        }
    }

    /** @return array<string, array{string, callable(string): array{mixed, string}}> the sink, and what stays in it */
    public function sinks(): array
    {
        $path = fn (string $file) => [$file, ''];
        $resource = fn (string $file) => [fopen($file, 'w+'), ''];
        $written = function (string $file): array {
            file_put_contents($file, 'kept: ');

            $resource = fopen($file, 'r+');
            fseek($resource, 0, SEEK_END);

            return [$resource, 'kept: '];
        };

        return [
            'a path' => ['get', $path],
            'a path, asynchronous' => ['getAsync', $path],
            'a resource' => ['get', $resource],
            'a resource, asynchronous' => ['getAsync', $resource],
            'a resource at its end' => ['get', $written],
        ];
    }

    /** @dataProvider sinksThatKeepWhatIsWritten */
    public function testASinkThatCanNotBeSetBackEndsWithThe401(mixed $sink): void
    {
        $tm = $this->manager();
        $tm->login();
        self::$api->revoke('access');
        $guzzle = $this->guzzle($tm, ['http_errors' => false]);
        self::assertSame(401, $guzzle->get('/api/v1/products', ['sink' => $sink])->getStatusCode());
        self::assertSame(200, $guzzle->get('/api/v1/products')->getStatusCode(), 'the next one has a new token');
        self::assertSame(2, self::$api->counter('api_arrivals'));
    }

    public function sinksThatKeepWhatIsWritten(): array
    {
        $inside = fopen('php://memory', 'w+');
        fwrite($inside, 'not at its end');
        rewind($inside);
        $file = tempnam(sys_get_temp_dir(), 'tokenmgr-');
        file_put_contents($file, 'not at its end either');
        $appended = fopen($file, 'a+');
        unlink($file);

        return [
            'a stream' => [Psr7::streamFor(fopen('php://memory', 'w+'))],
            'in the middle' => [$inside],
            'appended to' => [$appended],
        ];
    }

    public function testAPipeGetsWhatAnswers(): void
    {
        $tm = $this->manager();
        $guzzle = $this->guzzle($tm, ['http_errors' => false]);
        [$sink, $other] = stream_socket_pair(STREAM_PF_UNIX, STREAM_SOCK_STREAM, 0);
        self::assertSame(200, $guzzle->get('/api/v1/blob?bytes=3', ['sink' => $sink])->getStatusCode());
        self::assertSame("\0\1\2", fread($other, 100));

        self::$api->revoke('access');
        [$sink, $other] = stream_socket_pair(STREAM_PF_UNIX, STREAM_SOCK_STREAM, 0);
        self::assertSame(401, $guzzle->get('/api/v1/blob?bytes=3', ['sink' => $sink])->getStatusCode());
        self::assertStringStartsWith('{', fread($other, 1000), 'it cannot be taken back');
        self::assertSame(2, self::$api->counter('api_arrivals'));
    }

    public function testNorDoesARedirectCarryItThere(): void
    {
        self::$elsewhere ??= new DemoApi();
        self::$elsewhere->reset();
        $guzzle = $this->guzzle($this->manager(), ['http_errors' => false]);
        $to = fn (DemoApi $api) => '/api/v1/redirect?to=' . urlencode("$api->url/api/v1/products");
        self::assertSame(200, $guzzle->get($to(self::$api))->getStatusCode());
        $answer = $guzzle->get($to(self::$elsewhere));
        self::assertSame('missing_token', json_decode((string) $answer->getBody(), true)['error']['code']);
    }

    public function testManyRequestsAtOnceCauseOneRefresh(): void
    {
        $tm = $this->manager();
        $tm->login();
        self::$api->revoke('access');
        $guzzle = $this->guzzle($tm);
        $answers = Utils::unwrap(array_map(fn () => $guzzle->getAsync('/api/v1/products'), range(1, 10)));
        foreach ($answers as $answer) {
            self::assertSame(200, $answer->getStatusCode());
        }
        self::assertSame([1, 1], [self::$api->counter('logins'), self::$api->counter('refreshes')]);
    }

    public function testGuzzlesErrorsAreTheLastAnswers(): void
    {
        $tm = $this->manager();
        $tm->login();
        self::$api->revoke('access');
        $thrown = self::thrownBy(fn () => $this->guzzle($tm)->get('/api/v1/status/404'), ClientException::class);
        self::assertSame(404, $thrown->getResponse()->getStatusCode());
    }

    public function testWithoutAToken(): void
    {
        $tm = new TokenManager(self::$api->url, 'demo', 'wrong');
        self::thrownBy(fn () => $this->guzzle($tm)->get('/api/v1/products'), LoginRejected::class);
        $tm = new TokenManager(self::$api->url, 'demo', 'wrong');
        self::thrownBy(fn () => $this->guzzle($tm)->getAsync('/api/v1/products')->wait(), LoginRejected::class);
        $client = new BearerClient(new Client(), new TokenManager(self::$api->url, 'demo', 'wrong'));
        $thrown = self::thrownBy(fn () => $client->sendRequest(self::request('GET', '/')), NoToken::class);
        self::assertInstanceOf(ClientExceptionInterface::class, $thrown);
        self::assertInstanceOf(LoginRejected::class, $thrown->getPrevious());
    }
}
