"""What the build takes from the library: its version, the shared library itself for a wheel, and for an sdist the
sources that build it.

The library is what TOKENMGR_LIBRARY names; or what the Makefile builds, here or in the sdist's own copy of the sources.
"""

from __future__ import annotations

import os
import pathlib
import platform
import re
import subprocess
import sys
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from hatchling.metadata.plugin.interface import MetadataHookInterface

HERE = pathlib.Path(__file__).resolve().parent

LICENSES = ("LICENSE-MIT", "LICENSE-APACHE")

#: What building it reads.
SOURCES = (
    *("Cargo.toml", "Cargo.lock", "Makefile", "build.rs", "cbindgen.toml", "cbindgen-ffi.toml", "include", "src"),
    "tests/support/Cargo.toml",  # cargo looks at what the tests depend on, too
    *LICENSES,
)


def sources() -> pathlib.Path:
    """Where the library's sources are: beside this file in an sdist, else in the repository around it."""
    inside = HERE / "libtokenmgr"
    return inside if inside.is_dir() else HERE.parent.parent


def version() -> str:
    found = re.search(r'^version = "(.*)"', (sources() / "Cargo.toml").read_text(encoding="utf-8"), re.MULTILINE)
    if found is None:
        raise SystemExit("Cargo.toml names no version")
    return found[1]


def library() -> pathlib.Path:
    """The shared library, built if need be."""
    soname = f"libtokenmgr.so.{version().split('.')[0]}"
    named = os.environ.get("TOKENMGR_LIBRARY")
    if named:
        path = pathlib.Path(named)
        return (path / soname if path.is_dir() else path).resolve(strict=True)
    try:
        subprocess.run(["make", "build/lib/libtokenmgr.so"], cwd=sources(), stdout=sys.stderr, check=True)
    except (OSError, subprocess.CalledProcessError) as cause:
        raise SystemExit(
            f"the library could not be built ({cause}); it takes make, gcc and Rust. Or build it elsewhere, and let "
            "TOKENMGR_LIBRARY name the file"
        ) from cause
    return sources() / "build" / "lib" / soname


def platform_tag(built: pathlib.Path) -> str:
    """manylinux, by the youngest glibc that a symbol of the library asks for."""
    wanted = re.findall(rb"\0GLIBC_(\d+)\.(\d+)(?:\.\d+)?(?=\0)", built.read_bytes())
    if not wanted:
        raise SystemExit(f"{built} asks for no glibc; a wheel can be made only of a library for glibc")
    major, minor = max((int(major), int(minor)) for major, minor in wanted)
    return f"manylinux_{major}_{minor}_{platform.machine()}"


class CustomMetadataHook(MetadataHookInterface):
    def update(self, metadata: dict[str, Any]) -> None:
        metadata["version"] = version()


class CustomBuildHook(BuildHookInterface[Any]):
    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        included = build_data["force_include"]
        if self.target_name == "sdist":
            included.update({str(sources() / name): f"libtokenmgr/{name}" for name in SOURCES})
        elif version != "editable":
            built = library()
            folder = f"tokenmgr-{self.metadata.version}.dist-info/licenses"
            included.update({str(sources() / name): f"{folder}/{name}" for name in LICENSES})
            included[str(built)] = "tokenmgr/_lib/libtokenmgr.so." + self.metadata.version.split(".")[0]
            build_data["pure_python"] = False
            build_data["tag"] = f"py3-none-{platform_tag(built)}"
