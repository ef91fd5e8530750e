"""The stores that the storm goes over: how each is started, and the options that lead to it.

To add one: a class with `name`, `options` and `stop`, and a line in STORES.
"""

from __future__ import annotations

import base64
import http.client
import json
import os
import secrets
import shutil
import socket
import subprocess
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

from processes import ROOT, Json, wait_until

# Ends with the thread that starts it: everything here is started by the main one.
WITH_US = ["setpriv", "--pdeathsig", "KILL", "--"]


class Store:
    """A store with a server or a folder of its own. Every case keeps its record apart from the others'."""

    name = ""
    has_own_clock = False
    clock_step_s = 0.0  # of its own clock
    is_sealed = False  # without a key, refused credentials are named by a slow hash
    own_steps: tuple[str, ...] = ()  # of a change, besides those of the transaction
    in_lock: tuple[str, ...] = ()  # those at which it holds a lock that everyone needs

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix=f"storm-{self.name}-"))
        self.processes: list[subprocess.Popen[bytes]] = []

    def store(self, case: str) -> Json:
        raise NotImplementedError

    def options(self, case: str, **more: object) -> Json:
        return {"store": self.store(case), "client_id": case, **more}

    def database(self, _case: str) -> str | None:
        return None

    def spawn(self, *command: object, **environment: str) -> None:
        log = (self.folder / f"log-{len(self.processes)}").open("wb")
        env = {"PATH": os.environ["PATH"] + ":/usr/sbin", "HOME": str(self.folder), **environment}
        process = subprocess.Popen(
            [*WITH_US, *map(str, command)], env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder
        )
        self.processes.append(process)

    def stop(self) -> None:
        for process in self.processes:
            process.kill()
            process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


class FileStore(Store):
    name = "file"
    is_sealed = True
    own_steps = in_lock = ("file-locked", "file-written", "file-renamed")

    def __init__(self) -> None:
        super().__init__()
        key = self.folder / "key"
        key.write_text(base64.b64encode(secrets.token_bytes(32)).decode())
        key.chmod(0o600)
        self.key = {"file": str(key)}

    def path(self, case: str) -> Path:
        return self.folder / f"{case}.tokens"

    def store(self, case: str) -> Json:
        return {"type": "file", "path": str(self.path(case)), "key": self.key}


class CallbackStore(Store):
    """examples/c/sqlite_store.c. A database for each case, for its lock is one for all."""

    name = "callback"
    own_steps = in_lock = ("callback-locked", "callback-saved")

    def store(self, case: str) -> Json:
        return {"type": "callback"}

    def database(self, case: str) -> str | None:
        return str(self.folder / f"{case}.sqlite")


def free_ports(count: int, below: int = 65536) -> list[int]:
    sockets: list[socket.socket] = []
    ports: list[int] = []
    while len(ports) < count:
        sockets.append(socket.create_server(("127.0.0.1", 0)))
        port = sockets[-1].getsockname()[1]
        if port < below:
            ports.append(port)
        assert len(sockets) < 1000, "no free ports"
    for each in sockets:
        each.close()
    return ports


def redis_cli(port: int, *command: object) -> str:
    done = subprocess.run(
        ["redis-cli", "-h", "127.0.0.1", "-p", str(port), *map(str, command)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.stdout


class RedisStore(Store):
    name = "redis"
    has_own_clock = True

    def __init__(self) -> None:
        super().__init__()
        (self.port,) = free_ports(1)
        self.server(self.port)

    def server(self, port: int, *more: object) -> None:
        folder = self.folder / str(port)
        folder.mkdir()
        plain = ["--port", port, "--bind", "127.0.0.1", "--dir", folder, "--save", "", "--appendonly", "no"]
        self.spawn("redis-server", *plain, *more)
        wait_until(lambda: "PONG" in redis_cli(port, "ping"), "redis-server answers")

    def store(self, case: str) -> Json:
        return {"type": "redis", "url": f"redis://127.0.0.1:{self.port}"}


class ClusterStore(RedisStore):
    """Three masters."""

    name = "redis cluster"

    def __init__(self) -> None:
        Store.__init__(self)
        self.ports = free_ports(3, below=55536)  # the bus listens 10000 above
        for port in self.ports:
            self.server(port, "--cluster-enabled", "yes")
        nodes = [f"127.0.0.1:{port}" for port in self.ports]
        redis_cli(self.ports[0], "--cluster", "create", *nodes, "--cluster-yes")
        for port in self.ports:
            wait_until(partial(self.is_up, port), "the cluster is up")

    @staticmethod
    def is_up(port: int) -> bool:
        return "cluster_state:ok" in redis_cli(port, "cluster", "info")

    def store(self, case: str) -> Json:
        return {"type": "redis", "url": [f"redis://127.0.0.1:{port}" for port in self.ports], "cluster": True}


class VaultStore(Store):
    """A development server of OpenBao: unsealed, in memory, with KV version 2 at `secret`."""

    name = "vault"
    has_own_clock = True
    clock_step_s = 1.0

    def __init__(self) -> None:
        super().__init__()
        (self.port,) = free_ports(1)
        self.token = secrets.token_hex(16)
        bao = shutil.which("bao") or ROOT / "build/venv/vault/bin/bao"
        self.spawn(
            bao,
            "server",
            "-dev",
            "-dev-no-store-token",
            f"-dev-root-token-id={self.token}",
            f"-dev-listen-address=127.0.0.1:{self.port}",
        )
        wait_until(self.is_ready, "OpenBao answers")

    def is_ready(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", "/v1/secret/config", headers={"X-Vault-Token": self.token})
            answer: Any = connection.getresponse()
            return bool(answer.status == 200 and json.loads(answer.read())["data"] is not None)
        except OSError:
            return False
        finally:
            connection.close()

    def store(self, case: str) -> Json:
        return {"type": "vault", "url": f"http://127.0.0.1:{self.port}", "token": self.token}


STORES: dict[str, type[Store]] = {
    each.name: each for each in (FileStore, CallbackStore, RedisStore, ClusterStore, VaultStore)
}
