"""The demo API as a fixture: examples/demo-api/README.md tells what it can be asked for."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
import textwrap
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Callable

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[3]

# No setting of whoever runs this gets between the server and what is run against it.
for variable in [name for name in os.environ if name.lower().endswith("_proxy") or name.startswith("TOKENMGR_")]:
    if variable != "TOKENMGR_LIBRARY":
        del os.environ[variable]
os.environ.setdefault("TOKENMGR_LIBRARY", str(ROOT / "build" / "lib"))

import tokenmgr  # noqa: E402

USER, PASSWORD = "demo", "demo-password"


class DemoApi:
    """A demo API of its own, on a free port. It ends with its stdin, and so with the tests, however they end."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [str(ROOT / "build" / "libexec" / "demo-api"), "--parent-exits"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        self.url = self.process.stdout.readline().split()[-1]

    def _ask(self, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(urllib.request.Request(self.url + path, data), timeout=30) as answer:
            return json.loads(answer.read() or b"null")

    def control(self, **changes: Any) -> None:
        self._ask("/control", changes)

    def counter(self, name: str) -> int:
        return int(self._ask("/control/counters")[name])

    def wait_until(self, counter: str, at_least: int) -> None:
        self._ask(f"/control/wait?counter={counter}&at_least={at_least}&timeout_ms=20000")

    def stop(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(10)
        assert self.process.stdout is not None
        self.process.stdout.close()


@contextmanager
def signal_once(api: DemoApi, counter: str, number: int) -> Iterator[None]:
    """Sends this process a signal as soon as the server sees the next request."""
    seen = api.counter(counter)

    def send() -> None:
        api.wait_until(counter, seen + 1)
        os.kill(os.getpid(), number)

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield
    finally:
        thread.join()


@pytest.fixture(scope="session")
def running_api() -> Iterator[DemoApi]:
    api = DemoApi()
    yield api
    api.stop()


@pytest.fixture
def api(running_api: DemoApi) -> DemoApi:
    running_api.control(reset=True)
    return running_api


@pytest.fixture
def tm(api: DemoApi) -> Iterator[tokenmgr.TokenManager]:
    with tokenmgr.TokenManager(api.url, USER, PASSWORD, timeout_ms=20_000) as manager:
        yield manager


@pytest.fixture
def python(api: DemoApi) -> Callable[..., subprocess.Popen[str]]:
    """Starts a Python program in a process of its own, with `url`, `tokenmgr`, and `tm()` at hand."""

    def start(program: str, **environment: str) -> subprocess.Popen[str]:
        head = f"""
            import os, signal, sys, threading, time
            import tokenmgr
            url = {api.url!r}
            def tm(**options):
                return tokenmgr.TokenManager(url, {USER!r}, {PASSWORD!r}, **options)
        """
        return subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(head) + textwrap.dedent(program)],
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return start
