<?php

declare(strict_types=1);

namespace TokenMgr\Tests;

use Error;
use LogicException;
use TokenMgr\Exception;
use TokenMgr\TokenManager;

final class SecretTest extends ApiTestCase
{
    private const PASSWORD = 'pass-Zq81-word';

    protected function setUp(): void
    {
        parent::setUp();
        self::$api->control(['accounts' => [['username' => 'shop', 'password' => self::PASSWORD]]]);
    }

    private function shop(array $options = []): TokenManager
    {
        return new TokenManager(self::$api->url, 'shop', self::PASSWORD, $options);
    }

    public function testNoDumpHoldsSecrets(): void
    {
        $tm = $this->shop(['store' => $store = new ArrayStore(), 'headers' => ['X-Key' => 'key-Zq82']]);
        $tm->onLog(fn () => null);
        $response = $tm->post('/api/v1/echo', json: ['pin' => 'body-Zq83']);
        $token = $tm->token();
        $store->records = [];

        ob_start();
        foreach ([$tm, $token, $response] as $object) {
            var_dump($object);
            print_r($object);
        }
        // A response's body is the application's own: only dumps leave it out.
        foreach ([$tm, $token] as $object) {
            echo json_encode($object), print_r((array) $object, true);
        }
        var_export($token);
        var_export($tm);
        $dumps = ob_get_clean();
        self::assertGreaterThan(1000, strlen($dumps));
        foreach ([self::PASSWORD, 'Zq8', $token->accessToken(), $token->refreshToken()] as $secret) {
            self::assertStringNotContainsString($secret, $dumps);
        }
    }

    public function testNothingIsSerialisedOrCloned(): void
    {
        $tm = $this->shop();
        foreach ([$tm, $tm->token(), $tm->get('/api/v1/products')] as $object) {
            self::thrownBy(fn () => serialize($object), LogicException::class);
            self::thrownBy(fn () => clone $object, Error::class);
            $name = $object::class;
            $text = sprintf('O:%d:"%s":0:{}', strlen($name), $name);
            self::thrownBy(fn () => unserialize($text), LogicException::class);
        }
    }

    /** With zend.exception_ignore_args off, as php.ini-development has it, a trace holds the arguments. */
    public function testNoTraceHoldsSecrets(): void
    {
        $script = Script::run(<<<'PHP'
            use TokenMgr\TokenManager;
            $tm = new TokenManager(getenv('API'), 'shop', 'pass-Zq81-word');
            $calls = [
                fn () => new TokenManager('nonsense', 'user-Zq85', 'pass-Zq81-word', ['proxy' => 'http://u:Zq86@x']),
                fn () => $tm->setCredentials(null, "pass-Zq81-word\0"),
                fn () => $tm->setTokens("access-Zq87\0", 'refresh-Zq88'),
                fn () => $tm->reject("access-Zq87\0"),
                fn () => $tm->post("/\0", json: ['pin' => 'Zq89'], headers: ['X-Key' => 'Zq90']),
                fn () => $tm->put("/x", body: 'Zq89', json: ['Zq91']),
                fn () => $tm->get("/x", query: ['key' => "Zq92\xff"]),
                fn () => TokenMgr\Jwt::payload('Zq93'),
            ];
            foreach ($calls as $i => $call) {
                try {
                    $call();
                    echo "$i did not throw\n";
                } catch (TokenMgr\Exception\TokenManagerException $e) {
                    echo "$i: ", $e, "\n", print_r(array_map(fn ($f) => $f['args'] ?? [], $e->getTrace()), true);
                    var_dump($e);
                }
            }
            PHP, ['zend.exception_ignore_args' => '0', 'zend.exception_string_param_max_len' => '1000'], [
            'API' => self::$api->url,
        ]);
        self::assertSame(0, $script->exitCode, $script->output);
        self::assertStringNotContainsString('did not throw', $script->output);
        self::assertStringContainsString('SensitiveParameterValue', $script->output);
        self::assertSame(0, preg_match('/.*Zq\d\d.*/', $script->output, $found), $found[0] ?? '');
    }

