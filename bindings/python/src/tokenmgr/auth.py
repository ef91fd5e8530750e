"""Dialects, as typed dictionaries. Generated from docs/dialect.schema.json by generate.py; do not edit."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any, Literal


class Answer(TypedDict, total=False):
    """Where things are in an answer."""

    access_token: str | Mapping[str, Any] | Sequence[str | Mapping[str, Any]] | None
    expires_at: str | Mapping[str, Any] | Sequence[str | Mapping[str, Any]] | None
    expires_at_unit: Literal["s", "ms"] | None
    expires_in: str | Mapping[str, Any] | Sequence[str | Mapping[str, Any]] | None
    expires_in_unit: Literal["s", "ms", "min"] | None
    lifetime_seconds: int | None
    refresh_expires_at: str | Mapping[str, Any] | Sequence[str | Mapping[str, Any]] | None
    refresh_expires_at_unit: Literal["s", "ms"] | None
    refresh_expires_in: str | Mapping[str, Any] | Sequence[str | Mapping[str, Any]] | None
    refresh_expires_in_unit: Literal["s", "ms", "min"] | None
    refresh_token: str | Mapping[str, Any] | Sequence[str | Mapping[str, Any]] | None
    token_type: str | Mapping[str, Any] | Sequence[str | Mapping[str, Any]] | None


class Assertion(TypedDict, total=False):
    """A JWT that is signed anew for each request."""

    alg: Literal["RS256", "PS256", "ES256", "EdDSA", "HS256"] | None
    claims: Mapping[str, Any] | None
    header: Mapping[str, Any] | None
    key: str | Mapping[str, str] | None
    lifetime_seconds: int | None


class Call(TypedDict, total=False):
    """How a call carries the token."""

    headers: Mapping[str, str | None]
    query: Mapping[str, Any]


class Client(TypedDict, total=False):
    """An OAuth client."""

    id: str
    secret: str | Mapping[str, str]


class Endpoint(TypedDict, total=False):
    """A request to the auth server."""

    answer: Answer | None
    basic: Sequence[str | float | bool] | None
    form: Mapping[str, Any] | None
    headers: Mapping[str, str | None] | None
    json: Any | None
    keep: Mapping[str, str | Mapping[str, Any] | Sequence[str | Mapping[str, Any]]] | None
    meanings: Sequence[Meaning] | None
    method: str | None
    query: Mapping[str, Any] | None
    success: int | str | Sequence[int | str] | None
    text: str | float | bool | None
    url: str | None


class Meaning(TypedDict, total=False):
    """What an answer means."""

    body: Mapping[str, str | float | bool | Sequence[str | float | bool | None] | None] | None
    challenge: str | Sequence[str] | None
    means: Literal["rejected", "expired", "forbidden", "rate_limited", "unavailable", "accepted", "unusable"] | None
    of: Literal["login", "refresh", "logout", "call"] | Sequence[Literal["login", "refresh", "logout", "call"]] | None
    status: int | str | Sequence[int | str] | None


class Dialect(TypedDict, total=False):
    """The option `auth`: what login, refresh, logout and calls look like. None removes what a preset has."""

    actor_token: str | None
    actor_token_type: str | None
    answer: Answer | None
    assertion: Assertion | None
    audience: str | Sequence[str] | None
    body: Literal["form", "json", "query"] | None
    call: Call | None
    client: Client | None
    client_auth: Literal["basic", "basic_raw", "post", "private_key_jwt", "tls", "none"] | None
    dpop: bool | None
    extra: Mapping[str, Any] | None
    grant: str | None
    initial_refresh_token: str | Mapping[str, str] | None
    issuer: str | None
    login: Endpoint | Sequence[Endpoint] | None
    logout: Endpoint | None
    meanings: Sequence[Meaning] | None
    preset: Literal["popup", "oauth2", "simplejwt", "dj-rest-auth", "directus", "vault"] | None
    refresh: Endpoint | None
    requested_token_type: str | None
    resource: str | Sequence[str] | None
    revocation_url: str | None
    scope: str | Sequence[str] | None
    subject_token: str | None
    subject_token_type: str | None
    token_url: str | None
