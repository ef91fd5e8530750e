"""npm's oidc-provider: rotation with reuse detection, clients that sign, tokens bound to keys, discovery, revocation."""

from __future__ import annotations

import shutil
import time
from typing import Any

import tokenmgr
from answers import Answer
from proxy import Exchange
from server import HERE, ROOT, Server, basic
from suite import Suite

TOKEN, REVOKE = "/token", "/token/revocation"


class Provider(Server):
    """The password grant is not one of its own: a server that has one registers it, as here."""

    api = "/me"
    paths = {"logout": REVOKE}
    client = basic("password", "demo-password")

    def prepare(self) -> None:
        self.key = self.folder / "key.pem"  # of the client that signs: the program writes it
        self.auth = self.dialect()

    def dialect(self) -> Any:
        client = {"id": "password", "secret": "demo-password"}
        scope = "openid offline_access"
        return {"preset": "oauth2", "issuer": self.proxy.url, "grant": "password", "client": client, "scope": scope}

    def command(self, port: int) -> list[str]:
        node = shutil.which("node") or "node"
        modules = ROOT / "build" / "node" / "node_modules"
        program = [node, str(HERE / "oidc_provider.mjs")]
        return [*program, str(port), self.proxy.url, str(int(self.lifetime)), str(modules), str(self.key)]

    def kind(self, exchange: Exchange) -> str:
        if exchange.path != TOKEN:
            return super().kind(exchange)
        return "refresh" if exchange.fields["grant_type"] == "refresh_token" else "login"

    def is_ready(self) -> bool:
        return self.ask("GET", "/.well-known/openid-configuration").is_success

    def kill_refresh(self, tm: tokenmgr.TokenManager) -> None:
        self.must("POST", REVOKE, self.client, form={"token": tm.token().refresh_token})

    def refresh_with(self, held: tokenmgr.Token) -> Answer:
        form = {"grant_type": "refresh_token", "refresh_token": held.refresh_token}
        return self.ask("POST", TOKEN, self.client, form=form)


class SigningClient(Provider):
    """Client credentials; the client proves itself by a JWT that it signs (`private_key_jwt`)."""

    api = "/api/whoami"
    username, password = "key", ""
    renewal = recovery = "login"

    def dialect(self, suffix: str = "") -> Any:
        assertion = {"alg": "ES256", "key": {"file": f"{self.key}{suffix}"}}
        return {"preset": "oauth2", "issuer": self.proxy.url, "client_auth": "private_key_jwt", "assertion": assertion}

    def impostor(self) -> tokenmgr.TokenManager:
        return self.manager(auth=self.dialect(".other"))


class BoundTokens(Provider):
    """DPoP, with nonces of the server's. The first refresh token comes from elsewhere."""

    def dialect(self) -> Any:
        return {
            "preset": "oauth2",
            "issuer": self.proxy.url,
            "grant": "refresh_token",
            "initial_refresh_token": {"file": str(self.folder / "initial")},
            "client": {"id": "dpop", "secret": "demo-password"},
            "dpop": True,
        }

    def manager(self, **options: Any) -> tokenmgr.TokenManager:
        initial: str = self.must("POST", "/test/refresh-token")["refresh_token"]
        (self.folder / "initial").write_text(initial)
        return super().manager(**options)


class TestPassword(Suite):
    kind = Provider

    def test_a_refresh_token_that_comes_twice_ends_the_grant(self, server: Server, tm: tokenmgr.TokenManager) -> None:
        tm.login()
        stolen = tm.token()
        tm.refresh()
        assert server.refresh_with(stolen).json["error"] == "invalid_grant"
        assert tm.get(server.api).status_code == 200
        # The thief cost the client its pair, and so one refusal and one login.
        assert server.counts() == {"login": 2, "refresh": 2}


class TestSigningClient(Suite):
    kind = SigningClient


class TestBoundTokens:
    kind = BoundTokens

    def test_proves_that_it_holds_the_key(self, server: Server, tm: tokenmgr.TokenManager) -> None:
        answer = tm.get(server.api)
        assert answer.status_code == 200, answer.text
        call = server.seen("call")[-1]
        scheme, token = call.headers["Authorization"].split()
        assert scheme == "DPoP"
        assert call.headers["DPoP"]
        assert not server.call_with(token).is_success, "without the key it is worth nothing"

    def test_refreshes_with_the_same_key(self, server: Server, tm: tokenmgr.TokenManager) -> None:
        first = tm.token()
        until = time.monotonic() + 3 * server.lifetime
        while tm.token().access_token == first.access_token:
            assert tm.get(server.api).status_code == 200
            assert time.monotonic() < until
            time.sleep(0.02)
        assert tm.get(server.api).status_code == 200
        # A request without the server's nonce is answered with one, and spends nothing.
        spent = [one.fields["refresh_token"] for one in server.seen("refresh") if one.answer.is_success]
        assert len(set(spent)) == len(spent) == 2
