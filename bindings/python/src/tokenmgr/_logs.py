"""Where a manager's log lines go.

The library hands a line over in the middle of a call. No Python code may run there: a signal handler would be run before
the first line of a function that takes it, and what it raises, KeyboardInterrupt for one, be lost. So `operator.setitem`
takes it, puts it into a dictionary of the thread, and the lines go on from there when the call has returned.
"""

from __future__ import annotations

import ctypes
import logging
import operator
import threading
from typing import Any, Callable

from ._api import tm_log_callback

INFO = logging.INFO

#: Takes a level of `logging` and a line.
LogCallback = Callable[[int, str], object]

#: The levels of the library, from 1 on.
LEVELS = (logging.ERROR, logging.WARNING, logging.INFO, logging.DEBUG)

logger = logging.getLogger("tokenmgr")


class _Level(ctypes.c_int32):
    """A level that is a key of its own in a dictionary, though it be equal to others."""

    __hash__ = object.__hash__


class Lines(threading.local):
    """What has not gone on yet: each thread's own lines, put into its dictionary without a line of Python. A thread asks
    for them before its call, so that they are there."""

    def __init__(self) -> None:
        self.own: dict[_Level, bytes] = {}
        self.put = self.own.__setitem__
        self.are_going_on = False

    __setitem__ = property(operator.attrgetter("put"))


_put = ctypes.CFUNCTYPE(None, ctypes.py_object, _Level, ctypes.c_char_p)(operator.setitem)

callback: Any = ctypes.cast(_put, tm_log_callback)


class Logs:
    """The lines of one manager."""

    __slots__ = ("lines", "most", "take")

    def __init__(self) -> None:
        self.lines = Lines()
        self.take: LogCallback | None = logger.log
        # What happens once an hour is always asked for, and the logger decides; what happens in every call is not.
        self.most = 4 if logger.isEnabledFor(logging.DEBUG) else 3

    def give_to(self, take: LogCallback | None, level: int) -> None:
        self.take = take
        self.most = 0 if take is None else sum(level <= known for known in LEVELS)

    def hand_over(self) -> None:
        """Gives the thread's lines to whoever takes them. What that raises is raised when all are given. Lines of calls
        that it makes on this manager are left out: there might be no end to them."""
        failures: list[BaseException] = []
        lines = self.lines.own
        taken = [(level.value, line) for level, line in lines.items()]
        lines.clear()
        if self.lines.are_going_on:
            return
        try:
            self.lines.are_going_on = True
            for level, line in taken:
                if self.take is not None:
                    try:
                        self.take(LEVELS[level - 1], line.decode(errors="replace"))
                    except BaseException as raised:
                        failures.append(raised)
        finally:
            self.lines.are_going_on = False
        if failures:
            raise min(failures, key=lambda raised: isinstance(raised, Exception))
