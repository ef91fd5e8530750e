"""qBittorrent's Web API: a session cookie, and a wrong password that is answered 200 and a word."""

from __future__ import annotations

import shutil
from typing import Any

import tokenmgr
from answers import Answer
from server import Server
from suite import Suite

BASE = "/api/v2"


class QBittorrent(Server):
    auth: Any = {
        "login": {
            "url": f"{BASE}/auth/login",
            "form": {"username": "{username}", "password": "{password}"},
            "meanings": [{"status": 200, "body": {"": "Fails."}, "means": "rejected"}],
        },
        "logout": {"url": f"{BASE}/auth/logout", "headers": {"Cookie": "SID={access_token}"}},
        "answer": {"access_token": {"cookie": "SID"}, "lifetime_seconds": 2},
        "call": {"headers": {"Cookie": "SID={access_token}"}},
        "meanings": [
            {"of": "call", "status": 403, "means": "expired"},
            {"of": "logout", "status": 403, "means": "rejected"},
        ],
    }
    username, password = "admin", "adminadmin"  # as it comes
    api = f"{BASE}/app/version"
    paths = {"login": f"{BASE}/auth/login", "logout": f"{BASE}/auth/logout"}
    token_header = "Cookie"
    renewal = recovery = "login"

    def prepare(self) -> None:
        config = self.folder / "qBittorrent" / "config"
        config.mkdir(parents=True)
        # Its address is the proxy's.
        settings = ["[LegalNotice]", "Accepted=true", "[Preferences]", r"WebUI\HostHeaderValidation=false"]
        (config / "qBittorrent.conf").write_text("\n".join([*settings, r"WebUI\Address=127.0.0.1", ""]))

    def command(self, port: int) -> list[str]:
        program = shutil.which("qbittorrent-nox") or "qbittorrent-nox"
        return [program, f"--profile={self.folder}", f"--webui-port={port}"]

    def kill_access(self, tm: tokenmgr.TokenManager) -> None:
        self.must("POST", f"{BASE}/auth/logout", {"Cookie": f"SID={tm.token().access_token}"})

    def call_with(self, access_token: str) -> Answer:
        return self.ask("GET", self.api, {"Cookie": f"SID={access_token}"})


class TestQBittorrent(Suite):
    kind = QBittorrent
