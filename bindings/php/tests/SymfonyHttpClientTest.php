<?php

declare(strict_types=1);

namespace TokenMgr\Tests;

use GuzzleHttp\Psr7\HttpFactory;
use Symfony\Component\HttpClient\CurlHttpClient;
use Symfony\Component\HttpClient\Exception\TransportException;
use Symfony\Component\HttpClient\MockHttpClient;
use Symfony\Component\HttpClient\NativeHttpClient;
use Symfony\Component\HttpClient\Psr18Client;
use Symfony\Component\HttpClient\Response\MockResponse;
use Symfony\Component\HttpClient\RetryableHttpClient;
use Symfony\Component\HttpClient\ScopingHttpClient;
use Symfony\Contracts\HttpClient\Exception\TransportExceptionInterface;
use Symfony\Contracts\HttpClient\HttpClientInterface;
use TokenMgr\Exception\LoginRejected;
use TokenMgr\Symfony\BearerHttpClient;
use TokenMgr\Symfony\Exchange;
use TokenMgr\Symfony\NoToken;
use TokenMgr\TokenManager;

/**
 * Symfony's HTTP client with our tokens, on each of its transports.
 */
final class SymfonyHttpClientTest extends ApiTestCase
{
    private static ?DemoApi $elsewhere = null;

    public static function tearDownAfterClass(): void
    {
        self::$elsewhere?->stop();
        self::$elsewhere = null;
    }

    private static function elsewhere(): DemoApi
    {
        self::$elsewhere ??= new DemoApi();
        self::$elsewhere->reset();

        return self::$elsewhere;
    }

    public function transports(): array
    {
        return ['curl' => [CurlHttpClient::class], 'native' => [NativeHttpClient::class]];
    }

    private function client(string $transport, TokenManager $tm, array $options = []): HttpClientInterface
    {
        $client = new BearerHttpClient(new $transport(), $tm);

        return ScopingHttpClient::forBaseUri($client, self::$api->url, $options);
    }

    /** @dataProvider transports */
    public function testEachRevocationIsOneRefresh(string $transport): void
    {
        $tm = $this->manager();
        $client = $this->client($transport, $tm);
        for ($i = 0; $i < 4; $i++) {
            $answer = $client->request('GET', '/api/v1/products', ['query' => ['page' => 1]]);
            self::assertSame(200, $answer->getStatusCode());
            self::assertCount(3, $answer->toArray()['data']);
            self::assertSame([1, $i], [self::$api->counter('logins'), self::$api->counter('refreshes')]);
            self::$api->revoke('access');
        }
        self::assertSame(3, self::$api->counter('api_401'));
        self::assertSame(0, self::$api->counter('reuse'));
    }

    /** @dataProvider transports */
    public function testWhatIsSentAgainIsTheSame(string $transport): void
    {
        $tm = $this->manager();
        $client = $this->client($transport, $tm);
        $file = fopen('php://memory', 'w+');
        fwrite($file, 'not this, the body');
        $bodies = [
            'the body' => ['body' => 'the body'],
            'a=1' => ['body' => ['a' => 1]],
            '{"a":1}' => ['json' => ['a' => 1]],
            ', the body' => ['body' => $file],
        ];
        foreach ($bodies as $body => $options) {
            $tm->accessToken();
            self::$api->revoke('access');
            fseek($file, strlen('not this'));
            $options['headers'] = ['X-Kept' => 'yes', 'X-Line: too', 'Authorization: Basic abc'];
            $options['auth_basic'] = 'overridden';
            $answer = $client->request('POST', '/api/v1/echo', $options + ['query' => ['q' => 'x']]);
            self::assertSame(200, $answer->getStatusCode(), $answer->getContent(false));
            $sent = $answer->toArray()['data'];
            self::assertSame([$body, ['yes'], ['too']], [
                $sent['body'],
                $sent['headers']['x-kept'],
                $sent['headers']['x-line'],
            ]);
        }
        self::assertSame(4, self::$api->counter('refreshes'));
    }

    /** @dataProvider transports */
    public function testABodyThatIsGoneIsNotSentAgain(string $transport): void
    {
        $tm = $this->manager();
        $client = $this->client($transport, $tm);
        $body = fn () => ['body' => (fn () => yield from ['on', 'ce'])()];
        $tm->login();
        self::$api->revoke('access');
        self::assertSame(401, $client->request('POST', '/api/v1/echo', $body())->getStatusCode());
        self::assertSame(200, $client->request('POST', '/api/v1/echo', $body())->getStatusCode(), 'a new token');
        self::assertSame(2, self::$api->counter('api_arrivals'));
        self::$api->revoke('access');
        self::assertSame(200, $client->request('GET', '/api/v1/products')->getStatusCode());
        self::assertSame([1, 2], [self::$api->counter('logins'), self::$api->counter('refreshes')]);
    }

