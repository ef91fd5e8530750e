<?php

declare(strict_types=1);

namespace TokenMgr;

use Closure;
use FFI;
use FFI\CData;
use LogicException;
use Stringable;
use Throwable;
use TokenMgr\Exception\Cancelled;
use TokenMgr\Exception\TokenManagerException;

/**
 * The streams of one call: one that the request's body is read from, one that the answer's body is written to. An
 * exception of theirs must not pass through the library: like those of the manager's callbacks it is pending until the
 * call has returned.
 *
 * As with Callbacks, there is one C function per kind for all calls, and its userdata tells whose call it is.
 *
 * @phpstan-type StreamFunctions = CData&object{read: CData|Closure, rewind: CData|Closure, write: CData|Closure}
 *
 * @internal
 */
final class Streams
{
    /** @var resource|null */
    private readonly mixed $body;

    /** Where the body begins in its stream. */
    private readonly int $start;

    /** How many bytes the body has; -1: unknown. */
    private readonly int $size;

    /** How many of them were read since its beginning. */
    private int $read = 0;

    /** @var resource|null */
    private mixed $sink = null;

    /** The file that the sink is opened in, unless the caller passed a stream. */
    private readonly ?string $path;

    /** @var array<int, self> the calls that are running */
    private static array $running = [];
    private static int $made = 0;

    /** @var StreamFunctions|null */
    private static ?CData $functions = null;

    private const STRUCT = 'struct { tm_body_read read; tm_body_rewind rewind; tm_body_write write; }';

    /** As C's stat() tells a regular file from others. */
    private const FILE_TYPE = 0o170000;
    private const REGULAR_FILE = 0o100000;

    /**
     * @param mixed                $body see TokenManager::request()
     * @param resource|string|null $sink likewise
     */
    public function __construct(
        private readonly Callbacks $callbacks,
        #[\SensitiveParameter] mixed $body,
        #[\SensitiveParameter] mixed $sink
    ) {
        $this->path = is_string($sink) ? $sink : null;
        if ($this->path !== null) {
            Arguments::refuseNul(['sink' => $this->path]);
            if ($this->path === '') {
                throw Arguments::invalid('the argument sink is empty; pass a path or a stream');
            }
        } elseif ($sink !== null) {
            self::requireStream('sink', $sink, 'writing', 'waxc+');
            $this->sink = $sink;
        }
        if ($body === null) {
            [$this->body, $this->start, $this->size] = [null, 0, 0];

            return;
        }
        if (is_string($body) || $body instanceof Stringable) {
            $body = self::holding((string) $body);
        }
        self::requireStream('body', $body, 'reading', 'r+');
        $this->body = $body;
        $this->start = (int) ftell($body);
        $this->size = self::sizeOf($body, $this->start);
    }

    /**
     * Sends a request with these streams.
     *
     * @param CData $err where an error goes
     *
     * @return Response|null null on failure; what was thrown meanwhile is pending
     */
    public function send(
        ?CData $manager,
        string $method,
        string $url,
        #[\SensitiveParameter] ?string $options,
        CData $err
    ): ?Response {
        $number = ++self::$made;
        self::$running[$number] = $this;
        $answer = $response = null;
        try {
            $of = self::functions();
            [$read, $rewind] = $this->body === null ? [null, null] : [$of->read, $of->rewind];
            $write = $this->sink === null && $this->path === null ? null : $of->write;
            $userdata = Native::$ffi->cast('void *', $number);
            $answer = Native::$waiting->tm_request_stream(
                $manager,
                $method,
                $url,
                $read,
                $rewind,
                $this->size,
                $write,
                $userdata,
                $options,
                $err
            );
            $response = $answer === null ? null : $this->finish($answer);
        } catch (Throwable $thrown) {
            $this->callbacks->defer($thrown);
        }
        unset(self::$running[$number]);
        Native::$ffi->tm_response_free($answer);
        $this->close();

        return $response;
    }

