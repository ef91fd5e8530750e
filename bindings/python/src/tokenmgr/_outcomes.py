"""What requests come to in the library, read into a Response or an error."""

from __future__ import annotations

import ctypes
from typing import Any, BinaryIO

from . import _native as native
from ._api import tm_outcome
from ._response import ErrorFacts, Response


def read_error(pointer: Any) -> ErrorFacts:
    """Reads the error at a pointer, and leaves it whose it is."""
    return ErrorFacts(
        native.error_code(pointer),
        native.error_message(pointer).decode(),
        native.error_http_status(pointer),
        native.error_server_code(pointer),
        native.error_retry_after_ms(pointer),
        native.error_is_retryable(pointer),
    )


class Outcome(tm_outcome):
    """What a request came to: members of the library's memory, to be read without a call. One call at a time uses it."""

    #: The pointer that the library takes.
    at: ctypes.c_void_p

    def response(self) -> Response:
        status = self.status
        body = self.body
        if len(body) != self.body_len:
            body = self._whole_body()
        return Response(status, body, self.head, None if status < 400 else read_error(self.error))

    def _whole_body(self) -> bytes:
        """The body with the NULs that are in it; `body` ends at the first."""
        body = ctypes.c_void_p.from_address((self.at.value or 0) + tm_outcome.body.offset)
        return ctypes.string_at(body.value or 0, self.body_len)

    def __del__(self, free: Any = native.outcome_free) -> None:
        free(self.at)


def new_outcome() -> Outcome:
    pointer = native.outcome_new()
    outcome = Outcome.from_address(pointer)
    outcome.at = ctypes.c_void_p(pointer)
    return outcome


def streamed_response(handle: ctypes.c_void_p, file: BinaryIO | None) -> Response:
    """The response to a streamed request; `file`: where its body is, if not in the handle."""
    status: int = native.response_status(handle)
    size: int = native.response_body_len(handle)
    body = ctypes.string_at(native.response_body(handle), size) if size else b""
    lines: list[bytes] = [native.response_url(handle)]
    for index in range(native.response_header_count(handle)):
        lines += [native.response_header_name(handle, index), native.response_header_value(handle, index)]
    head = b"\n".join([*lines, b""])
    error = None if status < 400 else read_error(native.response_error(handle))
    return Response(status, body if file is None else None, head, error, file)
