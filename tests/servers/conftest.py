"""Each class of tests has a server of its own, which ends with it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import cast

import pytest

import tokenmgr
from server import Server

pytest.register_assert_rewrite("suite")


@pytest.fixture(scope="class")
def running(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    kind: type[Server] = request.cls.kind
    with kind(tmp_path_factory.mktemp(kind.__name__)) as server:
        yield server


@pytest.fixture
def server(running: Server) -> Server:
    running.proxy.forget()
    return running


@pytest.fixture
def tm(server: Server) -> Iterator[tokenmgr.TokenManager]:
    with server.manager() as manager:
        yield manager


#: Tokens live for two seconds: what stands still for longer than this, the machine or the server, lets them run out.
LONG = 0.25
ATTEMPTS = 4


class Stalls:
    """Notices how long a thread that only wants to sleep was kept from it."""

    def __init__(self) -> None:
        self.longest = 0.0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def _watch(self) -> None:
        before = time.monotonic()
        while not self._over.wait(0.02):
            now = time.monotonic()
            self.longest = max(self.longest, now - before)
            before = now

    def __enter__(self) -> Stalls:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool:
    """Runs a test again, with another manager, that failed while things stood still: it says nothing of the library."""
    given = pyfuncitem.funcargs
    server = cast("Server", given["server"])
    arguments = {name: given[name] for name in ("server", "tm") if name in given}
    for attempt in range(ATTEMPTS):
        with Stalls() as stalls:
            try:
                pyfuncitem.obj(**arguments)
                return True
            except AssertionError:
                slowest = max([stalls.longest, *(one.took for one in server.proxy.exchanges())])
                if attempt + 1 == ATTEMPTS or slowest < LONG:
                    raise
        print(f"{pyfuncitem.name}: again, as things stood still for {slowest:.2f} s")
        server.proxy.forget()
        if "tm" in arguments:
            arguments["tm"] = server.manager()
    return True
