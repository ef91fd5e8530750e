"""Faults: what the disk, the system and the process's limits may deny. Each is begun and ended under running
processes; the demo API's counters are the oracle. Started by `run`, which builds what it needs.

    faults.py [WORD]...      only the cases whose name holds one of the words
"""

from __future__ import annotations

import signal
import sys
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "storm"))

import disk
import hosts
from processes import Checks

Case = Callable[[Checks], None]

CASES: dict[str, Case] = {
    **{
        f"{call}:{number}": partial(disk.fails, call=call, number=number)
        for call, numbers in disk.CALLS.items()
        for number in numbers
    },
    "once": disk.fails_once,
    "logout": disk.is_set,
    "full": disk.full,
    "inodes": disk.without_names,
    "read-only": disk.read_only,
    "file-size": disk.without_room_in_files,
    "descriptors": disk.without_descriptors,
    "threads": hosts.without_threads,
    "malloc": hosts.without_memory,
    "memory": hosts.with_little_memory,
    "pipes": hosts.broken_pipe,
}


def run(checks: Checks, name: str) -> None:
    try:
        CASES[name](checks)
    except Exception:
        checks.check(f"{name} comes to its end", False, traceback.format_exc())


def main() -> int:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    checks, words = Checks(), sys.argv[1:]
    wanted = [name for name in CASES if not words or any(word in name for word in words)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(partial(run, checks), wanted))
    print(f"{len(wanted)} cases: {checks.passed} passed, {checks.failed} failed")
    return int(checks.failed > 0 or not wanted)


if __name__ == "__main__":
    sys.exit(main())
