"""What an API call takes: from Python's arguments to the body and the options that the library reads."""

from __future__ import annotations

import io
import json as json_text
import os
import urllib.parse
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypedDict, Union

from . import _native as native
from ._streams import Readable, Source, Streams, Writable, source_of
from .errors import InvalidArgument

#: What a body is given as.
Data = Union[bytes, bytearray, memoryview, str, Mapping[str, Any], Readable, Iterable[bytes]]

Value = Union[str, int, float, bool]
Values = Union[Value, None, Sequence[Value]]

if TYPE_CHECKING:

    class RequestArguments(TypedDict, total=False):
        """What get(), post(), ... take by keyword."""

        #: Query parameters; a list is repeated, None left out.
        params: Mapping[str, Values] | Iterable[tuple[str, Value]] | None
        #: The body, as anything that `json.dumps` takes.
        json: Any
        #: The body as bytes or text; a mapping makes a form. A binary file or an iterator of bytes is read while it is
        #: sent; what cannot be rewound is not sent again, as after a 401.
        data: Data | None
        #: In place of the manager's headers of the same names; a list is repeated, None left out.
        headers: Mapping[str, Values] | None
        #: How long the call may take in all, in seconds, in place of the manager's `timeout_ms`.
        timeout: float | None
        #: The body's Content-Type; application/json unless given here or in the headers.
        content_type: str | None
        #: Says that the call may safely reach the server twice, whatever its method.
        idempotent: bool | None
        #: Has the body of a 2xx answer put into a temporary file, for `iter_bytes`, `raw` and `read` of the response.
        stream: bool
        #: A binary file that takes the body of a 2xx answer as it arrives; or the path of one, which is made, or
        #: replaced, when the body is complete.
        sink: str | os.PathLike[str] | Writable | None


def compose(
    *,
    params: Mapping[str, Values] | Iterable[tuple[str, Value]] | None = None,
    json: Any = None,
    data: Data | None = None,
    headers: Mapping[str, Values] | None = None,
    timeout: float | None = None,
    content_type: str | None = None,
    idempotent: bool | None = None,
    stream: bool = False,
    sink: str | os.PathLike[str] | Writable | None = None,
) -> tuple[bytes | Streams | None, Any, bytes | None]:
    """The body, its size and the options; in place of the body both bodies, if one of them is not held in memory."""
    body: bytes | None = None
    source: Source | None = None
    if json is not None:
        if data is not None:
            raise TypeError("there is one body: pass json or data, not both")
        body = json_text.dumps(json, separators=(",", ":"), allow_nan=False).encode()
    elif isinstance(data, str):
        body = data.encode()
    elif isinstance(data, Mapping):
        body = urllib.parse.urlencode(data, doseq=True).encode()
        content_type = content_type or "application/x-www-form-urlencoded"
    elif isinstance(data, (bytes, bytearray, memoryview)):
        body = bytes(data)
    elif data is not None:
        source = source_of(data)
    options: dict[str, Any] = {}
    if params:
        options["query"] = present(params.items() if isinstance(params, Mapping) else params)
    if headers:
        options["headers"] = present(headers.items())
    if timeout is not None:
        options["timeout_ms"] = milliseconds(timeout)
    if content_type is not None:
        options["content_type"] = content_type
    if idempotent is not None:
        options["idempotent"] = idempotent
    # A NUL ends no string here: JSON writes it \u0000.
    text = json_text.dumps(options).encode() if options else None
    if stream or sink is not None or source is not None:
        if source is None and body:
            source = source_of(io.BytesIO(body))
        return Streams(source, stream, sink), None, text
    return body, native.SIZE(len(body or b"")), text


def present(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """What is not None; what comes twice is a list."""
    values: dict[str, Any] = {}
    for name, value in pairs:
        if value is None:
            continue
        if isinstance(value, (list, tuple, set, frozenset)):
            values.setdefault(name, []).extend(value)
        else:
            values.setdefault(name, []).append(value)
    return {name: several[0] if len(several) == 1 else several for name, several in values.items()}


def milliseconds(seconds: float) -> int:
    if not 0 < seconds <= 86400:
        raise InvalidArgument(f"the timeout is {seconds!r}; pass seconds above 0, at most 86400")
    return max(1, round(seconds * 1000))
