"""Calls into the library: their errors, and what was raised while they ran.

The library calls Python back while a call waits: to write log lines, to read and write a store, and about every 50 ms to
ask whether to go on. Nothing may be raised through C. What a callback or a signal handler raises is kept for its thread,
and raised when the call returns.
"""

from __future__ import annotations

import atexit
import ctypes
import operator
import os
import sys
import threading
import time
import weakref
from collections.abc import Generator
from threading import get_ident
from types import FrameType
from typing import Any, Callable, NamedTuple

from . import _native as native
from ._api import Status, tm_interrupt_callback
from .errors import BY_STATUS, Cancelled, StoreError, TokenManagerError

# ---- errors ---------------------------------------------------------------------------------------------------------

#: Places for the error of a call (`tm_error **`), used again and again: making one costs as much as a call.
places: list[Any] = []


def place() -> Any:
    """A place for an error. Whoever took it puts it back into `places` after the call, if it comes to that."""
    try:
        return places.pop()
    except IndexError:
        return ctypes.byref(ctypes.c_void_p())


def call(function: Any, *arguments: Any) -> Any:
    """What the function returns, or raises."""
    error = place()
    result = function(*arguments, error)
    if error._obj or kept:
        failure = due(take_error(error))
        if failure is not None:
            raise failure
    places.append(error)
    return result


def due(failure: TokenManagerError | None) -> BaseException | None:
    """What is to be raised after a call: what was raised while it ran, or how it failed, if there is either."""
    if ending and get_ident() not in ending:
        wait_for_the_end()
    raised = kept.pop(get_ident(), None)
    if raised is None:
        return failure
    stopped.discard(get_ident())
    if not isinstance(raised, StoreFault):
        return raised
    # A store that fails is the library's to get over. It has been logged; here it is the reason of a failed call.
    if isinstance(failure, (StoreError, Cancelled)):
        failure.__cause__ = raised.cause
    return failure


def take_error(place: Any) -> TokenManagerError | None:
    """The error at a place, if there is one. It is freed."""
    pointer = place._obj
    if not pointer:
        return None
    try:
        return make_error(read_error(pointer))
    finally:
        native.error_free(pointer)


class ErrorFacts(NamedTuple):
    """What the library says of an error."""

    status: int
    message: str
    http_status: int
    server_code: bytes | None
    retry_after_ms: int
    is_retryable: bool


def read_error(pointer: Any) -> ErrorFacts:
    """Reads the error at a pointer, and leaves it whose it is."""
    return ErrorFacts(
        native.error_code(pointer),
        native.error_message(pointer).decode(),
        native.error_http_status(pointer),
        native.error_server_code(pointer),
        native.error_retry_after_ms(pointer),
        native.error_is_retryable(pointer),
    )


def make_error(facts: ErrorFacts) -> TokenManagerError:
    status = facts.status
    error = BY_STATUS.get(status, TokenManagerError)(facts.message)
    error.status = Status(status) if status in BY_STATUS else None
    error.http_status = facts.http_status or None
    error.server_code = None if facts.server_code is None else facts.server_code.decode()
    error.retry_after = None if facts.retry_after_ms < 0 else facts.retry_after_ms / 1000
    error.is_retryable = facts.is_retryable
    return error


# ---- what callbacks and signal handlers raise -----------------------------------------------------------------------

#: By thread, what was raised in the call that it is in.
kept: dict[int, BaseException] = {}

#: The threads whose calls are to end because of it.
stopped: set[int] = set()

#: The thread that ends the interpreter, as soon as it does.
ending: list[int] = []

# A forked child has one thread; the others' calls are not its own.
os.register_at_fork(after_in_child=kept.clear)
os.register_at_fork(after_in_child=stopped.clear)


class StoreFault(Exception):
    """What a store raised."""

    def __init__(self, cause: Exception) -> None:
        super().__init__(cause)
        self.cause = cause


