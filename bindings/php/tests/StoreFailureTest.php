<?php

declare(strict_types=1);

namespace TokenMgr\Tests;

/**
 * A store that fails tells what happened, and nothing of what it was given: a record is the tokens themselves.
 */
final class StoreFailureTest extends StoreTestCase
{
    private const OLD = '{"access_token":"access-Zq71-0123456789","refresh_token":"refresh-Zq72-0123456789"}';
    private const NEW = '{"access_token":"access-Zq73-0123456789","refresh_token":"refresh-Zq74-0123456789","more":1}';

    /** Saves the records where that fails, and writes down all that can be had of the exceptions. */
    private const SAVE = <<<'PHP'
        foreach ([['key', %2$s], ['other', null]] as [$key, $expected]) {
            try {
                $store->save($key, %1$s, $expected, 60);
            } catch (TokenMgr\Exception\Store $problem) {
                echo "failed\n", $problem, print_r($problem, true), json_encode($problem);
                var_dump($problem);
                for (; $problem !== null; $problem = $problem->getPrevious()) {
                    foreach ($problem->getTrace() as $frame) {
                        echo print_r($frame, true), json_encode($frame), $frame['class'] ?? '', "::frame\n";
                    }
                }
            }
        }
        PHP;

    /** What is said of a store that fails to save. */
    private static function said(string $store, string $spoil, int $failures): string
    {
        // As php.ini-development has it: a trace holds the arguments.
        $ini = ['zend.exception_ignore_args' => '0', 'zend.exception_string_param_max_len' => '100000'];
        $save = sprintf(self::SAVE, var_export(self::NEW, true), var_export(self::OLD, true));
        $said = self::script($store, "$spoil\n$save", $ini)->output;
        self::assertSame($failures, substr_count($said, "failed\n"), $said);
        self::assertStringContainsString('::frame', $said);
        self::assertDoesNotMatchRegularExpression('/^(PDO|Psr|Symfony).*::frame$/m', $said, 'frames with arguments');

        return $said;
    }

    private static function assertHoldsNothingOfARecord(string $text): void
    {
        $found = [];
        foreach ([self::OLD, self::NEW, base64_encode(self::OLD), base64_encode(self::NEW)] as $record) {
            for ($i = 0; $i < strlen($record) - 16; $i++) {
                if (str_contains($text, substr($record, $i, 16))) {
                    $found[] = substr($record, $i, 16);
                }
            }
        }
        self::assertSame([], $found, $text);
    }

    /** @dataProvider failures */
    public function testNoExceptionOfADatabaseHoldsTheRecord(string $database, string $failure, string $told): void
    {
        $store = self::store($database);
        self::assertTrue($store->save('key', self::OLD, null, 60));
        $spoil = sprintf(
            '$pdo = new PDO(%1$s, "root", ""); $store = new TokenMgr\Store\PdoStore($pdo); $pdo->exec(%2$s);',
            var_export(self::dsn($database), true),
            var_export($failure, true)
        );
        try {
            $said = self::said($database, $spoil, 2);
        } finally {
            (new \PDO(self::dsn($database), 'root', ''))->exec('DROP TABLE IF EXISTS tokenmgr_tokens');
        }
        self::assertStringContainsString($told, $said);
        self::assertHoldsNothingOfARecord($said);
    }

    /** @return array<string, array{string, string, string}> a database, what makes saving fail, what is told */
    public function failures(): array
    {
        $drop = 'DROP TABLE tokenmgr_tokens';
        $alter = 'ALTER TABLE tokenmgr_tokens';

        return [
            'SQLite without its table' => ['sqlite', $drop, 'no such table'],
            'SQLite, to be read only' => ['sqlite', 'PRAGMA query_only = 1', 'readonly database'],
            'MariaDB without its table' => ['mariadb', $drop, "doesn't exist"],
            'MariaDB, too long' => ['mariadb', "$alter MODIFY record VARCHAR(112)", 'too long'],
            'MariaDB, the wrong type' => [
                'mariadb',
                "UPDATE tokenmgr_tokens SET record = 1; $alter MODIFY record INT",
                'Incorrect integer value',
            ],
            'PostgreSQL without its table' => ['postgres', $drop, 'does not exist'],
            'PostgreSQL, too long' => ['postgres', "$alter ALTER record TYPE VARCHAR(112)", 'too long'],
            'PostgreSQL, refused' => ['postgres', "$alter ADD CHECK (expires_at < 0) NOT VALID", 'violates check'],
            'PostgreSQL, the wrong type' => ['postgres', "$alter ALTER record TYPE INT USING 0", 'type integer'],
        ];
    }

    /** @dataProvider caches */
    public function testNoExceptionOfACacheHoldsTheRecord(string $store): void
    {
        $said = self::said('psr6', <<<PHP
            final class Items extends Symfony\Component\Cache\Adapter\ArrayAdapter
            {
                public function save(Psr\Cache\CacheItemInterface \$item): bool
                {
                    throw new RuntimeException("out of order\nat " . \$item->get());
                }
            }

            final class Values extends Symfony\Component\Cache\Psr16Cache
            {
                public function set(\$key, \$value, \$ttl = null): bool
                {
                    throw new RuntimeException("out of order\nat \$value");
                }
            }
            \$store = $store;
            PHP, 1);
        self::assertStringContainsString('could not be written: out of order', $said);
        self::assertHoldsNothingOfARecord($said);
    }

    public function caches(): array
    {
        return [
            'PSR-16' => ['new TokenMgr\Store\Psr16Store(new Values(new Items()))'],
            'PSR-6' => ['new TokenMgr\Store\Psr6Store(new Items())'],
        ];
    }
}
