"""The examples as they stand; and one store for programs in Python, C and PHP."""

from __future__ import annotations

import json
import os
import pathlib
import signal
import sqlite3
import subprocess
import sys

import pytest

import tokenmgr
from conftest import PASSWORD, ROOT, USER, DemoApi
from tokenmgr import DbApiStore, TokenManager

EXAMPLES = ROOT / "examples" / "python"


def environment(api: DemoApi, **more: str) -> dict[str, str]:
    return {**os.environ, "TOKENMGR_HOST": api.url, "TOKENMGR_USERNAME": USER, "TOKENMGR_PASSWORD": PASSWORD, **more}


def output(command: list[str], environment: dict[str, str], folder: pathlib.Path = ROOT) -> str:
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False, cwd=folder)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_products(api: DemoApi) -> None:
    said = output([sys.executable, str(EXAMPLES / "products.py")], environment(api))
    assert len(said.splitlines()) == 3
    assert len((EXAMPLES / "products.py").read_text().splitlines()) < 15


def test_adapters(api: DemoApi) -> None:
    said = output([sys.executable, str(EXAMPLES / "adapters.py")], environment(api))
    assert said == "requests: 200\nhttpx: 200\nhttpx, async: 200 200 200\n"
    assert api.counter("logins") == 1


def test_asynchronous(api: DemoApi) -> None:
    said = output([sys.executable, str(EXAMPLES / "asynchronous.py")], environment(api))
    assert said == "tokenmgr: 200 200 200\naiohttp: 200\n"
    assert api.counter("logins") == 1


def test_demo(api: DemoApi) -> None:
    demo = subprocess.Popen(
        [sys.executable, str(EXAMPLES / "demo.py"), "{}"], env=environment(api), stdout=subprocess.PIPE, text=True
    )
    api.wait_until("api_arrivals", 2)
    demo.send_signal(signal.SIGTERM)
    said, _ = demo.communicate(timeout=20)
    assert demo.returncode == 0
    assert "library  logged in" in said
    assert "client   GET /api/v1/products: 200" in said
    assert "client   logged out after" in said
    assert api.counter("logouts") == 1


LIBRARY = str(ROOT / "build" / "lib" / "libtokenmgr.so.0")
PHP = ["php", "-d", "ffi.enable=1", "-r"]
PHP_FILE = "json_decode(getenv('TOKENMGR_OPTIONS'), true)"
PHP_TABLE = "['store' => new TokenMgr\\Store\\PdoStore(fn () => new PDO('sqlite:' . getenv('DATABASE')))]"
PHP_CALL = """
require 'bindings/php/autoload.php';
$tm = new TokenMgr\\TokenManager(options: OPTIONS);
echo $tm->get('/api/v1/products')->status;
"""


def test_one_store_for_python_c_and_php(api: DemoApi, tmp_path: pathlib.Path) -> None:
    (tmp_path / "key").write_text(tokenmgr.generate_key())
    options = {"store": {"type": "file", "path": str(tmp_path / "tokens"), "key": {"file": str(tmp_path / "key")}}}
    variables = environment(api, TOKENMGR_OPTIONS=json.dumps(options), TOKENMGR_LIBRARY=LIBRARY)
    command = [str(ROOT / "build" / "bin" / "tokenmgr"), "request", "--fail", "GET", "/api/v1/products"]

    def everyone_calls() -> None:
        with TokenManager(api.url, USER, PASSWORD, **options) as tm:  # type: ignore[arg-type]
            assert tm.get("/api/v1/products").ok
        assert "name" in output(command, variables)
        assert output([*PHP, PHP_CALL.replace("OPTIONS", PHP_FILE)], variables) == "200"

    everyone_calls()
    everyone_calls()
    assert api.counter("logins") == 1
    api.control(revoke={"what": "access"})
    everyone_calls()
    assert (api.counter("logins"), api.counter("refreshes"), api.counter("reuse")) == (1, 1, 0)


