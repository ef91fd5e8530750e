<?php

declare(strict_types=1);

namespace TokenMgr\Tests;

use DateTimeImmutable;
use Error;
use TokenMgr\Exception;
use TokenMgr\Jwt;
use TokenMgr\TokenManager;

final class RequestTest extends ApiTestCase
{
    public function testTheMainJob(): void
    {
        $response = $this->manager()->get('/api/v1/products', query: ['page' => 2]);
        self::assertSame(200, $response->status);
        self::assertTrue($response->ok());
        self::assertCount(3, $response->json()['data']);
        self::assertSame($response->json(), json_decode($response->body, true));
        self::assertSame('application/json', $response->header('Content-Type'));
        self::assertSame(['application/json'], $response->headers()['content-type']);
        self::assertNull($response->header('x-none'));
        self::assertSame($response, $response->throw());
        self::assertSame(self::$api->url . '/api/v1/products?page=2', $response->url());
        self::assertSame(1, self::$api->counter('logins'));
    }

    public function testANestedQueryIsEncodedAsHttpBuildQueryDoesIt(): void
    {
        $query = [
            'filter' => ['status' => 'open & new', 'tags' => ['a', 'b'], 'deep' => ['x' => true, 'n' => null]],
            'list' => ['a', ['b' => 1]],
            'plain' => ['p', 'q'],
            'empty' => [],
        ];
        $sent = $this->manager()->get('/api/v1/echo', query: $query)->throw()->json()['data']['query'];
        $built = http_build_query(array_diff_key($query, ['plain' => 1]));
        $pair = static fn (string $pair): array => array_map(urldecode(...), explode('=', $pair));
        $wanted = [...array_map($pair, explode('&', $built)), ['plain', 'p'], ['plain', 'q']];
        sort($sent);
        sort($wanted);
        self::assertSame($wanted, $sent);
    }

    public function testWhatIsSent(): void
    {
        $sent = $this->manager()->request(
            'POST',
            '/api/v1/echo?a=1',
            json: ['sku' => 1, 'price' => 2.0, 'name' => 'Grüße/"'],
            query: ['b' => ['x y', 'z'], 'c' => true, 'none' => null],
            headers: ['Idempotency-Key' => 'k-1', 'X-Two' => ['1', '2']],
            timeout: 5.0
        )->json()['data'];
        self::assertSame('POST', $sent['method']);
        self::assertSame('{"sku":1,"price":2.0,"name":"Grüße/\""}', $sent['body']);
        self::assertSame([['a', '1'], ['b', 'x y'], ['b', 'z'], ['c', 'true']], $sent['query']);
        self::assertSame(['k-1'], $sent['headers']['idempotency-key']);
        self::assertSame(['1', '2'], $sent['headers']['x-two']);
        self::assertSame(['application/json'], $sent['headers']['content-type']);
    }

    public function testABodyAsItIs(): void
    {
        $bytes = random_bytes(100_000) . "\0\0";
        $sent = $this->manager()->put('/api/v1/echo', body: $bytes, headers: ['Content-Type' => 'image/png']);
        self::assertSame($bytes, base64_decode($sent->json()['data']['body_base64']));
        self::assertSame(['image/png'], $sent->json()['data']['headers']['content-type']);
    }

    public function testABinaryAnswer(): void
    {
        $body = $this->manager()->get('/api/v1/blob', ['bytes' => 1000])->body;
        self::assertSame(implode('', array_map(fn (int $i) => chr($i % 251), range(0, 999))), $body);
        self::assertSame('', $this->manager()->get('/api/v1/blob', ['bytes' => 0])->body);
    }

    /** @dataProvider methods */
    public function testEachMethod(string $method): void
    {
        self::assertSame(strtoupper($method), $this->manager()->$method('/api/v1/echo')->json()['data']['method']);
    }

    public function methods(): array
    {
        return [['get'], ['post'], ['put'], ['patch'], ['delete']];
    }

