"""What can go wrong, one class for each status. All are TokenManagerError."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._api import Status

if TYPE_CHECKING:
    from ._response import Response


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

    def __reduce__(self) -> tuple[object, ...]:
        # For multiprocessing, which sends exceptions between processes. A response stays in its own.
        return type(self), self.args, {name: value for name, value in vars(self).items() if name != "response"}


class LibraryError(TokenManagerError, ImportError):
    """The shared library is missing, or does not fit this package."""


class InvalidArgument(TokenManagerError, ValueError):
    """A bad method, URL or other argument."""

    status = Status.INVALID_ARGUMENT


class InvalidOptions(TokenManagerError, ValueError):
    """An option: the message names it, what it got and what it takes."""

    status = Status.INVALID_OPTIONS


class UrlNotAllowed(TokenManagerError, ValueError):
    """Not the host's origin nor an allowed one, or `http://` off loopback. Nothing was sent."""

    status = Status.URL_NOT_ALLOWED


class NetworkError(TokenManagerError, ConnectionError):
    """DNS, connect, reset, closed early."""

    status = Status.NETWORK


class Timeout(TokenManagerError, TimeoutError):
    """The call's time ran out."""

    status = Status.TIMEOUT


class TlsError(TokenManagerError, ConnectionError):
    """No TLS connection could be made: an untrusted certificate, a wrong name, no common version."""

    status = Status.TLS


class LoginRejected(TokenManagerError):
    """The login endpoint refused the credentials."""

    status = Status.LOGIN_REJECTED


class Forbidden(TokenManagerError):
    """403: the caller's IP address is not whitelisted; no refresh can help."""

    status = Status.FORBIDDEN


class RateLimited(TokenManagerError):
    """429; `retry_after` says for how long."""

    status = Status.RATE_LIMITED


class ServerError(TokenManagerError):
    """5xx."""

    status = Status.SERVER_ERROR


class BadResponse(TokenManagerError):
    """An auth endpoint answered something that holds no usable token."""

    status = Status.BAD_RESPONSE


class Unauthorized(TokenManagerError):
    """401 on an API call that stayed after the recovery was spent."""

    status = Status.UNAUTHORIZED


class HttpError(TokenManagerError):
    """Any other 4xx on an API call."""

    status = Status.HTTP_ERROR


class StoreError(TokenManagerError):
    """The token store failed. Where it is one in Python, `__cause__` is what it raised."""

    status = Status.STORE


class LockTimeout(TokenManagerError, TimeoutError):
    """Another process held the refresh lock for longer than the wait allowed."""

    status = Status.LOCK_TIMEOUT


class LoginSuspended(TokenManagerError):
    """Not tried: recent logins were refused; `retry_after` says for how long."""

    status = Status.LOGIN_SUSPENDED


class Reentrant(TokenManagerError):
    """Made inside a callback, the call would wait for a refresh that this very thread is in."""

    status = Status.REENTRANT


class BadToken(TokenManagerError, ValueError):
    """Not a JWT."""

    status = Status.BAD_TOKEN


class ResponseTooLarge(TokenManagerError):
    """The answer is larger than `max_response_bytes`."""

    status = Status.RESPONSE_TOO_LARGE


class Panic(TokenManagerError):
    """A bug in the library, contained."""

    status = Status.PANIC


class Cancelled(TokenManagerError):
    """The call was ended from outside, by what a signal handler or a callback raised."""

    status = Status.CANCELLED


#: The class of each status.
BY_STATUS: dict[int, type[TokenManagerError]] = {
    int(error.status): error for error in TokenManagerError.__subclasses__() if error.status is not None
}
