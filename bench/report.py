"""Rows as tables and plots for people, and as JSON for programs."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import msgspec
import plotext
from rich.bar import Bar
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from bench.machine import Machine
from bench.measure import PRIMITIVES, Row, Scale

# Fits a terminal of the old size.
PLOT_WIDTH, PLOT_HEIGHT = 80, 20
BAR_WIDTH = 40
# One for each curve of a plot.
MARKERS = "•×+○*"


def show(console: Console, title: str, rows: Sequence[Row]) -> None:
    """A part: its table, and what of it is better seen."""
    console.print(table(title, rows))
    console.print(plot(rows))


def table(title: str, rows: Sequence[Row]) -> Table:
    """A line for each subject and number of messages. For each act µs a message, and how many times what the primitives
    took in the same runs; the same for what else it is compared with."""
    columns = _columns(rows)
    made = Table(title=title, title_justify="left", header_style="bold", pad_edge=False)
    made.add_column("")
    many = any(row.messages > 1 for row in rows)
    if many:
        made.add_column("messages", justify="right")
    for act, other in columns:
        made.add_column(f"× {other}" if other else act, justify="right")
    cells = {(row.subject, row.messages, row.act): row for row in rows}
    last = ""
    for subject, messages in dict.fromkeys((row.subject, row.messages) for row in rows):
        line = [_cell(cells.get((subject, messages, act)), other) for act, other in columns]
        if many and last and subject != last:
            made.add_section()
        made.add_row(subject if subject != last else "", *([str(messages)] if many else []), *line)
        last = subject
    return made


def _columns(rows: Iterable[Row]) -> list[tuple[str, str]]:
    """Each act, and after it each thing but the primitives that it is compared with."""
    found: dict[str, dict[str, None]] = {}
    for row in rows:
        found.setdefault(row.act, {"": None}).update(dict.fromkeys(row.against))
    return [(act, other) for act, others in found.items() for other in others if other != PRIMITIVES]


def _cell(row: Row | None, other: str) -> str:
    if row is None or (other and other not in row.against):
        return ""
    if other:
        return f"×{row.against[other].ratio.median:.2f}"
    return f"{number(row.us.median)}  ×{row.against[PRIMITIVES].ratio.median:.2f}"


def number(us: float) -> str:
    """Three digits that mean something."""
    return f"{us:,.0f}" if us >= 100 else f"{us:.1f}" if us >= 10 else f"{us:.2f}"


def plot(rows: Sequence[Row]) -> RenderableType:
    """All acts of a subject together: over the number of messages where it varies, else as bars."""
    sums: dict[str, dict[int, list[float]]] = {}
    for row in rows:
        pair = sums.setdefault(row.subject, {}).setdefault(row.messages, [0.0, 0.0])
        pair[0] += row.us.median
        pair[1] += row.against[PRIMITIVES].us.median
    if any(len(by_count) > 1 for by_count in sums.values()):
        return _curves({subject: {n: us for n, (us, _) in by.items()} for subject, by in sums.items()})
    return _bars({subject: next(iter(by.values())) for subject, by in sums.items()})


def _curves(sums: dict[str, dict[int, float]]) -> Group:
    """Both axes by powers of ten."""
    figure = plotext.figure
    figure.clear()
    figure.plot_size(PLOT_WIDTH, PLOT_HEIGHT)
    figure.theme("simple")
    figure.legend(False)
    for marker, by_count in zip(MARKERS, sums.values(), strict=False):
        x = [math.log10(messages) for messages in by_count]
        curve = figure.signal(x, [math.log10(us) for us in by_count.values()], marker=marker)
        curve.lines(True)
        figure.draw(curve)
    counts = sorted({messages for by_count in sums.values() for messages in by_count})
    values = [us for by_count in sums.values() for us in by_count.values()]
    powers = range(math.floor(math.log10(min(values))), math.ceil(math.log10(max(values))) + 1)
    figure.ruler("x").ticks([math.log10(count) for count in counts], [str(count) for count in counts])
    figure.ruler("y").ticks(list(powers), [f"{10.0**power:,g}" for power in powers])
    figure.title("All acts together: µs a message, by messages")
    legend = "   ".join(f"{marker} {subject}" for marker, subject in zip(MARKERS, sums, strict=False))
    return Group(Text.from_ansi(str(figure.build()), no_wrap=True), Text(f"        {legend}\n"))


def _bars(sums: dict[str, list[float]]) -> Group:
    """What is ours, and under it what of it the primitives are."""
    most = max(value for pair in sums.values() for value in pair)
    grid = Table.grid(padding=(0, 1))
    for subject, (us, primitives) in sums.items():
        grid.add_row(
            subject, Bar(most, 0, us, width=BAR_WIDTH), f"{us / 1000:.2f} ms, {1e6 / us:,.0f} a second"
        )
        grid.add_row(
            "",
            Bar(most, 0, primitives, width=BAR_WIDTH, color="bright_black"),
            f"{primitives / 1000:.2f} ms primitives",
        )
    return Group(grid, "")


def as_json(machine: Machine, scale: Scale, rows: Sequence[Row]) -> bytes:
    """The machine, how long was measured, and every row with its spread, in microseconds a message."""
    found = {"machine": machine._asdict(), "scale": scale._asdict(), "rows": rows}
    return msgspec.json.format(msgspec.json.encode(found), indent=1) + b"\n"