    /** @dataProvider refusals */
    public function testA4xxOr5xxThrowsOnlyWhenAsked(int $status, string $class): void
    {
        $response = $this->manager()->get("/api/v1/status/$status");
        self::assertSame($status, $response->status);
        self::assertFalse($response->ok());
        $thrown = self::thrownBy(fn () => $response->throw(), $class);
        self::assertSame($status, $thrown->httpStatus);
        self::assertSame('as_requested', $thrown->serverCode);
        self::assertSame($response, $thrown->response);
        self::assertGreaterThan(0, $thrown->getCode());
    }

    public function refusals(): array
    {
        return [
            [404, Exception\HttpError::class],
            [403, Exception\Forbidden::class],
            [429, Exception\RateLimited::class],
            [401, Exception\Unauthorized::class],
            [503, Exception\ServerError::class],
        ];
    }

    public function testRetryAfterIsInSeconds(): void
    {
        self::$api->control(['faults' => ['route' => '/api/v1/products', 'status' => 429, 'retry_after' => 7]]);
        $response = $this->manager()->get('/api/v1/products');
        $thrown = self::thrownBy(fn () => $response->throw(), Exception\RateLimited::class);
        self::assertSame(7.0, $thrown->retryAfter);
        self::assertTrue($thrown->isRetryable);
    }

    public function testWhatKeepsItFromAToken(): void
    {
        $wrong = new TokenManager(self::$api->url, 'demo', 'wrong-password');
        $thrown = self::thrownBy(fn () => $wrong->get('/api/v1/products'), Exception\LoginRejected::class);
        self::assertSame(401, $thrown->httpStatus);
        self::assertNull($thrown->response);
        $thrown = self::thrownBy(fn () => $wrong->get('/api/v1/products'), Exception\LoginSuspended::class);
        self::assertGreaterThan(0.0, $thrown->retryAfter);
        $wrong->setCredentials(null, 'demo-password');
        self::assertTrue($wrong->get('/api/v1/products')->ok());

        self::$api->control(['whitelist' => ['203.0.113.1']]);
        $thrown = self::thrownBy(fn () => $this->manager()->get('/api/v1/products'), Exception\Forbidden::class);
        self::assertStringContainsString('whitelist', $thrown->getMessage());
    }

    public function testNoAnswer(): void
    {
        $tm = $this->manager();
        self::$api->control(['faults' => ['route' => '/api/v1/products', 'do' => 'hang']]);
        $began = hrtime(true);
        self::thrownBy(fn () => $tm->get('/api/v1/products', timeout: 0.25), Exception\Timeout::class);
        self::assertLessThan(5e9, hrtime(true) - $began);
        $nobody = new TokenManager('http://127.0.0.1:1', 'demo', 'demo-password');
        self::thrownBy(fn () => $nobody->get('/'), Exception\Network::class);
    }

    public function testWhatIsNoArgument(): void
    {
        $tm = $this->manager();
        self::thrownBy(fn () => $tm->get("/api/v1/echo\0/x"), Exception\InvalidArgument::class);
        self::thrownBy(fn () => $tm->request("GET\0", '/'), Exception\InvalidArgument::class);
        self::thrownBy(fn () => $tm->post('/', json: "\xff"), Exception\InvalidArgument::class);
        self::thrownBy(fn () => $tm->post('/', json: [1], body: 'x'), Exception\InvalidArgument::class);
        self::thrownBy(fn () => $tm->get('/', timeout: NAN), Exception\InvalidArgument::class);
        self::thrownBy(fn () => $tm->get('/', timeout: -1.0), Exception\InvalidOptions::class);
        self::thrownBy(fn () => $tm->get('/', query: ['a' => "\xff"]), Exception\InvalidOptions::class);
        self::thrownBy(fn () => $tm->get('http://127.0.0.1:1/'), Exception\UrlNotAllowed::class);
        self::thrownBy(fn () => $tm->reject("a\0b"), Exception\InvalidArgument::class);
        self::thrownBy(fn () => new TokenManager(self::$api->url, 'a', "b\0c"), Exception\InvalidArgument::class);
        self::thrownBy(fn () => $this->manager(['tiemout_ms' => 1]), Exception\InvalidOptions::class);
        self::thrownBy(fn () => new TokenManager('http://api.example', 'a', 'b'), Exception\UrlNotAllowed::class);
        self::assertSame(0, self::$api->counter('api_arrivals'));
    }