    /** Closes what was opened here. */
    private function close(): void
    {
        try {
            if ($this->path !== null && is_resource($this->sink)) {
                fclose($this->sink);
            }
        } catch (Throwable $thrown) {
            $this->callbacks->defer($thrown);
        }
    }

    /** The response; an answer without a body leaves an empty file. */
    private function finish(CData $answer): Response
    {
        $ffi = Native::$ffi;
        $status = $ffi->tm_response_status($answer);
        if ($this->path !== null && intdiv($status, 100) === 2) {
            $this->sink ??= self::open($this->path);
        }
        $head = ($ffi->tm_response_url($answer) ?? '') . "\n";
        $count = $ffi->tm_response_header_count($answer);
        for ($i = 0; $i < $count; $i++) {
            $head .= ($ffi->tm_response_header_name($answer, $i) ?? '') . "\n";
            $head .= ($ffi->tm_response_header_value($answer, $i) ?? '') . "\n";
        }
        $body = $ffi->tm_response_body($answer);
        $error = $ffi->tm_response_error($answer);

        return new Response(
            $status,
            $body === null ? '' : FFI::string($body, $ffi->tm_response_body_len($answer)),
            $head,
            $error === null ? null : TokenManagerException::read($error)
        );
    }

    /** @return StreamFunctions the C functions, as members of a struct */
    private static function functions(): CData
    {
        if (self::$functions === null) {
            /** @var StreamFunctions $functions */
            $functions = Native::$ffi->new(self::STRUCT);
            $functions->read = static function (CData $userdata, CData $buffer, int $length): int {
                $read = static fn (self $of): int => $of->read($buffer, $length);

                return self::run($userdata, $read, Callbacks::FAILED);
            };
            $functions->rewind = static function (CData $userdata): int {
                return self::run($userdata, static fn (self $of): int => $of->rewind(), Callbacks::NO);
            };
            $functions->write = static function (CData $userdata, CData $data, int $length): int {
                return self::run($userdata, static fn (self $of): int => $of->write($data, $length), Callbacks::FAILED);
            };
            self::$functions = $functions;
        }

        return self::$functions;
    }

    /**
     * Runs a callback of the call that `userdata` names. What it throws is pending.
     *
     * @param callable(self): int $callback
     */
    private static function run(CData $userdata, callable $callback, int $failed): int
    {
        $of = self::$running[Callbacks::number($userdata)] ?? null;
        if ($of === null) {
            return $failed;
        }
        try {
            return $callback($of);
        } catch (Throwable $thrown) {
            $of->callbacks->defer($thrown);
        }

        return $failed;
    }

    /** @return resource the body's stream; only what reads a body asks for it */
    private function body(): mixed
    {
        return $this->body ?? throw new LogicException('there is no body to read');
    }

    private function read(CData $buffer, int $length): int
    {
        if ($this->size >= 0) {
            $length = min($length, $this->size - $this->read);
        }
        $piece = $length === 0 ? '' : self::readFrom($this->body(), $length);
        FFI::memcpy($buffer, $piece, strlen($piece));
        $this->read += strlen($piece);
        if ($this->size >= 0) {
            $this->requireItsSize($piece === '');
        }

        return strlen($piece);
    }

    /** A stream filter may give more than the file has: a body must not be cut off unnoticed. */
    private function requireItsSize(bool $isAtEnd): void
    {
        if ($this->read === $this->size) {
            $isMore = !$isAtEnd && self::readFrom($this->body(), 1) !== '';
            if ($isMore && self::sizeOf($this->body(), $this->start) === $this->size) {
                throw Arguments::invalid(
                    "the body has more than the $this->size bytes that fstat() gives;"
                    . ' for a file with a stream filter, pass a php://filter stream'
                );
            }
        } elseif ($isAtEnd) {
            throw Arguments::invalid(
                "the body ended after $this->read bytes, and fstat() gave $this->size before the call;"
                . ' leave the file as it is meanwhile, and for one with a stream filter pass a php://filter stream'
            );
        }
    }

