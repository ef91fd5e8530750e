"""The end of the process, with daemon threads that are in calls of the library.

Python stops a daemon thread where it next takes the GIL. In a callback that would be in the middle of the library, which
would abort the process with a message. So the thread that ends the interpreter first asks every other one to leave the
library, and each of them stops at the end of its call.
"""

from __future__ import annotations

import atexit
import sys
import time
import weakref
from threading import get_ident
from types import FrameType
from typing import Protocol

#: The thread that ends the interpreter, as soon as it does.
ending: list[int] = []

#: The modules whose functions call the library for as long as it takes.
calling_modules: set[str] = set()

#: Threads that have left the library and go no further.
_stopped: set[int] = set()


class Silent(Protocol):
    """A manager."""

    def silence(self) -> None:
        """No call that begins from here on is to call Python back."""


managers: weakref.WeakSet[Silent] = weakref.WeakSet()


def is_stopping() -> bool:
    """Whether the interpreter ends and this thread is not the one that ends it."""
    return len(ending) > 0 and get_ident() not in ending


def stop() -> None:
    """Never returns: the process ends meanwhile."""
    _stopped.add(get_ident())
    while True:
        time.sleep(3600)


def _end() -> None:
    ending.append(get_ident())
    for manager in list(managers):
        manager.silence()
    until = time.monotonic() + 1
    while _others_in_calls() and time.monotonic() < until:
        time.sleep(0.005)


def _others_in_calls() -> bool:
    frames = sys._current_frames()
    return any(
        _is_in_call(frame) for thread, frame in frames.items() if thread not in ending and thread not in _stopped
    )


def _is_in_call(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_globals.get("__name__") in calling_modules:
            return True
        frame = frame.f_back
    return False


atexit.register(_end)
