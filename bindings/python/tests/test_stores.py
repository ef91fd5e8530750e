"""Stores in Python: in a database, and of one's own."""

from __future__ import annotations

import getpass
import multiprocessing
import os
import pathlib
import shutil
import signal
import sqlite3
import subprocess
import threading
import time
from collections.abc import Iterator
from typing import Any, Callable

import psycopg
import pymysql
import pytest

import tokenmgr
from conftest import PASSWORD, DemoApi, signal_once
from tokenmgr import DbApiStore, TokenManager, TokenStore

Connect = Callable[[], Any]


def unprivileged(folder: pathlib.Path, user: str) -> list[str]:
    """For servers that refuse to run as root."""
    if os.getuid() != 0:
        return []
    for parent in folder.parents:
        if parent.name.startswith("pytest-"):
            parent.chmod(0o755)
    shutil.chown(folder, user)
    return ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"]


def wait_for(line: str, log: pathlib.Path, server: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 30
    while line not in log.read_text():
        assert server.poll() is None, log.read_text()
        assert time.monotonic() < until, log.read_text()
        time.sleep(0.02)


def stop(server: subprocess.Popen[bytes], number: int = signal.SIGTERM) -> None:
    server.send_signal(number)
    server.wait(20)


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Connect]:
    folder = tmp_path_factory.mktemp("postgres")
    as_user = unprivileged(folder, "postgres")
    programs = max(pathlib.Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parent.name))
    data = folder / "data"
    initdb = [*as_user, str(programs / "initdb"), "-D", str(data), "-U", "postgres", "-A", "trust", "--no-sync"]
    subprocess.run(initdb, check=True, capture_output=True, cwd=folder)
    settings = [f"unix_socket_directories={folder}", "listen_addresses=", "fsync=off"]
    arguments = [part for setting in settings for part in ("-c", setting)]
    with (folder / "log").open("w") as log:
        command = [*as_user, str(programs / "postgres"), "-D", str(data), *arguments]
        server = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, stdin=subprocess.DEVNULL)

    def connect() -> Any:
        return psycopg.connect(host=str(folder), user="postgres", dbname="postgres")

    try:
        wait_for("ready to accept connections", folder / "log", server)
        yield connect
    finally:
        stop(server, signal.SIGINT)


@pytest.fixture(scope="session")
def mariadb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Connect]:
    folder = tmp_path_factory.mktemp("mariadb")
    data, socket = folder / "data", folder / "socket"
    options = ["--no-defaults", f"--datadir={data}", f"--user={getpass.getuser()}"]
    install = ["mariadb-install-db", *options, "--auth-root-authentication-method=normal"]
    subprocess.run(install, check=True, capture_output=True, cwd=folder)
    command = ["mariadbd", *options, f"--socket={socket}", "--skip-networking"]
    with (folder / "log").open("w") as log:
        environment = {**os.environ, "PATH": os.environ["PATH"] + ":/usr/sbin"}
        server = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL
        )

    def connect() -> Any:
        return pymysql.connect(unix_socket=str(socket), user="root", database="test")

    try:
        wait_for("ready for connections", folder / "log", server)
        with pymysql.connect(unix_socket=str(socket), user="root") as connection:
            connection.cursor().execute("CREATE DATABASE IF NOT EXISTS test")
        yield connect
    finally:
        stop(server)


@pytest.fixture(params=["sqlite", "postgres", "mariadb"])
def connect(request: pytest.FixtureRequest, tmp_path: pathlib.Path) -> Connect:
    if request.param == "sqlite":
        return lambda: sqlite3.connect(tmp_path / "tokens.db", check_same_thread=False)
    opened: Connect = request.getfixturevalue(request.param)
    connection = opened()
    connection.cursor().execute("DROP TABLE IF EXISTS tokenmgr_tokens")
    connection.commit()
    connection.close()
    return opened


@pytest.fixture
def store(connect: Connect) -> Iterator[DbApiStore]:
    store = DbApiStore(connect)
    store.create_table()
    store.create_table()
    yield store
    store.close()


