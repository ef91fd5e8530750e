"""What a rotation of the tokens does to the calls of other threads: prints figure<TAB>engine<TAB>value<TAB>unit lines,
and writes the curves as series<TAB>share of calls<TAB>µs lines. Started by `run`.

    rotations.py CURVES [--quick]

The demo API hands out tokens of 2 s and answers a refresh 50 ms late. The same calls without any rotation stand beside,
in turns with it.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

from workers import PROGRAMS, emit

sys.path.append(str(Path(__file__).resolve().parents[1] / "tests" / "storm"))

from processes import Api  # noqa: E402

THREADS = 4
DELAY_MS = 50
HELD_UP_NS = DELAY_MS * 1_000_000 // 2  # where only a busy machine brings another call
DELAY = {"route": "POST /auth/refresh", "delay_after_ms": DELAY_MS, "times": None}
SETTINGS = {
    "tokens of 2 s": {"access_ms": 2000, "fractional_seconds": True, "faults": DELAY},
    "no rotation": {},
}


def run(settings: dict[str, object], seconds: float) -> tuple[list[int], int]:
    """The time of each call in ns, and how many refreshes there were."""
    with Api(**settings) as api:
        program = [os.path.join(PROGRAMS, "rotation"), str(THREADS), str(int(seconds * 1000))]
        env = dict(os.environ, BENCH_URL=api.url)
        done = subprocess.run(program, env=env, stdout=subprocess.PIPE, text=True, check=True)
        return list(map(int, done.stdout.split())), api.counters()["refreshes"]


def at(times: list[int], share: float) -> float:
    """The time, in µs, that so many of the sorted calls stay within."""
    return times[min(int(len(times) * share), len(times) - 1)] / 1e3


def curve(times: list[int]) -> list[tuple[float, float]]:
    """From the median to the longest call, ever closer to the end."""
    points = [(0.5, at(times, 0.5))]
    left = 0.5
    while (left := left / 10**0.05) * len(times) > 1:
        points.append((1 - left, at(times, 1 - left)))
    return [*points, (1 - 1 / len(times), times[-1] / 1e3)]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("curves")
    parser.add_argument("--quick", action="store_true")
    arguments = parser.parse_args()
    rounds, seconds = (1, 4) if arguments.quick else (4, 10)

    calls: dict[str, list[int]] = {series: [] for series in SETTINGS}
    refreshes = 0
    for _ in range(rounds):
        for series, settings in SETTINGS.items():
            times, rotated = run(settings, seconds)
            calls[series] += times
            refreshes += rotated

    with open(arguments.curves, "w") as curves:
        for series, times in calls.items():
            times.sort()
            for share, microseconds in curve(times):
                print(series, f"{share:.8f}", f"{microseconds:.1f}", sep="\t", file=curves)
            for name, share in {"median": 0.5, "p99": 0.99, "p99.9": 0.999, "longest": 1}.items():
                emit(f"{series}: {name}", "ours", at(times, share), "µs")
    if not refreshes:
        raise SystemExit("the tokens of 2 s were never refreshed")
    # Less those that the machine held up: as many as it did without any rotation.
    rotating, still = (sum(time > HELD_UP_NS for time in times) for times in calls.values())
    emit(f"calls that a refresh of {DELAY_MS} ms held up", "ours", round((rotating - still) / refreshes, 1), "")


main()
