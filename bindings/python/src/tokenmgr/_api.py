"""The C interface. Generated from include/tokenmgr-ffi.h by generate.py; do not edit."""

from __future__ import annotations

import ctypes
import enum
from typing import Any, Final

ABI_VERSION: Final = 3
SONAME: Final = "libtokenmgr.so.0"


class Status(enum.IntEnum):
    """Why a call ended: the numbers of `tm_status`."""

    OK = 0
    INVALID_ARGUMENT = 1
    INVALID_OPTIONS = 2
    URL_NOT_ALLOWED = 3
    NETWORK = 4
    TIMEOUT = 5
    TLS = 6
    LOGIN_REJECTED = 7
    FORBIDDEN = 8
    RATE_LIMITED = 9
    SERVER_ERROR = 10
    BAD_RESPONSE = 11
    UNAUTHORIZED = 12
    HTTP_ERROR = 13
    STORE = 14
    LOCK_TIMEOUT = 15
    LOGIN_SUSPENDED = 16
    REENTRANT = 17
    BAD_TOKEN = 18
    RESPONSE_TOO_LARGE = 19
    PANIC = 20
    CANCELLED = 21


tm_body_read = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)
tm_body_rewind = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p)
tm_body_write = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)
tm_log_callback = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int32, ctypes.c_char_p)
tm_interrupt_callback = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p)
tm_store_load = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p)
tm_store_save = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int64)
tm_store_lock = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int64)
tm_store_unlock = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p, ctypes.c_char_p)


class tm_outcome(ctypes.Structure):
    _fields_ = (
        ("status", ctypes.c_int32),
        ("body", ctypes.c_char_p),
        ("body_len", ctypes.c_size_t),
        ("head", ctypes.c_char_p),
        ("error", ctypes.c_void_p),
    )


