"""Tokens, statistics, logs and JWTs."""

from __future__ import annotations

import base64
import json
import logging
import os
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Callable

import pytest

import tokenmgr
from conftest import PASSWORD, USER, DemoApi
from tokenmgr import TokenManager, jwt


def test_token(tm: TokenManager) -> None:
    assert tm.peek_token() is None
    token = tm.token()
    assert token.access_token == tm.access_token()
    assert token.refresh_token
    assert token.expires_at == pytest.approx(time.time() + 3600, abs=5)
    assert token.refresh_expires_at == pytest.approx(time.time() + 7 * 86400, abs=5)
    assert 3590 <= token.seconds_left <= 3600
    assert token.should_refresh(minutes=61)
    assert not token.should_refresh()
    peeked = tm.peek_token()
    assert peeked is not None
    assert peeked.access_token == token.access_token
    assert jwt.seconds_left(token.access_token) > 3590


def test_the_fast_path_follows_what_happens(tm: TokenManager, api: DemoApi) -> None:
    first = tm.access_token()
    assert tm.try_access_token() == first
    tm.reject(first)
    assert tm.try_access_token() is None
    second = tm.access_token()
    assert second != first
    tm.refresh()
    assert tm.access_token() not in (first, second)
    tm.login()
    assert api.counter("logins") == 2
    tm.logout()
    assert tm.peek_token() is None
    assert tm.access_token()
    api.control(revoke={"what": "access"})
    held = tm.access_token()
    assert tm.get("/api/v1/products").ok
    assert tm.access_token() != held  # another call's recovery shows, too


def test_a_dialect_is_tried_step_by_step(tm: TokenManager, api: DemoApi) -> None:
    report = tm.check("/api/v1/products")
    assert report["ok"], report
    assert [step["name"] for step in report["steps"]][0::5] == ["login", "logout"]
    assert report["steps"][0]["understood"][1]["from"] == "/data/access_token"
    auth = {"preset": "popup", "answer": {"access_token": "/token"}}
    with TokenManager(api.url, USER, PASSWORD, auth=auth) as wrong:
        step = wrong.check()["steps"][0]
        assert step["change"] == "auth.answer.access_token"
        assert "it has /data/access_token (a JWT of " in step["problem"]
        with pytest.raises(tokenmgr.InvalidArgument):
            wrong.check("products")


@contextmanager
def in_another_thread(call: Callable[[], object]) -> Iterator[None]:
    thread = threading.Thread(target=call)
    thread.start()
    yield
    thread.join()


def test_other_threads_run_while_a_token_waits_for_a_renewal(tm: TokenManager, api: DemoApi) -> None:
    revoked = tm.access_token()
    api.control(faults={"route": "/auth/logout", "delay_before_ms": 1500})
    with in_another_thread(tm.logout):
        api.wait_until("logout_arrivals", 1)
        assert tm.try_access_token() is None
    assert tm.access_token() != revoked


def test_handles_of_one_persistent_manager(api: DemoApi) -> None:
    def handle() -> TokenManager:
        return TokenManager(api.url, USER, PASSWORD, persistent=True, client_id="the same")

    with handle() as one, handle() as two:
        assert one.try_access_token() is None
        first = one.access_token()
        assert one.access_token() == two.access_token() == first
        two.reject(first)
        assert one.try_access_token() is None
        assert one.access_token() != first


def test_a_long_token(tm: TokenManager, api: DemoApi) -> None:
    api.control(access_token_bytes=20_000)
    token = tm.access_token()
    assert len(token) > 18_000
    assert tm.try_access_token() == token


def test_a_token_is_held_until_it_is_due(api: DemoApi) -> None:
    api.control(access_ms=2000)  # due after three quarters of it, less the jitter
    with TokenManager(api.url, USER, PASSWORD, refresh_jitter_seconds=0) as tm:
        token = tm.access_token()
        assert tm.try_access_token() == token
        until = time.monotonic() + 10
        while tm.try_access_token() is not None and time.monotonic() < until:
            time.sleep(0.01)
        assert tm.stats()["token"] in ("due", "dead")
        assert tm.access_token()


def test_a_late_rejection_costs_nothing(tm: TokenManager, api: DemoApi) -> None:
    tm.access_token()
    tm.reject("someone else's")
    tm.access_token()
    assert api.counter("refreshes") == 0


def test_a_url_that_clients_read_in_different_ways_gets_no_token(tm: TokenManager, api: DemoApi) -> None:
    tm.check_url("/a")
    tm.check_url(f"{api.url}/a\\b?c=d\\")
    host = api.url.partition("//")[2]
    # Of the first curl makes a request to elsewhere.example.
    for url in (
        f"{api.url}\\@elsewhere.example/",
        f"http:\\\\{host}/",
        f" {api.url}/",
        f"{api.url}/\t",
        f"{api.url}/a b",
    ):
        with pytest.raises(tokenmgr.UrlNotAllowed, match="different hosts"):
            tm.check_url(url)


