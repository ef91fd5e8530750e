"""Finding the library, and what is said where it does not fit; and what was generated from its header."""

from __future__ import annotations

import ctypes
import os
import pathlib
import re
import shutil
import subprocess
import sys

import tokenmgr
from conftest import ROOT
from tokenmgr import _api, _native

SOURCES = ROOT / "bindings" / "python"
PACKAGE = SOURCES / "src" / "tokenmgr"
LIBRARY = ROOT / "build" / "lib" / _api.SONAME


def load(package: pathlib.Path = PACKAGE, **environment: str) -> str:
    """What a process says that imports the package: the version, or the error."""
    clean = {name: value for name, value in os.environ.items() if name not in ("TOKENMGR_LIBRARY", "LD_LIBRARY_PATH")}
    done = subprocess.run(
        [sys.executable, "-c", "import tokenmgr; print(tokenmgr.__version__, tokenmgr._library.find())"],
        env={**clean, "PYTHONPATH": str(package.parent), **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout or done.stderr.splitlines()[-1]


def test_where_it_is_looked_for(tmp_path: pathlib.Path) -> None:
    version = tokenmgr.__version__
    assert load(TOKENMGR_LIBRARY=str(LIBRARY)) == f"{version} {LIBRARY.resolve()}\n"
    assert load(TOKENMGR_LIBRARY=str(LIBRARY.parent)) == f"{version} {LIBRARY.resolve()}\n"
    assert load(LD_LIBRARY_PATH=str(LIBRARY.parent)) == f"{version} {_api.SONAME}\n"
    package = tmp_path / "tokenmgr"
    shutil.copytree(PACKAGE, package, ignore=shutil.ignore_patterns("_lib"))
    (package / "_lib").mkdir()
    shutil.copy(LIBRARY, package / "_lib" / _api.SONAME)
    assert load(package) == f"{version} {package / '_lib' / _api.SONAME}\n"


def compiled(folder: pathlib.Path, text: str) -> str:
    source, library = folder / "other.c", folder / "other.so"
    source.write_text(text)
    subprocess.run(["cc", "-shared", "-fPIC", "-o", str(library), str(source)], check=True)
    return str(library)


def test_what_is_said_where_it_does_not_fit(tmp_path: pathlib.Path) -> None:
    said = load()
    if "LibraryError" in said:  # there is none installed
        assert "make install" in said
        assert "TOKENMGR_LIBRARY" in said
    said = load(TOKENMGR_LIBRARY="/no/such/file")
    assert said.startswith("tokenmgr.errors.LibraryError: TOKENMGR_LIBRARY names /no/such/file")
    assert "is not libtokenmgr" in load(TOKENMGR_LIBRARY=compiled(tmp_path, "int x;"))
    old = 'const char *tm_version(void) { return "0.0.9"; } unsigned tm_abi_version(void) { return 0; }'
    said = load(TOKENMGR_LIBRARY=compiled(tmp_path, old))
    assert "is libtokenmgr 0.0.9" in said
    assert "update the library" in said


def test_the_error_is_an_import_error() -> None:
    assert issubclass(tokenmgr.LibraryError, ImportError)
    assert issubclass(tokenmgr.LibraryError, tokenmgr.TokenManagerError)


def test_what_is_generated_is_current() -> None:
    subprocess.run([sys.executable, str(SOURCES / "generate.py"), "--check"], check=True)


def test_every_function_is_declared() -> None:
    symbols = (ROOT / "include" / "symbols.txt").read_text().split()
    assert sorted(_api.FUNCTIONS) == sorted(symbols)


def test_every_status_is_the_headers() -> None:
    for status in tokenmgr.Status:
        name = ctypes.CFUNCTYPE(ctypes.c_char_p, ctypes.c_int32)(("tm_status_name", _native._holding))(status)
        assert name == f"TM_{status.name}".encode()


def test_the_gil_is_kept_only_where_the_header_says_that_nothing_waits() -> None:
    header = (ROOT / "include" / "tokenmgr.h").read_text()
    waiting = {
        name
        for text, name in re.findall(r"/\*\*(.*?)\*/\s+[\w *]+?(tm_\w+)\(", header, re.DOTALL)
        if re.search(r"blocks|share one|Waits for|#TM_STORE", text) and not re.search(r"never waits", text)
    }
    source = (PACKAGE / "_native.py").read_text()
    holding = set(re.findall(r'_declared\(_holding, "(tm_\w+)"', source))
    releasing = set(re.findall(r'_declared\(_releasing, "(tm_\w+)"', source))
    assert "tm_request" in waiting  # not needed here: tm_request_into does the same
    assert waiting - {"tm_copy_access_token", "tm_error_is_retryable", "tm_request"} <= releasing
    assert "tm_request_into" in waiting
    assert not holding & releasing