# Of each function: what it returns, and what it takes.
FUNCTIONS: Final[dict[str, tuple[Any, tuple[Any, ...]]]] = {
    "tm_new": (ctypes.c_void_p, (ctypes.c_char_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.POINTER(ctypes.c_void_p))),
    "tm_free": (None, (ctypes.c_void_p,)),
    "tm_request": (ctypes.c_void_p, (ctypes.c_void_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_char_p, ctypes.POINTER(ctypes.c_void_p))),
    "tm_get_token": (ctypes.c_void_p, (ctypes.c_void_p, ctypes.POINTER(ctypes.c_void_p))),
    "tm_peek_token": (ctypes.c_void_p, (ctypes.c_void_p, ctypes.POINTER(ctypes.c_void_p))),
    "tm_copy_access_token": (ctypes.c_size_t, (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t, ctypes.POINTER(ctypes.c_void_p))),
    "tm_try_copy_access_token": (ctypes.c_size_t, (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)),
    "tm_login": (ctypes.c_int32, (ctypes.c_void_p, ctypes.POINTER(ctypes.c_void_p))),
    "tm_refresh": (ctypes.c_int32, (ctypes.c_void_p, ctypes.POINTER(ctypes.c_void_p))),
    "tm_logout": (ctypes.c_int32, (ctypes.c_void_p, ctypes.POINTER(ctypes.c_void_p))),
    "tm_set_tokens": (ctypes.c_int32, (ctypes.c_void_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_int64, ctypes.c_int64, ctypes.POINTER(ctypes.c_void_p))),
    "tm_set_credentials": (ctypes.c_int32, (ctypes.c_void_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.POINTER(ctypes.c_void_p))),
    "tm_stats_json": (ctypes.c_void_p, (ctypes.c_void_p, ctypes.POINTER(ctypes.c_void_p))),
    "tm_check": (ctypes.c_void_p, (ctypes.c_void_p, ctypes.c_char_p, ctypes.POINTER(ctypes.c_void_p))),
    "tm_check_url": (ctypes.c_int32, (ctypes.c_void_p, ctypes.c_char_p, ctypes.POINTER(ctypes.c_void_p))),
    "tm_accept": (ctypes.c_int32, (ctypes.c_void_p, ctypes.c_char_p, ctypes.POINTER(ctypes.c_void_p))),
    "tm_reject": (ctypes.c_int32, (ctypes.c_void_p, ctypes.c_char_p, ctypes.POINTER(ctypes.c_void_p))),
    "tm_response_status": (ctypes.c_int32, (ctypes.c_void_p,)),
    "tm_response_body": (ctypes.c_void_p, (ctypes.c_void_p,)),
    "tm_response_body_len": (ctypes.c_size_t, (ctypes.c_void_p,)),
    "tm_response_header": (ctypes.c_char_p, (ctypes.c_void_p, ctypes.c_char_p)),
    "tm_response_header_count": (ctypes.c_size_t, (ctypes.c_void_p,)),
    "tm_response_header_name": (ctypes.c_char_p, (ctypes.c_void_p, ctypes.c_size_t)),
    "tm_response_header_value": (ctypes.c_char_p, (ctypes.c_void_p, ctypes.c_size_t)),
    "tm_response_url": (ctypes.c_char_p, (ctypes.c_void_p,)),
    "tm_response_error": (ctypes.c_void_p, (ctypes.c_void_p,)),
    "tm_response_free": (None, (ctypes.c_void_p,)),
    "tm_outcome_new": (ctypes.c_void_p, ()),
    "tm_request_into": (ctypes.c_int32, (ctypes.c_void_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_char_p, ctypes.c_void_p)),
    "tm_outcome_free": (None, (ctypes.c_void_p,)),
    "tm_request_stream": (ctypes.c_void_p, (ctypes.c_void_p, ctypes.c_char_p, ctypes.c_char_p, tm_body_read, tm_body_rewind, ctypes.c_int64, tm_body_write, ctypes.c_void_p, ctypes.c_char_p, ctypes.POINTER(ctypes.c_void_p))),
    "tm_token_access": (ctypes.c_char_p, (ctypes.c_void_p,)),
    "tm_token_refresh": (ctypes.c_char_p, (ctypes.c_void_p,)),
    "tm_token_expires_at": (ctypes.c_int64, (ctypes.c_void_p,)),
    "tm_token_refresh_expires_at": (ctypes.c_int64, (ctypes.c_void_p,)),
    "tm_token_seconds_left": (ctypes.c_int64, (ctypes.c_void_p,)),
    "tm_token_should_refresh": (ctypes.c_bool, (ctypes.c_void_p, ctypes.c_int64)),
    "tm_token_free": (None, (ctypes.c_void_p,)),
    "tm_jwt_is_expired": (ctypes.c_bool, (ctypes.c_char_p,)),
    "tm_jwt_seconds_left": (ctypes.c_int64, (ctypes.c_char_p,)),
    "tm_jwt_should_refresh": (ctypes.c_bool, (ctypes.c_char_p, ctypes.c_int64)),
    "tm_jwt_payload_json": (ctypes.c_void_p, (ctypes.c_char_p, ctypes.POINTER(ctypes.c_void_p))),
    "tm_error_code": (ctypes.c_int32, (ctypes.c_void_p,)),
    "tm_error_message": (ctypes.c_char_p, (ctypes.c_void_p,)),
    "tm_error_http_status": (ctypes.c_int32, (ctypes.c_void_p,)),
    "tm_error_server_code": (ctypes.c_char_p, (ctypes.c_void_p,)),
    "tm_error_retry_after_ms": (ctypes.c_int64, (ctypes.c_void_p,)),
    "tm_error_is_retryable": (ctypes.c_bool, (ctypes.c_void_p,)),
    "tm_error_free": (None, (ctypes.c_void_p,)),
    "tm_status_name": (ctypes.c_char_p, (ctypes.c_int32,)),
    "tm_set_log_callback": (ctypes.c_int32, (ctypes.c_void_p, tm_log_callback, ctypes.c_void_p, ctypes.c_int32, ctypes.POINTER(ctypes.c_void_p))),
    "tm_set_interrupt_callback": (ctypes.c_int32, (ctypes.c_void_p, tm_interrupt_callback, ctypes.c_void_p, ctypes.POINTER(ctypes.c_void_p))),
    "tm_sink_put": (None, (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)),
    "tm_check_store": (ctypes.c_int32, (ctypes.c_void_p, ctypes.POINTER(ctypes.c_void_p))),
    "tm_set_store": (ctypes.c_int32, (ctypes.c_void_p, tm_store_load, tm_store_save, tm_store_lock, tm_store_unlock, ctypes.c_void_p, ctypes.POINTER(ctypes.c_void_p))),
    "tm_version": (ctypes.c_char_p, ()),
    "tm_abi_version": (ctypes.c_uint32, ()),
    "tm_string_free": (None, (ctypes.c_void_p,)),
    "tm_generate_key": (ctypes.c_void_p, (ctypes.POINTER(ctypes.c_void_p),)),
}
