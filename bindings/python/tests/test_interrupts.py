"""Ctrl-C and other signals: what their handlers raise comes out of the call that waits."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from typing import Callable

import pytest

from conftest import PASSWORD, USER, DemoApi, signal_once
from test_stores import Dictionary
from tokenmgr import TokenManager

#: A call that nobody ends lasts this long.
FOREVER = 15.0


@pytest.fixture
def alarm() -> Iterator[None]:
    def expire(*_: object) -> None:
        raise LookupError("the alarm")

    before = signal.signal(signal.SIGALRM, expire)
    yield
    signal.signal(signal.SIGALRM, before)


def test_ctrl_c_ends_a_call(tm: TokenManager, api: DemoApi) -> None:
    tm.login()
    api.control(faults={"route": "/api/*", "do": "hang"})
    with signal_once(api, "api_arrivals", signal.SIGINT):
        began = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            tm.get("/api/v1/products", timeout=FOREVER)
        assert time.monotonic() - began < FOREVER / 2
    assert tm.get("/api/v1/products").ok


@pytest.mark.parametrize("method", ["access_token", "token", "login"])
def test_it_ends_a_login(tm: TokenManager, api: DemoApi, method: str) -> None:
    api.control(faults={"route": "/auth/*", "do": "hang"})
    with signal_once(api, "login_arrivals", signal.SIGINT), pytest.raises(KeyboardInterrupt):
        getattr(tm, method)()
    assert tm.get("/api/v1/products").ok


@pytest.mark.usefixtures("alarm")
def test_any_handler_may_raise(tm: TokenManager, api: DemoApi) -> None:
    tm.login()
    for _ in range(3):
        api.control(faults={"route": "/api/*", "do": "hang"})
        with signal_once(api, "api_arrivals", signal.SIGALRM), pytest.raises(LookupError, match="the alarm"):
            tm.get("/api/v1/products", timeout=FOREVER)


def test_a_handler_that_raises_nothing_ends_nothing(tm: TokenManager, api: DemoApi) -> None:
    handled = []
    before = signal.signal(signal.SIGALRM, lambda *_: handled.append(threading.current_thread()))
    try:
        tm.login()
        api.control(faults={"route": "/api/*", "delay_before_ms": 500})
        with signal_once(api, "api_arrivals", signal.SIGALRM):
            assert tm.get("/api/v1/products").ok
    finally:
        signal.signal(signal.SIGALRM, before)
    assert handled == [threading.main_thread()]


def test_a_handler_may_call_the_manager(tm: TokenManager, api: DemoApi) -> None:
    """The handler's call lasts long enough to be asked, in the middle of the question to the one around it, whether to go
    on; and is interrupted likewise."""
    statuses: list[int] = []
    paths = ["/api/v1/echo", "/api/v1/categories"]

    def call(*_: object) -> None:
        path = paths.pop()
        if paths:
            threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGALRM)).start()
        statuses.append(tm.get(path).status_code)

    before = signal.signal(signal.SIGALRM, call)
    try:
        tm.login()
        slow = ("/api/v1/products", "/api/v1/categories", "/api/v1/echo")
        api.control(faults=[{"route": route, "delay_before_ms": 700} for route in slow])
        with signal_once(api, "api_arrivals", signal.SIGALRM):
            assert tm.get("/api/v1/products").ok
        assert tm.get("/api/v1/products").ok
    finally:
        signal.signal(signal.SIGALRM, before)
    assert statuses == [200, 200]


def test_a_handler_may_call_the_manager_where_a_store_is_asked(api: DemoApi) -> None:
    """Each login is answered before the library asks whether to go on; the handler's calls ask stores, too."""
    statuses: list[int] = []
    outer = Dictionary()

    def call(*_: object) -> None:
        with TokenManager(api.url, USER, PASSWORD, store=Dictionary()) as other:
            statuses.append(other.get("/api/v1/products").status_code)

    before = signal.signal(signal.SIGALRM, call)
    try:
        api.control(faults={"route": "/auth/login", "delay_before_ms": 30})
        with (
            TokenManager(api.url, USER, PASSWORD, store=outer) as tm,
            signal_once(api, "login_arrivals", signal.SIGALRM),
        ):
            tm.login()
    finally:
        signal.signal(signal.SIGALRM, before)
    assert statuses == [200]
    assert outer.data


def test_other_threads_go_on(tm: TokenManager, api: DemoApi) -> None:
    """Ctrl-C is the main thread's: a call of another thread ends as it would have."""
    tm.login()
    api.control(faults={"route": "/api/v1/products", "delay_before_ms": 700})
    statuses = []
    thread = threading.Thread(target=lambda: statuses.append(tm.get("/api/v1/products").status_code))
    thread.start()
    api.wait_until("api_arrivals", 1)
    api.control(faults={"route": "/api/v1/categories", "do": "hang"})
    with signal_once(api, "api_arrivals", signal.SIGINT), pytest.raises(KeyboardInterrupt):
        tm.get("/api/v1/categories", timeout=FOREVER)
    thread.join()
    assert statuses == [200]


def test_system_exit_in_a_log_callback(tm: TokenManager, api: DemoApi) -> None:
    def leave(level: int, message: str) -> None:
        raise SystemExit(message)

    tm.on_log(leave)
    with pytest.raises(SystemExit):
        tm.get("/api/v1/products")
    tm.on_log(None)
    assert tm.get("/api/v1/products").ok


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, -signal.SIGINT), (signal.SIGTERM, 7)])
def test_a_program_ends(api: DemoApi, python: Callable[..., subprocess.Popen[str]], number: int, code: int) -> None:
    api.control(faults={"route": "/api/*", "do": "hang"})
    program = python(
        """
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
        tm(timeout_ms=20000).get("/api/v1/products")
        """
    )
    api.wait_until("api_arrivals", 1)
    began = time.monotonic()
    program.send_signal(number)
    _, said = program.communicate(timeout=FOREVER)
    assert program.returncode == code, said
    assert time.monotonic() - began < FOREVER / 2
    assert "ignored" not in said


def test_a_log_callback_may_call_the_manager(tm: TokenManager, api: DemoApi) -> None:
    statuses: list[int] = []

    def nested(level: int, message: str) -> None:
        tm.on_log(None)
        statuses.append(tm.get("/api/v1/products").status_code)

    tm.on_log(nested)
    assert tm.get("/api/v1/products").ok
    assert statuses == [200]


def test_ctrl_c_is_not_lost_where_a_line_is_logged(tm: TokenManager, api: DemoApi) -> None:
    """The line of the login is handed over in the first wait of the call, before the library asks whether to go on."""
    lines = []
    tm.on_log(lambda level, message: lines.append(message))
    api.control(faults={"route": "/api/*", "do": "hang"})
    with signal_once(api, "api_arrivals", signal.SIGINT), pytest.raises(KeyboardInterrupt):
        tm.get("/api/v1/products", timeout=FOREVER)
    assert any("logged in" in line for line in lines)
