"""The wheel carries the library, and the sdist what builds it. tests/run has installed the package by pip before."""

from __future__ import annotations

import os
import pathlib
import platform
import re
import subprocess
import sys
import zipfile

from conftest import ROOT

SOURCES = ROOT / "bindings" / "python"
LICENSES = ("LICENSE-MIT", "LICENSE-APACHE")


def built(what: str, source: pathlib.Path, folder: pathlib.Path) -> pathlib.Path:
    command = [sys.executable, "-m", "hatchling", "build", "--target", what, "--directory", str(folder)]
    subprocess.run(command, cwd=source, check=True, capture_output=True)
    (result,) = folder.iterdir()
    return result


def youngest_glibc(library: pathlib.Path) -> tuple[int, ...]:
    said = subprocess.run(
        ["readelf", "--version-info", "--wide", str(library)], check=True, capture_output=True, text=True
    )
    versions = re.findall(r"Name: GLIBC_([\d.]+)", said.stdout)
    return max(tuple(map(int, version.split(".")))[:2] for version in versions)


def test_the_wheel(tmp_path: pathlib.Path) -> None:
    wheel = built("wheel", SOURCES, tmp_path / "wheel")
    major, minor = youngest_glibc(ROOT / "build" / "lib" / "libtokenmgr.so.0")
    assert wheel.name.endswith(f"-py3-none-manylinux_{major}_{minor}_{platform.machine()}.whl")
    with zipfile.ZipFile(wheel) as archive:
        assert "tokenmgr/py.typed" in archive.namelist()
        for name in LICENSES:
            (member,) = (member for member in archive.namelist() if member.endswith(f".dist-info/licenses/{name}"))
            assert archive.read(member) == (ROOT / name).read_bytes()
        archive.extractall(tmp_path / "site")
    clean = {name: value for name, value in os.environ.items() if name not in ("TOKENMGR_LIBRARY", "LD_LIBRARY_PATH")}
    program = "import tokenmgr; print(tokenmgr._library.find(), tokenmgr.generate_key() != '')"
    said = subprocess.run(
        [sys.executable, "-c", program],
        env={**clean, "PYTHONPATH": str(tmp_path / "site")},
        check=True,
        capture_output=True,
        text=True,
    )
    assert said.stdout == f"{tmp_path / 'site' / 'tokenmgr' / '_lib' / 'libtokenmgr.so.0'} True\n"


def test_the_sdist(tmp_path: pathlib.Path) -> None:
    sdist = built("sdist", SOURCES, tmp_path / "sdist")
    subprocess.run(["tar", "-xzf", str(sdist), "-C", str(tmp_path)], check=True)
    (source,) = tmp_path.glob("tokenmgr-*")
    copy = source / "libtokenmgr"
    for name in LICENSES:
        assert (copy / name).read_bytes() == (ROOT / name).read_bytes()
    # Building all of it takes minutes: that it is all there is seen without.
    for name in ("src", "include"):
        files = {path.relative_to(ROOT) for path in (ROOT / name).rglob("*") if path.is_file()}
        assert {path.relative_to(copy) for path in (copy / name).rglob("*") if path.is_file()} == files
    for command in (["cargo", "metadata", "--locked", "--no-deps", "--format-version=1"], ["make", "-n", "library"]):
        subprocess.run(command, cwd=copy, check=True, capture_output=True)
    assert built("wheel", source, tmp_path / "wheel").name.endswith(".whl")
