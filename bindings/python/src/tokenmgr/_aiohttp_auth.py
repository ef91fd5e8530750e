"""A manager's tokens for `aiohttp`."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Callable

import aiohttp
from aiohttp.payload import BytesPayload, Payload

from ._bearer import PREFIX, TokenSource, accept, is_refused
from .errors import UrlNotAllowed

#: As which a WebSocket begins.
HTTP = {"ws": "http", "wss": "https"}


class AiohttpMiddleware:
    """Sends a good token, and where it is refused another one, once. Requests to other origins than the manager's pass as
    they are, without a token; so do redirects to them, which aiohttp sends through its middlewares, too."""

    def __init__(self, source: TokenSource, access_token: Callable[[], Awaitable[str]]) -> None:
        self._source = source
        self._access_token = access_token

    async def __call__(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        try:
            self._source.check_url(str(request.url.with_scheme(HTTP.get(request.url.scheme, request.url.scheme))))
        except UrlNotAllowed:
            return await handler(request)
        response = await self._send(request, handler)
        if is_refused(self._source, *answer(request, response)) and can_be_sent_again(request):
            response.release()
            await request.close()  # what still sends the body
            response = await self._send(request, handler)
            accept(self._source, *answer(request, response))
        return response

    async def _send(self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
        request.headers["Authorization"] = PREFIX + await self._access_token()
        return await handler(request)


def answer(request: aiohttp.ClientRequest, response: aiohttp.ClientResponse) -> tuple[int, str]:
    return response.status, request.headers["Authorization"]


def can_be_sent_again(request: aiohttp.ClientRequest) -> bool:
    """Whether its body is still there: an iterator has been read, and so has a file that cannot be rewound."""
    body = request.body
    if not isinstance(body, Payload):
        return True
    # aiohttp 3.12.0 does not tell, but what is in memory stays there.
    return not getattr(body, "consumed", not isinstance(body, BytesPayload))
