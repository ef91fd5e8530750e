"""The examples as they stand; and one store for programs in Python, C and PHP."""

from __future__ import annotations

import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys

import pytest

import tokenmgr
from conftest import PASSWORD, ROOT, USER, DemoApi
from tokenmgr import TokenManager

EXAMPLES = ROOT / "examples" / "python"


def environment(api: DemoApi, **more: str) -> dict[str, str]:
    return {**os.environ, "TOKENMGR_HOST": api.url, "TOKENMGR_USERNAME": USER, "TOKENMGR_PASSWORD": PASSWORD, **more}


def output(command: list[str], environment: dict[str, str]) -> str:
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
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


def test_demo(api: DemoApi) -> None:
    demo = subprocess.Popen(
        [sys.executable, str(EXAMPLES / "demo.py"), "{}"], env=environment(api), stdout=subprocess.PIPE, text=True
    )
    api.wait_until("api_arrivals", 2)
    demo.send_signal(signal.SIGTERM)
    said, _ = demo.communicate(timeout=20)
    assert demo.returncode == 0
    assert "library  logged in" in said
    assert "python   GET /api/v1/products: 200" in said
    assert "python   logged out after" in said
    assert api.counter("logouts") == 1


PHP = """
require $argv[1];
$tm = new TokenMgr\\TokenManager(getenv('TOKENMGR_HOST'), 'demo', 'demo-password', json_decode($argv[2], true));
echo $tm->get('/api/v1/products')->status;
"""


def test_one_store_for_python_c_and_php(api: DemoApi, tmp_path: pathlib.Path) -> None:
    (tmp_path / "key").write_text(tokenmgr.generate_key())
    options = json.dumps(
        {"store": {"type": "file", "path": str(tmp_path / "tokens"), "key": {"file": str(tmp_path / "key")}}}
    )
    command = [str(ROOT / "build" / "bin" / "tokenmgr"), "request", "--fail", "GET", "/api/v1/products"]
    autoload = ROOT / "bindings" / "php" / "autoload.php"
    php = ["php", "-d", "ffi.enable=1", "-r", PHP, str(autoload), options]
    has_php = autoload.exists() and shutil.which("php") is not None

    def everyone_calls() -> None:
        with TokenManager(api.url, USER, PASSWORD, **json.loads(options)) as tm:
            assert tm.get("/api/v1/products").ok
        assert "name" in output(command, environment(api, TOKENMGR_OPTIONS=options))
        if has_php:
            library = str(ROOT / "build" / "lib" / "libtokenmgr.so.0")
            assert output(php, environment(api, TOKENMGR_LIBRARY=library)) == "200"

    everyone_calls()
    everyone_calls()
    assert api.counter("logins") == 1
    api.control(revoke={"what": "access"})
    everyone_calls()
    assert (api.counter("logins"), api.counter("refreshes"), api.counter("reuse")) == (1, 1, 0)


@pytest.mark.parametrize("name", ["README.md", "docs/PYTHON.md"])
def test_snippets_are_python(name: str) -> None:
    text = ((ROOT / "bindings" / "python" / name) if name == "README.md" else ROOT / name).read_text()
    snippets = text.split("```python\n")[1:]
    assert snippets
    for snippet in snippets:
        compile("async def snippet():\n " + snippet.split("```")[0].replace("\n", "\n "), name, "exec")
