"""The storm: shows with real processes, kills and stops that the stores hold their promises. The demo API's counters
are the oracle. Started by `run`, which builds what it needs.

    storm.py [--long] [--store NAME]... [PART]...
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
import traceback
from collections.abc import Callable
from functools import partial

import crowds
import faults
import troubles
from processes import Checks
from stores import STORES, FileStore, Store

Row = list[str]


def storms(checks: Checks, stores: list[Store], long: bool) -> None:
    rows = [crowds.HEADINGS]
    rows += [crowds.storm(checks, store, 60 if long else 6) for store in stores]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    print("8 processes of 8 threads, tokens of 2 s; the waits are those for another process, in ms")
    for first, *rest in rows:
        cells = [cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True)]
        print("  ".join([first.ljust(widths[0]), *cells]))


def crowd(checks: Checks, stores: list[Store], _long: bool) -> None:
    for store in stores:
        crowds.crowd(checks, store)


def passwords(checks: Checks, stores: list[Store], long: bool) -> None:
    for store in stores if long else stores[:1]:
        crowds.wrong_password(checks, store, 200 if store.is_sealed else 40)


def steps(checks: Checks, stores: list[Store], long: bool) -> None:
    """All at once, for they mostly wait. Only the first store is stopped at every step in a short run."""
    work: list[Callable[[], None]] = []
    for store in stores:
        work += [partial(faults.killed, checks, case) for case in faults.cases(store, "kill")]
        if long or store is stores[0]:
            work += [partial(faults.stopped, checks, case) for case in faults.cases(store, "stop")]
        work.append(partial(faults.lost, checks, store))
    faults.together(work, 24)


def kills(checks: Checks, stores: list[Store], long: bool) -> None:
    for store in stores:
        faults.killed_at_random(checks, store, 1000 if long else 96 if store is stores[0] else 24)


def clocks(checks: Checks, stores: list[Store], long: bool) -> None:
    work: list[Callable[[], None]] = []
    for store in stores:
        if store.has_own_clock:
            work.append(partial(crowds.clocks, checks, store, 20 if long else 6))
        else:
            work.append(partial(crowds.clocks_of_machines, checks, store, 300 if long else 30))
    faults.together(work, 8)


def trouble(checks: Checks, stores: list[Store], _long: bool) -> None:
    for store in stores:
        if isinstance(store, FileStore):
            faults.together([partial(each, checks, store) for each in troubles.FILE], 8)
            troubles.forks(checks, store)


def waiting(checks: Checks, stores: list[Store], long: bool) -> None:
    """The parts that mostly wait, at the same time."""
    parts = (steps, passwords, trouble)
    faults.together([partial(part, checks, stores, long) for part in parts], len(parts))


PARTS = {part.__name__: part for part in (storms, crowd, passwords, steps, kills, clocks, trouble, waiting)}

USUAL = ("storms", "crowd", "waiting", "kills", "clocks")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--long", action="store_true", help="60 seconds and 1,000 kills, every step over every store")
    parser.add_argument("--store", action="append", choices=STORES, help="only this one; may be repeated")
    parser.add_argument("part", nargs="*", choices=[*PARTS, []], help="all of them unless named")
    arguments = parser.parse_args()

    # So that what was started is stopped: `finally` runs on an exception only.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    checks = Checks()
    stores: list[Store] = []
    try:
        for name in arguments.store or STORES:
            stores.append(STORES[name]())
        for name in arguments.part or USUAL:
            began = time.monotonic()
            print(f"-- {name}", flush=True)
            try:
                PARTS[name](checks, stores, arguments.long)
            except Exception:
                checks.check(f"{name} comes to its end", False, traceback.format_exc())
            print(f"   {time.monotonic() - began:.0f} s", flush=True)
    finally:
        for store in stores:
            store.stop()
    print(f"{checks.passed} passed, {checks.failed} failed")
    return int(checks.failed > 0)


if __name__ == "__main__":
    sys.exit(main())