def test_one_table_for_python_and_php(api: DemoApi, tmp_path: pathlib.Path) -> None:
    database = str(tmp_path / "tokens.db")
    store = DbApiStore(lambda: sqlite3.connect(database, check_same_thread=False))
    store.create_table()
    variables = environment(api, DATABASE=database, TOKENMGR_LIBRARY=LIBRARY)
    for revoke in (False, True):
        if revoke:
            api.control(revoke={"what": "access"})
        assert output([*PHP, PHP_CALL.replace("OPTIONS", PHP_TABLE)], variables) == "200"
        with TokenManager(api.url, USER, PASSWORD, store=store) as tm:
            assert tm.get("/api/v1/products").ok
    store.close()
    assert (api.counter("logins"), api.counter("refreshes"), api.counter("reuse")) == (1, 1, 0)


def snippets_in(text: str) -> list[str]:
    return [snippet.split("```")[0] for snippet in text.split("```python\n")[1:]]


def chapters() -> dict[str, str]:
    """Those of docs/PYTHON.md by their names, each with its sections."""
    texts = (ROOT / "docs" / "PYTHON.md").read_text().split("\n## ")
    return {text.partition("\n")[0]: text for text in texts}


def snippets_of(chapter: str) -> list[str]:
    return snippets_in(chapters()[chapter])


#: What the page leaves to its reader.
GIVEN = """
import sqlite3
from concurrent.futures import ProcessPoolExecutor
import httpx, requests, tokenmgr
tm = tokenmgr.TokenManager()
"""


def test_the_other_snippets(api: DemoApi, tmp_path: pathlib.Path) -> None:
    snippets = snippets_in((ROOT / "bindings" / "python" / "README.md").read_text())
    for name, chapter in chapters().items():
        if name not in ("asyncio", "Tests of your program"):
            snippets += snippets_in(chapter)
    assert len(snippets) == 8
    here = {
        "https://api.example.com": api.url,
        '"user", "secret"': f'"{USER}", "{PASSWORD}"',
        "/api/v1/export": "/api/v1/categories",
        "/api/v1/import": "/api/v1/echo",
        "/var/lib/shop": str(tmp_path),
        "/run/secrets": str(tmp_path),
        'psycopg.connect("dbname=shop")': 'sqlite3.connect("shop.db", check_same_thread=False)',
    }
    (tmp_path / "tokens_key").write_text(tokenmgr.generate_key())
    (tmp_path / "import.csv").write_text("a,b")
    for snippet in snippets:
        for there, ours in here.items():
            snippet = snippet.replace(there, ours)
        output([sys.executable, "-c", GIVEN + snippet], environment(api), tmp_path)
    assert (tmp_path / "export.csv").exists()
    assert api.counter("orders_created") == 1


@pytest.mark.skipif(sys.version_info < (3, 11), reason="asyncio.timeout is of 3.11")
def test_the_snippets_for_asyncio(api: DemoApi) -> None:
    for snippet in snippets_of("asyncio"):
        program = "import asyncio, aiohttp, tokenmgr\nasync def main():\n " + snippet.replace("\n", "\n ")
        program = program.replace("https://api.example.com", api.url).replace(
            '"user", "secret"', f'"{USER}", "{PASSWORD}"'
        )
        output([sys.executable, "-c", program + "\nasyncio.run(main())"], dict(os.environ))
    assert (api.counter("logins"), api.counter("orders_created")) == (2, 1)


TESTED = """
import tokenmgr

def cheapest(tm, page):
    answer = None
    try:
        answer = tm.get("/api/v1/products", params={"page": page}).raise_for_status()
    except tokenmgr.TokenManagerError as error:
        assert error.is_retryable or isinstance(error, TimeoutError)
    return min(answer.json(), key=lambda one: one["price"])["name"] if answer else None
"""


def test_the_snippets_for_tests(tmp_path: pathlib.Path) -> None:
    (tmp_path / "test_it.py").write_text(TESTED + "\n".join(snippets_of("Tests of your program")))
    said = output([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)], dict(os.environ))
    assert "3 passed" in said
