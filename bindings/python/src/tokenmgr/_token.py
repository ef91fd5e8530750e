"""A token pair."""

from __future__ import annotations

from typing import Any

from . import _native as native


class Token:
    """An immutable snapshot of a token pair. Its `repr` shows neither token."""

    __slots__ = ("_handle",)

    def __init__(self, handle: Any) -> None:
        self._handle = handle

    @property
    def access_token(self) -> str:
        """What follows `Bearer` in an Authorization header."""
        token: bytes = native.token_access(self._handle)
        return token.decode()

    @property
    def refresh_token(self) -> str | None:
        """For moving a pair elsewhere. Never use it beside the manager: the server treats that as theft. None if the API
        gave none, or if this process must not use it (a forked child with the memory store)."""
        token: bytes | None = native.token_refresh(self._handle)
        return None if token is None else token.decode()

    @property
    def expires_at(self) -> int | None:
        """When the access token expires, in Unix seconds by this machine's clock, as `time.time()`; None if unknown."""
        return native.token_expires_at(self._handle) or None

    @property
    def refresh_expires_at(self) -> int | None:
        """When the refresh token expires, likewise."""
        return native.token_refresh_expires_at(self._handle) or None

    @property
    def seconds_left(self) -> int:
        """How long the access token lives from now on; 0 if unknown."""
        seconds: int = native.token_seconds_left(self._handle)
        return seconds

    def should_refresh(self, minutes: float = 5) -> bool:
        """Whether the access token has no more than so many minutes left; False if its lifetime is unknown."""
        due: bool = native.token_should_refresh(self._handle, native.int64(minutes * 60, "number of minutes", round))
        return due

    def __repr__(self) -> str:
        try:
            return f"<Token: {self.seconds_left} s left>"
        except AttributeError:
            return "<Token that was not made>"

    def __reduce__(self) -> Any:
        raise TypeError(
            "a Token holds secrets and is not pickled or copied; give each process a TokenManager and a store"
        )
