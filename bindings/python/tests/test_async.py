"""AsyncTokenManager: what a TokenManager has, awaited."""

from __future__ import annotations

import asyncio
import inspect
import io
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any, Callable

import pytest

import tokenmgr
from conftest import PASSWORD, USER, DemoApi
from tokenmgr import AsyncTokenManager, TokenManager


@asynccontextmanager
async def manager(api: DemoApi, **options: Any) -> AsyncIterator[AsyncTokenManager]:
    async with AsyncTokenManager(api.url, USER, PASSWORD, timeout_ms=20_000, **options) as tm:
        yield tm


def threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "tokenmgr"]


async def until(is_so: Callable[[], bool]) -> None:
    for _ in range(2000):
        if is_so():
            return
        await asyncio.sleep(0.005)
    pytest.fail("it did not come to that")


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    yield
    for thread in threads():
        thread.join(10)
    assert threads() == []


def test_it_has_what_a_token_manager_has() -> None:
    """The same names and arguments; what may wait is a coroutine, and nothing else is."""

    def public(kind: type) -> dict[str, Any]:
        return {name: getattr(kind, name) for name in dir(kind) if not name.startswith("_")}

    ours, theirs = public(AsyncTokenManager), public(TokenManager)
    assert set(ours) - set(theirs) == {"of", "aiohttp_middleware"}
    assert set(theirs) - set(ours) == {"requests_auth", "silence"}
    for name in set(ours) & set(theirs):
        assert inspect.signature(ours[name]).parameters == inspect.signature(theirs[name]).parameters, name
    plain = {"try_access_token", "peek_token", "set_credentials", "stats", "on_log", "check_url", "accept", "reject"}
    plain |= {"httpx_auth", "aiohttp_middleware", "of"}
    assert {name for name in ours if not inspect.iscoroutinefunction(ours[name])} == plain


def test_calls(api: DemoApi, tmp_path: Any) -> None:
    async def main() -> None:
        async with manager(api) as tm:
            assert (await tm.get("/api/v1/products")).raise_for_status().json()
            for method in ("post", "put", "patch", "delete"):
                answer = await getattr(tm, method)("/api/v1/echo", json={"a": 1}, params={"page": 2})
                assert answer.json()["data"]["method"] == method.upper()
                assert answer.json()["data"]["body"] == '{"a":1}'
            assert (await tm.head("/api/v1/products")).content == b""
            assert (await tm.request("GET", "/api/v1/echo")).ok
            assert (await tm.post("/api/v1/echo", data=iter([b"in ", b"pieces"]))).json()["data"]["body"] == "in pieces"
            await tm.get("/api/v1/blob", params={"bytes": 100_000}, sink=tmp_path / "blob")
            assert (tmp_path / "blob").stat().st_size == 100_000
            with await tm.get("/api/v1/blob", params={"bytes": 100_000}, stream=True) as response:
                assert sum(map(len, response.iter_bytes())) == 100_000
            with pytest.raises(tokenmgr.UrlNotAllowed):
                await tm.get("http://127.0.0.2:1/")
        assert api.counter("logins") == 1

    asyncio.run(main())


def test_tokens(api: DemoApi) -> None:
    async def main() -> None:
        async with manager(api) as tm:
            assert (tm.try_access_token(), tm.peek_token()) == (None, None)
            token = await tm.access_token()
            assert await tm.access_token() == tm.try_access_token() == token == (await tm.token()).access_token
            await tm.refresh()
            assert await tm.access_token() != token
            pair = await tm.token()
            await tm.login()
            await tm.set_tokens(pair.access_token, pair.refresh_token, pair.expires_at)
            assert await tm.access_token() == pair.access_token
            await tm.check_store()
            tm.check_url("/api/v1/products")
            tm.accept(pair.access_token)
            tm.reject(pair.access_token)
            assert await tm.access_token() != pair.access_token
            await tm.logout()
            assert tm.stats()["logins"] == 2
            assert "demo" in repr(tm)
        assert "closed" in repr(tm)
        for call in (tm.access_token, tm.login):
            with pytest.raises(tokenmgr.InvalidArgument, match="closed"):
                await call()

    asyncio.run(main())


def test_a_good_token_takes_no_thread(api: DemoApi) -> None:
    async def main() -> None:
        with TokenManager(api.url, USER, PASSWORD) as sync:
            sync.login()
            tm = AsyncTokenManager.of(sync)
            assert await tm.access_token() == sync.access_token()
            assert threads() == []
            await tm.close()

    asyncio.run(main())


