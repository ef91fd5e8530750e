"""requests and httpx: tokens through their own hooks for authentication."""

from __future__ import annotations

import asyncio
import io
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import requests
import trio

import tokenmgr
from conftest import DemoApi
from tokenmgr import AsyncTokenManager, TokenManager


@pytest.fixture
def session(tm: TokenManager) -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.auth = tm.requests_auth()
        yield session


def test_requests(session: requests.Session, api: DemoApi) -> None:
    assert session.get(api.url + "/api/v1/products").ok
    assert session.get(api.url + "/api/v1/products").ok
    assert api.counter("logins") == 1


BODIES = {"bytes": b"a body", "bytearray": bytearray(b"a body"), "text": "a body", "file": io.BytesIO(b"a body")}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_requests_recovers_from_a_401(session: requests.Session, api: DemoApi, body: Any) -> None:
    session.get(api.url + "/api/v1/products")
    api.control(revoke={"what": "access"})
    answer = session.post(api.url + "/api/v1/echo", data=body)
    assert answer.status_code == 200
    assert answer.json()["data"]["body"] == "a body"
    assert [earlier.status_code for earlier in answer.history] == [401]
    assert answer.elapsed.total_seconds() > 0
    assert (api.counter("refreshes"), api.counter("logins")) == (1, 1)


def test_requests_tells_that_a_token_works(session: requests.Session, api: DemoApi) -> None:
    """Otherwise a second 401 within a minute is taken for a server that refuses every token, and costs a login."""
    for _ in range(4):
        assert session.get(api.url + "/api/v1/products").ok
        api.control(revoke={"what": "access"})
    assert (api.counter("refreshes"), api.counter("logins")) == (3, 1)


def test_requests_tries_once(session: requests.Session, api: DemoApi) -> None:
    api.control(refuse_all_access=True)
    assert session.get(api.url + "/api/v1/products").status_code == 401
    assert api.counter("api_arrivals") == 2


def test_requests_does_not_repeat_what_is_gone(session: requests.Session, api: DemoApi) -> None:
    session.get(api.url + "/api/v1/products")
    api.control(revoke={"what": "access"})
    assert session.post(api.url + "/api/v1/echo", data=iter([b"once"])).status_code == 401
    assert session.get(api.url + "/api/v1/products").ok


def test_requests_sends_the_token_nowhere_else(session: requests.Session, api: DemoApi) -> None:
    for url in ("http://localhost:1/", api.url.replace("127.0.0.1", "127.0.0.2"), api.url.replace("http:", "https:")):
        with pytest.raises(tokenmgr.UrlNotAllowed):
            session.get(url)
    other = DemoApi()
    try:
        answer = session.get(api.url + "/api/v1/redirect", params={"to": other.url + "/api/v1/echo"})
        assert answer.status_code == 401
        assert answer.json()["error"]["code"] == "missing_token"
    finally:
        other.stop()
    assert api.counter("refreshes") == 0


def test_allowed_origins(api: DemoApi) -> None:
    other = DemoApi()
    try:
        with TokenManager(api.url, "demo", "demo-password", allowed_origins=[other.url]) as tm:
            assert requests.get(other.url + "/api/v1/echo", auth=tm.requests_auth(), timeout=5).status_code == 401
        assert other.counter("api_401") == 2
    finally:
        other.stop()


def test_httpx(tm: TokenManager, api: DemoApi) -> None:
    with httpx.Client(auth=tm.httpx_auth(), base_url=api.url) as client:
        assert client.get("/api/v1/products").is_success
        api.control(revoke={"what": "access"})
        answer = client.post("/api/v1/echo", json={"a": 1})
        assert answer.json()["data"]["body"] == '{"a":1}'
        assert (api.counter("refreshes"), api.counter("logins")) == (1, 1)
        with pytest.raises(tokenmgr.UrlNotAllowed):
            client.get("http://127.0.0.2:1/")
        api.control(revoke={"what": "access"})
        assert client.post("/api/v1/echo", content=iter([b"once"])).status_code == 401
        assert client.get("/api/v1/products").is_success
        api.control(refuse_all_access=True)
        assert client.get("/api/v1/products").status_code == 401


@pytest.fixture
def other() -> Iterator[DemoApi]:
    other = DemoApi()
    yield other
    other.stop()


def redirect(api: DemoApi, other: DemoApi) -> str:
    return f"{api.url}/api/v1/redirect?to={other.url}/api/v1/echo"


