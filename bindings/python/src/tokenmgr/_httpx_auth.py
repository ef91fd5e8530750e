"""A manager's tokens for `httpx`."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Generator
from typing import Any, Callable

import anyio.to_thread
import httpx

from ._bearer import PREFIX, TokenSource, accept, is_refused


class HttpxAuth(httpx.Auth):
    """Sends a good token, and where it is refused another one, once. To other origins than the manager's it sends
    nothing: UrlNotAllowed. The client follows redirects to them, but without a token.

    In an event loop whatever may wait runs in a thread: by `access_token`, if given, else as anyio does it."""

    def __init__(self, source: TokenSource, access_token: Callable[[], Awaitable[str]] | None = None) -> None:
        self._source = source
        self._access_token = access_token or self._in_a_thread

    def sync_auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        self._source.check_url(str(request.url))
        response = yield bearing(request, self._source.access_token())
        if self._is_to_be_sent_again(request, response):
            response = yield bearing(request, self._source.access_token())
            self._accept(response)

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        self._source.check_url(str(request.url))
        response = yield bearing(request, await self._access_token())
        if self._is_to_be_sent_again(request, response):
            response = yield bearing(request, await self._access_token())
            self._accept(response)

    async def _in_a_thread(self) -> str:
        token = self._source.try_access_token()
        return await anyio.to_thread.run_sync(self._source.access_token) if token is None else token

    def _is_to_be_sent_again(self, request: httpx.Request, response: httpx.Response) -> bool:
        return is_refused(self._source, *answer(response)) and can_be_sent_again(request)

    def _accept(self, response: httpx.Response) -> None:
        accept(self._source, *answer(response))


def bearing(request: httpx.Request, token: str) -> httpx.Request:
    request.headers["Authorization"] = PREFIX + token
    return request


def answer(response: httpx.Response) -> tuple[int, str | None]:
    return response.status_code, response.request.headers.get("Authorization")


def can_be_sent_again(request: httpx.Request) -> bool:
    """Whether its body is still there: an iterator has been read, and so has a file that cannot be rewound."""
    stream: Any = request.stream
    if type(stream).__name__ == "MultipartStream":  # httpx has no public name for it; it rewinds its files itself
        return all(is_still_there(field.file) for field in stream.fields if hasattr(field, "file"))
    return isinstance(stream, httpx.ByteStream)


def is_still_there(file: Any) -> bool:
    return isinstance(file, (str, bytes)) or (hasattr(file, "seekable") and bool(file.seekable()))