def test_compare_and_swap(store: DbApiStore) -> None:
    assert store.load("k") is None
    assert store.save("k", b"\0one", None, 60)
    assert not store.save("k", b"two", None, 60)
    assert not store.save("k", b"two", b"none", 60)
    assert store.load("k") == b"\0one"
    assert store.save("k", b"two", b"\0one", 60)
    assert store.save("k", b"two", b"two", 60)
    assert not store.save("k", b"none", b"none", 60)
    assert not store.save("k", None, b"\0one", 60)
    assert store.load("other") is None
    assert store.save("k", None, b"two", 60)
    assert store.load("k") is None
    assert store.save("k", None, None, 60)
    assert store.save("k", b"gone", None, -1)
    assert store.load("k") is None
    assert store.save("k", b"fresh", None, 60)


def test_nothing_is_prepared_in_postgres(postgres: Connect) -> None:
    """A prepared statement belongs to a session, and PgBouncer gives each transaction another."""
    connection = postgres()
    store = DbApiStore(lambda: connection)
    store.create_table()
    for _ in range(10):
        store.load("k")
    assert connection.execute("SELECT name FROM pg_prepared_statements").fetchall() == []
    store.close()


def test_the_lock(store: DbApiStore, connect: Connect) -> None:
    other = DbApiStore(connect)
    assert store.lock("k", 1)
    assert store.save("k", b"one", None, 60)
    store.unlock("k")
    assert store.lock("k", 1)
    assert not other.lock("k", 0.1)
    # Another thread has its turn when this one has had it.
    turns: list[bool] = []
    thread = threading.Thread(target=lambda: turns.append(store.lock("k", 0.1)))
    thread.start()
    thread.join()
    assert turns == [False]
    assert not store.save("k", b"two", b"other", 60)
    store.unlock("k")
    assert other.lock("k", 5)
    other.unlock("k")
    other.close()
    assert store.load("k") == b"one"


def test_a_connection_that_the_server_closed(postgres: Connect) -> None:
    store = DbApiStore(postgres, "closed_tokens")
    store.create_table()
    assert store._database is not None
    process = store._database.connection.info.backend_pid
    with postgres() as admin:
        admin.execute("SELECT pg_terminate_backend(%s, 5000)", [process])
    assert store.lock("k", 1)
    assert store.save("k", b"one", None, 60)
    store.unlock("k")
    assert store.load("k") == b"one"
    store.close()


def make_calls(url: str, store: DbApiStore, calls: int) -> int:
    with TokenManager(url, "demo", PASSWORD, store=store, timeout_ms=20_000) as tm:
        return sum(tm.get("/api/v1/products").ok for _ in range(calls))


def test_processes_share_one_login(store: DbApiStore, api: DemoApi) -> None:
    with TokenManager(api.url, "demo", PASSWORD, store=store) as tm:
        tm.get("/api/v1/products")
        context = multiprocessing.get_context("fork")
        processes = [context.Process(target=make_and_report, args=(api.url, store)) for _ in range(4)]
        for process in processes:
            process.start()
        api.wait_until("api_arrivals", 50)
        api.control(revoke={"what": "access"})
        for process in processes:
            process.join()
            assert process.exitcode == 0
        assert tm.get("/api/v1/products").ok
    assert api.counter("logins") == 1
    assert api.counter("refreshes") == 1
    assert api.counter("reuse") == 0


def make_and_report(url: str, store: DbApiStore) -> None:
    raise SystemExit(0 if make_calls(url, store, 50) == 50 else 1)


def test_names_of_tables_and_connections() -> None:
    with pytest.raises(ValueError, match="no name for a table"):
        DbApiStore(lambda: None, "tokens; DROP TABLE x")
    with pytest.raises(TypeError, match="does not know connections of builtins"):
        DbApiStore(object).create_table()


