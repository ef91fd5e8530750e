"""The manager: the main job, and the tokens behind it."""

from __future__ import annotations

import ctypes
import json
import math
import os
import weakref
from time import monotonic
from typing import TYPE_CHECKING, Any, Callable

from . import _native as native
from ._api import tm_interrupt_callback, tm_log_callback
from ._calls import (
    call,
    due,
    ending,
    interrupt_callback,
    kept,
    make_error,
    managers,
    place,
    places,
    read_error,
    take_error,
)
from ._logs import INFO, LogCallback, Logs
from ._logs import callback as log_callback
from ._options import DEFAULTS
from ._origins import Origins
from ._request import compose
from ._response import Response
from ._streams import Streams
from ._token import Token
from ._tracebacks import hides_arguments
from .errors import InvalidArgument, TokenManagerError
from .stores import TokenStore, store_callbacks

if TYPE_CHECKING:
    from types import TracebackType

    import httpx
    import requests.auth
    from typing_extensions import Unpack

    from ._options import ManagerOptions
    from ._request import RequestArguments

_request_into = native.request_into
_copy_access_token = native.copy_access_token
_NO_BYTES = native.SIZE(0)

#: What requests come to, used again and again; but not with a large body in it, which would stay.
_outcomes: list[native.Outcome] = []
_KEPT_BYTES = 65536

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


