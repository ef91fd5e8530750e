"""Where a manager's log lines go."""

from __future__ import annotations

import logging
from typing import Callable

from ._api import tm_log_callback
from ._calls import keep

INFO = logging.INFO

#: Takes a level of `logging` and a line.
LogCallback = Callable[[int, str], object]

#: The levels of the library, from 1 on.
LEVELS = (logging.ERROR, logging.WARNING, logging.INFO, logging.DEBUG)

logger = logging.getLogger("tokenmgr")


class Logs:
    """The log callback of one manager."""

    __slots__ = ("callback", "most", "take")

    def __init__(self) -> None:
        self.take: LogCallback | None = logger.log
        # What happens once an hour is always asked for, and the logger decides; what happens in every call is not.
        self.most = 4 if logger.isEnabledFor(logging.DEBUG) else 3
        self.callback = tm_log_callback(self._write)

    def _write(self, _: int | None, level: int, line: bytes) -> None:
        try:
            if self.take is not None:
                self.take(LEVELS[level - 1], line.decode(errors="replace"))
        except BaseException as raised:
            keep(raised)

    def give_to(self, take: LogCallback | None, level: int) -> None:
        self.take = take
        self.most = 0 if take is None else sum(level <= known for known in LEVELS)
