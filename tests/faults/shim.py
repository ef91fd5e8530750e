"""Orders to the shim (shim.c): what fails in the processes that were started with it."""

from __future__ import annotations

import errno
import mmap
import struct
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from processes import ROOT

LIBRARY = ROOT / "build/faults/shim.so"
LAYOUT = struct.Struct("32siiqqq")


class Shim:
    """What fails in one group of processes, and how often it did."""

    def __init__(self, folder: Path | None = None) -> None:
        self.file = tempfile.NamedTemporaryFile(prefix="faults-")  # noqa: SIM115 (it lives as long as this)
        self.file.truncate(LAYOUT.size)
        self.memory = mmap.mmap(self.file.fileno(), LAYOUT.size)
        self.environment = {"LD_PRELOAD": str(LIBRARY), "FAULTS": self.file.name}
        if folder is not None:
            self.environment["FAULTS_FOLDER"] = str(folder)

    @contextmanager
    def failing(self, what: str, number: str, nth: int = 0, least: int = 0) -> Iterator[None]:
        """`what` fails with the errno of this name: every time, or only the nth time."""
        order = LAYOUT.pack(b"", getattr(errno, number), nth, least, 0, 0)
        self.memory[:] = order
        self.memory[:32] = what.encode().ljust(32, b"\0")
        try:
            yield
        finally:
            self.memory[:32] = bytes(32)

    @property
    def met(self) -> int:
        """How often what was ordered last was done."""
        return int(LAYOUT.unpack(self.memory[:])[4])

    @property
    def failed(self) -> int:
        """How often it failed."""
        return int(LAYOUT.unpack(self.memory[:])[5])
