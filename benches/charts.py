"""Charts as SVG, with nothing but the standard library. Each has a background of its own and two sets of colours, so that
it can be read in a light page and in a dark one."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

WIDTH = 760
STYLE = """
text { font: 13px system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; fill: #1f2328 }
.title { font-size: 17px; font-weight: 600 }
.panel { font-size: 14px; font-weight: 600 }
.muted { fill: #59636e; font-size: 12px }
.strong { font-weight: 600 }
.card { fill: #ffffff; stroke: #d1d9e0 }
.grid { stroke: #e4e8ec }
.axis { stroke: #818b98 }
.gap { stroke: #ffffff; stroke-width: 3 }
.hint { stroke: #818b98; stroke-dasharray: 4 4 }
.bar-0 { fill: #0969da } .bar-1 { fill: #80b3f0 }
.peer-0 { fill: #6e7781 } .peer-1 { fill: #b6bec7 }
.line { fill: none; stroke-width: 2.5; stroke-linejoin: round }
.s0 { stroke: #0969da } .s1 { stroke: #bc4c00 } .s2 { stroke: #818b98 } .s3 { stroke: #8250df }
.d0 { fill: #0969da } .d1 { fill: #bc4c00 } .d2 { fill: #818b98 } .d3 { fill: #8250df }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3 }
.muted { fill: #9198a1 }
.card { fill: #0d1117; stroke: #30363d }
.grid { stroke: #21262d }
.axis { stroke: #6e7681 }
.gap { stroke: #0d1117 }
.hint { stroke: #6e7681 }
.bar-0 { fill: #4493f8 } .bar-1 { fill: #1f4f91 }
.peer-0 { fill: #8b949e } .peer-1 { fill: #444c56 }
.s0 { stroke: #4493f8 } .s1 { stroke: #f0883e } .s2 { stroke: #8b949e } .s3 { stroke: #ab7df8 }
.d0 { fill: #4493f8 } .d1 { fill: #f0883e } .d2 { fill: #8b949e } .d3 { fill: #ab7df8 }
}
"""


class Drawing:
    """What is drawn so far, from the top down."""

    def __init__(self, title: str, subtitle: str) -> None:
        self.parts: list[str] = []
        self.description = f"{title}. {subtitle}"
        self.text(24, 34, title, "title")
        self.text(24, 55, subtitle, "muted")

    def text(self, x: float, y: float, words: str, kind: str = "", anchor: str = "start", more: str = "") -> None:
        self.parts.append(
            f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}" text-anchor="{anchor}"{more}>{escape(words)}</text>'
        )

    def line(self, x1: float, y1: float, x2: float, y2: float, kind: str) -> None:
        self.parts.append(f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{kind}"/>')

    def bar(self, x: float, y: float, width: float, height: float, kind: str) -> None:
        self.parts.append(
            f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(width, 1):.1f}" height="{height:.1f}" rx="2" class="{kind}"/>'
        )

    def curve(self, points: Sequence[tuple[float, float]], kind: str) -> None:
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        self.parts.append(f'<polyline points="{path}" class="line {kind}"/>')

    def dot(self, x: float, y: float, kind: str) -> None:
        self.parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" class="{kind}"/>')

    def svg(self, height: float) -> str:
        label = escape(self.description, quote=True)
        return "\n".join([
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" width="{WIDTH}" '
            f'height="{height:.0f}" role="img" aria-label="{label}">',
            f"<style>{STYLE}</style>",
            f'<rect x="0.5" y="0.5" width="{WIDTH - 1}" height="{height - 1:.0f}" rx="8" class="card"/>',
            *self.parts,
            "</svg>\n",
        ])


def readable(value: float) -> str:
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 100 else f"{value:.0f}"


def ticks(most: float, number: int = 5) -> list[float]:
    """Round numbers from 0 to `most`, about so many."""
    rough = most / number
    power = 10 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough)
    return [step * i for i in range(int(most / step + 1e-9) + 1)]


def plain(value: float) -> str:
    return f"{value:,.0f}" if value >= 1 or value == 0 else f"{value:g}"


# ---- bars ----


@dataclass
class Panel:
    """Bars on one axis: for each label one value a series, or None where there is none. The label `ours` stands out."""

    title: str
    rows: list[tuple[str, list[float | None]]]
    ours: str


def bars(title: str, subtitle: str, series: list[str], panels: list[Panel], unit: str, cut: bool = False) -> str:
    """Horizontal bars. `cut`: a bar more than 4 times as long as the next is broken off, so that the others can be told
    apart."""
    drawing = Drawing(title, subtitle)
    left, right, thick = 158, WIDTH - 96, 13
    if len(series) > 1:
        legend(drawing, series)
    y = 78.0
    for panel in panels:
        values = sorted(value for _, row in panel.rows for value in row if value is not None)
        while cut and len(values) > 1 and values[-1] > 4 * values[-2]:
            values.pop()
        most = values[-1] * 1.02

        def at(value: float, most: float = most) -> float:
            return left + (right - left) * value / most

        if panel.title:
            drawing.text(24, y + 12, panel.title, "panel")
            y += 24
        top, bottom = y, y + sum(len(row) * thick + 12 for _, row in present(panel))
        for tick in ticks(most):
            drawing.line(at(tick), top, at(tick), bottom, "axis" if tick == 0 else "grid")
            drawing.text(at(tick), bottom + 16, plain(tick), "muted", "middle")
        drawing.text(WIDTH - 24, bottom + 16, unit, "muted", "end")
        for label, row in present(panel):
            ours = label == panel.ours
            drawing.text(left - 10, y + 6 + len(row) * thick / 2 + 4.5, label, "strong" if ours else "", "end")
            y += 6
            for index, value in row:
                end = min(at(value), right + 8)
                drawing.bar(left, y + 1, end - left, thick - 2, f"{'bar' if ours else 'peer'}-{index}")
                if end < at(value):
                    drawing.line(end - 16, y + thick + 1, end - 10, y - 1, "gap")
                drawing.text(end + 6, y + thick - 2.5, readable(value), "strong" if ours else "")
                y += thick
            y += 6
        y = bottom + 40
    return drawing.svg(y - 8)


def present(panel: Panel) -> list[tuple[str, list[tuple[int, float]]]]:
    """The rows without what is missing: the number of the series and the value of each bar."""
    return [
        (label, [(index, value) for index, value in enumerate(row) if value is not None]) for label, row in panel.rows
    ]


def legend(drawing: Drawing, series: list[str]) -> None:
    """On the right of the title, in the colours of our own bars and of the others'."""
    x = WIDTH - 24.0 - sum(52 + 7.2 * len(name) for name in series)
    for index, name in enumerate(series):
        drawing.bar(x, 24, 12, 12, f"bar-{index}")
        drawing.bar(x + 14, 24, 12, 12, f"peer-{index}")
        drawing.text(x + 32, 34.5, name)
        x += 52 + 7.2 * len(name)


# ---- lines ----


@dataclass
class Axis:
    """What it is called, its ticks with their words, and how a value maps to it: to 0 at its beginning, 1 at its end."""

    name: str
    ticks: list[tuple[float, str]]
    share: Callable[[float], float]


def linear(name: str, most: float, word: Callable[[float], str] = plain) -> Axis:
    marks = ticks(most)
    end = marks[-1] if marks[-1] >= most else marks[-1] + marks[1]
    return Axis(name, [(tick, word(tick)) for tick in [*marks, *({end} - set(marks))]], lambda value: value / end)


def evenly(name: str, values: list[float]) -> Axis:
    """The values at equal distances."""
    return Axis(name, [(value, plain(value)) for value in values], lambda value: values.index(value) / (len(values) - 1))


def logarithmic(name: str, marks: list[tuple[float, str]], least: float, most: float) -> Axis:
    span = math.log(most / least)
    return Axis(name, marks, lambda value: math.log(min(max(value, least), most) / least) / span)


def lines(
    title: str,
    subtitle: str,
    x_axis: Axis,
    y_axis: Axis,
    series: dict[str, list[tuple[float, float]]],
    dots: bool = True,
    hint: tuple[float, str] | None = None,
) -> str:
    """One line a series, its name at its end. `hint`: a value of the y axis that is worth a mark, and its words."""
    drawing = Drawing(title, subtitle)
    left, right, top, bottom = 74, WIDTH - 150, 96, 366

    def at(x: float, y: float) -> tuple[float, float]:
        return left + (right - left) * x_axis.share(x), bottom - (bottom - top) * y_axis.share(y)

    drawing.text(24, top - 16, y_axis.name, "muted")
    for value, word in y_axis.ticks:
        y = bottom - (bottom - top) * y_axis.share(value)
        drawing.line(left, y, right, y, "grid")
        drawing.text(left - 10, y + 4, word, "muted", "end")
    for value, word in x_axis.ticks:
        x = left + (right - left) * x_axis.share(value)
        drawing.line(x, bottom, x, bottom + 5, "axis")
        drawing.text(x, bottom + 20, word, "muted", "middle")
    drawing.line(left, bottom, right, bottom, "axis")
    drawing.text((left + right) / 2, bottom + 42, x_axis.name, "muted", "middle")
    if hint:
        y = bottom - (bottom - top) * y_axis.share(hint[0])
        drawing.line(left, y, right, y, "hint")
        drawing.text(left + 8, y - 6, hint[1], "muted")

    for number, points in reversed(list(enumerate(series.values()))):
        drawn = [at(*point) for point in points]
        drawing.curve(drawn, f"s{number}")
        for x, y in drawn if dots else drawn[-1:]:
            drawing.dot(x, y, f"d{number}")
    ends = [at(*points[-1]) for points in series.values()]
    for (name, number), y in spread({name: (number, ends[number][1]) for number, name in enumerate(series)}):
        drawing.text(max(x for x, _ in ends) + 12, y + 4.5, name, "strong" if number == 0 else "")
    return drawing.svg(bottom + 60)


def spread(labels: dict[str, tuple[int, float]], distance: float = 18) -> list[tuple[tuple[str, int], float]]:
    """The labels' heights, moved apart where two would overlap."""
    placed: list[tuple[tuple[str, int], float]] = []
    for name, (number, y) in sorted(labels.items(), key=lambda item: item[1][1]):
        if placed:
            y = max(y, placed[-1][1] + distance)
        placed.append(((name, number), y))
    return placed
