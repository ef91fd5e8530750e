"""Measures what budget.json limits and compares: see `run`, which starts this.

A figure above its budget fails. One well below it is said, so that the budget is lowered and keeps its worth.
"""

from __future__ import annotations

import json
import math
import platform
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUDGET = ROOT / "tests" / "budget" / "budget.json"
WRITE = "tests/budget/run --write"
sys.path.insert(0, str(ROOT / "benches"))

import counting  # noqa: E402
from workers import PROGRAMS, Engine, environment  # noqa: E402

LIBRARY = Path(PROGRAMS) / "libtokenmgr.so"
ENGINE = Engine("ours", f"{PROGRAMS}/engine_tokenmgr.so")
FEW, MANY = 100, 400  # calls of the short and of the long run
WELL_BELOW = 0.05
OTHER_COMPILER = 0.10  # what another compiler or C library may add

Figures = dict[str, float]


@dataclass
class Margin:
    """How far above its budget a figure may be: a share of it, and so many more. Is it the same on every processor?"""

    share: float = 0.0
    more: float = 0.0
    portable: bool = True


# By how a figure's name begins. Whole numbers are rounded before they are compared: one answer in many comes in two pieces.
MARGINS = {
    "instructions": Margin(share=0.02, portable=False),
    "system calls": Margin(),
    "allocations": Margin(more=1),
    "descriptors": Margin(),
    "library": Margin(share=0.01, portable=False),
}


def margin(name: str) -> Margin:
    return next(margin for beginning, margin in MARGINS.items() if name.startswith(beginning))


def measure() -> Figures:
    """Two counts at a time: neither shifts the other."""
    for title in counting.COUNTERS:
        if program := counting.missing(title):
            raise SystemExit(f"budget: {program} is missing; run scripts/setup test")
    counts = [(title, scheme) for scheme in ("http", "https") for title in counting.COUNTERS]

    def one(count: tuple[str, str]) -> float:
        title, scheme = count
        value = counting.per_call(title, ENGINE, environment(scheme), FEW, MANY)
        assert value is not None
        return float(round(value))

    with ThreadPoolExecutor(2) as pool:
        figures = {f"{title}, {scheme}": value for (title, scheme), value in zip(counts, pool.map(one, counts))}
    for scheme in ("http", "https"):
        held = counting.descriptors(ENGINE, environment(scheme))
        assert held
        figures["descriptors of an idle manager"], figures[f"descriptors a kept connection, {scheme}"] = held
    figures["library, stripped: bytes"] = LIBRARY.stat().st_size
    return figures


def made_by() -> dict[str, str]:
    """What the counts depend on beside the sources: the compiler, as the library names it, the C library, the processor."""
    comment = subprocess.run(["readelf", "-p", ".comment", LIBRARY], stdout=subprocess.PIPE, text=True, check=True).stdout
    compiler = re.search(r"rustc version (\S+)", comment)
    return {
        "rustc": compiler[1] if compiler else "unknown",
        "glibc": platform.libc_ver()[1],
        "machine": platform.machine(),
    }


def write(figures: Figures) -> None:
    whole = {name: int(value) for name, value in figures.items()}
    BUDGET.write_text(json.dumps({"made_by": made_by(), "figures": whole}, indent=2) + "\n")
    print(f"written to {BUDGET.relative_to(ROOT)}")


def limit(name: str, budget: float, unlike: set[str]) -> float:
    """What a figure may be at most, where it was made by something unlike the budget's."""
    allowed = margin(name)
    if "machine" in unlike and not allowed.portable:
        return math.inf
    share = max(allowed.share, OTHER_COMPILER) if unlike else allowed.share
    return math.floor(budget * (1 + share) + allowed.more)


def compare(figures: Figures) -> bool:
    kept = json.loads(BUDGET.read_text())
    here, there = made_by(), kept["made_by"]
    unlike = {name for name in here if here[name] != there.get(name)}
    if unlike:
        said = ", ".join(f"{name} {here[name]} (the budget: {there.get(name)})" for name in sorted(unlike))
        print(f"Made by {said}: only what is more than {OTHER_COMPILER:.0%} above the budget fails.")

    width = max(map(len, figures))
    above, below = [], []
    print(f"{'':{width}}  {'measured':>12}  {'budget':>12}  {'at most':>12}")
    for name, value in figures.items():
        budget = kept["figures"].get(name)
        if budget is None:
            above.append(name)
            print(f"{name:{width}}  {value:12,.0f}  {'none':>12}")
            continue
        most = limit(name, budget, unlike)
        mark = ""
        if value > most:
            above.append(name)
            mark = "ABOVE"
        elif value < budget and value <= budget * (1 - WELL_BELOW):
            below.append(name)
            mark = "well below"
        print(f"{name:{width}}  {value:12,.0f}  {budget:12,.0f}  {most:12,.0f}  {mark}".rstrip())
    if below and not unlike:
        print(f"Well below the budget: {'; '.join(below)}. Lower the budget, with this one command: {WRITE}")
    if above:
        print(f"FAILED: above the budget, or without one: {'; '.join(above)}. Where the rise is meant: {WRITE}")
    print(f"{len(figures) - len(above)} passed, {len(above)} failed")
    return not above


def main() -> None:
    arguments = sys.argv[1:]
    if arguments not in ([], ["--write"]):
        raise SystemExit(f"budget: unknown arguments: {' '.join(arguments)}; there is --write")
    figures = measure()
    if arguments:
        write(figures)
    elif not compare(figures):
        sys.exit(1)


main()
