"""What the adapters of other HTTP clients have in common."""

from __future__ import annotations

from typing import Protocol

PREFIX = "Bearer "


class TokenSource(Protocol):
    """The TokenManager, as far as an adapter uses it."""

    def check_url(self, url: str) -> None: ...

    def access_token(self) -> str: ...

    def try_access_token(self) -> str | None: ...

    def accept(self, access_token: str) -> None: ...

    def reject(self, access_token: str) -> None: ...


def is_refused(source: TokenSource, status: int, authorization: str | None) -> bool:
    """Whether the server answered 401 to the manager's token; the manager is told. An answer to a request that carried no
    token, as after a redirect to another origin, says nothing of it."""
    if authorization is None or not authorization.startswith(PREFIX):
        return False
    if status != 401:
        source.accept(authorization[len(PREFIX) :])
        return False
    source.reject(authorization[len(PREFIX) :])
    return True


def accept(source: TokenSource, status: int, authorization: str | None) -> None:
    """After the second and last send: tells the manager if the token was accepted."""
    if status != 401:
        is_refused(source, status, authorization)