    /** @dataProvider transports */
    public function testOnceOnly(string $transport): void
    {
        self::$api->control(['refuse_all_access' => true]);
        $answer = $this->client($transport, $this->manager())->request('GET', '/api/v1/products');
        self::assertSame(401, $answer->getStatusCode());
        self::assertArrayHasKey('error', $answer->toArray(false));
        self::assertSame(2, self::$api->counter('api_arrivals'));
    }

    /** @dataProvider transports */
    public function testManyAtOnceStayAsynchronousAndCauseOneRefresh(string $transport): void
    {
        $tm = $this->manager();
        $client = $this->client($transport, $tm);
        $tm->login();
        self::$api->revoke('access');
        self::$api->control(['faults' => ['route' => '/api/v1/products', 'delay_before_ms' => 150, 'times' => 100]]);
        $responses = [];
        for ($i = 0; $i < 6; $i++) {
            $responses[] = $client->request('GET', '/api/v1/products', ['user_data' => $i]);
        }
        self::assertSame(0, self::$api->counter('api_200'), 'none has been waited for');
        $done = [];
        foreach ($client->stream($responses) as $response => $chunk) {
            if ($chunk->isFirst()) {
                self::assertSame(200, $response->getStatusCode());
            }
            if ($chunk->isLast()) {
                self::assertCount(3, $response->toArray()['data']);
                $done[] = $response->getInfo('user_data');
            }
        }
        sort($done);
        self::assertSame(range(0, 5), $done);
        self::assertSame([1, 1], [self::$api->counter('logins'), self::$api->counter('refreshes')]);
    }

    /** @dataProvider transports */
    public function testALargeAnswerArrivesInPieces(string $transport): void
    {
        $tm = $this->manager();
        $tm->login();
        self::$api->revoke('access');
        $client = $this->client($transport, $tm);
        $answer = $client->request('GET', '/api/v1/blob?bytes=300000', ['buffer' => false]);
        [$pieces, $bytes] = [0, 0];
        foreach ($client->stream($answer) as $chunk) {
            $pieces++;
            $bytes += strlen($chunk->getContent());
        }
        self::assertSame(300000, $bytes);
        self::assertGreaterThan(3, $pieces);
    }

    /** @dataProvider transports */
    public function testACancelledResponseSendsNothingMore(string $transport): void
    {
        $tm = $this->manager();
        $tm->login();
        self::$api->revoke('access');
        $response = $this->client($transport, $tm)->request('GET', '/api/v1/products');
        $response->cancel();
        unset($response);
        self::assertLessThanOrEqual(1, self::$api->counter('api_arrivals'));
        self::assertSame(0, self::$api->counter('refreshes'));
    }

    /** @dataProvider transports */
    public function testNobodyElseGetsTheToken(string $transport): void
    {
        $elsewhere = self::elsewhere();
        $tm = $this->manager();
        $client = $this->client($transport, $tm);
        $answer = $client->request('GET', "$elsewhere->url/api/v1/products");
        self::assertSame('missing_token', $answer->toArray(false)['error']['code']);
        self::assertSame(0, self::$api->counter('logins'));
    }

    /** @dataProvider transports */
    public function testRedirectsTakeItWhereItMayGo(string $transport): void
    {
        $elsewhere = self::elsewhere();
        $tm = $this->manager();
        $client = $this->client($transport, $tm);
        $to = fn (DemoApi $api) => '/api/v1/redirect?to=' . urlencode("$api->url/api/v1/products");
        $answer = $client->request('GET', $to(self::$api), ['query' => ['more' => '1']]);
        self::assertSame([200, 1], [$answer->getStatusCode(), $answer->getInfo('redirect_count')]);
        self::assertSame(self::$api->url . '/api/v1/products', $answer->getInfo('url'));

        $answer = $client->request('GET', $to($elsewhere));
        self::assertSame('missing_token', $answer->toArray(false)['error']['code']);
        self::assertSame(0, self::$api->counter('refreshes'), 'their 401 says nothing of our token');

        $none = $client->request('GET', $to(self::$api), ['max_redirects' => 0]);
        self::assertSame(302, $none->getStatusCode());
    }

    /** @dataProvider transports */
    public function testARedirectElsewhereTakesNoCredentialsOfTheClientAlong(string $transport): void
    {
        $tm = $this->manager();
        $elsewhere = self::elsewhere();
        $url = self::$api->url . '/api/v1/redirect?to=' . urlencode("$elsewhere->url/api/v1/products");
        foreach ([['auth_bearer' => 'x'], ['headers' => ['Authorization' => 'Bearer x']]] as $options) {
            $clients = [
                new BearerHttpClient(new $transport($options), $tm),
                (new BearerHttpClient(new $transport(), $tm))->withOptions($options),
            ];
            foreach ($clients as $client) {
                $answer = $client->request('GET', $url)->toArray(false);
                self::assertSame('missing_token', $answer['error']['code']);
            }
        }
    }

