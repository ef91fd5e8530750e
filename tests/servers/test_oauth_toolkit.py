"""Django with django-oauth-toolkit: the password grant with rotating refresh tokens, client credentials, revocation, and
endpoints found by the server's metadata."""

from __future__ import annotations

from typing import Any

import tokenmgr
from answers import Answer
from django_server import DjangoServer
from proxy import Exchange
from server import basic
from suite import Suite

TOKEN, REVOKE = "/o/token/", "/o/revoke_token/"


class Password(DjangoServer):
    """The names of the applications are those of their grants."""

    auth: Any = {
        "preset": "oauth2",
        "grant": "password",
        "token_url": TOKEN,
        "revocation_url": REVOKE,
        "scope": "read",
        "client": {"id": "password", "secret": "demo-password"},
    }
    paths = {"logout": REVOKE}
    package = "oauth2"
    client = basic("password", "demo-password")

    def kind(self, exchange: Exchange) -> str:
        if exchange.path != TOKEN:
            return super().kind(exchange)
        return "refresh" if exchange.fields["grant_type"] == "refresh_token" else "login"

    def kill_refresh(self, tm: tokenmgr.TokenManager) -> None:
        self.must("POST", REVOKE, self.client, form={"token": tm.token().refresh_token})

    def refresh_with(self, held: tokenmgr.Token) -> Answer:
        form = {"grant_type": "refresh_token", "refresh_token": held.refresh_token}
        return self.ask("POST", TOKEN, self.client, form=form)


class ClientCredentials(Password):
    """By discovery, and with the secret in the body."""

    username = "client-credentials"
    renewal = recovery = "login"
    client = basic("client-credentials", "demo-password")

    def prepare(self) -> None:
        self.auth = {"preset": "oauth2", "issuer": self.proxy.url + "/o", "scope": "read", "client_auth": "post"}


class TestPassword(Suite):
    kind = Password


class TestClientCredentials(Suite):
    kind = ClientCredentials

    def test_finds_the_endpoints_by_the_metadata(self, server: ClientCredentials, tm: tokenmgr.TokenManager) -> None:
        assert tm.get(server.api).status_code == 200
        found = [exchange.path for exchange in server.proxy.exchanges() if ".well-known" in exchange.path]
        assert found == ["/.well-known/oauth-authorization-server/o"]
