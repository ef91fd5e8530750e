"""The manager: the main job, and the tokens behind it."""

from __future__ import annotations

import ctypes
import json
import os
import weakref
from typing import TYPE_CHECKING, Any, Callable

from . import _exit
from . import _native as native
from ._api import tm_interrupt_callback, tm_log_callback
from ._callbacks import interrupt_callback
from ._calls import call, slots, take_error, take_slot
from ._logs import INFO, LogCallback, Logs
from ._logs import callback as log_callback
from ._outcomes import Outcome, new_outcome, read_error
from ._pending import due, pending
from ._request import compose
from ._response import Response, TokenManagerError
from ._streams import Streams
from ._token import Token
from ._tracebacks import hides_arguments
from .errors import InvalidArgument
from .stores import TokenStore, store_callbacks

if TYPE_CHECKING:
    from types import TracebackType

    import httpx
    import requests.auth
    from typing_extensions import Self, Unpack

    from ._options import ManagerOptions
    from ._request import RequestArguments

_request_into = native.request_into
_try_copy_access_token = native.try_copy_access_token
_NO_BYTES = native.SIZE(0)

#: Outcomes that no call uses. One with a larger body is not used again: the body would stay in memory.
_outcomes: list[Outcome] = []
_REUSED_BYTES = 65536

#: URLs as C takes them: most programs call few.
_urls: dict[str, bytes] = {}


def _encode(url: str) -> bytes:
    encoded = native.text(url, "URL")
    assert encoded is not None
    if len(_urls) >= 256:
        _urls.clear()
    if len(encoded) <= 256:
        _urls[url] = encoded
    return encoded


class _Handle(ctypes.c_void_p):
    """The library's manager. It goes when the last call that uses it has returned, and takes its callbacks along."""

    callbacks: list[Any]


class _TokenBuffer:
    """Where the library copies access tokens to."""

    __slots__ = ("array", "bytes", "size")

    def __init__(self, size: int) -> None:
        self.bytes = bytearray(size)
        self.array = (ctypes.c_char * size).from_buffer(self.bytes)
        self.size = native.SIZE(size)


