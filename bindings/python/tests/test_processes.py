"""Threads, forks, and the end of a process."""

from __future__ import annotations

import gc
import multiprocessing
import os
import subprocess
import sys
import threading
import weakref
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from typing import Callable

import pytest

from conftest import PASSWORD, DemoApi
from tokenmgr import TokenManager

inherited: TokenManager | None = None
own: TokenManager | None = None


def test_threads_share_one_login(tm: TokenManager, api: DemoApi) -> None:
    api.control(faults={"route": "/auth/login", "delay_before_ms": 200})
    with ThreadPoolExecutor(16) as pool:
        statuses = list(pool.map(lambda _: tm.get("/api/v1/products").status_code, range(64)))
    assert statuses == [200] * 64
    assert api.counter("logins") == 1


def test_threads_share_one_recovery(tm: TokenManager, api: DemoApi) -> None:
    tm.login()
    with ThreadPoolExecutor(8) as pool:
        for _ in range(5):
            api.control(revoke={"what": "access"})
            assert all(pool.map(lambda _: tm.get("/api/v1/products").ok, range(16)))
    assert api.counter("refreshes") == 5
    assert api.counter("logins") == 1
    assert api.counter("reuse") == 0


def test_a_waiting_call_leaves_the_other_threads_alone(tm: TokenManager, api: DemoApi) -> None:
    tm.login()
    api.control(faults={"route": "/api/*", "do": "hang"})

    def wait() -> None:
        with pytest.raises(TimeoutError):
            tm.get("/api/v1/products", timeout=2.0)

    waiting = threading.Thread(target=wait)
    waiting.start()
    api.wait_until("api_arrivals", 1)
    assert tm.access_token()
    assert waiting.is_alive()
    waiting.join()


def test_closing_waits_for_calls(api: DemoApi) -> None:
    tm = TokenManager(api.url, "demo", PASSWORD)
    tm.login()
    api.control(faults={"route": "/api/*", "delay_before_ms": 500})
    statuses = []
    thread = threading.Thread(target=lambda: statuses.append(tm.get("/api/v1/products").status_code))
    thread.start()
    api.wait_until("api_arrivals", 1)
    tm.close()
    thread.join()
    assert statuses == [200]


def test_managers_are_freed(api: DemoApi) -> None:
    tm = TokenManager(api.url, "demo", PASSWORD)
    tm.get("/api/v1/products")
    tm.on_log(partial(print, tm))  # a circle: the collector's to undo
    gone = weakref.ref(tm)
    handle = weakref.ref(tm._handle)
    del tm
    gc.collect()
    assert gone() is None
    assert handle() is None


def use_inherited(_: int) -> tuple[int, int, str]:
    assert inherited is not None
    status = inherited.get("/api/v1/products").status_code
    pair = inherited.token()
    assert pair.refresh_token is None or inherited.stats()["logins"] == 1
    return os.getpid(), status, inherited.access_token()


def begin(url: str) -> None:
    global own
    own = TokenManager(url, "demo", PASSWORD)


def use_own(_: int) -> tuple[int, int, str]:
    assert own is not None
    return os.getpid(), own.get("/api/v1/products").status_code, own.access_token()


def test_a_forked_pool_uses_the_manager_that_it_inherits(tm: TokenManager, api: DemoApi) -> None:
    global inherited
    inherited = tm
    tm.get("/api/v1/products")
    with ProcessPoolExecutor(4, multiprocessing.get_context("fork")) as pool:
        done = list(pool.map(use_inherited, range(40)))
    assert all(status == 200 for _, status, _ in done)
    assert {token for _, _, token in done} == {tm.access_token()}
    assert api.counter("logins") == 1
    assert tm.get("/api/v1/products").ok
    assert api.counter("reuse") == 0


