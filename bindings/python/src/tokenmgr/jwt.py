"""Reads JSON Web Tokens. No signature is checked: that is the server's business."""

from __future__ import annotations

from typing import Any

from . import _native as native
from ._calls import call
from ._tracebacks import hides_arguments


@hides_arguments
def is_expired(token: str) -> bool:
    """Whether it has expired, by this machine's clock; True also for what is no JWT or has no `exp`."""
    expired: bool = native.jwt_is_expired(_encoded(token))
    return expired


@hides_arguments
def seconds_left(token: str) -> int:
    """How long it is still valid, never below 0; 0 also for what is no JWT or has no `exp`."""
    seconds: int = native.jwt_seconds_left(_encoded(token))
    return seconds


@hides_arguments
def should_refresh(token: str, minutes: float = 5) -> bool:
    """Whether it has no more than so many minutes left; True also for what is no JWT or has no `exp`."""
    due: bool = native.jwt_should_refresh(_encoded(token), native.int64(minutes * 60, "number of minutes", round))
    return due


@hides_arguments
def payload(token: str) -> dict[str, Any]:
    """Its payload. Raises BadToken if it is no JWT."""
    claims: dict[str, Any] = native.take_json(call(native.jwt_payload_json, _encoded(token)))
    return claims


def _encoded(token: str) -> bytes:
    encoded = token.encode(errors="replace")
    return b"" if b"\0" in encoded else encoded  # C would end it there
