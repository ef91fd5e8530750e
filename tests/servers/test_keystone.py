"""OpenStack's Keystone: the token comes in a header, there is no refresh, and the logout is a DELETE."""

from __future__ import annotations

import grp
import os
import pwd
import subprocess
from typing import Any

import tokenmgr
from server import HERE, Server, venv
from suite import Suite

TOKENS = "/v3/auth/tokens"


class Keystone(Server):
    auth: Any = {
        "login": {
            "url": TOKENS,
            "json": {
                "auth": {
                    "identity": {
                        "methods": ["password"],
                        "password": {
                            "user": {
                                "name": "{username}",
                                "domain": {"id": "{params.domain}"},
                                "password": "{password}",
                            }
                        },
                    }
                }
            },
            "answer": {"access_token": {"header": "X-Subject-Token"}, "expires_at": "/token/expires_at"},
        },
        "logout": {
            "method": "DELETE",
            "url": TOKENS,
            "headers": {"X-Auth-Token": "{access_token}", "X-Subject-Token": "{access_token}"},
        },
        "call": {"headers": {"X-Auth-Token": "{access_token}"}},
    }
    auth_params = {"domain": "default"}
    api = "/v3/auth/projects"
    token_header = "X-Auth-Token"
    lifetime = 4.0
    pause = 1.0
    renewal = recovery = "login"

    def prepare(self) -> None:
        (self.folder / "keystone.conf").write_text(
            f"""[database]
connection = sqlite:///{self.folder}/keystone.sqlite
[fernet_tokens]
key_repository = {self.folder}/fernet
[credential]
key_repository = {self.folder}/credential
[token]
expiration = {int(self.lifetime)}
[identity]
password_hash_rounds = 4
"""
        )
        self.manage("db_sync")
        user = pwd.getpwuid(os.getuid())
        for keys in ("fernet_setup", "credential_setup"):
            self.manage(keys, "--keystone-user", user.pw_name, "--keystone-group", grp.getgrgid(user.pw_gid).gr_name)
        self.manage("bootstrap", "--bootstrap-username", self.username, "--bootstrap-password", self.password)

    def manage(self, *arguments: str) -> None:
        program = [
            str(venv("keystone") / "bin" / "keystone-manage"),
            "--config-file",
            str(self.folder / "keystone.conf"),
        ]
        with self.log_path.open("ab") as log:
            subprocess.run([*program, *arguments], stdout=log, stderr=log, cwd=self.folder, check=True)

    def environment(self) -> dict[str, str]:
        return {"OS_KEYSTONE_CONFIG_DIR": str(self.folder)}

    def command(self, port: int) -> list[str]:
        return [str(venv("keystone") / "bin" / "python"), str(HERE / "keystone_site.py"), str(port)]

    def kind(self, exchange: Any) -> str:
        if exchange.path != TOKENS:
            return super().kind(exchange)
        return "login" if exchange.method == "POST" else "logout"

    def kill_access(self, tm: tokenmgr.TokenManager) -> None:
        token = tm.token().access_token
        self.must("DELETE", TOKENS, {"X-Auth-Token": token, "X-Subject-Token": token})


class TestKeystone(Suite):
    kind = Keystone
