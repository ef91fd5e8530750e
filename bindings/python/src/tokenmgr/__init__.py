"""Token management for API clients: logs in, refreshes ahead of expiry, recovers from a 401, and sends your calls.

with tokenmgr.TokenManager("https://api.example.com", "user", "secret") as tm:
    products = tm.get("/api/v1/products").raise_for_status().json()
"""

from __future__ import annotations

from . import _native as _native
from . import jwt
from ._api import Status
from ._async_manager import AsyncTokenManager
from ._calls import call as _call
from ._manager import TokenManager
from ._response import Headers, Response
from ._token import Token
from .dbapi import DbApiStore
from .errors import (
    BadResponse,
    BadToken,
    Cancelled,
    Forbidden,
    HttpError,
    InvalidArgument,
    InvalidOptions,
    LibraryError,
    LockTimeout,
    LoginRejected,
    LoginSuspended,
    NetworkError,
    Panic,
    RateLimited,
    Reentrant,
    ResponseTooLarge,
    ServerError,
    StoreError,
    Timeout,
    TlsError,
    TokenManagerError,
    Unauthorized,
    UrlNotAllowed,
)
from .stores import TokenStore

#: The version of the library that is loaded.
__version__: str = _native.version().decode()


def generate_key() -> str:
    """A new random key for the encrypted stores, in base64."""
    return _native.take_string(_call(_native.generate_key))


__all__ = [
    "AsyncTokenManager",
    "BadResponse",
    "BadToken",
    "Cancelled",
    "DbApiStore",
    "Forbidden",
    "Headers",
    "HttpError",
    "InvalidArgument",
    "InvalidOptions",
    "LibraryError",
    "LockTimeout",
    "LoginRejected",
    "LoginSuspended",
    "NetworkError",
    "Panic",
    "RateLimited",
    "Reentrant",
    "Response",
    "ResponseTooLarge",
    "ServerError",
    "Status",
    "StoreError",
    "Timeout",
    "TlsError",
    "Token",
    "TokenManager",
    "TokenManagerError",
    "TokenStore",
    "Unauthorized",
    "UrlNotAllowed",
    "__version__",
    "generate_key",
    "jwt",
]
