"""tokenmgr.testing: what users test their own programs with."""

from __future__ import annotations

import asyncio
import inspect
import io
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import requests

import tokenmgr
from tokenmgr import AsyncTokenManager, TokenManager
from tokenmgr.testing import FakeTokenManager, TokenApi


@pytest.fixture
def fake() -> FakeTokenManager:
    return FakeTokenManager()


def test_it_has_the_interface_of_the_real_one() -> None:
    assert issubclass(FakeTokenManager, TokenManager)
    for name in dir(TokenManager):
        if name == "__init__" or not name.startswith("_"):
            assert inspect.signature(getattr(FakeTokenManager, name)) == inspect.signature(getattr(TokenManager, name))


def test_answers_and_calls(fake: FakeTokenManager) -> None:
    fake.answer("GET", "/api/v1/products", json=[{"name": "a"}], headers={"X-Page": "1"})
    answer = fake.get("/api/v1/products", params={"page": 2})
    assert (answer.status_code, answer.json(), answer.headers["x-page"]) == (200, [{"name": "a"}], "1")
    assert answer.headers["content-type"] == "application/json"
    assert fake.get("https://api.example.test/api/v1/products").ok
    fake.answer("POST", "/api/v1/orders", 201)
    for arguments, body in [
        ({"json": {"sku": 1}}, b'{"sku":1}'),
        ({"data": {"a": "b"}}, b"a=b"),
        ({"data": "a"}, b"a"),
    ]:
        assert fake.post("/api/v1/orders", **arguments).status_code == 201  # type: ignore[arg-type]
        assert fake.calls[-1].body == body
    assert fake.calls[2].json() == {"sku": 1}
    assert [(call.method, call.url) for call in fake.calls[:2]] == [
        ("GET", "/api/v1/products"),
        ("GET", "https://api.example.test/api/v1/products"),
    ]
    assert fake.calls[0].arguments == {"params": {"page": 2}}
    assert (fake.logins, fake.refreshes) == (1, 0)


def test_answers_in_turn(fake: FakeTokenManager) -> None:
    fake.answer("GET", "/a", 503)
    fake.answer("GET", "/a", raises=tokenmgr.Timeout("too slow"))
    fake.answer("GET", "/a")
    assert fake.get("/a").status_code == 503
    with pytest.raises(tokenmgr.Timeout):
        fake.get("/a")
    assert [fake.get("/a").status_code for _ in range(2)] == [200, 200]
    fake.answer("GET", "/a", 503)  # an answer that was given is not given again before the next one
    assert [fake.get("/a").status_code for _ in range(2)] == [503, 503]


def test_a_call_without_an_answer_says_so(fake: FakeTokenManager) -> None:
    fake.answer("GET", "/a")
    with pytest.raises(AssertionError, match=r"DELETE /b was called.*It has answers for: GET /a"):
        fake.delete("/b")


@pytest.mark.parametrize(
    ("status", "kind", "is_retryable"),
    [
        (401, tokenmgr.Unauthorized, False),
        (403, tokenmgr.Forbidden, False),
        (404, tokenmgr.HttpError, False),
        (429, tokenmgr.RateLimited, True),
        (503, tokenmgr.ServerError, True),
    ],
)
def test_errors_are_those_of_the_real_one(
    fake: FakeTokenManager, status: int, kind: type[tokenmgr.TokenManagerError], is_retryable: bool
) -> None:
    fake.answer("GET", "/a", status, headers={"Retry-After": "7"})
    with TokenApi() as api, api.manager() as real:
        api.answer("GET", "/a", status, headers={"Retry-After": "7"})
        for manager in (fake, real):
            with pytest.raises(kind) as raised:
                manager.get("/a").raise_for_status()
            error = raised.value
            assert (error.http_status, error.is_retryable) == (status, is_retryable)
            if status in (429, 503):
                assert error.retry_after == 7


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"error": {"name": "x", "code": "sold_out", "message": "none left"}}, "sold_out"),
        ({"error": {"name": "sold_out"}}, "sold_out"),
        ({"error": "sold_out", "message": "none left"}, "sold_out"),
        ({"code": 17}, "17"),
        (["sold_out"], None),
    ],
)
def test_the_servers_own_code(fake: FakeTokenManager, body: object, code: str | None) -> None:
    with TokenApi() as api, api.manager() as real:
        for manager, answering in ((fake, fake), (real, api)):
            answering.answer("GET", "/a", 409, json=body)
            error = manager.get("/a").error
            assert error is not None
            assert error.server_code == code


