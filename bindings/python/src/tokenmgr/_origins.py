"""Where a token may go, for callers with their own HTTP client. For its own calls the library sees to it."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Iterable
from urllib.parse import urlsplit

from .errors import UrlNotAllowed

PORTS = {"http": 80, "https": 443}

Origin = tuple[str, str, "int | None"]


def origin(url: str) -> Origin:
    parts = urlsplit(url)
    return parts.scheme, (parts.hostname or "").rstrip("."), parts.port or PORTS.get(parts.scheme)


class Origins:
    """The host's own origin, and those allowed beside it."""

    __slots__ = ("_allowed", "_host")

    def __init__(self, host: str | None, allowed: Iterable[str]) -> None:
        self._host = host or from_environment()
        self._allowed = tuple(allowed)

    def check(self, url: str) -> None:
        """Raises unless the token may go there."""
        if origin(url) not in {origin(known) for known in (self._host, *self._allowed)}:
            scheme, host, port = origin(url)
            raise UrlNotAllowed(
                f"{scheme}://{bracketed(host)}:{port} is neither the host's origin nor in allowed_origins; nothing was sent "
                "to it. Add it to allowed_origins if it may see the token"
            )

    def __str__(self) -> str:
        scheme, host, port = origin(self._host)
        return f"{scheme}://{bracketed(host)}" + ("" if port == PORTS.get(scheme) else f":{port}")


def bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def from_environment() -> str:
    """The host, where the library finds it that nobody gave it."""
    host = os.environ.get("TOKENMGR_HOST")
    file = os.environ.get("TOKENMGR_HOST_FILE")
    if not host and file:
        try:
            host = pathlib.Path(file).read_bytes().decode().removesuffix("\n").removesuffix("\r")
        except (OSError, UnicodeDecodeError):
            pass  # the library says so better
    return host or ""
