"""Bodies that need not fit in memory: files and iterators that are read while they are sent, and where the body of an
answer goes as it arrives.

The library calls back for both, on the thread of the call and until the call ends. It has no response before the end of
the body. So `stream=True` cannot give a response whose body is still on its way: it puts the body into a temporary file.
"""

from __future__ import annotations

import ctypes
import errno
import io
import os
import secrets
import stat
from collections.abc import Iterable
from functools import partial
from typing import Any, BinaryIO, Callable, Protocol, cast

from . import _exit
from . import _native as native
from ._api import tm_body_read, tm_body_rewind, tm_body_write
from ._callbacks import DONE, FAILED, Callback
from ._outcomes import streamed_response
from ._response import Response

#: A body of `stream=True` is held in memory up to this size.
SPOOLED_BYTES = 1 << 20


class Readable(Protocol):
    """A binary file to read."""

    def read(self, size: int, /) -> bytes: ...


class Writable(Protocol):
    """A binary file to write."""

    def write(self, data: bytes, /) -> object: ...


# ---- what is sent ---------------------------------------------------------------------------------------------------


class Source(Protocol):
    """A request's body."""

    #: Its size in bytes; -1: unknown.
    size: int
    can_rewind: bool

    def read(self, size: int) -> bytes:
        """The next bytes, at most so many; none at the end."""

    def rewind(self) -> None:
        """Goes back to the beginning."""


def source_of(data: Any) -> Source:
    if hasattr(data, "read"):
        return FileSource(data)
    try:
        return FileSource(io.BytesIO(memoryview(data)))
    except TypeError:
        pass
    if isinstance(data, Iterable):
        return IteratorSource(data)
    raise TypeError(
        f"data is of type {type(data).__name__}; pass bytes, text, a mapping, a binary file or an iterator of bytes"
    )


class FileSource:
    """A file, from its position to its end."""

    def __init__(self, file: Any) -> None:
        refuse_text(file, "data", "rb")
        self._file = file
        self.size = -1
        self.can_rewind = hasattr(file, "seekable") and file.seekable()
        if self.can_rewind:
            self._start = file.tell()
            size = size_of(file)
            if size is not None:
                self.size = max(0, size - self._start)

    def read(self, size: int) -> bytes:
        piece = self._file.read(size)
        if piece is None:
            raise BlockingIOError(errno.EAGAIN, "data is a non-blocking file that has no bytes now; make it blocking")
        piece = as_bytes(piece, "data.read()")
        if len(piece) > size:
            raise ValueError(f"data.read() gave {len(piece)} bytes; at most the {size} that it was asked for are taken")
        return piece

    def rewind(self) -> None:
        self._file.seek(self._start)


def size_of(file: Any) -> int | None:
    """The size of a file, where reading gives as much; of a GzipFile, for one, it does not."""
    if isinstance(file, io.BytesIO):
        return len(file.getbuffer())
    if isinstance(getattr(file, "raw", file), io.FileIO):
        status = os.fstat(file.fileno())
        if stat.S_ISREG(status.st_mode):
            return status.st_size
    return None


class IteratorSource:
    """An iterator of bytes. One that has begun cannot begin again; a list can."""

    size = -1

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = pieces
        self.can_rewind = isinstance(pieces, (list, tuple))
        self.rewind()

    def rewind(self) -> None:
        self._iterator = iter(self._pieces)
        self._piece = memoryview(b"")

    def read(self, size: int) -> bytes:
        while not self._piece:
            try:
                piece = next(self._iterator)
            except StopIteration:
                return b""
            self._piece = memoryview(as_bytes(piece, "the iterator data"))
        taken = bytes(self._piece[:size])
        self._piece = self._piece[size:]
        return taken


def as_bytes(piece: object, who: str) -> bytes:
    if isinstance(piece, bytes):
        return piece
    if isinstance(piece, (bytearray, memoryview)):
        return bytes(piece)
    raise TypeError(f"{who} gave {type(piece).__name__}, where bytes are wanted")


def refuse_text(file: Any, argument: str, mode: str) -> None:
    if hasattr(file, "encoding"):
        raise TypeError(f'{argument} is a file in text mode; open it in binary mode, "{mode}", or pass its `buffer`')


# ---- where an answer's body goes ------------------------------------------------------------------------------------


class Target(Protocol):
    """Where the body of a 2xx answer goes."""

    def write(self, piece: bytes) -> None:
        """Takes the next piece."""

    def finish(self) -> BinaryIO | None:
        """Of a body that is complete. Returns the file that holds it, if it is for the response."""

    def close(self) -> None:
        """Always comes last. What was not finished goes."""