class TokenManager:
    """Calls an API with a token that is always good: logs in, refreshes ahead of expiry, recovers from a 401.

    Any number of threads may use one manager at once, and so may a parent and the children that it forks. What is not
    given comes from the environment: TOKENMGR_HOST, TOKENMGR_USERNAME, TOKENMGR_PASSWORD, or the files that
    TOKENMGR_USERNAME_FILE and TOKENMGR_PASSWORD_FILE name. `options` are those of docs/OPTIONS.md; a store may also be a
    TokenStore, which keeps the tokens in a database.

    Making one sends nothing, opens no socket and starts no thread. Nor does closing one log out.
    """

    __slots__ = (
        "__weakref__",
        "_buffer_size",
        "_buffers",
        "_handle",
        "_host",
        "_lines",
        "_logs",
        "_username",
    )

    @hides_arguments
    def __init__(
        self,
        host: str | None = None,
        username: str | None = None,
        password: str | None = None,
        **options: Unpack[ManagerOptions],
    ) -> None:
        given: dict[str, Any] = {name: value for name, value in options.items() if value is not None}
        store = given.get("store")
        callbacks = None
        if isinstance(store, TokenStore):
            callbacks = store_callbacks(store)
            given["store"] = {"type": "callback", **({"id": store.id} if store.id is not None else {})}
        # To be shown in `repr`.
        self._host = host or os.environ.get("TOKENMGR_HOST") or "the host that TOKENMGR_HOST_FILE names"
        self._username = username or os.environ.get("TOKENMGR_USERNAME")
        #: One for each thread that copies a token at the same moment.
        self._buffers: list[_TokenBuffer] = []
        self._buffer_size = 4096

        pointer = call(
            native.new,
            native.text(host, "host"),
            native.text(username, "username"),
            native.text(password, "password"),
            json.dumps(given, default=os.fsdecode).encode() if given else None,
        )
        self._handle: _Handle | None = _Handle(pointer)
        # Not at exit, when threads may still be in calls: the process frees it all.
        weakref.finalize(self._handle, native.free, pointer).atexit = False
        self._logs = Logs()
        self._lines = self._logs.lines
        self._handle.callbacks = [self._lines]
        call(native.set_interrupt_callback, self._handle, interrupt_callback, None)
        call(native.set_log_callback, self._handle, log_callback, id(self._lines), self._logs.most)
        _exit.managers.add(self)
        if callbacks is not None:
            self._handle.callbacks += callbacks
            call(native.set_store, self._handle, *callbacks, None)

    # ---- the main job ----

    def request(self, method: str, url: str, **arguments: Unpack[RequestArguments]) -> Response:
        """Sends an API call with a valid token and receives the whole answer, whatever its status.

        On a 401 it renews the token and sends again. `url` is a path that starts with one `/`, or absolute on the host's
        origin or one of `allowed_origins`. Raises a TokenManagerError only where there is no answer to give: Timeout,
        NetworkError, TlsError, LoginRejected, Forbidden, ...
        """
        return self._send(native.text(method, "method"), url, arguments)

    def get(self, url: str, **arguments: Unpack[RequestArguments]) -> Response:
        """`request("GET", ...)`"""
        return self._send(b"GET", url, arguments)

    def post(self, url: str, **arguments: Unpack[RequestArguments]) -> Response:
        """`request("POST", ...)`"""
        return self._send(b"POST", url, arguments)

    def put(self, url: str, **arguments: Unpack[RequestArguments]) -> Response:
        """`request("PUT", ...)`"""
        return self._send(b"PUT", url, arguments)

    def patch(self, url: str, **arguments: Unpack[RequestArguments]) -> Response:
        """`request("PATCH", ...)`"""
        return self._send(b"PATCH", url, arguments)

    def delete(self, url: str, **arguments: Unpack[RequestArguments]) -> Response:
        """`request("DELETE", ...)`"""
        return self._send(b"DELETE", url, arguments)

    def head(self, url: str, **arguments: Unpack[RequestArguments]) -> Response:
        """`request("HEAD", ...)`"""
        return self._send(b"HEAD", url, arguments)

    def _send(self, method: bytes | None, url: str, arguments: RequestArguments) -> Response:
        try:
            encoded = _urls[url]
        except KeyError:
            encoded = _encode(url)
        if arguments:
            body, size, options = compose(**arguments)
            if isinstance(body, Streams):
                return self._send_streams(method, encoded, body, options)
        else:
            body, size, options = None, _NO_BYTES, None
        try:
            outcome = _outcomes.pop()
        except IndexError:
            outcome = new_outcome()
        lines = self._lines.own
        failed = _request_into(self._handle, method, encoded, body, size, options, outcome.at)
        if failed or pending or lines:
            self._settle(read_error(outcome.error).error() if failed else None)
        response = outcome.response()
        if outcome.body_len <= _REUSED_BYTES:
            _outcomes.append(outcome)
        return response

    def _send_streams(self, method: bytes | None, url: bytes, streams: Streams, options: bytes | None) -> Response:
        if _exit.is_stopping():
            _exit.stop()  # the callbacks are Python's
        with streams as (read, rewind, size, write):
            return streams.response(
                self._do(native.request_stream, method, url, read, rewind, size, write, None, options)
            )

    # ---- tokens ----

    def access_token(self) -> str:
        """An access token that is good now; logs in or refreshes when due. For callers with their own HTTP client; see
        `accept()` and `reject()`."""
        return self.try_access_token() or self.token().access_token

    def try_access_token(self) -> str | None:
        """The access token that is held, if it is good and not due for a refresh; None otherwise. It never waits."""
        buffers = self._buffers
        try:
            buffer = buffers.pop()
        except IndexError:
            buffer = _TokenBuffer(self._buffer_size)
        size: int = _try_copy_access_token(self._handle, buffer.array, buffer.size)
        if size >= len(buffer.bytes):
            self._buffer_size = 2 * size
            self._buffers = []
            return self.try_access_token()
        token = buffer.bytes[:size].decode() if size else None
        buffers.append(buffer)
        return token

    def token(self) -> Token:
        """A token pair that is good now; logs in or refreshes when due."""
        return Token(self._do(native.get_token))

    def peek_token(self) -> Token | None:
        """The token pair that is held, good or not; None if there is none. It never waits."""
        handle = self._do(native.peek_token)
        return Token(handle) if handle else None

    def login(self) -> None:
        """Logs in now, whatever is held."""
        self._do(native.login)

    def refresh(self) -> None:
        """Refreshes now, however long the token would still live; falls back to a login."""
        self._do(native.refresh)

    def logout(self) -> None:
        """Revokes the tokens at the server: every token of the client, not only this one."""
        self._do(native.logout)

    @hides_arguments
    def set_tokens(
        self,
        access_token: str,
        refresh_token: str | None = None,
        expires_at: float | None = None,
        refresh_expires_at: float | None = None,
    ) -> None:
        """Takes over a pair from elsewhere. From then on only the manager may use the refresh token. Times are Unix
        seconds; None: unknown, then a JWT's own `exp` counts."""
        self._do(
            native.set_tokens,
            native.text(access_token, "access token"),
            native.text(refresh_token, "refresh token"),
            native.int64(expires_at or 0, "expires_at"),
            native.int64(refresh_expires_at or 0, "refresh_expires_at"),
        )

    @hides_arguments
    def set_credentials(self, username: str | None, password: str) -> None:
        """Replaces the credentials; None keeps the username. Another username drops the tokens."""
        self._do(native.set_credentials, native.text(username, "username"), native.text(password, "password"))
        self._username = username or self._username

    def check_store(self) -> None:
        """Reads the store once. Raises StoreError where it cannot be used, which costs a login for each process."""
        self._do(native.check_store)

    def check(self, path: str | None = None) -> dict[str, Any]:
        """Tries the option `auth` on the live server, step by step, with a GET of `path`: what was sent, what was
        understood, and in `change` what to correct. On tokens of its own, and without a secret in it: docs/DIALECTS.md."""
        report: dict[str, Any] = native.take_json(self._do(native.check, native.text(path, "path")))
        return report

    # ---- watching ----

    def stats(self) -> dict[str, Any]:
        """Counters and gauges: docs/STATS.md."""
        counted: dict[str, Any] = native.take_json(self._do(native.stats_json))
        return counted

    def on_log(self, callback: LogCallback | None, level: int = INFO) -> None:
        """Has log lines given to `callback(level, message)` instead of the logger `tokenmgr`; None: to nobody. Levels are
        those of `logging`. What the callback raises comes out of the call that it happened in."""
        self._logs.give_to(callback, level)
        self._do(native.set_log_callback, log_callback, id(self._lines), self._logs.most)

    # ---- for other HTTP clients ----

    def check_url(self, url: str) -> None:
        """Raises UrlNotAllowed unless the token may be sent to this URL: on the host's origin or one of
        `allowed_origins`, by whatever HTTP client."""
        self._check_origin(url)

    def _check_origin(self, url: str) -> None:
        self._do(native.check_url, native.text(url, "URL"))

    @hides_arguments
    def reject(self, access_token: str) -> None:
        """Says that a server answered 401 to this access token; the next call renews it. A token that is no longer the
        current one costs nothing."""
        self._do(native.reject, native.text(access_token, "access token"))

    @hides_arguments
    def accept(self, access_token: str) -> None:
        """Says that a server answered something other than 401 to this access token: a later 401 is then taken for a
        revocation, not for a server that refuses every token. Cheap enough to be called for every answer."""
        self._do(native.accept, native.text(access_token, "access token"))

    def requests_auth(self) -> requests.auth.AuthBase:
        """For `requests`: `requests.Session().auth = tm.requests_auth()`."""
        from ._requests_auth import RequestsAuth

        return RequestsAuth(self)

    def httpx_auth(self) -> httpx.Auth:
        """For `httpx`: `httpx.Client(auth=tm.httpx_auth())`, `httpx.AsyncClient(auth=tm.httpx_auth())`."""
        from ._httpx_auth import HttpxAuth

        return HttpxAuth(self)

    # ---- the end ----

    def close(self) -> None:
        """Closes the connections, once the calls that are running have returned. It does not log out."""
        self._handle = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, raised: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        try:
            state = "" if self._handle is not None else ", closed"
        except AttributeError:
            return "<TokenManager that was not made>"
        return f"<TokenManager of {self._username or 'nobody'} at {self._host}{state}>"

    def __reduce__(self) -> Any:
        raise TypeError(
            "a TokenManager cannot be pickled or copied: it holds secrets and connections; make one in each process "
            "that does not inherit it by fork, as in the initializer of a pool"
        )

    def silence(self) -> None:
        """At the interpreter's end: no call that begins from here on is to call Python back."""
        if self._handle is not None:
            native.set_interrupt_callback(self._handle, tm_interrupt_callback(), None, None)
            native.set_log_callback(self._handle, tm_log_callback(), None, 0, None)

    def _do(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Calls a function that takes the manager first and the error slot last."""
        slot = take_slot()
        lines = self._lines.own
        result = function(self._handle, *arguments, slot)
        if slot._obj or pending or lines:
            self._settle(take_error(slot))
        slots.append(slot)
        return result

    def _settle(self, error: TokenManagerError | None) -> None:
        """After a call: hands the log lines over; then raises the pending exception or the call's error, if any."""
        failure = due(error)
        if self._handle is None and isinstance(failure, InvalidArgument):
            failure = InvalidArgument("the TokenManager is closed; make a new one")
        try:
            self._logs.hand_over()
        except BaseException as raised:
            if failure is None or isinstance(failure, Exception):
                raise raised from failure
        if failure is not None:
            raise failure


_exit.calling_modules.add(__name__)