def test_forked_children_never_use_the_parents_refresh_token(tm: TokenManager, api: DemoApi) -> None:
    global inherited
    inherited = tm
    tm.get("/api/v1/products")
    with ProcessPoolExecutor(3, multiprocessing.get_context("fork")) as pool:
        list(pool.map(use_inherited, range(12)))
        api.control(revoke={"what": "access"})
        done = list(pool.map(use_inherited, range(30)))
    assert all(status == 200 for _, status, _ in done)
    assert tm.get("/api/v1/products").ok
    assert api.counter("logins") <= 1 + 3
    assert api.counter("reuse") == 0
    assert api.counter("max_arrivals_of_one_refresh_token") <= 1


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_a_pool_whose_workers_make_their_own(api: DemoApi, method: str) -> None:
    context = multiprocessing.get_context(method)
    with ProcessPoolExecutor(2, context, initializer=begin, initargs=(api.url,)) as pool:
        done = list(pool.map(use_own, range(10)))
    assert all(status == 200 for _, status, _ in done)
    assert api.counter("logins") == len({process for process, _, _ in done})


def test_a_fork_while_threads_call(tm: TokenManager, api: DemoApi) -> None:
    api.control(access_ms=1500)
    stopping = threading.Event()
    failed: list[BaseException] = []

    def work() -> None:
        while not stopping.is_set():
            try:
                assert tm.get("/api/v1/products").ok
            except BaseException as error:
                failed.append(error)
                return

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(20):
            child = os.fork()
            if child == 0:
                try:
                    os._exit(0 if tm.get("/api/v1/products", timeout=10).ok else 1)
                finally:
                    os._exit(2)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    finally:
        stopping.set()
        for thread in threads:
            thread.join()
    assert not failed
    assert api.counter("reuse") == 0


#: Keeps the interpreter ending for longer than the library takes to call back: garbage of which it frees itself then.
SLOWLY = """
class Slow:
    def __init__(self): self.itself = self
    def __del__(self, sleep=time.sleep): sleep(0.3)
Slow()
"""

ENDS = {
    "a manager that is left open": "t = tm(); t.get('/api/v1/products'); r = t.get('/api/v1/products')",
    "one that nobody used": "t = tm()",
    "a thread in a call": """
t = tm(); t.login()
threading.Thread(target=lambda: t.get('/api/v1/products', timeout=20), daemon=True).start()
import urllib.request; urllib.request.urlopen(url + '/control/wait?counter=api_arrivals&at_least=1').read()
"""
    + SLOWLY,
    "threads that call on and on": """
def work():
    while True:
        r = t.get('/api/v1/products')
t = tm()
for _ in range(8): threading.Thread(target=work, daemon=True).start()
while t.stats()['calls_2xx'] < 50: time.sleep(0.01)
"""
    + SLOWLY,
    "a child that leaves in its own way": """
t = tm(); r = t.get('/api/v1/products')
if os.fork() == 0: sys.exit(0)
os.wait(); assert t.get('/api/v1/products').ok
""",
    "sys.exit in a log callback": """
t = tm(); t.on_log(lambda *_: sys.exit(0)); t.get('/api/v1/products')
""",
}


@pytest.mark.parametrize("what", ENDS)
def test_the_end(api: DemoApi, python: Callable[..., subprocess.Popen[str]], what: str) -> None:
    if what == "a thread in a call":
        api.control(faults={"route": "/api/*", "do": "hang"})
    program = python(ENDS[what])
    out, said = program.communicate(timeout=15)
    assert (program.returncode, out, said) == (0, "", "")


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="no gevent for it here")
def test_gevent(api: DemoApi, python: Callable[..., subprocess.Popen[str]]) -> None:
    pytest.importorskip("gevent")
    program = python(
        """
        import gevent, gevent.pool
        t = tm()
        here = gevent.pool.Pool(8).map(lambda _: t.get("/api/v1/products").status_code, range(40))
        threads = gevent.get_hub().threadpool.map(lambda _: t.get("/api/v1/products").status_code, range(40))
        print(set(here) | set(threads), t.stats()["logins"])
        """.replace("import gevent,", "from gevent import monkey; monkey.patch_all()\n        import gevent,")
    )
    out, said = program.communicate(timeout=30)
    assert out == "{200} 1\n", said
