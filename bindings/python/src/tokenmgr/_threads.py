"""Calls that wait, for tasks of an event loop: each is made on another thread, and ends with its task.

A task that is cancelled marks its call. The library asks about every 50 ms whether to end a call (`_pending.must_end`), and
the task continues when that has happened: nothing of a call outlives the `await` that it was made by.
"""

from __future__ import annotations

import asyncio
import collections
import contextvars
import os
import threading
import weakref
from typing import Any, Callable

from ._pending import callers
from ._response import Response
from .errors import InvalidArgument


class Call:
    """A call that a task waits for."""

    __slots__ = (
        "_context",
        "_function",
        "_has_ended",
        "_raised",
        "_result",
        "_taken",
        "_wake",
        "is_cancelled",
        "loop",
    )

    def __init__(self, function: Callable[[], Any]) -> None:
        self.is_cancelled = False
        self._function = function
        self._context = contextvars.copy_context()
        self.loop = asyncio.get_running_loop()
        self._wake = self.loop.create_future()
        self._has_ended = False
        self._result: Any = None
        self._raised: BaseException | None = None
        #: Of the thread that begins the call, or of the task that is cancelled before: of whoever comes first.
        self._taken = threading.Lock()

    def run(self) -> None:
        """On any thread."""
        if not self._taken.acquire(blocking=False):
            return
        this_thread = threading.get_ident()
        callers[this_thread] = self
        try:
            self._result = self._context.run(self._function)
        except BaseException as raised:
            self._raised = raised
        finally:
            callers.pop(this_thread, None)  # a child that it forked has emptied it
        if not post(self.loop, self._end):
            self._discard()

    def fail(self, raised: BaseException) -> None:
        """Ends it without running it."""
        if self._taken.acquire(blocking=False):
            self._raised = raised
            post(self.loop, self._end)

    async def outcome(self) -> Any:
        """What the function returns or raises."""
        try:
            await self._wake
        except BaseException as cancelled:
            self.is_cancelled = True
            if isinstance(cancelled, asyncio.CancelledError) and not self._taken.acquire(blocking=False):
                await self._until_it_has_ended()
                self._discard()
            raise
        raised, self._raised = self._raised, None
        if raised is not None:
            try:
                raise raised
            finally:
                del raised  # its traceback holds this frame
        return self._result

    def _end(self) -> None:
        self._has_ended = True
        if not self._wake.done():
            self._wake.set_result(None)

    async def _until_it_has_ended(self) -> None:
        while not self._has_ended:
            self._wake = self.loop.create_future()
            try:
                await self._wake
            except asyncio.CancelledError:
                pass  # the first one is raised

    def _discard(self) -> None:
        self._raised = None
        if isinstance(self._result, Response):
            self._result.close()


class Threads:
    """At most so many threads, made when they are needed, and kept until it is closed."""

    def __init__(self, most: int) -> None:
        if most < 1:
            raise InvalidArgument(f"threads is {most}; pass 1 or more")
        self._most = most
        self._is_closed = False
        self._after_fork()
        _all.add(self)

    def _after_fork(self) -> None:
        """A forked child has none of its parent's threads; the calls are the parent's."""
        self._changed = threading.Condition()
        self._calls: collections.deque[Call] = collections.deque()
        self._threads: set[threading.Thread] = set()
        self._idle = 0
        self._when_over: list[Callable[[], object]] = []
        #: The loop whose turn goes on, and ends with `_end_turn`.
        self._turn: asyncio.AbstractEventLoop | None = None

    def begin(self, call: Call) -> None:
        """On the loop's thread. Of many calls that begin in one turn of a loop, the first is handed over at once and the
        others at the turn's end: each time the loop asks for the lock it may have to wait for all threads that woke up."""
        if self._is_closed:
            raise InvalidArgument("the AsyncTokenManager is closed; make a new one")
        self._calls.append(call)
        if self._turn is not call.loop:
            call.loop.call_soon(self._end_turn)  # first: a signal's handler may raise in between
            self._turn = call.loop
            self._hand_over()

    def _end_turn(self) -> None:
        self._turn = None
        self._hand_over()

    def _hand_over(self) -> None:
        with self._changed:
            self._wake_one()

    def _wake_one(self) -> None:
        """Has one more thread look for a call, if one waits. It wakes the next: the loop has no time to wake all of them."""
        if not self._calls:
            return
        if self._idle:
            self._changed.notify()
        elif len(self._threads) < self._most:
            self._start_one()

    def _start_one(self) -> None:
        # The interpreter's end waits for no daemon, and `_exit` has those that are in a call leave it.
        thread = threading.Thread(target=self._work, name="tokenmgr", daemon=True)
        self._threads.add(thread)
        try:
            thread.start()
        except BaseException as raised:
            self._threads.remove(thread)  # one that runs all the same has not come to `_work` yet
            if not isinstance(raised, RuntimeError):
                raise  # from a signal's handler
            # The system has no more.
            while not self._threads and self._calls:
                self._calls.popleft().fail(raised)

    def _work(self) -> None:
        with self._changed:
            self._threads.add(threading.current_thread())
        while True:
            call = self._next()
            if call is None:
                return
            call.run()
            del call

    def _next(self) -> Call | None:
        with self._changed:
            self._idle += 1
            while not self._calls and not self._is_closed:
                self._changed.wait()
            self._idle -= 1
            if self._calls:
                call = self._calls.popleft()
                self._wake_one()
                return call
            self._threads.remove(threading.current_thread())
            self._say_if_over()
            return None

    def close(self, when_over: Callable[[], object] | None = None) -> None:
        """Ends the threads when no call is left, and then calls `when_over`, on any thread."""
        with self._changed:
            self._is_closed = True
            if when_over is not None:
                self._when_over.append(when_over)
            self._changed.notify_all()
            self._say_if_over()

    def _say_if_over(self) -> None:
        while not self._threads and self._when_over:
            self._when_over.pop()()


def post(loop: asyncio.AbstractEventLoop, callback: Callable[[], object]) -> bool:
    """Has a loop call something, from any thread. False: the loop is closed."""
    try:
        loop.call_soon_threadsafe(callback)
    except RuntimeError:
        return False
    return True


_all: weakref.WeakSet[Threads] = weakref.WeakSet()


def _after_fork() -> None:
    callers.clear()
    for threads in _all:
        threads._after_fork()


os.register_at_fork(after_in_child=_after_fork)
