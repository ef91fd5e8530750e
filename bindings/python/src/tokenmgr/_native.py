"""The library's functions as Python calls them.

Those that can wait release the GIL (`ctypes.CDLL`); those that never do keep it (`ctypes.PyDLL`): releasing it costs
little, but getting it back from a busy thread takes up to 5 ms.

Two ways of calling: with declared arguments, from the header; and, where it counts, bare. A bare call saves a third of
the time, and takes only what ctypes passes on as it is: handles, bytes, `None`, `SIZE` objects and error slots.
"""

from __future__ import annotations

import ctypes
import json
from collections.abc import Callable
from typing import Any

from ._api import FUNCTIONS
from ._library import find, load
from .errors import InvalidArgument

_path = find()
_releasing = load(_path)
_holding = ctypes.PyDLL(_path)

SIZE = ctypes.c_size_t


def _declared(library: ctypes.CDLL, name: str, *, result: Any = None, bare: bool = False) -> Any:
    function = library[name]
    declared_result, arguments = FUNCTIONS[name]
    function.restype = result or declared_result
    if not bare:
        function.argtypes = arguments
    return function


# ---- handles: each frees what it stands for when nobody uses it any more, calls that are running included -----------


def _owned(free: Any) -> type[ctypes.c_void_p]:
    class Handle(ctypes.c_void_p):
        def __del__(self, free: Any = free) -> None:
            free(self)

        def __reduce__(self) -> Any:
            raise TypeError("a handle of libtokenmgr belongs to its process")

    return Handle


TokenHandle = _owned(_declared(_holding, "tm_token_free", bare=True))

ResponseHandle = _owned(_declared(_holding, "tm_response_free", bare=True))

# ---- calls that can wait --------------------------------------------------------------------------------------------

new = _declared(_releasing, "tm_new")
free = _declared(_releasing, "tm_free")
request_into = _declared(_releasing, "tm_request_into", bare=True)
request_stream = _declared(_releasing, "tm_request_stream", result=ResponseHandle)
get_token = _declared(_releasing, "tm_get_token", result=TokenHandle, bare=True)
check_store = _declared(_releasing, "tm_check_store", bare=True)
login = _declared(_releasing, "tm_login", bare=True)
refresh = _declared(_releasing, "tm_refresh", bare=True)
logout = _declared(_releasing, "tm_logout", bare=True)
set_tokens = _declared(_releasing, "tm_set_tokens")
check = _declared(_releasing, "tm_check")

# ---- calls that never wait ------------------------------------------------------------------------------------------

try_copy_access_token = _declared(_holding, "tm_try_copy_access_token", bare=True)
peek_token = _declared(_holding, "tm_peek_token", result=TokenHandle, bare=True)
check_url = _declared(_holding, "tm_check_url")
accept = _declared(_holding, "tm_accept")
reject = _declared(_holding, "tm_reject")
set_credentials = _declared(_holding, "tm_set_credentials")
set_log_callback = _declared(_holding, "tm_set_log_callback")
set_interrupt_callback = _declared(_holding, "tm_set_interrupt_callback")
set_store = _declared(_holding, "tm_set_store")
sink_put = _declared(_holding, "tm_sink_put")
stats_json = _declared(_holding, "tm_stats_json", bare=True)

outcome_new = _declared(_holding, "tm_outcome_new")
outcome_free = _declared(_holding, "tm_outcome_free", bare=True)

response_status = _declared(_holding, "tm_response_status")
response_body = _declared(_holding, "tm_response_body")
response_body_len = _declared(_holding, "tm_response_body_len")
response_header_count = _declared(_holding, "tm_response_header_count")
response_header_name = _declared(_holding, "tm_response_header_name")
response_header_value = _declared(_holding, "tm_response_header_value")
response_url = _declared(_holding, "tm_response_url")
response_error = _declared(_holding, "tm_response_error")

token_access = _declared(_holding, "tm_token_access")
token_refresh = _declared(_holding, "tm_token_refresh")
token_expires_at = _declared(_holding, "tm_token_expires_at")
token_refresh_expires_at = _declared(_holding, "tm_token_refresh_expires_at")
token_seconds_left = _declared(_holding, "tm_token_seconds_left")
token_should_refresh = _declared(_holding, "tm_token_should_refresh")

jwt_is_expired = _declared(_holding, "tm_jwt_is_expired")
jwt_seconds_left = _declared(_holding, "tm_jwt_seconds_left")
jwt_should_refresh = _declared(_holding, "tm_jwt_should_refresh")
jwt_payload_json = _declared(_holding, "tm_jwt_payload_json")

error_code = _declared(_holding, "tm_error_code")
error_message = _declared(_holding, "tm_error_message")
error_http_status = _declared(_holding, "tm_error_http_status")
error_server_code = _declared(_holding, "tm_error_server_code")
error_retry_after_ms = _declared(_holding, "tm_error_retry_after_ms")
error_is_retryable = _declared(_holding, "tm_error_is_retryable")
error_free = _declared(_holding, "tm_error_free")

version = _declared(_holding, "tm_version")
generate_key = _declared(_holding, "tm_generate_key")
_string_free = _declared(_holding, "tm_string_free")


def int64(value: float, what: str, whole: Callable[[float], int] = int) -> int:
    """A whole number as C takes it; ctypes would keep the lowest 64 bits of a larger one."""
    if not -(2**63) <= value < 2**63:
        raise InvalidArgument(f"the {what} is beyond 64 bits; pass a smaller number")
    return whole(value)


def text(value: str | None, what: str) -> bytes | None:
    """A string as C takes it. C would end it at the first NUL."""
    if value is None:
        return None
    if not isinstance(value, str):
        raise TypeError(f"the {what} is of type {type(value).__name__}; pass a str")
    # The codec's own error would hold all of the text, which may be a secret.
    encoded = value.encode(errors="surrogatepass")
    if b"\0" in encoded:
        raise InvalidArgument(f"the {what} holds a NUL character; pass it without")
    if any("\ud800" <= character <= "\udfff" for character in value):
        raise InvalidArgument(f"the {what} holds surrogates, which UTF-8 has not; pass text that was decoded as UTF-8")
    return encoded


def take_string(pointer: int) -> str:
    """The text at a pointer that is ours, which is freed."""
    try:
        return ctypes.string_at(pointer).decode()
    finally:
        _string_free(pointer)


def take_json(pointer: int) -> Any:
    return json.loads(take_string(pointer))
