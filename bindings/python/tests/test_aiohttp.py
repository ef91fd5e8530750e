"""The middleware for aiohttp, against the demo API and against servers made with aiohttp."""

from __future__ import annotations

import asyncio
import io
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, BinaryIO, Callable

import aiohttp
import pytest
from aiohttp import web

import tokenmgr
from conftest import PASSWORD, USER, DemoApi
from tokenmgr import AsyncTokenManager


@asynccontextmanager
async def session(api: DemoApi, **options: Any) -> AsyncIterator[aiohttp.ClientSession]:
    async with (
        AsyncTokenManager(api.url, USER, PASSWORD, timeout_ms=20_000, **options) as tm,
        aiohttp.ClientSession(base_url=api.url, middlewares=(tm.aiohttp_middleware(),)) as session,
    ):
        yield session


@asynccontextmanager
async def server(handler: Callable[[web.Request], Any]) -> AsyncIterator[str]:
    """A server of aiohttp that answers everything by one function; gives its URL."""
    application = web.Application(client_max_size=0)
    application.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def test_three_revocations_within_a_minute_are_three_refreshes(api: DemoApi) -> None:
    async def main() -> None:
        async with session(api) as client:
            for _ in range(4):
                async with client.get("/api/v1/products") as answer:
                    assert answer.status == 200
                    assert await answer.json()
                api.control(revoke={"what": "access"})

    asyncio.run(main())
    assert (api.counter("refreshes"), api.counter("logins")) == (3, 1)


def test_many_tasks_that_are_hit_by_a_401_are_one_refresh(api: DemoApi) -> None:
    async def main() -> None:
        async with session(api) as client:

            async def status() -> int:
                async with client.get("/api/v1/products") as answer:
                    return answer.status

            assert await status() == 200
            api.control(revoke={"what": "access"})
            assert await asyncio.gather(*(status() for _ in range(50))) == [200] * 50

    asyncio.run(main())
    assert (api.counter("refreshes"), api.counter("logins")) == (1, 1)


def test_a_websocket_of_the_managers_host_gets_the_token(api: DemoApi) -> None:
    async def says_who_asks(request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.send_str(request.headers.get("Authorization", "nobody"))
        await socket.close()
        return socket

    async def first_word(url: str, client: aiohttp.ClientSession) -> str:
        async with client.ws_connect(url.replace("http", "ws")) as socket:
            said: Any = await socket.receive_str()
            return str(said).partition(" ")[0]

    async def main() -> None:
        async with server(says_who_asks) as url, session(api, allowed_origins=[url]) as client:
            assert await first_word(url, client) == "Bearer"
        async with server(says_who_asks) as url, session(api) as client:
            assert await first_word(url, client) == "nobody"

    asyncio.run(main())


async def pieces() -> AsyncIterator[bytes]:
    yield b"a body"


def pipe() -> BinaryIO:
    read, write = os.pipe()
    os.write(write, b"a body")
    os.close(write)
    return open(read, "rb")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"data": b"a body"}, 200),
        ({"data": "a body"}, 200),
        ({"json": "a body"}, 200),
        ({"data": {"field": "a body"}}, 200),
        ({"data": lambda: io.BytesIO(b"a body")}, 200),
        ({"data": lambda: pieces()}, 401),
        ({"data": lambda: pipe()}, 401),
    ],
)
def test_a_body_is_sent_again_where_it_is_still_there(api: DemoApi, body: dict[str, Any], status: int) -> None:
    async def main() -> None:
        async with session(api) as client:
            await (await client.get("/api/v1/products")).read()
            api.control(revoke={"what": "access"})
            made = {name: value() if callable(value) else value for name, value in body.items()}
            async with client.post("/api/v1/echo", **made) as answer:
                assert answer.status == status
                if status == 200:
                    assert "a" in (await answer.json())["data"]["body"]
                    assert "body" in (await answer.json())["data"]["body"]
            async with client.get("/api/v1/products") as answer:
                assert answer.status == 200
            for value in made.values():
                if isinstance(value, io.IOBase):
                    value.close()

    asyncio.run(main())
    assert (api.counter("refreshes"), api.counter("logins")) == (1, 1)


