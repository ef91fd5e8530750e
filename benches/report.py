"""Renders results.tsv, figure<TAB>engine<TAB>value<TAB>unit lines, as one table on stdout.

A goal is a bound on our own value or on its ratio to libcurl in the same run. It is marked, never asserted:
times differ between machines.
"""

import sys

OURS, BASE = "ours", "libcurl"

# figure: (what is bounded, the goal, smaller is better)
GOALS = {
    "http, one core: median": ("ratio", 0.72, True),
    "https, one core: median": ("ratio", 0.72, True),
    "8 threads: requests/s": ("ratio", 1.38, False),
    "download, in memory: 64 MB": ("ratio", 1, False),
    "download, streamed: 64 MB": ("ratio", 1, False),
    "upload, from memory: 64 MB": ("ratio", 1, False),
    "upload, streamed: 64 MB": ("ratio", 1, False),
    "http: instructions a request": ("value", 30_000, True),
    "http: system calls a request": ("value", 3, True),
    "http: allocations a request": ("value", 25, True),
    "cold, http: median": ("value", 0.6, True),
    "cold, https: median": ("value", 1.5, True),
    "token copy, 1 thr: CPU": ("value", 25, True),
    "token copy, 2 thr: CPU": ("value", 25, True),
    "token copy, 4 thr: CPU": ("value", 25, True),
    "token copy, 8 thr: CPU": ("value", 25, True),
    "calls that a refresh of 50 ms held up": ("value", 1, True),
    "descriptors of an idle client": ("value", 0, True),
    "http: descriptors a connection": ("value", 1, True),
    "https: descriptors a connection": ("value", 1, True),
    "10,000 managers: memory of one": ("value", 12, True),
    "library, stripped": ("value", 3.2e6, True),
}


def read(path):
    """The figures and the engines in the order of the file, and the values by both."""
    figures, engines, values = {}, {}, {}
    with open(path) as lines:
        for line in lines:
            figure, engine, value, unit = line.rstrip("\n").split("\t")
            figures[figure] = unit
            engines[engine] = None
            values[figure, engine] = float(value)
    return figures, list(engines), values


def number(value):
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}" if value < 1 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def goal_cells(figure, value, ratio):
    """What is aimed at, and whether this run reached it."""
    if figure not in GOALS:
        return "", ""
    bounded, bound, smaller = GOALS[figure]
    goal = ("≤ " if smaller else "≥ ") + number(bound) + (" ×" if bounded == "ratio" else "")
    reached = ratio if bounded == "ratio" else value
    if reached is None:
        return goal, ""
    return goal, "met" if (reached <= bound if smaller else reached >= bound) else "MISSED"


def rows(figures, engines, values):
    yield ["figure", "unit", "goal", *engines, f"ratio to {BASE}", ""]
    for figure, unit in figures.items():
        ours, base = values.get((figure, OURS)), values.get((figure, BASE))
        ratio = ours / base if ours is not None and base else None
        goal, mark = goal_cells(figure, ours, ratio)
        cells = [number(values[figure, engine]) if (figure, engine) in values else "–" for engine in engines]
        yield [figure, unit, goal, *cells, "–" if ratio is None else f"{ratio:.2f}", mark]


def main():
    table = list(rows(*read(sys.argv[1])))
    widths = [max(map(len, column)) for column in zip(*table)]
    for row in table:
        first, *rest, mark = row
        cells = [first.ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(rest, widths[1:])), mark]
        print("  ".join(cells).rstrip())


if __name__ == "__main__":
    main()
