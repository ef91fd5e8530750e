"""Keeps secrets out of tracebacks: what reports errors may print the variables of every frame."""

from __future__ import annotations

import functools
import inspect
import sys
from types import TracebackType
from typing import TYPE_CHECKING, Any, Callable, TypeVar, cast

if TYPE_CHECKING:
    from typing_extensions import ParamSpec

    P = ParamSpec("P")
R = TypeVar("R")

#: The packages that secrets pass through.
OURS = ("tokenmgr", "json")


def hides_arguments(function: Callable[P, R]) -> Callable[P, R]:
    """For a function whose arguments are secrets: what it raises carries no frame that holds them."""
    if inspect.iscoroutinefunction(function):
        return cast("Callable[P, R]", _hides_arguments_of_coroutine(function))

    @functools.wraps(function)
    def hiding(*args: P.args, **kwargs: P.kwargs) -> R:
        handled_before = sys.exc_info()[1]
        try:
            return function(*args, **kwargs)
        except BaseException as raised:
            del args, kwargs
            raise without_our_frames(raised, handled_before)  # noqa: B904 (it is the same one)

    return hiding


def _hides_arguments_of_coroutine(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    async def hiding(*args: Any, **kwargs: Any) -> Any:
        handled_before = sys.exc_info()[1]
        try:
            return await function(*args, **kwargs)
        except BaseException as raised:
            del args, kwargs
            raise without_our_frames(raised, handled_before)  # noqa: B904 (it is the same one)

    return hiding


def without_our_frames(raised: BaseException, until: BaseException | None) -> BaseException:
    """To be raised by name: until Python 3.11 a bare `raise` brings the frames back. They are dropped from what was raised
    and what led to it, up to what the caller was handling already. A callback's frames stay."""
    one: BaseException | None = raised
    while one is not None and one is not until:
        one.__traceback__ = _of_others(one.__traceback__)
        one = one.__cause__ or one.__context__
    return raised


def _of_others(trace: TracebackType | None) -> TracebackType | None:
    if trace is None:
        return None
    rest = _of_others(trace.tb_next)
    if trace.tb_frame.f_globals.get("__name__", "").partition(".")[0] in OURS:
        return rest
    return TracebackType(rest, trace.tb_frame, trace.tb_lasti, trace.tb_lineno)
