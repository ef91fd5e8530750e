"""The manager for asyncio."""

from __future__ import annotations

import asyncio
import weakref
from functools import partial
from typing import TYPE_CHECKING, Any, Callable

from ._logs import INFO, LogCallback
from ._manager import TokenManager
from ._response import Response
from ._threads import Call, Threads, post
from ._token import Token
from ._tracebacks import hides_arguments

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from types import TracebackType

    import aiohttp
    import httpx
    from typing_extensions import Self, Unpack

    from ._options import ManagerOptions
    from ._request import RequestArguments


class AsyncTokenManager:
    """A TokenManager whose calls are awaited. What may wait runs on threads of its own, at most `threads`, which are made
    when they are needed; a token that is good takes none. What never waits is no coroutine.

    A task that is cancelled, as by `asyncio.timeout`, ends its call within about 50 ms, and continues when that has ended.
    Several loops may use one manager, each with tasks of its own, and so may children that are forked.
    """

    __slots__ = ("__weakref__", "_manager", "_threads")

    @hides_arguments
    def __init__(
        self,
        host: str | None = None,
        username: str | None = None,
        password: str | None = None,
        *,
        threads: int = 16,
        **options: Unpack[ManagerOptions],
    ) -> None:
        self._begin(TokenManager(host, username, password, **options), threads)

    @classmethod
    def of(cls, manager: TokenManager, threads: int = 16) -> Self:
        """The same manager, for tasks, that threads use as `manager`. Closing this one closes that one, too."""
        made = cls.__new__(cls)
        made._begin(manager, threads)
        return made

    def _begin(self, manager: TokenManager, threads: int) -> None:
        self._threads = Threads(threads)
        self._manager = manager
        weakref.finalize(self, self._threads.close).atexit = False

    # These are no coroutines themselves: of a thousand calls in one turn of the loop, each coroutine more is half a
    # millisecond.

    def _call(self, function: Callable[..., Any], *arguments: Any, **named: Any) -> Coroutine[Any, Any, Any]:
        call = Call(partial(function, *arguments, **named))
        self._threads.begin(call)
        return call.outcome()

    def _send(self, method: str, url: str, **arguments: Unpack[RequestArguments]) -> Coroutine[Any, Any, Response]:
        return self._call(self._manager.request, method, url, **arguments)

    # ---- the main job ----

    async def request(self, method: str, url: str, **arguments: Unpack[RequestArguments]) -> Response:
        """Sends an API call with a valid token and receives the whole answer, whatever its status: as
        `TokenManager.request()`. Files and iterators in `arguments` are used on another thread."""
        return await self._send(method, url, **arguments)

    async def get(self, url: str, **arguments: Unpack[RequestArguments]) -> Response:
        """`request("GET", ...)`"""
        return await self._send("GET", url, **arguments)

    async def post(self, url: str, **arguments: Unpack[RequestArguments]) -> Response:
        """`request("POST", ...)`"""
        return await self._send("POST", url, **arguments)

    async def put(self, url: str, **arguments: Unpack[RequestArguments]) -> Response:
        """`request("PUT", ...)`"""
        return await self._send("PUT", url, **arguments)

    async def patch(self, url: str, **arguments: Unpack[RequestArguments]) -> Response:
        """`request("PATCH", ...)`"""
        return await self._send("PATCH", url, **arguments)

    async def delete(self, url: str, **arguments: Unpack[RequestArguments]) -> Response:
        """`request("DELETE", ...)`"""
        return await self._send("DELETE", url, **arguments)

    async def head(self, url: str, **arguments: Unpack[RequestArguments]) -> Response:
        """`request("HEAD", ...)`"""
        return await self._send("HEAD", url, **arguments)

    # ---- tokens ----

    async def access_token(self) -> str:
        """An access token that is good now; logs in or refreshes when due. For other HTTP clients; see `accept()` and
        `reject()`."""
        token: str = self._manager.try_access_token() or await self._call(self._manager.access_token)
        return token

    def try_access_token(self) -> str | None:
        """The access token that is held, if it is good and not due for a refresh; None otherwise. It never waits."""
        return self._manager.try_access_token()

    async def token(self) -> Token:
        """A token pair that is good now; logs in or refreshes when due."""
        token: Token = await self._call(self._manager.token)
        return token

    def peek_token(self) -> Token | None:
        """The token pair that is held, good or not; None if there is none. It never waits."""
        return self._manager.peek_token()

    async def login(self) -> None:
        """Logs in now, whatever is held."""
        await self._call(self._manager.login)

    async def refresh(self) -> None:
        """Refreshes now, however long the token would still live; falls back to a login."""
        await self._call(self._manager.refresh)

    async def logout(self) -> None:
        """Revokes the tokens at the server: every token of the client, not only this one."""
        await self._call(self._manager.logout)

    @hides_arguments
    async def set_tokens(
        self,
        access_token: str,
        refresh_token: str | None = None,
        expires_at: float | None = None,
        refresh_expires_at: float | None = None,
    ) -> None:
        """Takes over a pair from elsewhere: as `TokenManager.set_tokens()`."""
        await self._call(self._manager.set_tokens, access_token, refresh_token, expires_at, refresh_expires_at)

    @hides_arguments
    def set_credentials(self, username: str | None, password: str) -> None:
        """Replaces the credentials; None keeps the username. Another username drops the tokens."""
        self._manager.set_credentials(username, password)

    async def check_store(self) -> None:
        """Reads the store once. Raises StoreError where it cannot be used, which costs a login for each process."""
        await self._call(self._manager.check_store)

    async def check(self, path: str | None = None) -> dict[str, Any]:
        """Tries the option `auth` on the live server, step by step: as `TokenManager.check()`."""
        report: dict[str, Any] = await self._call(self._manager.check, path)
        return report

    # ---- watching ----

    def stats(self) -> dict[str, Any]:
        """Counters and gauges: docs/STATS.md."""
        return self._manager.stats()

    def on_log(self, callback: LogCallback | None, level: int = INFO) -> None:
        """As `TokenManager.on_log()`. The callback runs on the thread of the call that a line belongs to."""
        self._manager.on_log(callback, level)

    # ---- for other HTTP clients ----

    def check_url(self, url: str) -> None:
        """Raises UrlNotAllowed unless the token may be sent to this URL."""
        self._manager.check_url(url)

    @hides_arguments
    def reject(self, access_token: str) -> None:
        """Says that a server answered 401 to this access token; the next call renews it."""
        self._manager.reject(access_token)

    @hides_arguments
    def accept(self, access_token: str) -> None:
        """Says that a server answered something other than 401 to this access token."""
        self._manager.accept(access_token)

    def aiohttp_middleware(self) -> aiohttp.ClientMiddlewareType:
        """For `aiohttp` 3.12 and later: `aiohttp.ClientSession(middlewares=(tm.aiohttp_middleware(),))`."""
        from ._aiohttp_auth import AiohttpMiddleware

        return AiohttpMiddleware(self._manager, self.access_token)

    def httpx_auth(self) -> httpx.Auth:
        """For `httpx`, on asyncio: `httpx.AsyncClient(auth=tm.httpx_auth())`."""
        from ._httpx_auth import HttpxAuth

        return HttpxAuth(self._manager, self.access_token)

    # ---- the end ----

    async def close(self) -> None:
        """Closes the connections and ends the threads, once the calls that are running have returned. It does not log
        out."""
        loop = asyncio.get_running_loop()
        over = asyncio.Event()
        self._manager.close()
        self._threads.close(lambda: post(loop, over.set))
        await over.wait()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, raised: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        try:
            return f"<Async{repr(self._manager)[1:]}"
        except AttributeError:
            return "<AsyncTokenManager that was not made>"

    def __reduce__(self) -> Any:
        raise TypeError("an AsyncTokenManager cannot be pickled or copied; make one in each process")
