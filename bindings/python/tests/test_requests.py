"""The main job: calls, what they send, what comes back, what they raise."""

from __future__ import annotations

import copy
import json
import pickle
from typing import Any

import pytest

import tokenmgr
from conftest import DemoApi
from tokenmgr import TokenManager


def echoed(response: tokenmgr.Response) -> dict[str, Any]:
    data: dict[str, Any] = response.raise_for_status().json()["data"]
    return data


def test_the_main_job(tm: TokenManager, api: DemoApi) -> None:
    response = tm.get("/api/v1/products")
    assert response.status_code == 200
    assert response.ok
    assert len(response.json()["data"]) == 3
    assert response.raise_for_status() is response
    assert json.loads(response.content) == json.loads(response.text) == response.json()
    assert response.url == api.url + "/api/v1/products"
    assert api.counter("logins") == 1


def test_parameters(tm: TokenManager) -> None:
    data = echoed(tm.get("/api/v1/echo?a=1", params={"page": 2, "tag": ["x", "y z"], "none": None, "on": True}))
    assert sorted(data["query"]) == [["a", "1"], ["on", "true"], ["page", "2"], ["tag", "x"], ["tag", "y z"]]
    data = echoed(tm.get("/api/v1/echo", params=[("a", 1), ("b", "ü"), ("a", 3)]))
    assert data["query"] == [["a", "1"], ["a", "3"], ["b", "ü"]]


@pytest.mark.parametrize("method", ["get", "post", "put", "patch", "delete"])
def test_methods(tm: TokenManager, method: str) -> None:
    assert echoed(getattr(tm, method)("/api/v1/echo"))["method"] == method.upper()
    assert echoed(tm.request(method, "/api/v1/echo"))["method"] == method.upper()


def test_head(tm: TokenManager) -> None:
    assert tm.head("/api/v1/products").content == b""


def test_bodies(tm: TokenManager) -> None:
    data = echoed(tm.post("/api/v1/echo", json={"sku": 1, "name": "ü\0"}))
    assert json.loads(data["body"]) == {"sku": 1, "name": "ü\0"}
    assert data["headers"]["content-type"] == ["application/json"]
    assert echoed(tm.post("/api/v1/echo", json=[]))["body"] == "[]"
    data = echoed(tm.put("/api/v1/echo", data={"a": "1 2", "b": ["x", "y"]}))
    assert data["body"] == "a=1+2&b=x&b=y"
    assert data["headers"]["content-type"] == ["application/x-www-form-urlencoded"]
    data = echoed(tm.patch("/api/v1/echo", data="täxt", content_type="text/plain"))
    assert (data["body"], data["headers"]["content-type"]) == ("täxt", ["text/plain"])
    for binary in (b"\0\xff\0", bytearray(b"\0\xff\0"), memoryview(b"\0\xff\0")):
        assert echoed(tm.post("/api/v1/echo", data=binary))["body_base64"] == "AP8A"
    with pytest.raises(TypeError, match="not both"):
        tm.post("/api/v1/echo", json={}, data=b"")
    with pytest.raises(ValueError, match="JSON"):
        tm.post("/api/v1/echo", json=float("nan"))


def test_headers(tm: TokenManager) -> None:
    data = echoed(tm.get("/api/v1/echo", headers={"X-One": "ü", "X-Two": ["a", "b"], "X-None": None}))
    assert data["headers"]["x-one"] == ["ü"]
    assert data["headers"]["x-two"] == ["a", "b"]
    assert "x-none" not in data["headers"]


def test_answered_headers(tm: TokenManager, api: DemoApi) -> None:
    api.control(
        faults={"route": "/api/*", "headers": {"X-Some": "some", "Content-Type": "text/plain; charset=latin-1"}}
    )
    headers = tm.get("/api/v1/products").headers
    assert headers["X-SOME"] == headers.get("x-some") == "some"
    assert headers.get_list("x-some") == ["some"]
    assert "x-Some" in headers
    assert "x-other" not in headers
    assert set(headers) >= {"x-some", "content-type", "date"}
    assert len(headers) == len(list(headers))
    with pytest.raises(KeyError):
        headers["x-other"]
    assert "x-some" in repr(headers)
    assert "latin-1" not in repr(headers)  # no value: it might be a cookie


def test_text_in_its_charset(tm: TokenManager, api: DemoApi) -> None:
    for charset, text in (("iso-8859-1", "Ã¼"), ("no-such-charset", "ü"), ("idna", "ü"), ("UTF-8", "ü")):
        api.control(
            faults={"route": "/api/*", "body": "ü", "headers": {"content-type": f"text/plain; charset={charset}"}}
        )
        assert tm.get("/api/v1/products").text == text


def test_a_body_with_nuls(tm: TokenManager) -> None:
    body = tm.get("/api/v1/blob", params={"bytes": 200_000}).content
    assert body == bytes(i % 251 for i in range(200_000))
    assert tm.get("/api/v1/blob", params={"bytes": 0}).content == b""


