"""A manager's tokens for `httpx`."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator
from typing import TYPE_CHECKING, Any

import anyio.to_thread
import httpx

if TYPE_CHECKING:
    from ._manager import TokenManager


class HttpxAuth(httpx.Auth):
    """Sends a good token, and where it is refused another one, once. To other origins than the manager's it sends
    nothing: UrlNotAllowed. The client follows redirects to them, but without a token.

    In an event loop whatever may wait runs in a thread."""

    def __init__(self, manager: TokenManager) -> None:
        self._manager = manager

    def sync_auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        self._manager._origins.check(str(request.url))
        token = self._manager.access_token()
        response = yield bearing(request, token)
        if is_refused(response, token):
            self._manager.reject(token)
            if can_be_sent_again(request):
                yield bearing(request, self._manager.access_token())

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        self._manager._origins.check(str(request.url))
        token = await self._access_token()
        response = yield bearing(request, token)
        if is_refused(response, token):
            self._manager.reject(token)
            if can_be_sent_again(request):
                yield bearing(request, await self._access_token())

    async def _access_token(self) -> str:
        token = self._manager._good_token()
        return await anyio.to_thread.run_sync(self._manager.access_token) if token is None else token


def bearing(request: httpx.Request, token: str) -> httpx.Request:
    request.headers["Authorization"] = "Bearer " + token
    return request


def is_refused(response: httpx.Response, token: str) -> bool:
    """Whether the answer is one to the token: after a redirect to another origin it was not sent."""
    return response.status_code == 401 and response.request.headers.get("Authorization") == "Bearer " + token


def can_be_sent_again(request: httpx.Request) -> bool:
    """Whether its body is still there: an iterator has been read, and so has a file that can not be rewound."""
    stream: Any = request.stream
    if type(stream).__name__ == "MultipartStream":  # httpx has no public name for it; it rewinds its files itself
        return all(is_still_there(field.file) for field in stream.fields if hasattr(field, "file"))
    return isinstance(stream, httpx.ByteStream)


def is_still_there(file: Any) -> bool:
    return isinstance(file, (str, bytes)) or (hasattr(file, "seekable") and bool(file.seekable()))
