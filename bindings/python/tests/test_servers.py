"""Where the package lives in production: Gunicorn and Celery, with real workers, while tokens expire and are revoked."""

from __future__ import annotations

import http.client
import json
import os
import pathlib
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from gunicorn import config as gunicorn_config

import tokenmgr
from conftest import PASSWORD, ROOT, USER, DemoApi

WORKERS, THREADS = 4, 8
OPTIONS = json.loads((ROOT / "docs" / "options.schema.json").read_text())["options"]["properties"]
#: How many a process keeps, by its default.
LANES = OPTIONS["max_idle_connections"]["default"]
ROUNDS, CALLS = 5, 400
#: Older ones have no such socket.
WITHOUT_CONTROL = ["--no-control-socket"] if hasattr(gunicorn_config, "ControlSocket") else []

#: The options of each store; <folder> is one of the test's own, and <redis> the port of a server.
STORES = {
    "memory": "{}",
    "file": '{"store":{"type":"file","path":"<folder>/tokens","key":{"file":"<folder>/key"}}}',
    "redis": '{"store":{"type":"redis","url":"redis://127.0.0.1:<redis>"}}',
}


@pytest.fixture(scope="session")
def redis() -> Iterator[int]:
    """The port of a Redis."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    settings = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    server = subprocess.Popen(["redis-server", *settings], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    with server.stdout as said:
        for line in said:
            if "eady to accept connections" in line:
                break
        else:
            pytest.fail("redis-server did not start")
        yield port
        server.terminate()
        server.wait(10)


@contextmanager
def gunicorn(api: DemoApi, options: str, *arguments: str) -> Iterator[int]:
    """A Gunicorn with the example application; gives its port."""
    server = subprocess.Popen(
        [sys.executable, "-m", "gunicorn", "--bind=127.0.0.1:0", f"--workers={WORKERS}", f"--threads={THREADS}"]
        + ["--graceful-timeout=5", *WITHOUT_CONTROL, *arguments, "app:application"],
        cwd=ROOT / "examples" / "python",
        env={
            **os.environ,
            "TOKENMGR_HOST": api.url,
            "TOKENMGR_USERNAME": USER,
            "TOKENMGR_PASSWORD": PASSWORD,
            "TOKENMGR_OPTIONS": options,
        },
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert server.stderr is not None
    try:
        said = ""
        while not (listening := re.search(r"Listening at: http://127.0.0.1:(\d+)", said)):
            line = server.stderr.readline()
            assert line, said
            said += line
        yield int(listening[1])
    finally:
        server.terminate()
        _, rest = server.communicate(timeout=20)
        assert "Traceback" not in rest, rest
        assert "ignored" not in rest, rest


def answer(port: int) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("GET", "/")
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


@pytest.mark.parametrize("preload", [False, True], ids=["", "preload"])
@pytest.mark.parametrize("store", STORES)
def test_gunicorn(
    api: DemoApi, tmp_path: pathlib.Path, request: pytest.FixtureRequest, store: str, preload: bool
) -> None:
    (tmp_path / "key").write_text(tokenmgr.generate_key())
    options = STORES[store].replace("<folder>", str(tmp_path))
    if store == "redis":
        options = options.replace("<redis>", str(request.getfixturevalue("redis")))
    api.control(access_ms=1000)
    with gunicorn(api, options, *(["--preload"] if preload else [])) as port, ThreadPoolExecutor(32) as pool:
        for _ in range(ROUNDS):
            # Between two rounds no call is under way: a token that is revoked twice before anyone has seen it work
            # would be a login.
            api.control(revoke={"what": "access"})
            answers = list(pool.map(answer, [port] * CALLS))
            assert [body for status, body in answers if status != 200] == []
        assert api.counter("connections_current") <= WORKERS * LANES
    assert api.counter("logins") <= WORKERS if store == "memory" else api.counter("logins") == 1
    assert api.counter("refreshes") >= ROUNDS - 1
    assert api.counter("reuse") == 0
    assert api.counter("max_arrivals_of_one_refresh_token") == 1


def test_celery(api: DemoApi, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "queue").mkdir()
    (tmp_path / "results").mkdir()
    for name, value in {
        "CELERY_FOLDER": str(tmp_path),
        "TOKENMGR_HOST": api.url,
        "TOKENMGR_USERNAME": USER,
        "TOKENMGR_PASSWORD": PASSWORD,
        "C_FORCE_ROOT": "1",
    }.items():
        monkeypatch.setenv(name, value)
    api.control(access_ms=1000)
    worker = subprocess.Popen(
        [sys.executable, "-m", "celery", "-A", "celery_app", "worker", "--pool=prefork", "--concurrency=3"]
        + ["--without-gossip", "--without-mingle", "--without-heartbeat"],
        cwd=pathlib.Path(__file__).parent,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        from celery_app import products

        results = [products.delay() for _ in range(60)]
        assert [result.get(timeout=30, interval=0.02) for result in results] == [200] * 60
        assert api.counter("logins") <= 3
        assert api.counter("reuse") == 0
    finally:
        worker.terminate()
        _, said = worker.communicate(timeout=20)
        assert "Traceback" not in said, said