def test_a_thousand_tasks_across_an_expiry(api: DemoApi, monkeypatch: pytest.MonkeyPatch) -> None:
    """One refresh; and no call that can wait is made on the loop's thread."""
    loop_thread = threading.get_ident()
    waited_on: set[int] = set()
    lags: list[float] = []

    def watched(name: str) -> None:
        method = getattr(TokenManager, name)

        def watching(*arguments: Any, **named: Any) -> Any:
            waited_on.add(threading.get_ident())
            return method(*arguments, **named)

        monkeypatch.setattr(TokenManager, name, watching)

    for name in ("request", "access_token", "token", "refresh", "login"):
        watched(name)

    async def tick() -> None:
        while True:
            began = time.perf_counter()
            await asyncio.sleep(0.001)
            lags.append(time.perf_counter() - began - 0.001)

    async def main() -> None:
        async with manager(api, refresh_before_seconds=0, refresh_jitter_seconds=0) as tm:
            api.control(access_ms=1000)
            token = await tm.access_token()
            api.control(access_ms=3_600_000)
            await until(lambda: tm.try_access_token() is None)
            ticking = asyncio.create_task(tick())
            tokens = await asyncio.gather(*(tm.access_token() for _ in range(1000)))
            answers = await asyncio.gather(*(tm.get("/api/v1/products") for _ in range(200)))
            ticking.cancel()
            assert len(set(tokens)) == 1
            assert tokens[0] != token
            assert {answer.status_code for answer in answers} == {200}
            assert len(threads()) <= 16

    asyncio.run(main())
    assert (api.counter("logins"), api.counter("refreshes")) == (1, 1)
    assert waited_on
    assert loop_thread not in waited_on
    print(f"the loop was late by {max(lags) * 1000:.1f} ms at the most, {len(lags)} times asked")


def test_a_turn_of_the_loop_asks_for_the_threads_lock_twice_however_many_calls_begin(
    api: DemoApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop_thread = threading.get_ident()
    acquired = 0
    changed: Any = None
    enter = threading.Condition.__enter__

    def counting(condition: threading.Condition) -> bool:
        nonlocal acquired
        acquired += condition is changed and threading.get_ident() == loop_thread
        return enter(condition)

    async def main() -> None:
        nonlocal changed
        async with manager(api) as tm:
            changed = tm._threads._changed
            monkeypatch.setattr(threading.Condition, "__enter__", counting)
            assert len(await asyncio.gather(*(tm.token() for _ in range(300)))) == 300
            assert acquired == 2
            assert len(threads()) <= 16
            assert len(await asyncio.gather(*(tm.token() for _ in range(300)))) == 300
            assert acquired == 4
            monkeypatch.undo()

    asyncio.run(main())


def test_a_system_without_threads_fails_every_call(api: DemoApi, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    async def main() -> None:
        async with manager(api) as tm:
            with monkeypatch.context() as patch:
                patch.setattr(threading.Thread, "start", refuse)
                ended = await asyncio.gather(*(tm.token() for _ in range(5)), return_exceptions=True)
            assert [repr(end) for end in ended] == [repr(RuntimeError("can't start new thread"))] * 5
            assert await tm.access_token()

    asyncio.run(main())


def test_errors(api: DemoApi) -> None:
    with pytest.raises(tokenmgr.InvalidArgument, match="threads is 0"):
        AsyncTokenManager(api.url, USER, PASSWORD, threads=0)

    async def main() -> None:
        async with AsyncTokenManager(api.url, USER, "wrong") as tm:
            with pytest.raises(tokenmgr.LoginRejected) as raised:
                await tm.get("/api/v1/products")
            assert raised.value.http_status == 401
            with pytest.raises(tokenmgr.InvalidArgument) as hidden:
                await tm.set_tokens("a secret\0")
            trace = hidden.value.__traceback__
            names = []
            while trace is not None:
                names.append(trace.tb_frame.f_code.co_name)
                trace = trace.tb_next
            assert set(names) <= {"main", "hiding"}  # the second has dropped the arguments
            with pytest.raises(TypeError, match="pickled"):
                __import__("pickle").dumps(tm)
        async with manager(api) as tm:
            with pytest.raises(RuntimeError, match="StopIteration"):  # as of any coroutine
                await tm.post("/api/v1/echo", data=Stopping(b"body"))

    class Stopping(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            raise StopIteration

    asyncio.run(main())


def test_logs_have_the_context_of_their_task(api: DemoApi) -> None:
    import contextvars

    request_id = contextvars.ContextVar("request_id", default="none")
    seen: list[str] = []

    async def main() -> None:
        async with manager(api) as tm:
            tm.on_log(lambda level, line: seen.append(request_id.get()))
            request_id.set("4711")
            await tm.login()

    asyncio.run(main())
    assert set(seen) == {"4711"}
