"""Exceptions that callbacks and signal handlers raise in the middle of a call.

Nothing may be raised through C. Such an exception is *pending* for its thread, and raised when the call has returned.
"""

from __future__ import annotations

import enum
import os
from threading import get_ident
from typing import NamedTuple, Protocol

from . import _exit
from ._exit import ending
from .errors import Cancelled, StoreError, TokenManagerError


class Kind(enum.IntEnum):
    """What a pending exception does to its call. One of a higher kind replaces one of a lower."""

    #: A store's: the library does without the store where it can.
    STORE = 0
    #: Another callback's: it is raised, however the call ends.
    CALLBACK = 1
    #: A signal handler's, or any that is no `Exception`: it also ends the call.
    INTERRUPT = 2


class Pending(NamedTuple):
    raised: BaseException
    kind: Kind


#: By thread.
pending: dict[int, Pending] = {}

# A forked child has one thread; the others' calls are not its own.
os.register_at_fork(after_in_child=pending.clear)


class Caller(Protocol):
    """Whom a thread makes a call for."""

    #: Whether nobody wants the call's outcome any more.
    is_cancelled: bool


#: By thread, where it makes a call for somebody else.
callers: dict[int, Caller] = {}


def defer(raised: BaseException, kind: Kind) -> None:
    """Makes an exception pending. Of two of one kind the first counts, but of two interrupts the last."""
    if not isinstance(raised, Exception):
        kind = Kind.INTERRUPT
    before = pending.get(get_ident())
    if before is None or kind > before.kind or kind is Kind.INTERRUPT:
        pending[get_ident()] = Pending(raised, kind)


def must_end(_: object = None) -> bool:
    """Whether the call that this thread is in is to end."""
    this_thread = get_ident()
    found = pending.get(this_thread)
    caller = callers.get(this_thread)
    return (
        (found is not None and found.kind is Kind.INTERRUPT)
        or (caller is not None and caller.is_cancelled)
        or _exit.is_stopping()
    )


def due(failure: TokenManagerError | None) -> BaseException | None:
    """What is to be raised after a call: the pending exception, or how the call failed, if there is either."""
    if ending and _exit.is_stopping():
        _exit.stop()
    found = pending.pop(get_ident(), None)
    if found is None:
        return failure
    if found.kind is not Kind.STORE:
        return found.raised
    # It has been logged; here it is the reason of a call that failed.
    if isinstance(failure, (StoreError, Cancelled)):
        failure.__cause__ = found.raised
    return failure
