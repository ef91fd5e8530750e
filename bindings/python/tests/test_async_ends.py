"""How calls of an AsyncTokenManager end: with their task, their loop, their manager and their program."""

from __future__ import annotations

import asyncio
import json
import subprocess
import threading
import time
from typing import Any, Callable

import anyio
import pytest

import tokenmgr
from conftest import PASSWORD, USER, DemoApi
from test_async import _no_thread_is_left as _no_thread_is_left
from test_async import manager, threads, until
from tokenmgr import AsyncTokenManager

#: A call that nobody ends lasts this long.
FOREVER = 15.0
#: And one that is ended sooner than this, which is less than the time after which it is sent again.
SOON = 3.0


async def cancelled(task: asyncio.Task[Any]) -> float:
    """Cancels a task, and says how long it took to end."""
    began = time.monotonic()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    return time.monotonic() - began


def test_a_cancelled_task_ends_its_call(api: DemoApi) -> None:
    async def main() -> None:
        async with manager(api, threads=1) as tm:
            await tm.login()
            api.control(faults={"route": "/api/*", "do": "hang"})
            task = asyncio.create_task(tm.get("/api/v1/products", timeout=FOREVER))
            await until(lambda: api.counter("api_arrivals") == 1)
            assert await cancelled(task) < SOON
            # The one thread is free again, and the manager as it was.
            assert (await tm.get("/api/v1/products")).ok
            assert api.counter("logins") == 1

    asyncio.run(main())


@pytest.mark.parametrize("interrupted", ["BaseEventLoop.call_soon", "Thread.start"])
def test_a_signal_while_a_call_begins_holds_up_no_later_call(
    api: DemoApi, monkeypatch: pytest.MonkeyPatch, interrupted: str
) -> None:
    kind, name = interrupted.split(".")

    def handler(*_: Any, **__: Any) -> None:
        monkeypatch.undo()
        raise KeyboardInterrupt

    async def main() -> None:
        async with manager(api, threads=1) as tm:
            monkeypatch.setattr(getattr(asyncio, kind, None) or getattr(threading, kind), name, handler)
            with pytest.raises(KeyboardInterrupt):
                await tm.login()
            await asyncio.wait_for(tm.login(), FOREVER)

    asyncio.run(main())


def test_a_time_limit_ends_a_login_and_all_who_wait_for_it(api: DemoApi) -> None:
    async def main() -> None:
        async with manager(api, threads=3) as tm:
            api.control(faults={"route": "/auth/*", "do": "hang", "times": None})
            began = time.monotonic()
            several = [asyncio.create_task(asyncio.wait_for(tm.access_token(), 0.3)) for _ in range(10)]
            ended = await asyncio.gather(*several, return_exceptions=True)
            assert {type(error) for error in ended} == {asyncio.TimeoutError}
            assert time.monotonic() - began < SOON
            api.control(clear_faults=True)
            assert (await tm.get("/api/v1/products")).ok

    asyncio.run(main())


def test_a_call_that_has_not_begun_is_withdrawn(api: DemoApi) -> None:
    async def main() -> None:
        async with manager(api, threads=1) as tm:
            await tm.login()
            api.control(faults={"route": "/api/v1/products", "do": "hang"})
            first = asyncio.create_task(tm.get("/api/v1/products", timeout=FOREVER))
            await until(lambda: api.counter("api_arrivals") == 1)
            second = asyncio.create_task(tm.post("/api/v1/orders", json={}))
            await asyncio.sleep(0)
            await cancelled(second)
            await cancelled(first)
            assert (await tm.get("/api/v1/categories")).ok
        assert api.counter("orders_created") == 0

    asyncio.run(main())


def test_nothing_is_left_of_what_nobody_waits_for(api: DemoApi) -> None:
    """Where the task is cancelled when the answer has come, the file of its body is closed."""
    made: list[tokenmgr.Response] = []
    has_come, proceed = threading.Event(), threading.Event()

    async def main() -> None:
        async with manager(api) as tm:

            def call() -> tokenmgr.Response:
                made.append(tm._manager.get("/api/v1/products", stream=True))
                has_come.set()
                proceed.wait(10)
                return made[0]

            task = asyncio.create_task(tm._call(call))
            await until(has_come.is_set)
            for _ in range(2):  # a second time changes nothing: it goes on waiting for its call to end
                task.cancel()
                await asyncio.sleep(0.01)
                assert not task.done()
            proceed.set()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(main())
    assert made[0].raw.closed


def test_anyio_cancels_a_call(api: DemoApi) -> None:
    async def main() -> None:
        async with manager(api) as tm:
            await tm.login()
            api.control(faults={"route": "/api/*", "do": "hang"})
            with anyio.move_on_after(0.2) as scope:
                await tm.get("/api/v1/products", timeout=FOREVER)
            assert scope.cancelled_caught
            assert (await tm.get("/api/v1/products")).ok

    anyio.run(main)