@pytest.mark.parametrize(
    "params",
    [{"page": 2}, {"q": "a b~*&"}, {"q": [True, 1.5]}, [("a", 1), ("b", "ä"), ("a", 2)], {"q": None}, {"q": ""}],
    ids=str,
)
def test_parameters_are_a_part_of_the_url(fake: FakeTokenManager, params: Any) -> None:
    with TokenApi() as api, api.manager() as real:
        api.answer("GET", "/a", content=b"any")
        url = real.get("/a?b=c", params=params).url.replace(api.url, "https://api.example.test")
    fake.answer("GET", "/a", content=b"any")
    fake.answer("GET", url, content=b"that one")
    answer = fake.get("/a?b=c", params=params)
    assert (answer.url, answer.content) == (url, b"that one")
    assert fake.get("/a", params={"page": 3}).content == b"any"


def test_arguments_are_checked(fake: FakeTokenManager, caplog: pytest.LogCaptureFixture) -> None:
    fake.answer("GET", "/a")
    wrong: list[dict[str, Any]] = [{"headers": {"a b": "c"}}, {"headers": {"a": "b\nc"}}, {"timeout": -1}]
    wrong += [{"params": {"a": object()}}, {"content_type": "\n"}]
    with TokenApi() as api, api.manager() as real:
        for arguments in wrong:
            with pytest.raises((ValueError, TypeError)) as raised:
                real.get("/a", **arguments)
            with pytest.raises(raised.type):
                fake.get("/a", **arguments)
    with pytest.raises(tokenmgr.InvalidArgument):
        fake.request("NO METHOD", "/a")
    assert fake.calls == []
    assert caplog.messages == []


def test_it_can_stand_in_place_of_a_token_manager() -> None:
    options: Any = {
        "store": {"type": "file", "path": "/nowhere"},
        "ca_file": "/nowhere",
        "allowed_origins": ["https://b.test"],
    }
    with FakeTokenManager("https://a.test/v1/", "shop", "secret", **options) as fake:
        fake.answer("GET", "/items", json=1)
        assert fake.get("/items").url == "https://a.test/v1/items"
        assert fake.get("https://a.test/v1/items").json() == 1
        fake.answer("GET", "https://b.test/items")
        assert fake.get("https://b.test/items", params=iter([("a", 1)])).url == "https://b.test/items?a=1"
        assert "shop" in repr(fake)
    with pytest.raises(tokenmgr.InvalidArgument, match="closed"):
        fake.get("/items")
    assert (len(fake.calls), fake.logins) == (3, 1)


def test_streams(fake: FakeTokenManager, tmp_path: Path) -> None:
    fake.answer("GET", "/a", content=b"the body")
    with fake.get("/a", stream=True) as answer:
        assert list(answer.iter_bytes(4)) == [b"the ", b"body"]
    assert fake.get("/a", sink=tmp_path / "file").content == b""
    assert (tmp_path / "file").read_bytes() == b"the body"
    fake.answer("PUT", "/b")
    for data in (io.BytesIO(b"a body"), iter([b"a ", b"body"])):
        fake.put("/b", data=data)
        assert fake.calls[-1].body == b"a body"


def test_tokens(fake: FakeTokenManager) -> None:
    assert fake.try_access_token() is None
    token = fake.access_token()
    assert token == fake.access_token() == fake.token().access_token
    fake.accept(token)
    fake.reject(token)
    assert fake.access_token() != token
    assert (fake.logins, fake.refreshes) == (1, 1)
    fake.logout()
    assert fake.peek_token() is None
    fake.check_store()
    assert fake.check("/a")["ok"]
    fake.check_url("/a")
    for url in ("http://api.example.test/", "https://elsewhere.example/"):
        with pytest.raises(tokenmgr.UrlNotAllowed):
            fake.get(url)
    fake.fail_with(tokenmgr.LoginRejected("refused, as the test has it"))
    asking = (fake.access_token, fake.login, fake.refresh, fake.logout, fake.check_store, fake.check)
    for call in (*asking, lambda: fake.get("/a")):
        with pytest.raises(tokenmgr.LoginRejected):
            call()
    fake.fail_with(None)
    assert fake.token().seconds_left > 3500
    assert fake.stats()["connections_opened"] == 0


