"""Django's own sessions, as a browser has them: a page with a CSRF token, a form, cookies, redirects for yes."""

from __future__ import annotations

from typing import Any

import tokenmgr
from answers import Answer
from django_server import DjangoServer
from proxy import Exchange
from suite import Suite

LOGIN, LOGOUT = "/api-auth/login/", "/api-auth/logout/"


class Sessions(DjangoServer):
    auth: Any = {
        "login": [
            {"method": "GET", "url": LOGIN, "keep": {"csrf": {"cookie": "csrftoken"}}},
            {
                "url": LOGIN,
                "headers": {"Cookie": "csrftoken={kept.csrf}"},
                "form": {"username": "{username}", "password": "{password}", "csrfmiddlewaretoken": "{kept.csrf}"},
                "success": 302,
                "meanings": [{"status": 200, "means": "rejected"}],
                "keep": {"csrf": {"cookie": "csrftoken"}},
            },
        ],
        "logout": {
            "url": LOGOUT,
            "headers": {"Cookie": "sessionid={access_token}; csrftoken={kept.csrf}", "X-CSRFToken": "{kept.csrf}"},
            "success": 302,
        },
        "answer": {"access_token": {"cookie": "sessionid"}},
        "call": {
            "headers": {"Cookie": "sessionid={access_token}; csrftoken={kept.csrf}", "X-CSRFToken": "{kept.csrf}"}
        },
        "meanings": [{"of": "call", "status": 403, "means": "expired"}],
    }
    token_header = "Cookie"
    lifetime = 3.0
    pause = 0.3
    renewal = recovery = "login"
    package = "sessions"

    def kind(self, exchange: Exchange) -> str:
        if exchange.method != "POST":
            return super().kind(exchange)
        return {LOGIN: "login", LOGOUT: "logout"}.get(exchange.path, "other")

    def is_granted(self, exchange: Exchange) -> bool:
        return exchange.answer.status == 302

    def call_with(self, access_token: str) -> Answer:
        return self.ask("GET", self.api, {"Cookie": f"sessionid={access_token}"})

    def kill_access(self, tm: tokenmgr.TokenManager) -> None:
        csrf = "x" * 32  # any will do that is in both places
        cookies = f"sessionid={tm.token().access_token}; csrftoken={csrf}"
        assert self.ask("POST", LOGOUT, {"Cookie": cookies, "X-CSRFToken": csrf}).status == 302


class TestSessions(Suite):
    kind = Sessions