class _Room:
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
        "_good_until",
        "_handle",
        "_lines",
        "_logs",
        "_origins",
        "_renewals",
        "_room_size",
        "_rooms",
        "_username",
        "_window",
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
        self._username = username or os.environ.get("TOKENMGR_USERNAME")
        #: Before this a token that was good is good still, unless it was refused; 0: nobody knows. Each renewal puts
        #: another list here, so that a thread which learned of a token before writes where nobody reads any more.
        self._good_until = [0.0]
        #: One entry for each renewal that is under way.
        self._renewals: list[None] = []
        #: One for each thread that copies a token at the same moment.
        self._rooms: list[_Room] = []
        self._room_size = 4096

        pointer = call(
            native.new,
            native.text(host, "host"),
            native.text(username, "username"),
            native.text(password, "password"),
            json.dumps(given, default=os.fsdecode).encode() if given else None,
        )
        self._handle: _Handle | None = _Handle(pointer)
        # At the interpreter's end threads may still be in calls: what is left then goes with the process.
        weakref.finalize(self._handle, native.free, pointer).atexit = False
        self._origins = Origins(host, given.get("allowed_origins", ()))
        self._window = 1 + sum(
            given.get(name, DEFAULTS[name]) for name in ("refresh_before_seconds", "refresh_jitter_seconds")
        )
        if given.get("persistent"):
            self._window = math.inf  # other managers renew the same tokens, unseen from here
        self._logs = Logs()
        self._lines = self._logs.lines
        self._handle.callbacks = [self._lines]
        call(native.set_interrupt_callback, self._handle, interrupt_callback, None)
        call(native.set_log_callback, self._handle, log_callback, id(self._lines), self._logs.most)
        managers.add(self)
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
            outcome = native.new_outcome()
        lines = self._lines.own
        failed = _request_into(self._handle, method, encoded, body, size, options, outcome.at)
        if failed or kept or lines:
            self._settle(make_error(read_error(outcome.error)) if failed else None)
        response = Response(outcome)
        if len(response.content) <= _KEPT_BYTES:
            _outcomes.append(outcome)
        return response

    def _send_streams(self, method: bytes | None, url: bytes, streams: Streams, options: bytes | None) -> Response:
        if ending:
            due(None)  # a daemon thread goes no further: the callbacks are Python's
        with streams as (read, rewind, size, write):
            error = place()
            lines = self._lines.own
            handle = native.request_stream(self._handle, method, url, read, rewind, size, write, None, options, error)
            if not handle or kept or lines:
                self._settle(take_error(error))
            places.append(error)
            return streams.response(native.Answer(handle))

    # ---- tokens ----

    def access_token(self) -> str:
        """An access token that is good now; logs in or refreshes when due. For callers with their own HTTP client, who
        call `reject()` where a server refuses it."""
        return self._good_token() or self.token().access_token

    def _good_token(self) -> str | None:
        """The access token, if that takes no waiting for sure."""
        if monotonic() >= self._good_until[0]:
            return None
        rooms = self._rooms
        try:
            room = rooms.pop()
        except IndexError:
            room = _Room(self._room_size)
        size: int = _copy_access_token(self._handle, room.array, room.size, None)
        if not 0 < size < len(room.bytes):
            return None
        token = room.bytes[:size].decode()
        rooms.append(room)
        return token

    def token(self) -> Token:
        """A token pair that is good now; logs in or refreshes when due."""
        good_until = self._good_until
        is_settled = not self._renewals
        error = place()
        lines = self._lines.own
        handle = native.get_token(self._handle, error)
        if not handle or kept or lines:
            self._settle(take_error(error))
        places.append(error)
        token = Token(handle)
        size = len(native.token_access(handle)) + 1
        if size > self._room_size:
            self._room_size, self._rooms = 2 * size, []
        if is_settled:
            good_until[0] = monotonic() + token.seconds_left - self._window
        return token

    def peek_token(self) -> Token | None:
        """The token pair that is held, good or not; None if there is none. It never waits."""
        handle = self._do(native.peek_token)
        return Token(handle) if handle else None

    def login(self) -> None:
        """Logs in now, whatever is held."""
        self._renew(native.login)

    def refresh(self) -> None:
        """Refreshes now, however long the token would still live; falls back to a login."""
        self._renew(native.refresh)

    def logout(self) -> None:
        """Revokes the tokens at the server: every token of the client, not only this one."""
        self._renew(native.logout)

    @hides_arguments
    def reject(self, access_token: str) -> None:
        """Says that the server answered 401 to this access token; the next call renews it. A token that is no longer the
        current one costs nothing."""
        self._renew(native.reject, native.text(access_token, "access token"))

    @hides_arguments
    def set_tokens(
        self,
        access_token: str,
        refresh_token: str | None = None,
        expires_at: float | None = None,
        refresh_expires_at: float | None = None,
    ) -> None:
        """Takes over a pair from elsewhere. From then on the refresh token is the manager's alone. Times are Unix
        seconds; None: unknown, then a JWT's own `exp` counts."""
        self._renew(
            native.set_tokens,
            native.text(access_token, "access token"),
            native.text(refresh_token, "refresh token"),
            native.int64(expires_at or 0, "expires_at"),
            native.int64(refresh_expires_at or 0, "refresh_expires_at"),
        )

    @hides_arguments
    def set_credentials(self, username: str | None, password: str) -> None:
        """Replaces the credentials; None keeps the username. Another username drops the tokens."""
        self._renew(native.set_credentials, native.text(username, "username"), native.text(password, "password"))
        self._username = username or self._username

    def check_store(self) -> None:
        """Reads the store once. Raises StoreError where it can not be used, which costs a login for each process."""
        self._do(native.check_store)

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

    # ---- other people's HTTP clients ----

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
        self._good_until = [0.0]
        self._handle = None

    def __enter__(self) -> TokenManager:
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
        return f"<TokenManager of {self._username or 'nobody'} at {self._origins}{state}>"

    def __reduce__(self) -> Any:
        raise TypeError(
            "a TokenManager can not be pickled or copied: it holds secrets and connections; make one in each process "
            "that does not inherit it by fork, as in the initializer of a pool"
        )

    def silence(self) -> None:
        """At the interpreter's end: no call that begins from here on is to call Python back."""
        if self._handle is not None:
            native.set_interrupt_callback(self._handle, tm_interrupt_callback(), None, None)
            native.set_log_callback(self._handle, tm_log_callback(), None, 0, None)

    def _do(self, function: Callable[..., Any], *arguments: Any) -> Any:
        error = place()
        lines = self._lines.own
        result = function(self._handle, *arguments, error)
        if error._obj or kept or lines:
            self._settle(take_error(error))
        places.append(error)
        return result

    def _renew(self, function: Callable[..., Any], *arguments: Any) -> None:
        """Does what changes the token that is held. Meanwhile whoever wants one has to wait, and must not hold the GIL."""
        self._renewals.append(None)
        self._good_until = [0.0]
        try:
            self._do(function, *arguments)
        finally:
            self._good_until = [0.0]
            del self._renewals[-1:]  # a forked child may have forgotten it

    def _settle(self, error: TokenManagerError | None) -> None:
        """After a call: hands the log lines over, and raises the call's error or what was raised meanwhile. Returns if
        there is neither."""
        failure = due(error)
        if self._handle is None and isinstance(failure, InvalidArgument):
            failure = InvalidArgument("the TokenManager is closed; make a new one")
        if failure is not None:
            self._good_until = [0.0]
        try:
            self._logs.hand_over()
        except BaseException as raised:
            if failure is None or isinstance(failure, Exception):
                raise raised from failure
        if failure is not None:
            raise failure


def _in_child() -> None:
    """A forked child has one thread: what others were about is over."""
    for manager in list(managers):
        manager._renewals.clear()


os.register_at_fork(after_in_child=_in_child)
