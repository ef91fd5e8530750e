"""For tests of programs that use a TokenManager: one that sends nothing, and a small API for a real one.

As fixtures of pytest, where `conftest.py` says `pytest_plugins = ["tokenmgr.pytest_plugin"]`: `fake_token_manager` and
`token_api`.
"""

from ._fake import FakeTokenManager
from ._script import Call
from ._token_api import TokenApi

__all__ = ["Call", "FakeTokenManager", "TokenApi"]
