"""The fixtures of pytest: `pytest_plugins = ["tokenmgr.pytest_plugin"]` in conftest.py."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .testing import FakeTokenManager, TokenApi


@pytest.fixture
def fake_token_manager() -> Iterator[FakeTokenManager]:
    """A TokenManager that sends nothing and answers as the test says."""
    with FakeTokenManager() as manager:
        yield manager


@pytest.fixture
def token_api() -> Iterator[TokenApi]:
    """A small token API on a free port."""
    with TokenApi() as api:
        yield api
