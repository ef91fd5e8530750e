"""Django with djangorestframework-simplejwt: rotating refresh tokens, and a blacklist of those that were used."""

from __future__ import annotations

import tokenmgr
from answers import Answer
from django_server import DjangoServer
from suite import Suite


class SimpleJwt(DjangoServer):
    auth = "simplejwt"
    paths = {"login": "/api/token/", "refresh": "/api/token/refresh/", "logout": "/api/token/blacklist/"}
    logout_ends_access = False
    package = "simplejwt"

    def kill_refresh(self, tm: tokenmgr.TokenManager) -> None:
        self.must("POST", "/api/token/blacklist/", json_body={"refresh": tm.token().refresh_token})

    def refresh_with(self, held: tokenmgr.Token) -> Answer:
        return self.ask("POST", "/api/token/refresh/", json_body={"refresh": held.refresh_token})


class TestSimpleJwt(Suite):
    kind = SimpleJwt
