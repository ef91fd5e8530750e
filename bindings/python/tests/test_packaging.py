"""The wheel carries the library, and the sdist what builds it. tests/run has installed the package by pip before."""

from __future__ import annotations

import os
import pathlib
import platform
import re
import subprocess
import sys
import zipfile

import pytest

from conftest import ROOT

SOURCES = ROOT / "bindings" / "python"
LICENSES = ("LICENSE-MIT", "LICENSE-APACHE", "THIRD-PARTY-LICENSES")


def built(what: str, source: pathlib.Path, folder: pathlib.Path, **environment: str) -> pathlib.Path:
    command = [sys.executable, "-m", "hatchling", "build", "--target", what, "--directory", str(folder)]
    subprocess.run(command, cwd=source, env={**os.environ, **environment}, check=True, capture_output=True)
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


def test_the_tag_is_the_librarys_whatever_machine_packs_it(tmp_path: pathlib.Path) -> None:
    library = (ROOT / "build" / "lib" / "libtokenmgr.so.0").read_bytes()
    glibc = "manylinux_{}_{}".format(*youngest_glibc(ROOT / "build" / "lib" / "libtokenmgr.so.0"))
    musl = re.sub(rb"(?<=\0)GLIBC_(?=\d)", b"XXXXX_", library).replace(b"\0libc.so.6\0", b"\0libc.so\0\0\0")
    for machine, number in (("x86_64", 62), ("aarch64", 183)):
        for system, contents in ((glibc, library), ("musllinux_1_2", musl)):
            folder = tmp_path / f"{system}-{machine}"
            folder.mkdir()
            built_for = folder / "libtokenmgr.so.0"
            built_for.write_bytes(contents[:18] + number.to_bytes(2, "little") + contents[20:])
            wheel = built("wheel", SOURCES, folder / "wheel", TOKENMGR_LIBRARY=str(built_for))
            assert wheel.name.endswith(f"-py3-none-{system}_{machine}.whl")
    other = tmp_path / "riscv64.so"
    other.write_bytes(library[:18] + (243).to_bytes(2, "little") + library[20:])
    with pytest.raises(subprocess.CalledProcessError) as refused:
        built("wheel", SOURCES, tmp_path / "none", TOKENMGR_LIBRARY=str(other))
    assert b"riscv64.so is no library for one of x86_64, aarch64" in refused.value.stderr
    with pytest.raises(subprocess.CalledProcessError) as missed:
        built("wheel", SOURCES, tmp_path / "none", TOKENMGR_LIBRARY="build/lib")
    assert b"TOKENMGR_LIBRARY names build/lib, and there is no such file" in missed.value.stderr


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
