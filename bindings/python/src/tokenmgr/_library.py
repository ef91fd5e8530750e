"""Finds the shared library and checks that it fits.

It is looked for where `TOKENMGR_LIBRARY` says; then in this package, where a wheel has it; then by its name, as the
system's loader finds libraries. The first that is there is taken, and has to fit.
"""

from __future__ import annotations

import ctypes
import os
import pathlib

from ._api import ABI_VERSION, SONAME
from .errors import LibraryError

#: Where a wheel carries the library.
BUNDLED = pathlib.Path(__file__).with_name("_lib") / SONAME

HOW_TO_GET_IT = (
    "install the tokenmgr wheel, which carries it; or install the library itself (make install, then ldconfig); "
    "or let TOKENMGR_LIBRARY name its file"
)


def find() -> str:
    """What to load: a path, or a name that the loader looks for."""
    named = os.environ.get("TOKENMGR_LIBRARY")
    if not named:
        return str(BUNDLED) if BUNDLED.exists() else SONAME
    path = pathlib.Path(named)
    if path.is_dir():
        path /= SONAME
    if not path.exists():
        raise LibraryError(
            f"TOKENMGR_LIBRARY names {named}, and there is no such file; correct the variable or unset it"
        )
    return str(path.resolve())


def load(what: str) -> ctypes.CDLL:
    """Loads the library, and refuses one that is too old for this package."""
    try:
        library = ctypes.CDLL(what)
    except OSError as cause:
        raise LibraryError(f"the library {what} could not be loaded ({cause}); {HOW_TO_GET_IT}") from cause
    try:
        version, interface = library.tm_version, library.tm_abi_version
    except AttributeError as cause:
        raise LibraryError(f"{what} is not libtokenmgr: it has no tm_abi_version; {HOW_TO_GET_IT}") from cause
    version.restype, interface.restype = ctypes.c_char_p, ctypes.c_uint32
    if interface() < ABI_VERSION:
        raise LibraryError(
            f"{what} is libtokenmgr {version().decode()}, whose interface has the version {interface()}, and this "
            f"package needs {ABI_VERSION} or later; update the library, or install the package that came with it"
        )
    return library
