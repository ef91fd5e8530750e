"""The adapter for requests in niquests. Run by `versions` alone: niquests replaces the urllib3 of other clients."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import niquests
import pytest

import tokenmgr
from conftest import DemoApi
from tokenmgr import TokenManager


@pytest.fixture
def session(tm: TokenManager) -> Iterator[Any]:
    with niquests.Session() as session:
        session.auth = tm.requests_auth()
        yield session


def test_three_revocations_within_a_minute_are_three_refreshes(session: Any, api: DemoApi) -> None:
    for _ in range(4):
        assert session.get(api.url + "/api/v1/products").ok
        api.control(revoke={"what": "access"})
    assert (api.counter("refreshes"), api.counter("logins")) == (3, 1)


@pytest.mark.parametrize("body", [b"a body", "a body", io.BytesIO(b"a body")], ids=["bytes", "text", "file"])
def test_a_body_is_sent_again(session: Any, api: DemoApi, body: Any) -> None:
    session.get(api.url + "/api/v1/products")
    api.control(revoke={"what": "access"})
    answer = session.post(api.url + "/api/v1/echo", data=body)
    assert answer.json()["data"]["body"] == "a body"
    assert [earlier.status_code for earlier in answer.history] == [401]


def test_an_iterator_is_not_sent_again(session: Any, api: DemoApi) -> None:
    session.get(api.url + "/api/v1/products")
    api.control(revoke={"what": "access"})
    assert session.post(api.url + "/api/v1/echo", data=iter([b"once"])).status_code == 401
    assert session.get(api.url + "/api/v1/products").ok


def test_the_token_goes_nowhere_else(session: Any, api: DemoApi) -> None:
    with pytest.raises(tokenmgr.UrlNotAllowed):
        session.get(api.url.replace("127.0.0.1", "127.0.0.2"))
    other = DemoApi()
    try:
        answer = session.get(api.url + "/api/v1/redirect", params={"to": other.url + "/api/v1/echo"})
        assert answer.json()["error"]["code"] == "missing_token"
    finally:
        other.stop()
    assert api.counter("refreshes") == 0
