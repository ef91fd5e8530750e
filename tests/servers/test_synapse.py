"""Matrix's Synapse: lifetimes in milliseconds, refusals by an error code, refresh tokens that rotate."""

from __future__ import annotations

import hashlib
import hmac
import json
import subprocess
from typing import Any

import tokenmgr
from answers import Answer
from server import Server, venv
from suite import Suite

BASE = "/_matrix/client/v3"
SHARED_SECRET = "only-for-tests"


class Synapse(Server):
    auth: Any = {
        "login": {
            "url": f"{BASE}/login",
            "json": {
                "type": "m.login.password",
                "identifier": {"type": "m.id.user", "user": "{username}"},
                "password": "{password}",
                "refresh_token": True,
            },
        },
        "refresh": {"url": f"{BASE}/refresh", "json": {"refresh_token": "{refresh_token}"}},
        "logout": {"url": f"{BASE}/logout", "headers": {"Authorization": "Bearer {access_token}"}, "json": {}},
        "answer": {
            "access_token": "/access_token",
            "refresh_token": "/refresh_token",
            "expires_in": "/expires_in_ms",
            "expires_in_unit": "ms",
        },
        "meanings": [
            {"of": ["login", "refresh"], "status": 403, "body": {"/errcode": "M_FORBIDDEN"}, "means": "rejected"}
        ],
    }
    api = f"{BASE}/account/whoami"
    paths = {"login": f"{BASE}/login", "refresh": f"{BASE}/refresh", "logout": f"{BASE}/logout"}

    def prepare(self) -> None:
        unlimited = {"per_second": 1000, "burst_count": 1000}
        self.settings: dict[str, Any] = {
            "server_name": "localhost",
            "database": {"name": "sqlite3", "args": {"database": str(self.folder / "homeserver.sqlite")}},
            "media_store_path": str(self.folder / "media"),
            "signing_key_path": str(self.folder / "signing.key"),
            "pid_file": str(self.folder / "pid"),
            "registration_shared_secret": SHARED_SECRET,
            "macaroon_secret_key": SHARED_SECRET,
            "form_secret": SHARED_SECRET,
            "bcrypt_rounds": 4,
            "report_stats": False,
            "trusted_key_servers": [],
            "refreshable_access_token_lifetime": f"{int(self.lifetime)}s",
            "rc_login": {"address": unlimited, "account": unlimited, "failed_attempts": unlimited},
        }

    def command(self, port: int) -> list[str]:
        resources = [{"names": ["client"], "compress": False}]
        listener = {"port": port, "bind_addresses": ["127.0.0.1"], "type": "http", "tls": False, "resources": resources}
        config = self.folder / "homeserver.yaml"  # all JSON is YAML
        config.write_text(json.dumps({**self.settings, "listeners": [listener]}))
        program = [str(venv("synapse") / "bin" / "python"), "-m", "synapse.app.homeserver", "-c", str(config)]
        with self.log_path.open("ab") as log:
            subprocess.run([*program, "--generate-keys"], stdout=log, stderr=log, cwd=self.folder, check=True)
        return program

    def set_up(self) -> None:
        register = "/_synapse/admin/v1/register"
        nonce = self.must("GET", register)["nonce"]
        signed = "\0".join((nonce, self.username, self.password, "notadmin")).encode()
        mac = hmac.new(SHARED_SECRET.encode(), signed, hashlib.sha1).hexdigest()
        account = {"nonce": nonce, "username": self.username, "password": self.password, "admin": False, "mac": mac}
        self.must("POST", register, json_body=account)

    def kill_refresh(self, tm: tokenmgr.TokenManager) -> None:
        self.must("POST", f"{BASE}/logout", {"Authorization": f"Bearer {tm.token().access_token}"}, json_body={})

    def refresh_with(self, held: tokenmgr.Token) -> Answer:
        return self.ask("POST", f"{BASE}/refresh", json_body={"refresh_token": held.refresh_token})


class TestSynapse(Suite):
    kind = Synapse
