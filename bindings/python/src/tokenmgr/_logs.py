"""Where a manager's log lines go.

The library calls back in the middle of a call, where a line must not be lost even if a signal handler raises
KeyboardInterrupt just then (`_callbacks`). So no Python code runs there: the callback is the C function
`operator.setitem`, which puts the line into a dictionary of the thread,

    setitem(lines, level, line)      is  lines.own[level] = line

and the log callback gets it when the call has returned.
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
    """A level as a key of the dictionary: each object is another key, whatever its value. So no line replaces another."""

    __hash__ = object.__hash__


class Lines(threading.local):
    """The lines that wait for the end of a call: each thread's own. A thread reads `own` before its call, which makes the
    dictionary."""

    def __init__(self) -> None:
        self.own: dict[_Level, bytes] = {}
        self.put = self.own.__setitem__
        self.are_handed_over = False

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
        """Gives the thread's lines to the log callback. What it raises is raised when it has got them all. Lines of calls
        that it makes on this manager are left out: there might be no end to them."""
        failures: list[BaseException] = []
        lines = self.lines.own
        taken = [(level.value, line) for level, line in lines.items()]
        lines.clear()
        if self.lines.are_handed_over:
            return
        try:
            self.lines.are_handed_over = True
            for level, line in taken:
                if self.take is not None:
                    try:
                        self.take(LEVELS[level - 1], line.decode(errors="replace"))
                    except BaseException as raised:
                        failures.append(raised)
        finally:
            self.lines.are_handed_over = False
        if failures:
            raise min(failures, key=lambda raised: isinstance(raised, Exception))