def test_it_can_be_awaited(fake: FakeTokenManager) -> None:
    fake.answer("GET", "/a", json=1)

    async def main() -> None:
        async with AsyncTokenManager.of(fake) as tm:
            assert (await tm.get("/a")).json() == 1
            assert await tm.access_token() == "fake-access-token-1"

    asyncio.run(main())


def test_an_answer_is_what_http_allows(fake: FakeTokenManager) -> None:
    fake.answer("GET", "/gone", 204, json={"left": "out"})
    assert fake.get("/gone").content == b""
    fake.answer("GET", "/a b")
    assert fake.get("https://api.example.test/a b").ok
    with TokenApi() as api, api.manager() as tm:
        api.answer("GET", "/gone", 204, json={"left": "out"})
        api.answer("OPTIONS", "/gone", json="allowed")
        for _ in range(2):
            assert tm.get("/gone").content == b""
            assert tm.request("OPTIONS", "/gone").json() == "allowed"
        with socket.create_connection(("127.0.0.1", int(api.url.rpartition(":")[2]))) as connection:
            for _ in range(3):
                connection.sendall(b"GET /x HTTP/1.1\r\nHost: x\r\n\r\n")
                # In one packet: else a client waits 40 ms for each.
                assert b"invalid_token" in connection.recv(65536)


def test_an_api_for_a_real_manager() -> None:
    before = threading.active_count()
    with TokenApi() as api, api.manager() as tm:
        api.answer("GET", "/api/v1/products", json=[1])
        assert tm.get("/api/v1/products", params={"page": 2}).json() == [1]
        for _ in range(3):
            api.revoke()
            assert tm.get("/api/v1/products").ok
        assert (api.logins, api.refreshes) == (1, 3)
        assert tm.get("/nothing").status_code == 404
        api.answer("PUT", "/body")
        assert tm.put("/body", data=iter([b"in ", b"chunks"])).ok
        assert api.calls[-1].body == b"in chunks"
        assert tm.head("/api/v1/products").status_code == 404
        assert httpx.get(api.url + "/api/v1/products", auth=tm.httpx_auth()).json() == [1]
        assert requests.get(api.url + "/api/v1/products", auth=tm.requests_auth(), timeout=5).json() == [1]
        pair = tm.token()
        tm.logout()
        assert api.logouts == 1
        tm.set_tokens(pair.access_token, pair.refresh_token)
        assert tm.get("/api/v1/products").ok
        assert api.logins == 2
        api.answer("POST", "/auth/login", 403)
        tm.logout()
        with pytest.raises(tokenmgr.Forbidden):
            tm.get("/api/v1/products")
    assert threading.active_count() == before
    with TokenApi() as api, TokenManager(api.url, "user", "wrong") as tm, pytest.raises(tokenmgr.LoginRejected):
        tm.login()


def test_an_api_says_nothing_of_a_client_that_leaves(capfd: pytest.CaptureFixture[str]) -> None:
    def body() -> Iterator[bytes]:
        yield b"a piece"
        raise KeyError("mine")

    with TokenApi() as api, api.manager() as tm:
        tm.login()
        with pytest.raises(KeyError, match="mine"):
            tm.put("/body", data=body())
    assert capfd.readouterr().err == ""


CONFTEST = 'pytest_plugins = ["tokenmgr.pytest_plugin"]\n'
TESTS = """
import tokenmgr

def cheapest(tm: tokenmgr.TokenManager) -> str:
    return min(tm.get("/products").raise_for_status().json(), key=lambda one: one["price"])["name"]

PRODUCTS = [{"name": "a", "price": 2}, {"name": "b", "price": 1}]

def test_with_the_fake(fake_token_manager):
    fake_token_manager.answer("GET", "/products", json=PRODUCTS)
    assert cheapest(fake_token_manager) == "b"

def test_with_the_api(token_api):
    token_api.answer("GET", "/products", json=PRODUCTS)
    with token_api.manager() as tm:
        tm.login()
        token_api.revoke()
        assert cheapest(tm) == "b"
    assert token_api.refreshes == 1
"""


def test_the_fixtures(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "test_it.py").write_text(TESTS)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, "2 passed" in done.stdout) == (0, True), done.stdout
