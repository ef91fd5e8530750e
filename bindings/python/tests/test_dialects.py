"""Dialects as typed dictionaries: mypy reads this file, too."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import tokenmgr

if TYPE_CHECKING:
    from tokenmgr.auth import Dialect


def test_a_typed_dialect_is_taken() -> None:
    dialect: Dialect = {
        "login": {
            "url": "/v1/sessions",
            "json": {"email": "{username}", "secret": "{password}"},
            "answer": {"access_token": "/session/key", "expires_in": ["/session/ttl", "/ttl"]},
        },
        "call": {"headers": {"X-Session": "{access_token}"}},
        "meanings": [{"of": ["login", "call"], "status": "4xx", "body": {"/error": "over"}, "means": "expired"}],
    }
    with tokenmgr.TokenManager("https://api.example.test", "demo", "demo-password", auth=dialect) as tm:
        assert tm.peek_token() is None


def test_a_mistake_is_named() -> None:
    with pytest.raises(tokenmgr.InvalidOptions, match=r"auth\.login"):
        tokenmgr.TokenManager("https://api.example.test", "demo", "demo-password", auth={"login": {"uri": "/login"}})