def test_set_tokens(tm: TokenManager, api: DemoApi) -> None:
    with TokenManager(api.url, "demo") as other:
        pair = tm.token()
        other.set_tokens(pair.access_token, pair.refresh_token, pair.expires_at, pair.refresh_expires_at)
        assert other.get("/api/v1/products").ok
        assert other.access_token() == pair.access_token
    assert api.counter("logins") == 1


def test_set_credentials(api: DemoApi) -> None:
    with TokenManager(api.url, "demo", "wrong") as tm:
        with pytest.raises(tokenmgr.LoginRejected):
            tm.login()
        tm.set_credentials(None, PASSWORD)
        assert tm.get("/api/v1/products").ok


def test_stats(tm: TokenManager) -> None:
    tm.get("/api/v1/products")
    stats = tm.stats()
    assert (stats["logins"], stats["calls_2xx"], stats["token"]) == (1, 1, "good")


def test_nothing_shows_a_secret(tm: TokenManager, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    token = tm.token()
    for text in (repr(tm), str(tm), repr(token), str(token), repr(tm.get("/api/v1/products")), caplog.text):
        assert PASSWORD not in text
        assert token.access_token not in text
        assert "eyJ" not in text


def test_logs_go_to_logging(api: DemoApi, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "tokenmgr")
    with TokenManager(api.url, "demo", PASSWORD) as tm:
        tm.login()
    assert any(
        name == "tokenmgr" and level == logging.INFO and "logged in" in line
        for name, level, line in caplog.record_tuples
    )


def test_on_log(tm: TokenManager, caplog: pytest.LogCaptureFixture) -> None:
    lines: list[tuple[int, str]] = []
    tm.on_log(lambda level, message: lines.append((level, message)))
    tm.login()
    assert lines
    assert {level for level, _ in lines} == {logging.INFO}
    assert not caplog.records
    known = len(lines)
    tm.on_log(lambda level, message: lines.append((level, message)), logging.ERROR)
    tm.login()
    assert len(lines) == known
    tm.on_log(None)
    tm.login()
    assert len(lines) == known
    assert not caplog.records


def test_lines_of_calls_that_the_log_callback_makes_are_left_out(tm: TokenManager, api: DemoApi) -> None:
    lines: list[str] = []

    def log_in_again(level: int, message: str) -> None:
        lines.append(message)
        if len(lines) < 9:
            tm.login()

    tm.on_log(log_in_again)
    tm.login()
    assert len(lines) == 1
    assert api.counter("logins") == 2
    tm.login()
    assert len(lines) == 2


def test_what_a_log_callback_raises_comes_out_of_its_call(tm: TokenManager, api: DemoApi) -> None:
    def broken(level: int, message: str) -> None:
        raise ZeroDivisionError(message)

    tm.on_log(broken)
    with pytest.raises(ZeroDivisionError, match="logged in"):
        tm.get("/api/v1/products")
    tm.on_log(None)
    assert tm.get("/api/v1/products").ok
    assert api.counter("logins") == 1  # the call itself went to its end


def test_a_log_line_comes_out_of_its_own_threads_call(tm: TokenManager, api: DemoApi) -> None:
    threads: list[int] = []

    def broken(level: int, message: str) -> None:
        threads.append(threading.get_ident())
        raise ZeroDivisionError(message)

    def slow() -> None:
        slow_threads.append(threading.get_ident())
        with pytest.raises(ZeroDivisionError, match="logged in"):
            tm.get("/api/v1/categories")
        seen.append(list(threads))

    slow_threads: list[int] = []
    seen: list[list[int]] = []
    tm.on_log(broken)
    delays = {"/api/v1/categories": 800, "/api/v1/products": 300}  # by then the line is there
    api.control(faults=[{"route": route, "delay_before_ms": delay} for route, delay in delays.items()])
    with in_another_thread(slow):
        api.wait_until("api_arrivals", 1)  # it has logged in, and its line waits for the end of the call
        assert tm.get("/api/v1/products").ok
        assert lines_in_a_child(tm) == 0
    assert seen == [slow_threads]
    assert threads == slow_threads


def lines_in_a_child(tm: TokenManager) -> int:
    child = os.fork()
    if child == 0:
        os._exit(len(tm._lines.own))
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_every_line_is_handed_over_though_one_raises(tm: TokenManager) -> None:
    lines: list[str] = []

    def broken(level: int, message: str) -> None:
        lines.append(message)
        raise (KeyboardInterrupt if len(lines) == 2 else ZeroDivisionError)(message)

    tm.on_log(broken)
    with pytest.raises(ZeroDivisionError):
        tm.login()
    with pytest.raises(KeyboardInterrupt):
        tm.login()
    assert not tm._lines.own


def made(claims: object) -> str:
    def part(value: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    return f"{part({'alg': 'none'})}.{part(claims)}.c2ln"


def test_jwt() -> None:
    token = made({"exp": int(time.time()) + 1000, "sub": "ü"})
    assert not jwt.is_expired(token)
    assert 990 <= jwt.seconds_left(token) <= 1000
    assert jwt.should_refresh(token, minutes=17)
    assert not jwt.should_refresh(token, minutes=5)
    assert not jwt.should_refresh(token)
    assert jwt.payload(token)["sub"] == "ü"
    assert jwt.is_expired(made({"exp": 1000}))
    for text in ("", "no token", made({}), token + "\0", token[:20] + "\0"):
        assert jwt.is_expired(text)
        assert jwt.seconds_left(text) == 0
        assert jwt.should_refresh(text)
    for text in ("", "no token", token[:20] + "\0" + token[20:]):
        with pytest.raises(tokenmgr.BadToken):
            jwt.payload(text)


def test_generate_key() -> None:
    assert len(base64.b64decode(tokenmgr.generate_key())) == 32
    assert tokenmgr.generate_key() != tokenmgr.generate_key()


SECRETS = {
    "password": "swordfish-1",
    "undecodable": "swordfish-3\udcff",
    "key": base64.b64encode(b"k" * 32).decode(),
    "token": "tok-1\0",
    "other": "tok-2",
}


@pytest.mark.parametrize(
    "fails",
    [
        lambda _: TokenManager("no url", "demo", SECRETS["password"], store={"type": "file", "key": SECRETS["key"]}),
        lambda _: TokenManager("http://127.0.0.1:1", "demo", SECRETS["password"], headers={"x": object()}),  # type: ignore[dict-item]
        lambda tm: tm.set_credentials("demo\0", SECRETS["password"]),
        lambda tm: tm.set_tokens(SECRETS["token"], SECRETS["other"]),
        lambda tm: tm.reject(SECRETS["token"]),
        lambda tm: tm.set_credentials(None, SECRETS["undecodable"]),
        lambda tm: tm.set_credentials(None, SECRETS["password"].encode()),
        lambda _: jwt.payload(SECRETS["other"]),
    ],
)
def test_what_reports_errors_with_their_variables_shows_no_secret(
    tm: TokenManager, fails: Callable[[TokenManager], object]
) -> None:
    try:
        try:
            raise LookupError("what the caller was handling")
        except LookupError:
            fails(tm)
    except Exception as error:
        report = "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format()) + repr(error)
    assert "LookupError" in report
    for secret in SECRETS.values():
        assert secret.rstrip("\0\udcff") not in report.replace("SECRETS", "")


def test_what_a_callback_raises_shows_where(tm: TokenManager) -> None:
    def fails(level: int, message: str) -> None:
        raise LookupError("of the callback")

    tm.on_log(fails, logging.DEBUG)
    with pytest.raises(LookupError) as raised:
        tm.login()
    assert any(entry.name == "fails" for entry in raised.traceback)


def test_what_was_not_made_can_be_shown() -> None:
    for kind in (TokenManager, tokenmgr.Token, tokenmgr.Response):
        assert "not made" in repr(kind.__new__(kind))


def test_numbers_beyond_64_bits_are_refused_by_name(tm: TokenManager, api: DemoApi) -> None:
    for number in (2**64, -(2**63) - 1, 10**400):
        with pytest.raises(tokenmgr.InvalidOptions, match="the option timeout_ms got a number beyond 64 bits"):
            TokenManager(api.url, USER, PASSWORD, timeout_ms=number)
        with pytest.raises(tokenmgr.InvalidOptions, match=r"the option query\.id got a number beyond 64 bits"):
            tm.get("/api/v1/echo", params={"id": number})
        with pytest.raises(tokenmgr.InvalidArgument, match="expires_at is beyond 64 bits"):
            tm.set_tokens("a", expires_at=number)
        with pytest.raises(tokenmgr.InvalidArgument, match="minutes is beyond 64 bits"):
            jwt.should_refresh("a.b.c", minutes=number)
    with pytest.raises(tokenmgr.InvalidArgument, match="expires_at is beyond 64 bits"):
        tm.set_tokens("a", expires_at=float("nan"))
    with pytest.raises(tokenmgr.InvalidOptions, match="at or behind timeout_ms"):
        TokenManager(api.url, USER, PASSWORD, timeout_ms=float("nan"))  # type: ignore[arg-type]
    with pytest.raises(tokenmgr.InvalidOptions, match="the option client_id got a text with a NUL"):
        TokenManager(api.url, USER, PASSWORD, client_id="alice\0x")