    public function testAnAnswerThatIsNotJson(): void
    {
        self::$api->control(['faults' => ['route' => '/api/v1/products', 'do' => 'html', 'status' => 200]]);
        $response = $this->manager()->get('/api/v1/products');
        $thrown = self::thrownBy(fn () => $response->json(), Exception\BadResponse::class);
        self::assertStringContainsString('/api/v1/products', $thrown->getMessage());
    }

    public function testAResponseNeverChanges(): void
    {
        $response = $this->manager()->get('/api/v1/products');
        self::thrownBy(function () use ($response) {
            $response->body = 'other';
        }, Error::class);
    }

    public function testAResponseOutlivesItsManager(): void
    {
        $tm = $this->manager();
        [$response, $token] = [$tm->get('/api/v1/products'), $tm->token()];
        $access = $tm->accessToken();
        unset($tm);
        self::assertCount(3, $response->json()['data']);
        self::assertSame($access, $token->accessToken());
    }

    public function testTokens(): void
    {
        $tm = $this->manager();
        self::assertNull($tm->peekToken());
        $first = $tm->accessToken();
        self::assertSame($first, $tm->accessToken());
        $token = $tm->token();
        self::assertSame($first, $token->accessToken());
        self::assertEqualsWithDelta(time() + 3600, $token->expiresAt, 3);
        self::assertEqualsWithDelta(time() + 604800, $token->refreshExpiresAt, 3);
        self::assertEqualsWithDelta(3600, $token->secondsLeft(), 3);
        self::assertFalse($token->shouldRefresh(minutes: 5));
        self::assertTrue($token->shouldRefresh(minutes: 61));

        $tm->reject($first);
        $second = $tm->accessToken();
        self::assertNotSame($first, $second);
        $tm->reject($first);
        self::assertSame($second, $tm->accessToken(), 'a late 401 does not cost the fresh token');
        $tm->refresh();
        $tm->login();
        self::assertSame([2, 2], [self::$api->counter('logins'), self::$api->counter('refreshes')]);
        self::assertSame([2, 2], [$tm->stats()['logins'], $tm->stats()['refreshes']]);
        $tm->logout();
        self::assertNull($tm->peekToken());
        self::assertSame(1, self::$api->counter('logouts'));
    }

    public function testTokensFromElsewhere(): void
    {
        $pair = $this->manager()->token();
        $tm = new TokenManager(self::$api->url, 'demo');
        $tm->setTokens($pair->accessToken(), $pair->refreshToken(), $pair->expiresAt);
        self::assertTrue($tm->get('/api/v1/products')->ok());
        $tm->refresh();
        self::assertSame([1, 1], [self::$api->counter('logins'), self::$api->counter('refreshes')]);
        $tm->setTokens('opaque', null, new DateTimeImmutable('@2000000000'));
        self::assertSame(2000000000, $tm->token()->expiresAt);
        self::assertNull($tm->token()->refreshToken());
        $tm->setTokens('opaque');
        self::assertNull($tm->token()->expiresAt);
    }

    public function testEachManagerHandsOutItsOwnTokenAndWhatIsRejectedNoMore(): void
    {
        [$one, $two] = [$this->manager(['persistent' => true]), $this->manager(['persistent' => true])];
        $other = $this->manager();
        for ($i = 0; $i < 3; $i++) {
            self::assertSame($one->accessToken(), $two->accessToken());
            self::assertNotSame($one->accessToken(), $other->accessToken());
            $rejected = $one->accessToken();
            $two->reject($rejected);
            self::assertNotSame($rejected, $one->accessToken());
            self::$api->revoke('access');
            $revoked = $one->accessToken();
            self::assertTrue($two->get('/api/v1/products')->ok());
            self::assertNotSame($revoked, $one->accessToken());
            $one->logout();
        }
    }