def keep(raised: BaseException) -> None:
    """Keeps what a callback raised: the first, unless a later one means to end the call, or the first was a store's and
    the later one is not."""
    thread = get_ident()
    before = kept.get(thread)
    is_new = before is None or (isinstance(before, StoreFault) and not isinstance(raised, StoreFault))
    if is_new or not isinstance(raised, Exception):
        kept[thread] = raised
        if not isinstance(raised, Exception):
            stopped.add(thread)


# ---- Ctrl-C ---------------------------------------------------------------------------------------------------------


class _Stock(threading.local):
    """Generators that have been started, for each thread its own; a call gives the `send` of one, found without a line of
    Python. Several, because a signal handler may itself call the library while a generator is being resumed."""

    #: So many wait to be taken, for as many handlers that interrupt each other before one of them gets further.
    SPARE = 8

    def __init__(self, generate: Callable[[_Stock, int], Generator[Any, Any, None]]) -> None:
        self._generate = generate
        self._known: list[Any] = []
        self._idle: set[Any] = set()
        self.take = self._idle.pop
        self.fill()

    __call__ = property(operator.methodcaller("take"))

    def fill(self) -> None:
        """For a generator that was taken: puts back the others that have been, and adds new ones if those are few. It can
        not put itself back, because it runs until it has yielded."""
        self._known = [known for known in self._known if known.gi_frame is not None]
        for known in self._known:
            if not known.gi_running:
                self._idle.add(known.send)
        while len(self._idle) < self.SPARE:
            new = self._generate(self, get_ident())
            next(new)
            self._known.append(new)
            self._idle.add(new.send)


def _answers(stock: _Stock, thread: int) -> Generator[bool, object, None]:
    """Answers the library's question whether to end the call of a thread: no, until something was raised in it.

    Python runs signal handlers in the main thread, between two steps of Python code: during a call, whenever the library
    asks. A function could not catch what they raise, because they run before its first line. A generator is resumed
    inside of its `try`.
    """
    is_over = False
    while True:
        try:
            while True:
                yield is_over
                stock.fill()
                is_over = thread in stopped or (len(ending) > 0 and thread not in ending)
        except GeneratorExit:
            return
        except BaseException as raised:
            kept[thread] = raised
            stopped.add(thread)
            is_over = True


interrupt_callback = tm_interrupt_callback(_Stock(_answers))


def _entries(stock: _Stock, thread: int) -> Generator[Any, Any, None]:
    """Runs the signal handlers that are due before a callback begins, and gives the function of the callback; or one that
    fails, if they raised."""
    function: Any = None
    while True:
        try:
            while True:
                callback = yield function
                function = callback.function
                stock.fill()
        except GeneratorExit:
            return
        except BaseException as raised:
            kept[thread] = raised
            stopped.add(thread)
            function = _failing


def _failing(*_: object) -> int:
    return -1


class Callback:
    """A function for the library to call back: `__call__` is found by way of `_entries`, again without a line of Python."""

    __slots__ = ("function",)

    def __init__(self, function: Any) -> None:
        self.function = function

    __call__ = property(_Stock(_entries))


# ---- the end of the process -----------------------------------------------------------------------------------------

#: Threads that are out of the library and go no further.
_waiting: set[int] = set()

#: Every manager: its `silence()` is called when the interpreter ends.
managers: weakref.WeakSet[Any] = weakref.WeakSet()


def _end() -> None:
    """Python ends a daemon thread where it next takes the GIL. In a callback that would be in the middle of the library,
    which would end the whole process with a message; so whoever is in a call is called out of it first."""
    ending.append(get_ident())
    for manager in list(managers):
        manager.silence()
    until = time.monotonic() + 1
    while _others_in_calls() and time.monotonic() < until:
        time.sleep(0.005)


def _others_in_calls() -> bool:
    for thread, frame in sys._current_frames().items():
        if thread in ending or thread in _waiting:
            continue
        inner: FrameType | None = frame
        while inner is not None:
            if inner.f_globals.get("__name__") == "tokenmgr._manager":
                return True
            inner = inner.f_back
    return False


def wait_for_the_end() -> None:
    _waiting.add(get_ident())
    while True:
        time.sleep(3600)


atexit.register(_end)
