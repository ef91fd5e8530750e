"""A real auth server: how it is started, how it is spoken to, and what it can be made to do.

To add one: a subclass of `Server`, and a file `test_NAME.py` with a class of tests over it.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import socket
import subprocess
import time
import urllib.parse
from pathlib import Path
from typing import Any

import tokenmgr
from answers import Answer
from proxy import Exchange, Proxy

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]

#: How long a server may take to start: only a failure waits this long.
PATIENCE = 60

#: The server ends with the thread that starts it, which is pytest's main one.
WITH_US = ["setpriv", "--pdeathsig", "KILL", "--"]


class Server:
    """One process on a free port, behind a proxy that counts. Also a context: it is stopped whatever happens."""

    # How the library speaks to it.
    auth: Any
    auth_params: dict[str, str] = {}
    username, password = "demo", "demo-password"
    #: A path that wants a token, and tells whose it is.
    api = "/api/whoami"
    #: The header in which a call carries the token.
    token_header = "Authorization"

    # What is to be expected of it.
    #: The life of an access token, in seconds.
    lifetime = 2.0
    #: How long each of many threads waits between two calls, so that the server can answer them all, in seconds.
    pause = 0.1
    #: The request that brings the next token: `refresh`, or `login` where there is no other way.
    renewal = "refresh"
    #: What follows the refusal of an access token: Vaults cannot renew a token that is revoked.
    recovery = "refresh"
    #: Whether each renewal brings another access token, rather than more life for the one there is.
    rotates = True
    #: Whether each refresh spends its refresh token.
    spends = True
    #: Whether a logout also ends the access token: one that is checked by its signature only lives on.
    logout_ends_access = True
    #: The paths of its endpoints. An API whose endpoints share one path tells them apart in `kind`.
    paths: dict[str, str] = {}

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.proxy = Proxy()
        self.process: subprocess.Popen[bytes] | None = None

    # ---- to be said by each server ----

    def prepare(self) -> None:
        """What comes before its start, such as its configuration."""

    def command(self, port: int) -> list[str]:
        raise NotImplementedError

    def is_ready(self) -> bool:
        return self.ask("GET", self.api).status in (401, 403)

    def set_up(self) -> None:
        """What comes after its start, such as an account."""

    def kind(self, exchange: Exchange) -> str:
        """`login`, `refresh`, `logout`, `call`, or another word."""
        if exchange.path == self.api:
            return "call"
        return next((kind for kind, path in self.paths.items() if path == exchange.path), "other")

    def is_granted(self, exchange: Exchange) -> bool:
        """Whether the answer to a login, a refresh or a logout says yes."""
        return exchange.answer.is_success

    def environment(self) -> dict[str, str]:
        return {}

    def impostor(self) -> tokenmgr.TokenManager:
        """A manager with credentials that are wrong."""
        return self.manager(password="wrong-password")

    def kill_access(self, tm: tokenmgr.TokenManager) -> None:
        """Makes the server refuse the manager's access token: unless it can revoke one, by an end that is not its own."""
        held = tm.token()
        forged = held.access_token[:-8] + held.access_token[:-9:-1]
        tm.set_tokens(forged, held.refresh_token, time.time() + 3600)

    def kill_refresh(self, tm: tokenmgr.TokenManager) -> None:
        """Makes the server refuse the manager's refresh token."""
        raise NotImplementedError

    def refresh_with(self, held: tokenmgr.Token) -> Answer:
        """Sends the refresh as anyone could who has the pair."""
        raise NotImplementedError

    # ---- what all have in common ----

    def manager(self, **options: Any) -> tokenmgr.TokenManager:
        plain = {"auth": self.auth, "auth_params": self.auth_params, "refresh_jitter_seconds": 0, "timeout_ms": 20_000}
        password = options.pop("password", self.password)
        return tokenmgr.TokenManager(self.proxy.url, self.username, password, **{**plain, **options})

    def call_with(self, access_token: str) -> Answer:
        """Makes the call as anyone could who has the token."""
        scheme = "Bearer " if self.token_header == "Authorization" else ""
        return self.ask("GET", self.api, {self.token_header: scheme + access_token})

    def ask(
        self, method: str, path: str, headers: dict[str, str] | None = None, *, json_body: Any = None, form: Any = None
    ) -> Answer:
        """One request past the counting."""
        sent, body = dict(headers or {}), None
        if json_body is not None:
            sent["Content-Type"], body = "application/json", json.dumps(json_body).encode()
        elif form is not None:
            sent["Content-Type"], body = "application/x-www-form-urlencoded", urllib.parse.urlencode(form).encode()
        return self.proxy.ask(method, path, sent, body)

    def must(self, method: str, path: str, headers: dict[str, str] | None = None, **body: Any) -> Any:
        """The same, as the administrator who must succeed."""
        answer = self.ask(method, path, headers, **body)
        assert answer.is_success, f"{method} {path}: {answer.status} {answer.body!r}"
        return answer.json

    def seen(self, kind: str) -> list[Exchange]:
        return [exchange for exchange in self.proxy.exchanges() if self.kind(exchange) == kind]

    def counts(self) -> dict[str, int]:
        """The logins, refreshes and logouts that came since the test began, however they were answered."""
        kinds = [self.kind(exchange) for exchange in self.proxy.exchanges()]
        return {kind: kinds.count(kind) for kind in ("login", "refresh", "logout") if kind in kinds}

    def refresh_token_of(self, exchange: Exchange) -> str | None:
        """The refresh token that a refresh sent."""
        fields = exchange.fields
        return fields.get("refresh_token") or fields.get("refresh")

    def access_tokens(self) -> set[str]:
        """Those that calls carried."""
        return {str(call.headers[self.token_header]) for call in self.seen("call")}

    # ---- start and stop ----

    def __enter__(self) -> Server:
        try:
            self.prepare()
            if not any(self._comes_up() for _ in range(5)):
                raise AssertionError(f"{type(self).__name__} does not start:\n{self.log_path.read_text()}")
            self.set_up()
            return self
        except BaseException:
            self.stop()
            raise

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def log_path(self) -> Path:
        return self.folder / "log"

    def spawn(self, *command: object) -> subprocess.Popen[bytes]:
        with self.log_path.open("ab") as log:
            env = {"PATH": os.environ["PATH"], "HOME": str(self.folder), "PYTHONDONTWRITEBYTECODE": "1"}
            return subprocess.Popen(
                [*WITH_US, *map(str, command)],
                env={**env, **self.environment()},
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def _comes_up(self) -> bool:
        """Whether it starts on a port that was free just now: another program may be quicker to take it."""
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.proxy.upstream = free.getsockname()[1]
        self.process = self.spawn(*self.command(self.proxy.upstream))
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until and self.process.poll() is None:
            try:
                if self.is_ready():
                    return True
            except OSError:
                pass
            time.sleep(0.05)
        assert self.process.poll() is not None, f"{type(self).__name__} is not ready:\n{self.log_path.read_text()}"
        return False

    def _stop_process(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def stop(self) -> None:
        self._stop_process()
        self.proxy.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


def venv(name: str) -> Path:
    """What scripts/setup made."""
    return ROOT / "build" / "venv" / name


def basic(username: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()}