class FileTarget:
    """The caller's own file."""

    def __init__(self, file: Any) -> None:
        refuse_text(file, "sink", "wb")
        self._file = file

    def write(self, piece: bytes) -> None:
        write_all(self._file, piece)

    def finish(self) -> None:
        pass

    def close(self) -> None:
        pass


class PathTarget:
    """A file that is written under a temporary name in the same folder, and renamed when it is complete. What is no regular
    file, such as a device or a pipe, is written directly."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = path = os.path.realpath(path)
        self._part: str | None = None
        if os.path.exists(path) and not os.path.isfile(path):
            self._file = open(path, "wb")  # noqa: SIM115
            return
        if os.path.exists(path) and not os.access(path, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
        part = os.path.join(os.path.dirname(path), f".tokenmgr-{secrets.token_hex(8)}.part")
        self._file = open(part, "xb")  # noqa: SIM115
        self._part = part
        if os.path.exists(path):
            os.chmod(part, stat.S_IMODE(os.stat(path).st_mode))

    def write(self, piece: bytes) -> None:
        self._file.write(piece)

    def finish(self) -> None:
        self._file.close()
        if self._part is not None:
            os.replace(self._part, self._path)
            self._part = None

    def close(self) -> None:
        try:
            self._file.close()
        finally:
            if self._part is not None:
                os.unlink(self._part)


class Spool:
    """Memory, and from a certain size on a temporary file, that the response reads."""

    def __init__(self) -> None:
        self._file: BinaryIO | None = io.BytesIO()

    def write(self, piece: bytes) -> None:
        file = self._file
        assert file is not None
        if isinstance(file, io.BytesIO) and file.tell() + len(piece) > SPOOLED_BYTES:
            import tempfile

            self._file = cast(BinaryIO, tempfile.TemporaryFile(prefix="tokenmgr-"))  # noqa: SIM115
            self._file.write(file.getbuffer())
            file = self._file
        file.write(piece)

    def finish(self) -> BinaryIO | None:
        file, self._file = self._file, None
        assert file is not None
        file.seek(0)
        return file

    def close(self) -> None:
        if self._file is not None:
            self._file.close()


def write_all(file: Any, piece: bytes) -> None:
    """Writes all of it, also where a raw file takes a part at a time."""
    while piece:
        written = file.write(piece)
        if written is None and isinstance(file, io.RawIOBase):
            raise BlockingIOError(errno.EAGAIN, "sink is a non-blocking file that takes no bytes now; make it blocking")
        if not isinstance(written, int):
            return
        if written < 1:
            raise OSError(errno.EIO, "sink.write() took no bytes")
        piece = piece[written:]


def target_of(stream: bool, sink: Any) -> Target | None:
    if sink is None:
        return Spool() if stream else None
    if stream:
        raise TypeError("pass stream or sink, not both: there is one body")
    if isinstance(sink, (str, os.PathLike)):
        return PathTarget(sink)
    if hasattr(sink, "write"):
        return FileTarget(sink)
    raise TypeError(f"sink is of type {type(sink).__name__}; pass a path or a binary file")


# ---- one request ----------------------------------------------------------------------------------------------------


class Streams:
    """The bodies of one request, as a context that gives what the library takes for them."""

    def __init__(self, source: Source | None, stream: bool, sink: Any) -> None:
        self.source = source
        self.stream = stream
        self.sink = sink
        self._target: Target | None = None

    def __enter__(self) -> tuple[Any, Any, int, Any]:
        source = self.source
        self._target = target = target_of(self.stream, self.sink)
        read, rewind, write = tm_body_read(), tm_body_rewind(), tm_body_write()
        if source is not None:
            read = tm_body_read(callback(partial(read_into, source)))
            if source.can_rewind:
                rewind = tm_body_rewind(callback(partial(rewound, source)))
        if target is not None:
            write = tm_body_write(callback(partial(written_to, target)))
        return read, rewind, source.size if source is not None else 0, write

    def response(self, handle: ctypes.c_void_p) -> Response:
        target = self._target
        if target is None or not 200 <= native.response_status(handle) < 300:
            return streamed_response(handle, None)
        return streamed_response(handle, target.finish())

    def __exit__(self, *_: object) -> None:
        if self._target is not None:
            self._target.close()


def read_into(source: Source, buffer: int, size: int) -> int:
    piece = source.read(size)
    ctypes.memmove(buffer, piece, len(piece))
    return len(piece)


def rewound(source: Source) -> int:
    source.rewind()
    return DONE


def written_to(target: Target, data: int, size: int) -> int:
    target.write(ctypes.string_at(data, size))
    return DONE


def callback(function: Callable[..., int]) -> Callback:
    """When the program ends, no daemon thread is to run Python code in a callback."""

    def unless_stopping(*arguments: int) -> int:
        return FAILED if _exit.is_stopping() else function(*arguments)

    return Callback(unless_stopping)