    /** Nor that of an exception from a callback, which goes through FFI and is given what the callback is. */
    public function testNoTraceThroughACallbackHoldsSecrets(): void
    {
        $script = Script::run(<<<'PHP'
            use TokenMgr\TokenManager;

            final class OwnStore implements TokenMgr\Store
            {
                public ?string $record = null;
                public bool $fails = false;

                public function id(): string
                {
                    return 'own';
                }

                public function load(string $key): ?string
                {
                    return $this->record;
                }

                public function save(string $key, ?string $data, ?string $expected, int $ttlSeconds): bool
                {
                    if ($this->fails) {
                        throw new DomainException('in save', 1, new TokenMgr\Exception\Store('the cause'));
                    }
                    $this->record = $data;

                    return true;
                }

                public function lock(string $key, int $waitMs): bool
                {
                    return true;
                }

                public function unlock(string $key): void
                {
                }
            }

            $store = new OwnStore();
            $kept = new TokenManager(getenv('API'), 'shop', 'pass-Zq81-word', ['store' => $store]);
            $kept->setTokens('access-Zq87', 'refresh-Zq88', 2000000000);
            $store->fails = true;
            $logs = new TokenManager(getenv('API'), 'shop', 'pass-Zq81-word');
            $logs->onLog(fn () => throw new DomainException('in the log'), TokenManager::DEBUG);
            $calls = [
                fn () => $kept->setTokens('access-Zq94', 'refresh-Zq95', 2000000000),
                fn () => $kept->login(),
                fn () => $logs->post('/api/v1/echo', json: ['pin' => 'Zq89'], headers: ['X-Key' => 'Zq90']),
            ];
            foreach ($calls as $i => $call) {
                try {
                    $call();
                    echo "$i did not throw\n";
                } catch (DomainException $e) {
                    foreach ([$e, $e->getPrevious() ?? $e] as $e) {
                        $frames = $e->getTrace();
                        echo "$i: ", $e, "\n", print_r($e, true), print_r($frames, true), json_encode($frames), "\n";
                    }
                }
            }
            PHP, ['zend.exception_ignore_args' => '0', 'zend.exception_string_param_max_len' => '1000'], [
            'API' => self::$api->url,
        ]);
        self::assertSame(0, $script->exitCode, $script->output);
        self::assertStringNotContainsString('did not throw', $script->output);
        self::assertStringContainsString('2: DomainException: in the log', $script->output);
        self::assertStringContainsString('FFI->tm_set_tokens()', $script->output);
        self::assertSame(0, preg_match('/.*(Zq\d\d|eyJ).*/', $script->output, $found), $found[0] ?? '');
    }

    public function testNoMessageHoldsSecrets(): void
    {
        $tm = new TokenManager(self::$api->url, 'shop', 'wrong-Zq84');
        $thrown = self::thrownBy(fn () => $tm->login(), Exception\LoginRejected::class);
        self::assertStringNotContainsString('Zq84', (string) $thrown);
    }

    /** @dataProvider urls */
    public function testWhereTheTokenMayGo(string $url, bool $may): void
    {
        $tm = new TokenManager('https://API.example.com/shop', 'a', 'b', [
            'allowed_origins' => ['https://cdn.example.com:8443'],
        ]);
        self::assertSame($may, $tm->maySendTokenTo($url));
    }

    /** @dataProvider hosts */
    public function testWhereItMayGoWhenTheEnvironmentNamesTheHost(array $environment, bool $isKnown): void
    {
        $file = tempnam(sys_get_temp_dir(), 'tokenmgr-');
        file_put_contents($file, "https://api.example.com\r\n");
        $environment = array_map(fn (?string $value) => $value === 'the file' ? $file : $value, $environment);
        $script = Script::run(<<<'PHP'
            try {
                $tm = new TokenMgr\TokenManager(null, 'a', 'b', ['allowed_origins' => ['https://cdn.example.com']]);
                $urls = ['https://api.example.com/x', 'https://cdn.example.com/x', 'https://evil.example/x'];
                echo json_encode(array_map($tm->maySendTokenTo(...), $urls));
            } catch (TokenMgr\Exception\InvalidArgument $problem) {
                echo 'InvalidArgument';
            }
            PHP, [], $environment + ['TOKENMGR_HOST' => null, 'TOKENMGR_HOST_FILE' => null]);
        unlink($file);
        self::assertSame($isKnown ? '[true,true,false]' : 'InvalidArgument', $script->output);
    }

    public function hosts(): array
    {
        return [
            'itself' => [['TOKENMGR_HOST' => 'https://api.example.com'], true],
            'in a file' => [['TOKENMGR_HOST_FILE' => 'the file'], true],
            'empty, and in a file' => [['TOKENMGR_HOST' => '', 'TOKENMGR_HOST_FILE' => 'the file'], true],
            'in a file that is not there' => [['TOKENMGR_HOST_FILE' => '/nonexistent/host'], false],
            'nowhere' => [[], false],
        ];
    }

    public function testOptionsOfTheWrongTypeAreTheLibrarysToRefuse(): void
    {
        foreach (['https://cdn.example.com', 1, [1], [null]] as $origins) {
            self::thrownBy(
                fn () => new TokenManager('https://api.example.com', 'a', 'b', ['allowed_origins' => $origins]),
                Exception\InvalidOptions::class
            );
        }
    }

    public function urls(): array
    {
        return [
            ['https://api.example.com/v1', true],
            ['https://api.example.com:443/v1', true],
            ['HTTPS://API.EXAMPLE.COM', true],
            ['https://user:password@api.example.com/', false],
            ['https://cdn.example.com:8443/x', true],
            ['https://cdn.example.com/x', false],
            ['http://api.example.com/v1', false],
            ['https://api.example.com:444/', false],
            ['https://api.example.com.evil.example/', false],
            ['https://evil.example/?https://api.example.com/', false],
            ['https://api.example.com@evil.example/', false],
            ["https://evil.example\\@api.example.com/", false],
            ["https://api.example.com\t.evil.example/", false],
            [' https://api.example.com/', false],
            ["https://api.exam\tple.com/", false],
            ["https://api.example.com/\n", false],
            ["https://api.example.com\0.evil.example/", false],
            ['//api.example.com/', false],
            ['/v1', false],
            ['', false],
            ['ftp://api.example.com/', false],
            ['https:///v1', false],
        ];
    }
}
