"""What the build takes from the library: its version, the shared library itself for a wheel, and for an sdist the
sources that build it.

The library is what TOKENMGR_LIBRARY names; or what the Makefile builds, here or in the sdist's own copy of the sources.
"""

from __future__ import annotations

import os
import pathlib
import re
import subprocess
import sys
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from hatchling.metadata.plugin.interface import MetadataHookInterface

HERE = pathlib.Path(__file__).resolve().parent

LICENSES = ("LICENSE-MIT", "LICENSE-APACHE", "THIRD-PARTY-LICENSES")

#: What building it reads.
SOURCES = (
    *("Cargo.toml", "Cargo.lock", "Makefile", "build.rs", "cbindgen.toml", "cbindgen-ffi.toml", "include", "src"),
    *("cli/Cargo.toml", "tests/support/Cargo.toml"),  # cargo looks at the whole workspace, and at what tests depend on
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
        path = path / soname if path.is_dir() else path
        if not path.is_file():
            raise SystemExit(
                f"TOKENMGR_LIBRARY names {named}, and there is no such file; name it from / on, since pip builds in "
                "the package's folder"
            )
        return path.resolve()
    try:
        subprocess.run(["make", "build/lib/libtokenmgr.so"], cwd=sources(), stdout=sys.stderr, check=True)
    except (OSError, subprocess.CalledProcessError) as cause:
        raise SystemExit(
            f"the library could not be built ({cause}); it takes make, gcc and Rust. Or build it elsewhere, and let "
            "TOKENMGR_LIBRARY name the file"
        ) from cause
    return sources() / "build" / "lib" / soname


#: What the ELF header calls a machine (`e_machine`), and the wheels' name for it.
MACHINES = {62: "x86_64", 183: "aarch64"}


def platform_tag(built: pathlib.Path) -> str:
    """The machine that the library is for, whatever it is built on; and manylinux, by the youngest glibc that a symbol
    of the library asks for, or musllinux."""
    library = built.read_bytes()
    number = int.from_bytes(library[18:20], "little")
    if library[:6] != b"\x7fELF\x02\x01" or number not in MACHINES:
        raise SystemExit(f"{built} is no library for one of {', '.join(MACHINES.values())}; build it for one of these")
    wanted = [(int(major), int(minor)) for major, minor in re.findall(rb"\0GLIBC_(\d+)\.(\d+)", library)]
    if wanted:
        return "manylinux_{}_{}_{}".format(*max(wanted), MACHINES[number])
    if re.search(rb"\0libc(\.musl-\w+)?\.so(\.1)?\0", library):
        return f"musllinux_1_2_{MACHINES[number]}"
    raise SystemExit(f"{built} needs neither glibc nor musl; build it as a shared library for one of them")


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