class Dictionary(TokenStore):
    """A store of one's own that nobody shares."""

    is_shared = False

    def __init__(self) -> None:
        self.data: dict[str, bytes] = {}
        self.broken: BaseException | None = None

    def load(self, key: str) -> bytes | None:
        if self.broken is not None:
            raise self.broken
        return self.data.get(key)

    def save(self, key: str, data: bytes | None, expected: bytes | None, ttl_seconds: int) -> bool:
        if self.broken is not None:
            raise self.broken
        if self.data.get(key) != expected:
            return False
        self.data.pop(key, None)
        if data is not None:
            self.data[key] = data
        return True


def test_a_store_of_ones_own(api: DemoApi) -> None:
    store = Dictionary()
    with TokenManager(api.url, "demo", PASSWORD, store=store, client_id="shop") as tm:
        assert tm.get("/api/v1/products").ok
        assert b"access_token" in store.data["shop"]
    with TokenManager(api.url, "demo", PASSWORD, store=store, client_id="shop") as tm:
        assert tm.get("/api/v1/products").ok
        tm.logout()
    assert api.counter("logins") == 1


def test_a_store_that_fails_stops_nothing(api: DemoApi, caplog: pytest.LogCaptureFixture) -> None:
    store = Dictionary()
    store.broken = OSError("the disk is gone")
    with TokenManager(api.url, "demo", PASSWORD, store=store) as tm:
        assert tm.get("/api/v1/products").ok
        assert tm.get("/api/v1/products").ok
    assert "the disk is gone" in caplog.text


def test_what_a_store_raised_is_the_reason(api: DemoApi) -> None:
    store = Dictionary()
    store.broken = OSError("the disk is gone")
    with TokenManager(api.url, "demo", PASSWORD, store=store) as tm, pytest.raises(tokenmgr.StoreError) as raised:
        tm.set_tokens("some.access.token", "refresh")
    assert raised.value.__cause__ is store.broken


def test_a_look_at_the_store(api: DemoApi) -> None:
    store = Dictionary()
    with TokenManager(api.url, "demo", PASSWORD, store=store) as tm:
        tm.check_store()
        store.broken = OSError("the disk is gone")
        with pytest.raises(tokenmgr.StoreError):
            tm.check_store()
    assert api.counter("login_arrivals") == 0


def test_leaving_a_store_leaves_the_call(api: DemoApi) -> None:
    store = Dictionary()
    store.broken = SystemExit(3)
    with TokenManager(api.url, "demo", PASSWORD, store=store) as tm, pytest.raises(SystemExit):
        tm.get("/api/v1/products")


def test_ctrl_c_is_not_lost_where_a_store_is_asked(api: DemoApi) -> None:
    """The login is answered before the library asks whether to go on; the store is asked first."""
    for _ in range(3):
        api.control(reset=True, faults={"route": "/auth/login", "delay_before_ms": 30})
        with TokenManager(api.url, "demo", PASSWORD, store=Dictionary()) as tm:
            with signal_once(api, "login_arrivals", signal.SIGINT), pytest.raises(KeyboardInterrupt):
                tm.login()
            assert tm.get("/api/v1/products").ok


def test_persistent_managers_share_by_the_stores_id(api: DemoApi) -> None:
    store = Dictionary()
    with pytest.raises(tokenmgr.InvalidOptions, match="id"):
        TokenManager(api.url, "demo", PASSWORD, store=store, persistent=True)
    store.id = api.url
    for _ in range(3):
        with TokenManager(api.url, "demo", PASSWORD, store=store, persistent=True) as tm:
            assert tm.get("/api/v1/products").ok
    assert api.counter("logins") == 1


def test_a_file(api: DemoApi, tmp_path: pathlib.Path) -> None:
    key = tmp_path / "key"
    key.write_text(tokenmgr.generate_key())
    for _ in range(2):
        with TokenManager(
            api.url, "demo", PASSWORD, store={"type": "file", "path": tmp_path / "tokens", "key": {"file": str(key)}}
        ) as tm:
            assert tm.get("/api/v1/products").ok
    assert api.counter("logins") == 1
