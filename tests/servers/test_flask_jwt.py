"""Flask-JWT-Extended with cookies: a refresh token that does not rotate, and a CSRF token for each token."""

from __future__ import annotations

import base64
import json
from typing import Any

import tokenmgr
from answers import Answer
from server import HERE, Server, venv
from suite import Suite


class FlaskJwt(Server):
    auth: Any = {
        "login": {
            "url": "/login",
            "json": {"username": "{username}", "password": "{password}"},
            "keep": {"csrf": {"cookie": "csrf_access_token"}, "csrf_refresh": {"cookie": "csrf_refresh_token"}},
        },
        "refresh": {
            "url": "/refresh",
            "headers": {"Cookie": "refresh_token_cookie={refresh_token}", "X-CSRF-TOKEN": "{kept.csrf_refresh}"},
            "keep": {"csrf": {"cookie": "csrf_access_token"}},
        },
        "logout": {
            "method": "DELETE",
            "url": "/logout",
            "headers": {"Cookie": "access_token_cookie={refresh_token}", "X-CSRF-TOKEN": "{kept.csrf_refresh}"},
        },
        "answer": {
            "access_token": {"cookie": "access_token_cookie"},
            "refresh_token": {"cookie": "refresh_token_cookie"},
        },
        "call": {"headers": {"Cookie": "access_token_cookie={access_token}", "X-CSRF-TOKEN": "{kept.csrf}"}},
    }
    paths = {"login": "/login", "refresh": "/refresh", "logout": "/logout"}
    token_header = "Cookie"
    spends = logout_ends_access = False

    def command(self, port: int) -> list[str]:
        return [str(venv("flask") / "bin" / "python"), str(HERE / "flask_site.py"), str(port), str(int(self.lifetime))]

    def with_cookie(self, name: str, token: str) -> dict[str, str]:
        payload = token.split(".")[1]
        csrf = json.loads(base64.urlsafe_b64decode(payload + "=="))["csrf"]
        return {"Cookie": f"{name}={token}", "X-CSRF-TOKEN": csrf}

    def kill_access(self, tm: tokenmgr.TokenManager) -> None:
        self.must("DELETE", "/logout", self.with_cookie("access_token_cookie", tm.token().access_token))

    def kill_refresh(self, tm: tokenmgr.TokenManager) -> None:
        self.must("DELETE", "/logout", self.with_cookie("access_token_cookie", tm.token().refresh_token or ""))

    def call_with(self, access_token: str) -> Answer:
        return self.ask("GET", self.api, self.with_cookie("access_token_cookie", access_token))

    def refresh_with(self, held: tokenmgr.Token) -> Answer:
        return self.ask("POST", "/refresh", self.with_cookie("refresh_token_cookie", held.refresh_token or ""))


class TestFlaskJwt(Suite):
    kind = FlaskJwt

    def test_each_token_has_its_csrf_token(self, server: Server, tm: tokenmgr.TokenManager) -> None:
        assert tm.post(server.api).status_code == 200
        tm.refresh()
        assert tm.post(server.api).status_code == 200
        assert server.counts() == {"login": 1, "refresh": 1}
        assert len({call.headers["X-CSRF-TOKEN"] for call in server.seen("call")}) == 2