def test_a_body_is_sent_again_by_an_aiohttp_that_does_not_tell(api: DemoApi, monkeypatch: pytest.MonkeyPatch) -> None:
    """As 3.12.0 does not, whether a body was consumed."""
    for kind in (aiohttp.payload.Payload, aiohttp.payload.IOBasePayload, aiohttp.payload.AsyncIterablePayload):
        for name in ("consumed", "_consumed"):
            if name in vars(kind):
                monkeypatch.delattr(kind, name)

    async def main() -> None:
        async with session(api) as client:
            await (await client.get("/api/v1/products")).read()
            for made, status in (({"json": "a body"}, 200), ({"data": pieces()}, 401)):
                api.control(revoke={"what": "access"})
                async with client.post("/api/v1/echo", **made) as answer:
                    assert answer.status == status
                await (await client.get("/api/v1/products")).read()

    asyncio.run(main())


def test_it_tries_once(api: DemoApi) -> None:
    async def main() -> None:
        async with session(api) as client:
            api.control(refuse_all_access=True)
            async with client.get("/api/v1/products") as answer:
                assert answer.status == 401

    asyncio.run(main())
    assert api.counter("api_arrivals") == 2


def test_the_token_goes_nowhere_else(api: DemoApi) -> None:
    """Nor with a redirect; and what another origin says of its own tokens changes nothing."""
    bearers: list[str | None] = []

    async def elsewhere(request: web.Request) -> web.Response:
        bearers.append(request.headers.get("Authorization"))
        return web.Response(status=401)

    async def main() -> None:
        async with session(api) as client, server(elsewhere) as other:
            for url in (f"{other}/a", f"{api.url}/api/v1/redirect?to={other}/b"):
                async with client.get(url) as answer:
                    assert answer.status == 401
            async with client.get(f"{other}/c", headers={"Authorization": "Bearer its-own"}) as answer:
                assert answer.status == 401
            async with client.get(f"{api.url}/api/v1/redirect?to=/api/v1/products") as answer:
                assert answer.status == 200
        async with server(elsewhere) as other, session(api, allowed_origins=[other]) as client:
            answer = await client.get(f"{other}/d")
            assert answer.status == 401

    asyncio.run(main())
    assert bearers[:3] == [None, None, "Bearer its-own"]
    assert [(bearer or "").startswith("Bearer ") for bearer in bearers[3:]] == [True, True]


def test_an_answer_that_comes_before_the_body_is_sent(api: DemoApi) -> None:
    """The second send begins when the first has ended."""
    received: list[tuple[str, int]] = []
    size = 20_000_000

    async def tokens(request: web.Request) -> web.Response:
        pair = {"access_token": f"token-{len(received)}", "refresh_token": "refresh", "client_id": 1}
        return web.json_response({"success": True, "data": pair})

    async def application(request: web.Request) -> web.Response:
        if request.path.startswith("/auth/"):
            return await tokens(request)
        if not received:
            received.append(("early", 0))
            return web.Response(status=401)
        received.append(("whole", len(await request.read())))
        return web.Response(text="done")

    async def main() -> None:
        async with (
            server(application) as url,
            AsyncTokenManager(url, USER, PASSWORD) as tm,
            aiohttp.ClientSession(middlewares=(tm.aiohttp_middleware(),)) as client,
            client.put(f"{url}/large", data=io.BytesIO(bytes(size))) as answer,
        ):
            assert (answer.status, await answer.text()) == (200, "done")

    asyncio.run(main())
    assert received == [("early", 0), ("whole", size)]


def test_what_goes_wrong_with_the_token(api: DemoApi) -> None:
    async def main() -> None:
        async with (
            AsyncTokenManager(api.url, USER, "wrong") as tm,
            aiohttp.ClientSession(middlewares=(tm.aiohttp_middleware(),)) as client,
        ):
            with pytest.raises(tokenmgr.LoginRejected):
                await client.get(f"{api.url}/api/v1/products")
        # aiohttp turns what is an OSError into one of its own.
        async with (
            AsyncTokenManager("http://127.0.0.1:1", USER, PASSWORD) as tm,
            aiohttp.ClientSession(middlewares=(tm.aiohttp_middleware(),)) as client,
        ):
            with pytest.raises(aiohttp.ClientOSError) as raised:
                await client.get("http://127.0.0.1:1/")
            assert isinstance(raised.value.__cause__, tokenmgr.NetworkError)

    asyncio.run(main())


def test_a_time_limit_of_aiohttp_ends_a_login(api: DemoApi) -> None:
    async def main() -> None:
        async with session(api) as client:
            api.control(faults={"route": "/auth/login", "do": "hang"})
            with pytest.raises(asyncio.TimeoutError):
                await client.get("/api/v1/products", timeout=aiohttp.ClientTimeout(total=0.3))
            async with client.get("/api/v1/products") as answer:
                assert answer.status == 200

    asyncio.run(main())
