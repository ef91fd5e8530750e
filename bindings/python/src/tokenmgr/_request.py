"""What an API call takes: from Python's arguments to the body and the options that the library reads."""

from __future__ import annotations

import json as json_text
import urllib.parse
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypedDict, Union

from . import _native as native
from .errors import InvalidArgument

Value = Union[str, int, float, bool]
Values = Union[Value, None, Sequence[Value]]

if TYPE_CHECKING:

    class RequestArguments(TypedDict, total=False):
        """What get(), post(), ... take by keyword."""

        #: Query parameters; a list is repeated, None left out.
        params: Mapping[str, Values] | Iterable[tuple[str, Value]] | None
        #: The body, as anything that `json.dumps` takes.
        json: Any
        #: The body as bytes or text; a mapping makes a form.
        data: bytes | bytearray | memoryview | str | Mapping[str, Any] | None
        #: In place of the manager's headers of the same names; a list is repeated, None left out.
        headers: Mapping[str, Values] | None
        #: How long the call may take in all, in seconds, in place of the manager's `timeout_ms`.
        timeout: float | None
        #: The body's Content-Type; application/json unless given here or in the headers.
        content_type: str | None
        #: Says that the call may safely reach the server twice, whatever its method.
        idempotent: bool | None


def compose(
    *,
    params: Mapping[str, Values] | Iterable[tuple[str, Value]] | None = None,
    json: Any = None,
    data: bytes | bytearray | memoryview | str | Mapping[str, Any] | None = None,
    headers: Mapping[str, Values] | None = None,
    timeout: float | None = None,
    content_type: str | None = None,
    idempotent: bool | None = None,
) -> tuple[bytes | None, Any, bytes | None]:
    """The body, its size and the options."""
    body: bytes | None = None
    if json is not None:
        if data is not None:
            raise TypeError("there is one body: pass json or data, not both")
        body = json_text.dumps(json, separators=(",", ":"), allow_nan=False).encode()
    elif isinstance(data, str):
        body = data.encode()
    elif isinstance(data, Mapping):
        body = urllib.parse.urlencode(data, doseq=True).encode()
        content_type = content_type or "application/x-www-form-urlencoded"
    elif data is not None:
        body = bytes(data)
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
    return body, native.SIZE(len(body or b"")), json_text.dumps(options).encode() if options else None


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