    public function testARedirectElsewhereTakesNothingPrivateAlong(): void
    {
        $sent = [];
        $transport = new MockHttpClient(function (string $method, string $url, array $options) use (&$sent) {
            $sent[] = [$method, $url, implode("\n", $options['headers']), $options['body'] ?? ''];

            return count($sent) === 1
                ? new MockResponse('', ['http_code' => 302, 'redirect_url' => 'https://elsewhere.example/'])
                : new MockResponse('there');
        });
        $client = new BearerHttpClient($transport, $this->manager());
        $headers = ['headers' => ['Cookie' => 'secret=1', 'X-Kept' => 'yes']];
        $body = ['headers' => ['Content-Type' => 'text/plain'], 'body' => 'text'];
        $ways = [[$client, array_merge_recursive($headers, $body)], [$client->withOptions($headers), $body]];
        foreach ($ways as [$client, $options]) {
            $sent = [];
            $answer = $client->request('POST', self::$api->url . '/', $options);
            self::assertSame('there', $answer->getContent());
            self::assertSame(['GET', 'https://elsewhere.example/', ''], [$sent[1][0], $sent[1][1], $sent[1][3]]);
            self::assertStringContainsString('Cookie: secret=1', $sent[0][2]);
            self::assertStringContainsString('Authorization: Bearer ', $sent[0][2]);
            self::assertStringContainsString('X-Kept: yes', $sent[1][2]);
            self::assertDoesNotMatchRegularExpression('/Cookie|Authorization|Content-Type/i', $sent[1][2]);
        }
    }

    public function testThroughOtherDecorators(): void
    {
        $tm = $this->manager();
        $client = new RetryableHttpClient($this->client(CurlHttpClient::class, $tm));
        $tm->login();
        self::$api->revoke('access');
        self::$api->control(['faults' => ['route' => '/api/v1/products', 'status' => 503, 'skip' => 1]]);
        self::assertSame(200, $client->request('GET', '/api/v1/products')->getStatusCode());
        self::assertSame(200, $client->withOptions(['headers' => ['X-A' => 'b']])
            ->request('GET', '/api/v1/products')->getStatusCode());

        self::$api->revoke('access');
        $psr18 = new Psr18Client($client, new HttpFactory(), new HttpFactory());
        $answer = $psr18->sendRequest($psr18->createRequest('GET', self::$api->url . '/api/v1/products'));
        self::assertSame(200, $answer->getStatusCode());
    }

    public function testItHasToKnowWhereARequestGoes(): void
    {
        $client = new BearerHttpClient(new CurlHttpClient(['base_uri' => self::$api->url]), $this->manager());
        try {
            $client->request('GET', '/api/v1/products');
            self::fail('it does not know');
        } catch (\InvalidArgumentException $problem) {
            self::assertStringContainsString('put a ScopingHttpClient around it', $problem->getMessage());
        }
        $client = $client->withOptions(['base_uri' => self::$api->url]);
        self::assertSame(200, $client->request('GET', '/api/v1/products')->getStatusCode());
    }

    public function testADumpShowsNoToken(): void
    {
        $tm = $this->manager();
        $dump = print_r(new Exchange($tm, 'GET', self::$api->url . '/', []), true);
        self::assertStringContainsString(self::$api->url, $dump);
        self::assertStringNotContainsString($tm->accessToken(), $dump);
    }

    public function testWithoutAToken(): void
    {
        $client = $this->client(CurlHttpClient::class, new TokenManager(self::$api->url, 'demo', 'wrong'));
        $thrown = self::thrownBy(fn () => $client->request('GET', '/api/v1/products'), NoToken::class);
        self::assertInstanceOf(TransportExceptionInterface::class, $thrown);
        self::assertInstanceOf(LoginRejected::class, $thrown->getPrevious());

        $tm = $this->manager();
        $response = $this->client(CurlHttpClient::class, $tm)->request('GET', '/api/v1/products');
        self::$api->revoke('all');
        $tm->setCredentials(null, 'wrong');
        self::$api->control(['refuse_all_access' => true]);
        $thrown = self::thrownBy(fn () => $response->getStatusCode(), TransportException::class);
        self::assertInstanceOf(NoToken::class, $thrown->getPrevious());
        self::assertInstanceOf(LoginRejected::class, $thrown->getPrevious()->getPrevious());
    }
}