    private function rewind(): int
    {
        $body = $this->body();
        if (!stream_get_meta_data($body)['seekable'] || @fseek($body, $this->start) !== 0) {
            return Callbacks::NO;
        }
        $this->read = 0;

        return Callbacks::DONE;
    }

    private function write(CData $data, int $length): int
    {
        $this->sink ??= self::open((string) $this->path);
        $piece = FFI::string($data, $length);
        while ($piece !== '') {
            $written = self::reportsItself($this->sink) ? fwrite($this->sink, $piece) : @fwrite($this->sink, $piece);
            if (!$written) {
                throw self::ended('the sink took no more of the answer', 'see that it can be written to and blocks');
            }
            $piece = substr($piece, $written);
        }

        return Callbacks::DONE;
    }

    /**
     * Up to that many bytes; an empty string only at the end.
     *
     * @param resource $stream
     */
    private static function readFrom(mixed $stream, int $length): string
    {
        $piece = self::reportsItself($stream) ? fread($stream, $length) : @fread($stream, $length);
        if ($piece === false || ($piece === '' && !feof($stream))) {
            throw self::ended('the body could not be read to its end', 'see that its stream can be read and blocks');
        }

        return $piece;
    }

    /**
     * Whether PHP's warnings about a stream are left to be shown: with them those of the code that implements it would
     * be silenced.
     *
     * @param resource $stream
     */
    private static function reportsItself(mixed $stream): bool
    {
        return (stream_get_meta_data($stream)['wrapper_type'] ?? '') === 'user-space';
    }

    /** @return resource */
    private static function open(string $path): mixed
    {
        $problem = 'the file that the argument sink names could not be opened';

        return @fopen($path, 'wb') ?: throw self::ended($problem, 'see that its folder is there and can be written to');
    }

    /** Why a stream ends the call, with PHP's own reason if it gave one. */
    private static function ended(string $problem, string $advice): Cancelled
    {
        $error = error_get_last();
        if ($error !== null && $error['file'] === __FILE__) {
            error_clear_last();
            $problem .= ' (' . (string) preg_replace('/^\w+\(.*\): /s', '', $error['message']) . ')';
        }

        return new Cancelled("$problem; $advice", Native::$ffi->TM_CANCELLED);
    }

    /**
     * Refuses what is not a stream, or was opened for the other direction.
     *
     * @assert resource $stream
     */
    private static function requireStream(string $name, mixed $stream, string $for, string $modes): void
    {
        if (!is_resource($stream) || !str_ends_with(get_resource_type($stream), 'stream')) {
            $type = get_debug_type($stream);
            throw Arguments::invalid("the argument $name is of type $type; pass a string or a stream open for $for");
        }
        $mode = stream_get_meta_data($stream)['mode'];
        if (strpbrk($mode, $modes) === false) {
            throw Arguments::invalid("the argument $name is a stream of mode $mode; pass one that is open for $for");
        }
    }

    /** @return resource */
    private static function holding(#[\SensitiveParameter] string $text): mixed
    {
        $stream = fopen('php://memory', 'w+b');
        fwrite($stream, $text);
        rewind($stream);

        return $stream;
    }

    /**
     * How many bytes there are from `start` on; -1: unknown, as of anything that is not a file, and of those of the
     * kernel, such as /proc/version, which seem to be empty.
     *
     * @param resource $stream
     */
    private static function sizeOf(mixed $stream, int $start): int
    {
        $about = stream_get_meta_data($stream);
        $isFile = $about['stream_type'] === 'STDIO' && ($about['wrapper_type'] ?? '') === 'plainfile';
        if (!$isFile && !in_array($about['stream_type'], ['MEMORY', 'TEMP'], true)) {
            return -1;
        }
        $stat = fstat($stream);
        $isRegular = $stat !== false && ($stat['mode'] & self::FILE_TYPE) === self::REGULAR_FILE;

        return $isRegular && $stat['size'] > 0 ? max(0, $stat['size'] - $start) : -1;
    }
}
