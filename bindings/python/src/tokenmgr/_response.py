"""The answer to an API call."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from ._calls import make_error, read_error
from ._native import Outcome
from .errors import TokenManagerError


class Response:
    """An HTTP response, read whole. It never changes, and any thread may use it."""

    __slots__ = ("_error", "_head", "_headers", "content", "status_code")

    #: The HTTP status, such as 200.
    status_code: int

    #: The body, decompressed.
    content: bytes

    def __init__(self, outcome: Outcome) -> None:
        self.status_code = status = outcome.status
        self.content = body = outcome.body
        if len(body) != outcome.body_len:
            self.content = outcome.whole_body()
        self._head: bytes = outcome.head
        self._headers: Headers | None = None
        self._error = None if status < 400 else read_error(outcome.error)

    @property
    def ok(self) -> bool:
        """Whether the status is below 400."""
        return self.status_code < 400

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
        error = make_error(self._error)
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