def test_what_is_no_json(tm: TokenManager, api: DemoApi) -> None:
    api.control(faults={"route": "/api/*", "do": "html"})
    response = tm.get("/api/v1/products")
    with pytest.raises(ValueError, match="Expecting value"):
        response.json()


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, tokenmgr.HttpError),
        (401, tokenmgr.Unauthorized),
        (403, tokenmgr.Forbidden),
        (404, tokenmgr.HttpError),
        (429, tokenmgr.RateLimited),
        (503, tokenmgr.ServerError),
    ],
)
def test_statuses(tm: TokenManager, status: int, error: type[tokenmgr.TokenManagerError]) -> None:
    response = tm.get(f"/api/v1/status/{status}")
    assert not response.ok
    with pytest.raises(error) as raised:
        response.raise_for_status()
    assert raised.value.http_status == status
    assert raised.value.server_code == "as_requested"
    assert raised.value.response is response
    assert raised.value.status is error.status
    assert tm.get("/api/v1/status/302").error is None


def test_retry_after(tm: TokenManager, api: DemoApi) -> None:
    api.control(faults={"route": "/api/*", "status": 429, "retry_after": 7})
    error = tm.get("/api/v1/products").error
    assert isinstance(error, tokenmgr.RateLimited)
    assert error.retry_after == pytest.approx(7, abs=1)
    assert error.is_retryable


def test_errors_by_status(api: DemoApi, tm: TokenManager) -> None:
    with pytest.raises(tokenmgr.UrlNotAllowed):
        tm.get("http://127.0.0.1:1/elsewhere")
    with pytest.raises(tokenmgr.InvalidArgument):
        tm.request("GE T", "/")
    for text in ("/a\0b", "/" + "\ud800"):
        with pytest.raises(ValueError, match=r"NUL|surrogates"):
            tm.get(text)
    with pytest.raises(tokenmgr.InvalidOptions, match="timeout"):
        TokenManager(api.url, "demo", "x", timeout=1)  # type: ignore[call-arg]
    unfit: dict[str, Any] = {"refresh_before_seconds": "5", "ca_file": b"/no/such/file", "allowed_origins": 5}
    for name, value in unfit.items():
        options: Any = {name: value}
        with pytest.raises(tokenmgr.InvalidOptions, match=name):
            TokenManager(api.url, "demo", "x", **options)
    with pytest.raises(TypeError, match="parms"):
        tm.get("/api/v1/products", parms={})  # type: ignore[call-arg]
    for timeout in (0, -1, 1e9, float("nan")):
        with pytest.raises(tokenmgr.InvalidArgument, match="timeout"):
            tm.get("/api/v1/products", timeout=timeout)
    with TokenManager("http://127.0.0.1:1", "demo", "x") as nobody, pytest.raises(tokenmgr.NetworkError) as refused:
        nobody.get("/")
    assert isinstance(refused.value, ConnectionError)
    with TokenManager(api.url, "demo", "wrong") as wrong:
        with pytest.raises(tokenmgr.LoginRejected):
            wrong.get("/api/v1/products")
        with pytest.raises(tokenmgr.LoginSuspended) as suspended:
            wrong.get("/api/v1/products")
        assert suspended.value.retry_after is not None
    api.control(faults={"route": "/api/*", "do": "hang"})
    with pytest.raises(tokenmgr.Timeout) as late:
        tm.get("/api/v1/products", timeout=0.2)
    assert isinstance(late.value, TimeoutError)


def test_every_status_has_a_class() -> None:
    classes = tokenmgr.TokenManagerError._of
    assert set(classes) == {int(status) for status in tokenmgr.Status if status is not tokenmgr.Status.OK}
    assert all(getattr(tokenmgr, error.__name__) is error for error in classes.values())
    assert all(error.status == status for status, error in classes.items())


def test_errors_go_between_processes(tm: TokenManager) -> None:
    error = tm.get("/api/v1/status/404").error
    assert error is not None
    copied = pickle.loads(pickle.dumps(error))
    assert type(copied) is type(error)
    assert (str(copied), copied.http_status, copied.response) == (str(error), 404, None)


def test_nothing_else_does(tm: TokenManager) -> None:
    for thing in (tm, tm.token(), tm.get("/api/v1/products")):
        with pytest.raises(TypeError, match="pickled"):
            pickle.dumps(thing)
        with pytest.raises(TypeError, match="copied"):
            copy.copy(thing)


def test_a_response_outlives_its_manager(api: DemoApi) -> None:
    with TokenManager(api.url, "demo", "demo-password") as tm:
        response = tm.get("/api/v1/products")
    assert response.json()
    assert response.headers["content-type"] == "application/json"


def test_closed(api: DemoApi) -> None:
    tm = TokenManager(api.url, "demo", "demo-password")
    tm.access_token()
    tm.close()
    tm.close()
    for call in (tm.access_token, tm.login, tm.stats, lambda: tm.get("/")):
        with pytest.raises(tokenmgr.InvalidArgument, match="closed"):
            call()
    assert "closed" in repr(tm)


def test_a_host_that_is_an_ipv6_address() -> None:
    with TokenManager("http://[::1]:8080", "demo", "x") as tm:
        assert repr(tm) == "<TokenManager of demo at http://[::1]:8080>"
        with pytest.raises(tokenmgr.UrlNotAllowed, match=r"http://\[::2\] is neither"):
            tm.check_url("http://[::2]/")


def test_the_environment(api: DemoApi, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    (tmp_path / "password").write_text("demo-password\n")
    monkeypatch.setenv("TOKENMGR_HOST", api.url)
    monkeypatch.setenv("TOKENMGR_USERNAME", "demo")
    monkeypatch.setenv("TOKENMGR_PASSWORD_FILE", str(tmp_path / "password"))
    with TokenManager() as tm:
        assert tm.get("/api/v1/products").ok
        assert repr(tm) == f"<TokenManager of demo at {api.url}>"
