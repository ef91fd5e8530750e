"""Bodies that need not fit in memory: files and iterators that are sent, and answers that go to a file."""

from __future__ import annotations

import errno
import gzip
import io
import os
import pathlib
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from typing import Any, Callable

import pytest

import tokenmgr
from conftest import PASSWORD, USER, DemoApi, signal_once
from tokenmgr import TokenManager

MIB = 1 << 20


def pattern(size: int) -> bytes:
    """What /api/v1/blob gives."""
    return (bytes(range(251)) * (size // 251 + 1))[:size]


def echoed(response: tokenmgr.Response) -> dict[str, Any]:
    data: dict[str, Any] = response.raise_for_status().json()["data"]
    return data


class Pieces(io.RawIOBase):
    """A raw file that takes and gives at most 1000 bytes at a time."""

    def __init__(self, data: bytes = b"") -> None:
        self.data = bytearray(data)
        self.position = 0

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        piece = self.data[self.position : self.position + min(1000, len(buffer))]
        buffer[: len(piece)] = piece
        self.position += len(piece)
        return len(piece)

    def write(self, data: Any, /) -> int:
        self.data += data[:1000]
        return min(1000, len(data))


# ---- what is received -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, 3 * MIB])
def test_stream(tm: TokenManager, size: int) -> None:
    """Of either side of the size from which on it is a temporary file."""
    with tm.get("/api/v1/blob", params={"bytes": size}, stream=True) as response:
        assert (response.status_code, response.ok, response.error) == (200, True, None)
        assert response.headers["content-type"] == "application/octet-stream"
        assert response.read(10) == pattern(min(size, 10))
        chunks = list(response.iter_bytes(100_000))
        assert all(len(chunk) == 100_000 for chunk in chunks[:-1])
        assert b"".join(chunks) == pattern(size)[10:]
        assert response.read() == b""
        response.raw.seek(0)
        assert response.raw.read(3) == pattern(min(size, 3))
        assert response.content == response.content == pattern(size)
        assert response.raw.tell() == min(size, 3)
        file = response.raw
    assert file.closed


def test_a_streamed_response_is_as_any_other(tm: TokenManager) -> None:
    whole = tm.get("/api/v1/products", params={"page": 1})
    with tm.get("/api/v1/products", params={"page": 1}, stream=True) as streamed:
        assert streamed.json() == whole.json()
        assert streamed.url == whole.url
        assert dict(streamed.headers) == {**whole.headers, "date": streamed.headers["date"]}


def test_a_whole_response_has_the_same_methods(tm: TokenManager) -> None:
    with tm.get("/api/v1/blob", params={"bytes": 1000}) as response:
        assert response.read(100) == pattern(100)
        assert b"".join(response.iter_bytes(chunk_size=300)) == pattern(1000)[100:]
        with pytest.raises(ValueError, match="chunk size"):
            response.iter_bytes(0)
    assert response.content == pattern(1000)


def test_what_no_limit_counts_for(api: DemoApi) -> None:
    with TokenManager(api.url, USER, PASSWORD, max_response_bytes=MIB) as tm:
        with pytest.raises(tokenmgr.ResponseTooLarge):
            tm.get("/api/v1/blob", params={"bytes": 2 * MIB})
        with tm.get("/api/v1/blob", params={"bytes": 2 * MIB}, stream=True) as response:
            assert response.content == pattern(2 * MIB)


@pytest.mark.parametrize("how", ["stream", "sink"])
def test_gzip_arrives_decompressed(tm: TokenManager, how: str) -> None:
    sink = io.BytesIO()
    arguments: Any = {"stream": True} if how == "stream" else {"sink": sink}
    with tm.get("/api/v1/blob", params={"bytes": 3 * MIB, "gzip": 1}, **arguments) as response:
        assert (response.read() if how == "stream" else sink.getvalue()) == pattern(3 * MIB)


def test_sink(tm: TokenManager, tmp_path: pathlib.Path) -> None:
    sinks: list[Any] = [io.BytesIO(), Pieces()]
    for sink in sinks:
        response = tm.get("/api/v1/blob", params={"bytes": 200_000}, sink=sink)
        assert (response.status_code, response.content, response.read()) == (200, b"", b"")
    assert sinks[0].getvalue() == sinks[1].data == pattern(200_000)
    with (tmp_path / "file").open("wb", buffering=0) as file:
        tm.get("/api/v1/blob", params={"bytes": 200_000}, sink=file)
    assert (tmp_path / "file").read_bytes() == pattern(200_000)


def test_a_path_as_sink(tm: TokenManager, tmp_path: pathlib.Path) -> None:
    path = tmp_path / "blob"
    for kind in (str, pathlib.Path):
        for size in (200_000, 0):
            assert tm.get("/api/v1/blob", params={"bytes": size}, sink=kind(path)).content == b""
            assert path.read_bytes() == pattern(size)
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~umask
    path.chmod(0o640)
    (tmp_path / "link").symlink_to("blob")
    tm.get("/api/v1/blob", params={"bytes": 7}, sink=tmp_path / "link")
    assert (path.read_bytes(), stat.S_IMODE(path.stat().st_mode)) == (pattern(7), 0o640)
    tm.get("/api/v1/blob", params={"bytes": 7}, sink="/dev/null")
    assert sorted(tmp_path.iterdir()) == [path, tmp_path / "link"]


def test_no_half_file_is_left(tm: TokenManager, api: DemoApi, tmp_path: pathlib.Path) -> None:
    path = tmp_path / "blob"
    for known in (None, b"before"):
        if known:
            path.write_bytes(known)
        api.control(faults={"route": "/api/*", "do": "truncate", "bytes": 100_000})
        with pytest.raises(tokenmgr.NetworkError):
            tm.get("/api/v1/blob", params={"bytes": 200_000}, sink=path)
        assert tm.get("/api/v1/status/404", sink=path).json()["error"]["code"] == "as_requested"
        assert [file.read_bytes() for file in tmp_path.iterdir()] == ([known] if known else [])
    calls = api.counter("api_arrivals")
    with pytest.raises(FileNotFoundError):
        tm.get("/api/v1/products", sink=tmp_path / "none" / "file")
    with pytest.raises(IsADirectoryError):
        tm.get("/api/v1/products", sink=tmp_path)
    assert api.counter("api_arrivals") == calls


@pytest.mark.parametrize("arguments", [{"stream": True}, {"sink": io.BytesIO()}], ids=["stream", "sink"])
def test_a_404_is_in_the_response(tm: TokenManager, arguments: Any) -> None:
    with tm.get("/api/v1/status/404", **arguments) as response:
        assert response.status_code == 404
        assert response.json()["error"]["code"] == "as_requested"
        assert response.read() == b"".join(tm.get("/api/v1/status/404", stream=True).iter_bytes()) == response.content
        with pytest.raises(tokenmgr.HttpError) as raised:
            response.raise_for_status()
    assert (raised.value.http_status, raised.value.server_code) == (404, "as_requested")
    assert raised.value.response is response
    if "sink" in arguments:
        assert arguments["sink"].getvalue() == b""


# ---- what is sent ---------------------------------------------------------------------------------------------------


def test_a_file(tm: TokenManager, tmp_path: pathlib.Path) -> None:
    """Its size is known, and what was read of it before is not sent."""
    (tmp_path / "body").write_bytes(pattern(200_000))
    for buffering in (-1, 0):
        with (tmp_path / "body").open("rb", buffering) as file:
            file.seek(1000)
            data = echoed(tm.post("/api/v1/echo", data=file, content_type="application/octet-stream"))
        assert data["body_bytes"] == 199_000
        assert data["headers"]["content-length"] == ["199000"]
        assert data["headers"]["content-type"] == ["application/octet-stream"]
    with tempfile.NamedTemporaryFile() as empty, tm.post("/api/v1/echo", data=empty, stream=True) as response:
        assert echoed(response)["headers"]["content-length"] == ["0"]
    assert echoed(tm.post("/api/v1/echo", data=io.BytesIO(b"body")))["headers"]["content-length"] == ["4"]


def test_what_has_no_known_size(tm: TokenManager, tmp_path: pathlib.Path) -> None:
    with gzip.open(tmp_path / "body.gz", "wb") as packed:
        packed.write(b"body" * 50_000)
    first, second = socket.socketpair()
    with first, second, gzip.open(tmp_path / "body.gz", "rb") as unpacked, second.makefile("rb") as received:
        first.sendall(b"body" * 1000)
        first.shutdown(socket.SHUT_WR)
        bodies: list[tuple[Any, int]] = [
            (unpacked, 200_000),
            (received, 4000),
            (Pieces(b"body" * 1000), 4000),
            ((b"body" for _ in range(1000)), 4000),
            (iter([b"", bytearray(b"bo"), memoryview(b"dy"), b""]), 4),
            ([b"body" * 50_000], 200_000),
            ((), 0),
        ]
        for body, size in bodies:
            data = echoed(tm.post("/api/v1/echo", data=body))
            assert data["body"] == "body" * (size // 4)
            assert data["headers"]["transfer-encoding"] == ["chunked"]


def test_both_at_once(tm: TokenManager) -> None:
    with tm.post("/api/v1/echo", data=io.BytesIO(b"body"), stream=True) as response:
        assert echoed(response)["body"] == "body"
    with tm.post("/api/v1/echo", json={"a": 1}, stream=True) as response:
        assert echoed(response)["body"] == '{"a":1}'
        assert echoed(response)["headers"]["content-length"] == ["7"]


@pytest.mark.parametrize("kind", ["file", "bytes", "list"])
def test_it_is_rewound_and_sent_again_after_a_401(tm: TokenManager, api: DemoApi, kind: str) -> None:
    file = io.BytesIO(b"not this" + pattern(100_000))
    file.seek(8)
    bodies: dict[str, Any] = {
        "file": file,
        "bytes": pattern(100_000),
        "list": [pattern(50_000), pattern(100_000)[50_000:]],
    }
    tm.login()
    api.control(revoke={"what": "access"})
    with tm.post("/api/v1/echo", data=bodies[kind], stream=True) as response:
        assert echoed(response)["body_bytes"] == 100_000
    # The token is new, so it is sent twice before it is renewed.
    assert (api.counter("api_401"), api.counter("api_200"), api.counter("refreshes")) == (2, 1, 1)


def test_what_can_not_be_rewound_is_not_sent_again(tm: TokenManager, api: DemoApi) -> None:
    bodies: list[Any] = [(b"body" for _ in range(1000)), Pieces(b"body")]
    for body in bodies:
        tm.login()
        calls = api.counter("api_arrivals")
        api.control(revoke={"what": "access"})
        response = tm.post("/api/v1/echo", data=body)
        assert response.status_code == 401
        assert response.json()["error"]
        assert isinstance(response.error, tokenmgr.Unauthorized)
        assert api.counter("api_arrivals") == calls + 1
        assert tm.get("/api/v1/products").ok


def test_a_generator_may_call_the_manager(tm: TokenManager) -> None:
    def pieces() -> Iterator[bytes]:
        for page in range(3):
            yield b"%d" % tm.get("/api/v1/products", params={"page": page}).status_code

    assert echoed(tm.post("/api/v1/echo", data=pieces()))["body"] == "200200200"


# ---- what goes wrong ------------------------------------------------------------------------------------------------


def test_text_is_refused(tm: TokenManager, api: DemoApi, tmp_path: pathlib.Path) -> None:
    with (tmp_path / "text").open("w+") as file, tempfile.SpooledTemporaryFile(mode="w+") as spooled:
        texts: list[Any] = [file, spooled, io.StringIO("text"), sys.__stdin__]
        for text in texts:
            with pytest.raises(TypeError, match=r'data is a file in text mode; open it in binary mode, "rb"'):
                tm.post("/api/v1/echo", data=text)
            with pytest.raises(TypeError, match=r'sink is a file in text mode; open it in binary mode, "wb"'):
                tm.get("/api/v1/echo", sink=text)
    nonsense: Any = object()
    with pytest.raises(TypeError, match="data is of type object"):
        tm.post("/api/v1/echo", data=nonsense)
    with pytest.raises(TypeError, match="sink is of type object"):
        tm.get("/api/v1/echo", sink=nonsense)
    with pytest.raises(TypeError, match="not both"):
        tm.get("/api/v1/echo", sink=io.BytesIO(), stream=True)
    assert api.counter("api_arrivals") == 0


class Odd:
    """A file whose methods give what they are made with."""

    def __init__(self, given: Any) -> None:
        self.given = given

    def read(self, size: int) -> Any:
        return self.given

    def write(self, data: bytes) -> Any:
        return self.given


def test_odd_files(tm: TokenManager) -> None:
    for given, error in (("text", TypeError), (None, BlockingIOError), (b"x" * 300_000, ValueError)):
        with pytest.raises(error, match=r"data.*(gave|non-blocking)"):
            tm.post("/api/v1/echo", data=Odd(given))
    items: Any = ["text"]
    with pytest.raises(TypeError, match="gave str, where bytes are wanted"):
        tm.post("/api/v1/echo", data=items)
    assert tm.get("/api/v1/blob?bytes=100000", sink=Odd(None)).ok
    with pytest.raises(OSError, match="took no bytes"):
        tm.get("/api/v1/blob?bytes=100000", sink=Odd(0))


def test_a_non_blocking_sink(tm: TokenManager) -> None:
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    with open(reading, "rb"), open(writing, "wb", buffering=0) as file, pytest.raises(BlockingIOError):
        tm.get("/api/v1/blob", params={"bytes": MIB}, sink=file)


def test_a_full_disk(tm: TokenManager) -> None:
    for sink in ("/dev/full", pathlib.Path("/dev/full")):
        with pytest.raises(OSError, match="No space") as raised:
            tm.get("/api/v1/blob", params={"bytes": 200_000}, sink=sink)
        assert raised.value.errno == errno.ENOSPC


class Failing(io.BytesIO):
    """A file that fails when it is asked for more, or written to, or rewound."""

    def __init__(self, failure: BaseException, *, can_be_read: bool = False) -> None:
        super().__init__(b"body")
        self.failure = failure
        self.can_be_read = can_be_read

    def read(self, size: int | None = -1, /) -> bytes:
        if self.can_be_read:
            return super().read(size)
        raise self.failure

    def write(self, data: Any, /) -> int:
        raise self.failure

    def seek(self, offset: int, whence: int = 0, /) -> int:
        raise self.failure


@pytest.mark.parametrize("failure", [LookupError("mine"), KeyboardInterrupt("mine"), SystemExit("mine")])
def test_what_is_raised_comes_out_as_itself(tm: TokenManager, api: DemoApi, failure: BaseException) -> None:
    def pieces() -> Iterator[bytes]:
        yield b"body"
        raise failure

    calls: list[Callable[[], Any]] = [
        lambda: tm.get("/api/v1/products", sink=Failing(failure)),
        lambda: tm.post("/api/v1/echo", data=Failing(failure)),
        lambda: tm.post("/api/v1/echo", data=pieces()),
    ]
    for call in calls:
        with pytest.raises(type(failure), match="mine") as raised:
            call()
        assert raised.value is failure
        assert tm.get("/api/v1/products").ok
    api.control(revoke={"what": "access"})
    with pytest.raises(type(failure), match="mine"):
        tm.post("/api/v1/echo", data=Failing(failure, can_be_read=True))
    assert tm.get("/api/v1/products").ok


class Away(tokenmgr.TokenStore):
    is_shared = False

    def load(self, key: str) -> bytes | None:
        raise OSError("the store is away")

    def save(self, key: str, data: bytes | None, expected: bytes | None, ttl_seconds: int) -> bool:
        return True


def test_it_is_not_lost_where_a_store_fails_too(api: DemoApi) -> None:
    with TokenManager(api.url, USER, PASSWORD, store=Away()) as tm, pytest.raises(LookupError, match="mine"):
        tm.post("/api/v1/echo", data=Failing(LookupError("mine")))


def test_ctrl_c_while_a_body_is_received(tm: TokenManager, api: DemoApi) -> None:
    tm.login()
    for arguments in ({"stream": True}, {"sink": io.BytesIO()}):
        api.control(faults={"route": "/api/*", "do": "trickle_body"})
        with signal_once(api, "api_arrivals", signal.SIGINT), pytest.raises(KeyboardInterrupt):
            tm.get("/api/v1/blob", params={"bytes": MIB}, **arguments)
    assert tm.get("/api/v1/products").ok


def test_ctrl_c_while_a_body_is_read(tm: TokenManager) -> None:
    tm.login()
    is_asked = threading.Event()

    class Slow:
        def read(self, size: int) -> bytes:
            is_asked.set()
            while True:
                time.sleep(0.01)

    def interrupt() -> None:
        is_asked.wait()
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        tm.post("/api/v1/echo", data=Slow())
    thread.join()
    assert tm.get("/api/v1/products").ok


def test_a_timeout_counts_for_the_bodies(tm: TokenManager, api: DemoApi, tmp_path: pathlib.Path) -> None:
    tm.login()
    api.control(faults={"route": "/api/*", "do": "trickle_body"})
    with pytest.raises(tokenmgr.Timeout):
        tm.get("/api/v1/blob", params={"bytes": MIB}, timeout=0.5, sink=tmp_path / "blob")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("api")
def test_constant_memory(python: Callable[..., subprocess.Popen[str]], tmp_path: pathlib.Path) -> None:
    """64 MiB each way, one after the other, take less than 16."""
    program = python(
        """
        def most():
            return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM")) // 1024

        def both_ways(size):
            with manager.get("/api/v1/blob", params={"bytes": size}, stream=True) as response:
                assert sum(map(len, response.iter_bytes())) == size
            assert manager.get("/api/v1/blob", params={"bytes": size}, sink=path).ok
            with open(path, "rb") as file:
                assert manager.post("/api/v1/status/200", data=file).ok
            with open(path, "rb") as file:
                assert manager.post("/api/v1/status/200", data=iter(lambda: file.read(100_000), b"")).ok

        path = os.environ["BLOB"]
        manager = tm()
        both_ways(2 << 20)
        before = most()
        both_ways(64 << 20)
        print(most() - before)
        """,
        BLOB=str(tmp_path / "blob"),
    )
    said, wrong = program.communicate(timeout=120)
    assert wrong == ""
    assert int(said) < 16
