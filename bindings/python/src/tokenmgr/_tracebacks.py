"""Keeps secrets out of tracebacks: what reports errors may print the variables of every frame."""

from __future__ import annotations

import functools
import sys
from types import TracebackType
from typing import TYPE_CHECKING, Callable, TypeVar

if TYPE_CHECKING:
    from typing_extensions import ParamSpec

    P = ParamSpec("P")
R = TypeVar("R")

#: The packages that secrets pass through.
OURS = ("tokenmgr", "json")


def hides_arguments(function: Callable[P, R]) -> Callable[P, R]:
    """For a function whose arguments are secrets: what it raises carries no frame that holds them."""

    @functools.wraps(function)
    def hiding(*args: P.args, **kwargs: P.kwargs) -> R:
        handled_before = sys.exc_info()[1]
        try:
            return function(*args, **kwargs)
        except BaseException as raised:
            del args, kwargs
            _drop_frames(raised, handled_before)
            raise

    return hiding


def _drop_frames(raised: BaseException | None, until: BaseException | None) -> None:
    """From what was raised and what led to it, up to what the caller was handling already. A callback's frames stay."""
    while raised is not None and raised is not until:
        raised.__traceback__ = _of_others(raised.__traceback__)
        raised = raised.__cause__ or raised.__context__


def _of_others(trace: TracebackType | None) -> TracebackType | None:
    if trace is None:
        return None
    rest = _of_others(trace.tb_next)
    if trace.tb_frame.f_globals.get("__name__", "").partition(".")[0] in OURS:
        return rest
    return TracebackType(rest, trace.tb_frame, trace.tb_lasti, trace.tb_lineno)