    public function testATokenLargerThanTheBuffer(): void
    {
        self::$api->control(['access_token_bytes' => 20_000]);
        $tm = $this->manager();
        $long = $tm->accessToken();
        self::assertGreaterThan(15_000, strlen($long));
        self::assertSame($long, $tm->accessToken());
        self::assertSame($long, $tm->token()->accessToken());
        self::$api->control(['access_token_bytes' => 1_000]);
        $tm->refresh();
        self::assertLessThan(2_000, strlen($tm->accessToken()));
    }

    public function testARevokedTokenIsRecoveredFrom(): void
    {
        $tm = $this->manager();
        $tm->get('/api/v1/products');
        self::$api->revoke('access');
        self::assertTrue($tm->get('/api/v1/products')->ok());
        self::$api->revoke('all');
        self::assertTrue($tm->get('/api/v1/products')->ok());
        self::assertSame([2, 1], [self::$api->counter('logins'), self::$api->counter('refreshes')]);
    }

    public function testJwt(): void
    {
        $token = $this->manager()->accessToken();
        self::assertFalse(Jwt::isExpired($token));
        self::assertEqualsWithDelta(3600, Jwt::secondsLeft($token), 3);
        self::assertFalse(Jwt::shouldRefresh($token, minutes: 5));
        self::assertTrue(Jwt::shouldRefresh($token, minutes: 61));
        self::assertSame('demo', Jwt::payload($token)['name']);
        self::assertTrue(Jwt::isExpired('nonsense'));
        self::thrownBy(fn () => Jwt::payload('nonsense'), Exception\BadToken::class);
    }

    public function testANulByteEndsNothing(): void
    {
        $response = $this->manager()->get('/api/v1/products');
        self::assertNull($response->header("content-type\0x"));
        $token = $this->manager()->accessToken() . "\0x";
        self::assertTrue(Jwt::isExpired($token));
        self::assertSame(0, Jwt::secondsLeft($token));
        self::assertTrue(Jwt::shouldRefresh($token));
        self::thrownBy(fn () => Jwt::payload($token), Exception\BadToken::class);
    }

    public function testNumbersBeyond64BitsAreRefusedByName(): void
    {
        $options = Exception\InvalidOptions::class;
        $tooLarge = self::thrownBy(fn () => $this->manager(['timeout_ms' => 2 ** 64]), $options);
        self::assertStringContainsString('timeout_ms got a number beyond 64 bits', $tooLarge->getMessage());
        $ask = fn () => $this->manager()->get('/api/v1/echo', query: ['id' => [1, 1e300]]);
        self::assertStringContainsString('query.id got a number beyond', self::thrownBy($ask, $options)->getMessage());
        $infinite = self::thrownBy(fn () => $this->manager(['headers' => ['X-A' => INF]]), $options);
        self::assertStringContainsString('the option headers.X-A', $infinite->getMessage());
        $long = fn () => $this->manager()->get('/api/v1/echo', timeout: PHP_INT_MAX / 1000);
        self::thrownBy($long, Exception\InvalidArgument::class);
        self::assertTrue(Jwt::shouldRefresh($this->manager()->accessToken(), PHP_INT_MAX));
        self::assertFalse(Jwt::shouldRefresh($this->manager()->accessToken(), PHP_INT_MIN));
        $nul = self::thrownBy(fn () => $this->manager(['client_id' => "alice\0x"]), $options);
        self::assertStringContainsString('client_id got a text with a NUL', $nul->getMessage());
    }

    public function testADialectIsTriedStepByStep(): void
    {
        $report = $this->manager()->check('/api/v1/products');
        self::assertTrue($report['ok'], json_encode($report));
        self::assertSame('/data/access_token', $report['steps'][0]['understood'][1]['from']);
        self::assertSame('logout', end($report['steps'])['name']);
        $wrong = $this->manager(['auth' => ['preset' => 'popup', 'answer' => ['access_token' => '/token']]]);
        $step = $wrong->check()['steps'][0];
        self::assertSame('auth.answer.access_token', $step['change']);
        self::assertStringContainsString('it has /data/access_token (a JWT of ', $step['problem']);
        self::thrownBy(fn () => $wrong->check('products'), Exception\InvalidArgument::class);
        self::thrownBy(fn () => $wrong->check("/a\0b"), Exception\InvalidArgument::class);
    }
}
