"""What a call comes to: a Response, or a TokenManagerError. Each may hold the other, so both are defined here."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, BinaryIO, ClassVar, NamedTuple

from ._api import Status

if TYPE_CHECKING:
    from types import TracebackType


class TokenManagerError(Exception):
    """Why a call failed. Its text is one sentence: what failed, on what, and what to do; it never holds a secret."""

    #: The status of the C interface.
    status: Status | None = None
    #: The HTTP status of the answer that the error came from, if there was one.
    http_status: int | None = None
    #: The API's own error code, if the answer had one.
    server_code: str | None = None
    #: How long to wait before the next try, in seconds, if known.
    retry_after: float | None = None
    #: Whether the same call may succeed later without anyone changing anything.
    is_retryable: bool = False
    #: The response that `Response.raise_for_status()` was asked about.
    response: Response | None = None

    #: The class of each status.
    _of: ClassVar[dict[int, type[TokenManagerError]]] = {}

    def __init_subclass__(cls, status: Status | None = None) -> None:
        super().__init_subclass__()
        if status is not None:
            cls.status = status
            TokenManagerError._of[status] = cls

    def __reduce__(self) -> tuple[object, ...]:
        # For multiprocessing, which sends exceptions between processes. A response stays in its own.
        return type(self), self.args, {name: value for name, value in vars(self).items() if name != "response"}


class ErrorFacts(NamedTuple):
    """What the library says of an error."""

    status: int
    message: str
    http_status: int
    server_code: bytes | None
    retry_after_ms: int
    is_retryable: bool

    def error(self) -> TokenManagerError:
        status = self.status
        kind = TokenManagerError._of.get(status)
        error = (kind or TokenManagerError)(self.message)
        error.status = Status(status) if kind else None
        error.http_status = self.http_status or None
        error.server_code = None if self.server_code is None else self.server_code.decode()
        error.retry_after = None if self.retry_after_ms < 0 else self.retry_after_ms / 1000
        error.is_retryable = self.is_retryable
        return error


class Response:
    """An HTTP response, received whole. It never changes, and any thread may use it; but `raw` is a file, and so are
    `read` and `iter_bytes`, which read it: for one thread at a time."""

    __slots__ = ("_content", "_error", "_file", "_head", "_headers", "status_code")

    #: The HTTP status, such as 200.
    status_code: int

    def __init__(
        self, status: int, content: bytes | None, head: bytes, error: ErrorFacts | None, file: BinaryIO | None = None
    ) -> None:
        """`head`: the member of `tm_outcome`. `content`: None where the body is in a file."""
        self.status_code = status
        self._content = content
        self._head = head
        self._headers: Headers | None = None
        self._error = error
        self._file = file

    @property
    def ok(self) -> bool:
        """Whether the status is below 400."""
        return self.status_code < 400

    @property
    def content(self) -> bytes:
        """The body, decompressed. With `stream=True` this takes all of it into memory; with `sink` it is empty."""
        body = self._content
        if body is None:
            assert self._file is not None
            position = self._file.tell()
            self._file.seek(0)
            self._content = body = self._file.read()
            self._file.seek(position)
        return body

    @property
    def raw(self) -> BinaryIO:
        """The body as a binary file, decompressed. With `stream=True` a temporary one, at its beginning at first."""
        if self._file is None:
            self._file = io.BytesIO(self._content or b"")
        return self._file

    def read(self, size: int = -1) -> bytes:
        """The next bytes of `raw`, at most so many; all that are left unless a size is given."""
        return self.raw.read(size)

    def iter_bytes(self, chunk_size: int = 65536) -> Iterator[bytes]:
        """What is left of `raw`, in chunks of that size; the last may be smaller."""
        if chunk_size < 1:
            raise ValueError(f"the chunk size is {chunk_size!r}; pass 1 or more")
        return iter(partial(self.raw.read, chunk_size), b"")

    def close(self) -> None:
        """Closes `raw`, which frees the temporary file. Needed, or `with`, only after `stream=True`."""
        if self._file is not None:
            self._file.close()

    def __enter__(self) -> Response:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, raised: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def text(self) -> str:
        """The body as text, in the charset that the answer names, or else UTF-8."""
        named = re.search(r"charset=[\"']?([^\s;\"']+)", self.headers.get("content-type", ""), re.IGNORECASE)
        try:
            return self.content.decode(named[1] if named else "utf-8", "replace")
        except (LookupError, ValueError):  # unknown, or one that cannot replace what is no text in it
            return self.content.decode("utf-8", "replace")

    def json(self, **options: Any) -> Any:
        """The body as JSON; `options` are those of `json.loads`. Raises ValueError if it is none."""
        return json.loads(self.content, **options)

    @property
    def headers(self) -> Headers:
        """The headers, by name in any case."""
        if self._headers is None:
            self._headers = Headers(self._head)
        return self._headers

    @property
    def url(self) -> str:
        """The URL that answered, after redirects."""
        return self._head.split(b"\n", 1)[0].decode()

    @property
    def error(self) -> TokenManagerError | None:
        """What a status of 400 and above means, with the server's own code and message; None below."""
        if self._error is None:
            return None
        error = self._error.error()
        error.response = self
        return error

    def raise_for_status(self) -> Response:
        """Raises `error` if the status is 400 or above: Forbidden, RateLimited, ... Returns the response otherwise."""
        error = self.error
        if error is not None:
            raise error
        return self

    def __repr__(self) -> str:
        try:
            return f"<Response {self.status_code}>"
        except AttributeError:
            return "<Response that was not made>"

    def __reduce__(self) -> Any:
        raise TypeError(
            "a Response cannot be pickled or copied; pass on what you need of it: status_code, content, json()"
        )


class Headers(Mapping[str, str]):
    """Header names, in any case, and values. A repeated header is one value with commas, as RFC 9110 has it."""

    __slots__ = ("_pairs",)

    def __init__(self, head: bytes) -> None:
        _, *lines, _ = head.split(b"\n")
        self._pairs = [(name.decode("latin-1"), decoded(value)) for name, value in zip(lines[::2], lines[1::2])]

    def get_list(self, name: str) -> list[str]:
        """Every value of a header, in order."""
        name = name.lower()
        return [value for known, value in self._pairs if known == name]

    def __getitem__(self, name: str) -> str:
        values = self.get_list(name)
        if not values:
            raise KeyError(name)
        return ", ".join(values)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and bool(self.get_list(name))

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(name for name, _ in self._pairs))

    def __len__(self) -> int:
        return len({name for name, _ in self._pairs})

    def __repr__(self) -> str:
        return f"<Headers {', '.join(self)}>"  # names only: a value may be a secret, such as a cookie


def decoded(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")
