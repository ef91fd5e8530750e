"""What can go wrong, one class for each status. All are TokenManagerError."""

from __future__ import annotations

from ._api import Status
from ._response import TokenManagerError as TokenManagerError


class LibraryError(TokenManagerError, ImportError):
    """The shared library is missing, or does not fit this package."""


class InvalidArgument(TokenManagerError, ValueError, status=Status.INVALID_ARGUMENT):
    """A bad method, URL or other argument."""


class InvalidOptions(TokenManagerError, ValueError, status=Status.INVALID_OPTIONS):
    """An option: the message names it, what it got and what it takes."""


class UrlNotAllowed(TokenManagerError, ValueError, status=Status.URL_NOT_ALLOWED):
    """Not the host's origin nor an allowed one, or `http://` off loopback. Nothing was sent."""


class NetworkError(TokenManagerError, ConnectionError, status=Status.NETWORK):
    """DNS, connect, reset, closed early."""


class Timeout(TokenManagerError, TimeoutError, status=Status.TIMEOUT):
    """The call's time ran out."""


class TlsError(TokenManagerError, ConnectionError, status=Status.TLS):
    """No TLS connection could be made: an untrusted certificate, a wrong name, no common version."""


class LoginRejected(TokenManagerError, status=Status.LOGIN_REJECTED):
    """The login endpoint refused the credentials."""


class Forbidden(TokenManagerError, status=Status.FORBIDDEN):
    """403: the caller's IP address is not whitelisted; no refresh can help."""


class RateLimited(TokenManagerError, status=Status.RATE_LIMITED):
    """429; `retry_after` says for how long."""


class ServerError(TokenManagerError, status=Status.SERVER_ERROR):
    """5xx."""


class BadResponse(TokenManagerError, status=Status.BAD_RESPONSE):
    """An auth endpoint answered something that holds no usable token."""


class Unauthorized(TokenManagerError, status=Status.UNAUTHORIZED):
    """An API call was still answered 401 after its token was renewed, or the token could not be renewed."""


class HttpError(TokenManagerError, status=Status.HTTP_ERROR):
    """Any other 4xx on an API call."""


class StoreError(TokenManagerError, status=Status.STORE):
    """The token store failed. Where it is one in Python, `__cause__` is what it raised."""


class LockTimeout(TokenManagerError, TimeoutError, status=Status.LOCK_TIMEOUT):
    """Another process held the refresh lock for longer than the wait allowed."""


class LoginSuspended(TokenManagerError, status=Status.LOGIN_SUSPENDED):
    """Not tried: recent logins were refused; `retry_after` says for how long."""


class Reentrant(TokenManagerError, status=Status.REENTRANT):
    """The call was made inside a callback and would have to wait for a refresh that its own thread is running."""


class BadToken(TokenManagerError, ValueError, status=Status.BAD_TOKEN):
    """Not a JWT."""


class ResponseTooLarge(TokenManagerError, status=Status.RESPONSE_TOO_LARGE):
    """The answer is larger than `max_response_bytes`."""


class Panic(TokenManagerError, status=Status.PANIC):
    """A bug in the library, contained."""


class Cancelled(TokenManagerError, status=Status.CANCELLED):
    """The call was ended from outside, by what a signal handler or a callback raised."""
