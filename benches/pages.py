"""pages.py RESULTS PAGES: from results.tsv and rotations.tsv in the folder RESULTS makes the charts and the page of
figures, README.md, in the folder PAGES. What was not measured is left out."""

from __future__ import annotations

import math
import os
import platform
import re
import subprocess
import sys
from pathlib import Path

import charts
import report
from report import OURS

Results = tuple[dict[str, str], list[str], dict[tuple[str, str], float]]
LANGUAGES = ["PHP", "Python"]
US = "libtokenmgr"

# ---- the charts: each gives None where its figures are missing ----


def named(engine: str) -> str:
    """An engine as a chart names it: ours by our name, and without the language, which the panel's title has."""
    name = engine.split(": ", 1)[-1]
    return US if name == OURS else name


def language(engine: str) -> str:
    return engine.split(": ")[0] if ": " in engine else ""


def panel(title: str, of: str, figures: list[str], results: Results, most_first: bool = False) -> charts.Panel | None:
    """The engines of one language, ours first, the others by their first figure, the best one first."""
    _, engines, values = results
    rows = [
        (engine, [values.get((figure, engine)) for figure in figures]) for engine in engines if language(engine) == of
    ]
    rows = [row for row in rows if any(value is not None for value in row[1])]
    rows.sort(key=lambda row: next(value for value in row[1] if value is not None), reverse=most_first)
    rows.sort(key=lambda row: named(row[0]) != US)
    return charts.Panel(title, [(named(engine), row) for engine, row in rows], US) if rows else None


def latency(results: Results) -> str | None:
    figures = ["http, one core: median", "https, one core: median"]
    found = [panel("C and Rust", "", figures, results)]
    found += [panel(of, of, figures, results) for of in LANGUAGES]
    panels = [each for each in found if each]
    if not panels or not any(figure in results[0] for figure in figures):
        return None
    return charts.bars(
        "Latency of one API call, by client",
        "Median of a GET with a token, 1 KB back, over a kept connection, client and server on one core; shorter is better.",
        ["http", "https"],
        panels,
        "µs",
        cut=True,
    )


def cold(results: Results) -> str | None:
    rows = panel("", "", ["cold, http: median", "cold, https: median"], results)
    if not rows:
        return None
    return charts.bars(
        "Cold start, by client",
        "Load the library, open, make one call, close, in a fresh process: median; shorter is better.",
        ["http", "https"],
        [rows],
        "ms",
    )


def transfers(results: Results) -> str | None:
    cases = ["download, in memory", "download, streamed", "upload, from memory", "upload, streamed"]
    panels = [panel(case.capitalize(), "", [f"{case}: 64 MB"], results, most_first=True) for case in cases]
    if not any(panels):
        return None
    return charts.bars(
        "Throughput of a 64 MB body, by client",
        "http over loopback, client and server side by side; longer is better.",
        [""],
        [each for each in panels if each],
        "MB/s",
    )


def threads(results: Results) -> str | None:
    _, engines, values = results
    figures = {number: f"{number} thread{'s' if number > 1 else ''}: requests/s" for number in (1, 2, 4, 8)}
    series = {
        named(engine): [(float(number), values[figure, engine] / 1000) for number, figure in figures.items()]
        for engine in engines
        if all((figure, engine) in values for figure in figures.values())
    }
    if not series:
        return None
    return charts.lines(
        "Throughput by threads",
        f"Calls a second of one process, client and server on the machine's {cores()}; higher is better.",
        charts.evenly("threads", [float(number) for number in figures]),
        charts.linear("thousand requests/s", max(y for points in series.values() for _, y in points)),
        series,
    )


def rotations(path: Path) -> str | None:
    series: dict[str, list[tuple[float, float]]] = {}
    if not path.exists():
        return None
    for line in path.read_text().splitlines():
        name, share, microseconds = line.split("\t")
        series.setdefault(name, []).append((1 / (1 - float(share)), float(microseconds) / 1000))
    marks = [(2.0, "50 %"), *((10.0**n, f"{100 - 100 / 10**n:g} %") for n in range(1, 7))]
    last = max(x for points in series.values() for x, _ in points)
    longest = max(y for points in series.values() for _, y in points)
    times = [(10.0**n, f"{10.0**n:g}") for n in range(-1, max(2, math.ceil(math.log10(longest))) + 1)]
    return charts.lines(
        "Latency while tokens rotate",
        "Four threads call steadily. Each refresh takes 50 ms; only the call that makes it waits.",
        charts.logarithmic("share of the calls that took at most so long", [m for m in marks if m[0] <= last], 2, last),
        charts.logarithmic("time of a call, ms", times, times[0][0], times[-1][0]),
        series,
        dots=False,
        hint=(50, "what a refresh takes"),
    )


# ---- the page ----


def cores() -> str:
    number = len(os.sched_getaffinity(0))
    return f"{number} core{'s' if number > 1 else ''}"


def version(*command: str) -> str:
    """The version that a program names, without Debian's addition."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    found = re.search(r"\d+(\.\d+)+", done.stdout)
    return found[0] if found else "?"


def machine() -> str:
    kernel = platform.release().split(".")[0]
    return (
        f"{cores()} ({platform.machine()}), {platform.system()} {kernel}, libcurl {version('curl-config', '--version')}, "
        f"nginx {version('nginx', '-v')}, PHP {version('php', '--version')}, Python {platform.python_version()}"
    )


def table(rows: list[list[str]]) -> str:
    head, *body = rows
    line = "|".join(["---", *("--:" for _ in head[1:])])
    return "\n".join([f"| {' | '.join(head)} |", f"|{line}|", *(f"| {' | '.join(row)} |" for row in body)])


def page(results: Results, drawn: list[str]) -> str:
    figures, engines, values = results
    libraries = [engine for engine in engines if not language(engine)]
    alt = {
        "latency": "Latency of one API call, by client",
        "threads": "Throughput by threads",
        "transfers": "Throughput of a 64 MB body, by client",
        "cold": "Cold start, by client",
        "rotations": "Latency while tokens rotate",
    }
    parts = [
        "# Figures",
        "Made by `make bench`, which measures the library beside its peers in one run, writes this page and its charts, "
        "and installs what it needs. Times differ between machines, and ratios less. How each figure is taken stands in "
        "[benches/README.md](../../benches/README.md).",
        f"Measured on: {machine()}.",
        *(f"![{alt[name]}]({name}.svg)" for name in drawn),
        "## Ours, beside libraries",
        table(list(report.rows(figures, libraries, values))),
    ]
    one_core = [figure for figure in figures if "one core" in figure]
    others = [engine for engine in engines if language(engine)]
    if one_core and others:
        parts += [
            "## From PHP and Python",
            "The same call, in µs.",
            table([
                ["client", *one_core],
                *(
                    [
                        engine,
                        *(
                            report.number(values[figure, engine]) if (figure, engine) in values else "–"
                            for figure in one_core
                        ),
                    ]
                    for engine in others
                ),
            ]),
        ]
    return "\n\n".join(parts) + "\n"


def main() -> None:
    source, target = Path(sys.argv[1]), Path(sys.argv[2])
    results = report.read(source / "results.tsv")
    drawings = {
        "latency": latency(results),
        "threads": threads(results),
        "transfers": transfers(results),
        "cold": cold(results),
        "rotations": rotations(source / "rotations.tsv"),
    }
    target.mkdir(parents=True, exist_ok=True)
    for name, svg in drawings.items():
        if svg:
            (target / f"{name}.svg").write_text(svg)
    (target / "README.md").write_text(page(results, [name for name, svg in drawings.items() if svg]))


main()
