"""The answer to an API call."""

from __future__ import annotations

import ctypes
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from . import _native as native
from ._calls import read_error
from .errors import TokenManagerError

_status = native.response_status
_text = native.response_text
_body = native.response_body
_size = native.response_body_len


class Response:
    """An HTTP response, read whole. It never changes, and any thread may use it."""

    __slots__ = ("_content", "_handle", "_headers", "status_code")

    #: The HTTP status, such as 200.
    status_code: int

    def __init__(self, handle: Any) -> None:
        self._handle = handle
        self._content: bytes | None = None
        self._headers: Headers | None = None
        self.status_code = _status(handle)

    @property
    def ok(self) -> bool:
        """Whether the status is below 400."""
        return self.status_code < 400

    @property
    def content(self) -> bytes:
        """The body, decompressed."""
        content = self._content
        if content is None:
            handle = self._handle
            content, size = _text(handle), _size(handle)
            if len(content) != size:  # there is a NUL in it
                content = ctypes.string_at(_body(handle), size)
            self._content = content
        return content

    @property
    def text(self) -> str:
        """The body as text, in the charset that the answer names, or else UTF-8."""
        named = re.search(r"charset=[\"']?([^\s;\"']+)", self.headers.get("content-type", ""), re.IGNORECASE)
        try:
            return self.content.decode(named[1] if named else "utf-8", "replace")
        except (LookupError, ValueError):  # unknown, or one that can not replace what is no text in it
            return self.content.decode("utf-8", "replace")

    def json(self, **options: Any) -> Any:
        """The body as JSON; `options` are those of `json.loads`. Raises ValueError if it is none."""
        return json.loads(self.content, **options)

    @property
    def headers(self) -> Headers:
        """The headers, by name in any case."""
        if self._headers is None:
            self._headers = Headers(self._handle)
        return self._headers

    @property
    def url(self) -> str:
        """The URL that answered, after redirects."""
        url: bytes = native.response_url(self._handle)
        return url.decode()

    @property
    def error(self) -> TokenManagerError | None:
        """What a status of 400 and above means, with the server's own code and message; None below."""
        pointer = native.response_error(self._handle)
        if not pointer:
            return None
        error = read_error(pointer)
        error.response = self
        return error

    def raise_for_status(self) -> Response:
        """Raises `error` if the status is 400 or above: Forbidden, RateLimited, ... Returns the response otherwise."""
        error = self.error
        if error is not None:
            raise error
        return self

    def __repr__(self) -> str:
        return f"<Response {self.status_code}>"

    def __reduce__(self) -> Any:
        raise TypeError(
            "a Response can not be pickled or copied; pass on what you need of it: status_code, content, json()"
        )


class Headers(Mapping[str, str]):
    """Header names, in any case, and values. A repeated header is one value with commas, as RFC 9110 has it."""

    __slots__ = ("_pairs",)

    def __init__(self, handle: Any) -> None:
        name, value = native.response_header_name, native.response_header_value
        self._pairs = [
            (name(handle, place).decode("latin-1"), decoded(value(handle, place)))
            for place in range(native.response_header_count(handle))
        ]

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
