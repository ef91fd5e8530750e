"""Django with dj-rest-auth: JWTs in the answers' bodies or in cookies, and a logout that blacklists the refresh token."""

from __future__ import annotations

import time
from typing import Any

import tokenmgr
from answers import Answer
from django_server import DjangoServer
from server import Server
from suite import Suite


class DjRestAuth(DjangoServer):
    auth: Any = "dj-rest-auth"
    api = "/auth/user/"
    paths = {"login": "/auth/login/", "refresh": "/auth/token/refresh/", "logout": "/auth/logout/"}
    package = "dj-rest-auth"
    logout_ends_access = False

    def kill_refresh(self, tm: tokenmgr.TokenManager) -> None:
        self.must("POST", "/auth/logout/", json_body={"refresh": tm.token().refresh_token})

    def refresh_with(self, held: tokenmgr.Token) -> Answer:
        return self.ask("POST", "/auth/token/refresh/", json_body={"refresh": held.refresh_token})


class Cookies(DjRestAuth):
    """As it comes: the refresh token is in a cookie only, and the logout wants it there."""

    auth = {
        "preset": "dj-rest-auth",
        "logout": {"headers": {"Cookie": "refresh={refresh_token}"}, "json": {}},
        "answer": {"refresh_token": {"cookie": "refresh"}},
    }
    package = "dj-rest-auth-cookies"

    def kill_refresh(self, tm: tokenmgr.TokenManager) -> None:
        self.must("POST", "/auth/logout/", {"Cookie": f"refresh={tm.token().refresh_token}"})


class TestDjRestAuth(Suite):
    kind = DjRestAuth

    def test_a_logout_can_do_without_the_access_token(self, server: Server) -> None:
        """One that the server does not take would have it refused, and the refresh token would live on."""
        without = {"preset": "dj-rest-auth", "logout": {"headers": {"Authorization": None}}}
        with server.manager(auth=without) as tm:
            tm.login()
            server.kill_access(tm)
            held = tm.token()
            tm.logout()
            assert not server.refresh_with(held).is_success

    def test_a_logout_with_a_token_that_has_run_out_ends_the_refresh_token(self, server: Server) -> None:
        with server.manager() as tm:
            tm.login()
            time.sleep(server.lifetime + server.pause)
            tm.logout()
        assert server.counts() == {"login": 1, "refresh": 1, "logout": 1}
        assert [logout.answer.is_success for logout in server.seen("logout")] == [True]


class TestCookies(Suite):
    kind = Cookies
