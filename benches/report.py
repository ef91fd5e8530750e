"""Renders results.tsv, figure<TAB>engine<TAB>value<TAB>unit lines, as one table on stdout.

A goal is a bound on our own value or on its ratio to libcurl in the same run. It is marked, never asserted:
times differ between machines.
"""

import sys

OURS, BASE = "ours", "libcurl"

# figure: (what is bounded, the goal, smaller is better)
GOALS = {
    "http, one core: median": ("ratio", 0.80, True),
    "https, one core: median": ("ratio", 0.80, True),
    "8 threads: requests/s": ("ratio", 1.3, False),
    "instructions a request": ("value", 60_000, True),
    "cold, http: median": ("value", 0.9, True),
    "cold, https: median": ("value", 2.0, True),
    "token copy, 1 thr: CPU": ("value", 30, True),
    "token copy, 2 thr: CPU": ("value", 30, True),
    "token copy, 4 thr: CPU": ("value", 30, True),
    "token copy, 8 thr: CPU": ("value", 30, True),
    "library, stripped": ("value", 2.5e6, True),
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


main()
