"""Python functions for the library to call back, without losing a Ctrl-C.

A `try` in a callback does not catch everything. Python runs signal handlers in the main thread, between two steps of
Python code. While the library waits there are none, so the handler of a Ctrl-C runs at the first step of the next
callback: before the first line of the function, outside of any `try` in it. ctypes prints what is raised there, and drops
it; the program could not be interrupted.

A generator that was suspended inside a `try` does catch it, because its first step is inside the `try`. So each callback
begins by resuming such a generator, a *guard*. This is what happens when the library asks a store for its record, and a
signal is due:

    the library    calls the function pointer made of Callback(load)
    ctypes         callback(None, b"key", sink)
                     __call__ is a property; its getter is `_entries`:
                       _entries.take()          takes a suspended guard
                       guard.send(callback)     resumes it
    the guard            try:                   <- the first step of Python: the signal handler runs here
                             refills `ready`, yields callback.function
                         except: makes the exception pending, yields `_fail`
    ctypes         function(None, b"key", sink)

All above the guard's line is C code, in which no signal handler runs. The library's question whether to end a call is the
same, but that the guard yields the answer itself.
"""

from __future__ import annotations

import operator
import threading
from collections.abc import Generator
from typing import Any, Callable

from ._api import tm_interrupt_callback
from ._pending import Kind, defer, must_end

DONE, NO, FAILED = 1, 0, -1


class _Guards(threading.local):
    """Suspended guards, for each thread its own. Each is used once, and makes its successor.

    `answer` tells what a guard yields to what it is sent; `refusal` is what it yields if a signal handler raised.
    """

    #: More than one, because a signal handler may call the library, which calls back, before the guard that the handler
    #: runs in has made its successor; and that handler may be interrupted likewise.
    SPARE = 8

    def __init__(self, answer: Callable[[Any], Any], refusal: Any) -> None:
        self._answer = answer
        self._refusal = refusal
        self._ready: list[Callable[[Any], Any]] = []
        self.take = self._ready.pop
        self._refill()

    #: `guards(sent)` is `guards.take()(sent)`, by C code alone.
    __call__ = property(operator.methodcaller("take"))

    def _refill(self) -> None:
        while len(self._ready) < self.SPARE:
            guard = self._guard()
            next(guard)
            self._ready.append(guard.send)

    def _guard(self) -> Generator[Any, Any, None]:
        try:
            sent = yield
            self._refill()
            answer = self._answer(sent)
        except GeneratorExit:
            return
        except BaseException as raised:
            defer(raised, Kind.INTERRUPT)
            self._refill()
            answer = self._refusal
        yield answer


def _fail(*_: object) -> int:
    return FAILED


_entries = _Guards(operator.attrgetter("function"), _fail)

#: Answers the library, about every 50 ms while a call waits, whether to end it.
interrupt_callback = tm_interrupt_callback(_Guards(must_end, True))


class Callback:
    """A function as ctypes takes it for a callback: it gets what C passes behind the userdata. What it raises is pending
    from then on, and the library is told that it failed."""

    __slots__ = ("function",)

    def __init__(self, function: Callable[..., int], kind: Kind = Kind.CALLBACK) -> None:
        def called_back(_: int | None, *arguments: Any) -> int:
            # First of all the `try`: the guard catches what signal handlers raise before it, this what they raise from here.
            try:
                return function(*arguments)
            except BaseException as raised:
                defer(raised, kind)
                return FAILED

        self.function = called_back

    __call__ = property(_entries)