def test_several_loops_use_one_manager(api: DemoApi) -> None:
    tm = AsyncTokenManager(api.url, USER, PASSWORD)
    statuses: list[int] = []

    async def calls() -> None:
        answers = await asyncio.gather(*(tm.get("/api/v1/products") for _ in range(20)))
        statuses.extend(answer.status_code for answer in answers)

    loops = [threading.Thread(target=lambda: asyncio.run(calls())) for _ in range(4)]
    for loop in loops:
        loop.start()
    for loop in loops:
        loop.join()
    asyncio.run(calls())
    assert statuses == [200] * 100
    assert api.counter("logins") == 1
    asyncio.run(tm.close())


def test_the_end_of_a_loop_ends_its_calls(api: DemoApi) -> None:
    tm = AsyncTokenManager(api.url, USER, PASSWORD)

    async def main() -> None:
        await tm.login()
        api.control(faults={"route": "/api/*", "do": "hang", "times": 2})
        asyncio.create_task(tm.get("/api/v1/products", timeout=FOREVER))  # noqa: RUF006 (nobody waits for it)
        await until(lambda: api.counter("api_arrivals") == 1)

    began = time.monotonic()
    asyncio.run(main())
    assert time.monotonic() - began < SOON
    # And a loop that is closed with a task in it: the thread throws away what the call comes to.
    loop = asyncio.new_event_loop()
    task = loop.create_task(tm.get("/api/v1/products", timeout=0.5))
    loop.run_until_complete(until(lambda: api.counter("api_arrivals") == 2))
    loop.close()
    task._log_destroy_pending = False  # type: ignore[attr-defined]
    asyncio.run(tm.close())


def test_closing_waits_for_running_calls(api: DemoApi) -> None:
    async def main() -> None:
        tm = AsyncTokenManager(api.url, USER, PASSWORD)
        await tm.login()
        api.control(faults={"route": "/api/*", "delay_before_ms": 300})
        running = asyncio.create_task(tm.get("/api/v1/products"))
        await until(lambda: api.counter("api_arrivals") == 1)
        await tm.close()
        assert (await running).ok
        await tm.close()

    asyncio.run(main())


def test_a_manager_that_is_forgotten_leaves_no_thread(api: DemoApi) -> None:
    async def main() -> None:
        assert await AsyncTokenManager(api.url, USER, PASSWORD).access_token()
        await until(lambda: threads() == [])

    asyncio.run(main())


PROGRAM = """
import asyncio, json
tm = tokenmgr.AsyncTokenManager(url, "demo", "demo-password")
async def calls(number):
    return [answer.status_code for answer in await asyncio.gather(*(tm.get("/api/v1/products") for _ in range(number)))]
"""


def said(program: subprocess.Popen[str]) -> Any:
    """The last line of what it says, and that it ends soon after."""
    assert program.stdout is not None
    line = program.stdout.readline()
    began = time.monotonic()
    rest, error = program.communicate(timeout=30)
    assert (program.returncode, rest, error) == (0, "", "")
    assert time.monotonic() - began < SOON
    return json.loads(line)


def test_a_forked_child_has_threads_of_its_own(api: DemoApi, python: Callable[..., subprocess.Popen[str]]) -> None:
    program = python(
        PROGRAM
        + """
parent = asyncio.run(calls(5))
read, write = os.pipe()
child = os.fork()
if child == 0:
    os.write(write, json.dumps(asyncio.run(calls(5))).encode())
    os._exit(0)
os.waitpid(child, 0)
print(json.dumps([parent, json.loads(os.read(read, 1000)), asyncio.run(calls(5))]))
""",
        PYTHONWARNINGS="ignore::DeprecationWarning",  # of forking where there are threads
    )
    assert said(program) == [[200] * 5] * 3


def test_the_interpreters_end_ends_a_call(api: DemoApi, python: Callable[..., subprocess.Popen[str]]) -> None:
    """Also one whose loop nobody runs any more."""
    api.control(faults={"route": "/api/*", "do": "hang"})
    program = python(
        PROGRAM
        + f"""
loop = asyncio.new_event_loop()
task = loop.create_task(tm.get("/api/v1/products", timeout={FOREVER}))
task._log_destroy_pending = False
while tm.stats()["logins"] == 0:
    loop.run_until_complete(asyncio.sleep(0.01))
print(json.dumps("over"), flush=True)
"""
    )
    assert said(program) == "over"


def test_ctrl_c_ends_a_program(api: DemoApi, python: Callable[..., subprocess.Popen[str]]) -> None:
    api.control(faults={"route": "/api/*", "do": "hang"})
    program = python(
        PROGRAM
        + """
signal.signal(signal.SIGINT, signal.default_int_handler)
try:
    asyncio.run(calls(1))
except KeyboardInterrupt:
    print(json.dumps("interrupted"))
"""
    )
    api.wait_until("api_arrivals", 1)
    began = time.monotonic()
    program.send_signal(2)
    assert said(program) == "interrupted"
    assert time.monotonic() - began < SOON