def test_httpx_does_not_blame_the_token_for_another_origins_401(tm: TokenManager, api: DemoApi, other: DemoApi) -> None:
    async def asynchronously() -> httpx.Response:
        async with httpx.AsyncClient(auth=tm.httpx_auth(), follow_redirects=True) as client:
            return await client.get(redirect(api, other))

    with httpx.Client(auth=tm.httpx_auth(), follow_redirects=True) as client:
        answers = [client.get(redirect(api, other)), asyncio.run(asynchronously())]
        assert [answer.json()["error"]["code"] for answer in answers] == ["missing_token"] * 2
        assert other.counter("api_arrivals") == 2
        assert client.get(api.url + "/api/v1/redirect", params={"to": "/api/v1/products"}).is_success
    assert (api.counter("logins"), api.counter("refreshes")) == (1, 0)


@pytest.mark.parametrize("kind", [None, TokenManager, AsyncTokenManager])
def test_httpx_tells_that_a_token_works(tm: TokenManager, api: DemoApi, kind: type | None) -> None:
    async def asynchronously() -> bool:
        manager = tm if kind is TokenManager else AsyncTokenManager.of(tm)
        async with httpx.AsyncClient(auth=manager.httpx_auth()) as client:
            return (await client.get(api.url + "/api/v1/products")).is_success

    for _ in range(4):
        if kind is not None:
            assert asyncio.run(asynchronously())
        else:
            with httpx.Client(auth=tm.httpx_auth()) as client:
                assert client.get(api.url + "/api/v1/products").is_success
        api.control(revoke={"what": "access"})
    assert (api.counter("refreshes"), api.counter("logins")) == (3, 1)


class Pipe(io.BytesIO):
    """A file that cannot be rewound."""

    def seekable(self) -> bool:
        return False

    def seek(self, *_: object) -> int:
        raise io.UnsupportedOperation

    def fileno(self) -> int:
        raise OSError


def test_httpx_repeats_forms_with_files(tm: TokenManager, api: DemoApi) -> None:
    with httpx.Client(auth=tm.httpx_auth(), base_url=api.url) as client:
        client.get("/api/v1/products")
        for file in (b"in the file", io.BytesIO(b"in the file")):
            api.control(revoke={"what": "access"})
            answer = client.post("/api/v1/echo", files={"file": file}, data={"name": "a name"})
            assert answer.status_code == 200
            assert "in the file" in answer.json()["data"]["body"]
            assert "a name" in answer.json()["data"]["body"]
            assert client.get("/api/v1/products").is_success
        api.control(revoke={"what": "access"})
        assert client.post("/api/v1/echo", files={"file": Pipe(b"once")}).status_code == 401


async def many_calls(tm: TokenManager, api: DemoApi) -> list[int]:
    async with httpx.AsyncClient(auth=tm.httpx_auth(), base_url=api.url) as client:
        first = [(await client.get("/api/v1/products")).status_code]
        api.control(revoke={"what": "access"})
        if asyncio_is_running():
            several = await asyncio.gather(*(client.get("/api/v1/products") for _ in range(10)))
            return first + [answer.status_code for answer in several]
        return first + [(await client.get("/api/v1/products")).status_code for _ in range(10)]


def asyncio_is_running() -> bool:
    try:
        return asyncio.get_running_loop() is not None
    except RuntimeError:
        return False


@pytest.mark.parametrize("run", [lambda f, *a: asyncio.run(f(*a)), trio.run], ids=["asyncio", "trio"])
def test_httpx_async(tm: TokenManager, api: DemoApi, run: Any) -> None:
    assert run(many_calls, tm, api) == [200] * 11
    assert (api.counter("refreshes"), api.counter("logins")) == (1, 1)


def test_an_event_loop_goes_on_while_the_manager_waits(tm: TokenManager, api: DemoApi) -> None:
    api.control(faults={"route": "/auth/login", "delay_before_ms": 500})
    loop_thread = threading.get_ident()
    ticks = []

    async def tick() -> None:
        while True:
            ticks.append(threading.get_ident())
            await asyncio.sleep(0.01)

    async def main() -> int:
        ticking = asyncio.create_task(tick())
        async with httpx.AsyncClient(auth=tm.httpx_auth()) as client:
            status = (await client.get(api.url + "/api/v1/products")).status_code
        ticking.cancel()
        return status

    assert asyncio.run(main()) == 200
    assert len(ticks) > 10
    assert set(ticks) == {loop_thread}
