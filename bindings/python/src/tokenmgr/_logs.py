"""Where a manager's log lines go.

The library hands a line over in the middle of a call. No Python code may run there: a signal handler would be run before
the first line of a function that takes it, and what it raises, KeyboardInterrupt for one, be lost. So `operator.setitem`
takes it, puts it into a dictionary, and the lines go on from there when the call has returned.
"""

from __future__ import annotations

import ctypes
import logging
import operator
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


_put = ctypes.CFUNCTYPE(None, ctypes.py_object, _Level, ctypes.c_char_p)(operator.setitem)

callback: Any = ctypes.cast(_put, tm_log_callback)


class Logs:
    """The lines of one manager."""

    __slots__ = ("lines", "most", "take")

    def __init__(self) -> None:
        #: What has not gone on yet.
        self.lines: dict[_Level, bytes] = {}
        self.take: LogCallback | None = logger.log
        # What happens once an hour is always asked for, and the logger decides; what happens in every call is not.
        self.most = 4 if logger.isEnabledFor(logging.DEBUG) else 3

    def give_to(self, take: LogCallback | None, level: int) -> None:
        self.take = take
        self.most = 0 if take is None else sum(level <= known for known in LEVELS)

    def hand_over(self) -> None:
        """Gives the lines to whoever takes them. What that raises is raised."""
        for level in list(self.lines):
            line = self.lines.pop(level, None)  # another thread may be here, too
            if line is not None and self.take is not None:
                self.take(LEVELS[level.value - 1], line.decode(errors="replace"))
