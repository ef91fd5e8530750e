"""Calls into the library, and their errors."""

from __future__ import annotations

import ctypes
from typing import Any

from . import _native as native
from ._outcomes import read_error
from ._pending import due, pending
from ._response import TokenManagerError

#: Error slots that no call uses: what the library puts the error of a call into (`tm_error **`). Making one costs as much
#: as a call.
slots: list[Any] = []


def take_slot() -> Any:
    """A slot for one call, which puts it back into `slots` unless it fails."""
    try:
        return slots.pop()
    except IndexError:
        return ctypes.byref(ctypes.c_void_p())


def take_error(slot: Any) -> TokenManagerError | None:
    """The error in a slot, if there is one. The library's is freed."""
    pointer = slot._obj
    if not pointer:
        return None
    try:
        return read_error(pointer).error()
    finally:
        native.error_free(pointer)


def call(function: Any, *arguments: Any) -> Any:
    """What the function returns, or raises."""
    slot = take_slot()
    result = function(*arguments, slot)
    if slot._obj or pending:
        failure = due(take_error(slot))
        if failure is not None:
            raise failure
    slots.append(slot)
    return result
