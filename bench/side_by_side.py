"""The rows of all systems as one table and one plot."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import plotext
from rich.console import Console
from rich.table import Table
from rich.text import Text

Row = dict[str, Any]
# In the order, and with the names, of bench/results.json.
COLUMNS = (
    "system",
    "protection",
    "store",
    "size",
    "callers",
    "backlog",
    "msgs_per_s",
    "p50_ms",
    "p95_ms",
    "p99_ms",
    "cpu_us_per_msg",
    "rss_mb",
)
OURS = {"intertie", "floor"}
HEADINGS = dict(zip(COLUMNS[6:], ("msg/s", "p50 ms", "p95", "p99", "CPU µs", "MB"), strict=True))
PLOT_WIDTH, LABEL_WIDTH = 100, 46


def show(console: Console, rows: Sequence[Row], title: str) -> None:
    """The table, and the speeds of it."""
    console.print(table(rows, title))
    console.print(
        "×: times the best peer's msg/s with messages of this size, however many callers that had.\n"
    )
    console.print(plot([row for row in rows if row["size"] == min(row["size"] for row in rows)]))


def table(rows: Sequence[Row], title: str) -> Table:
    """A line for each row; systems in the order in which they came."""
    made = Table(title=title, title_justify="left", header_style="bold", pad_edge=False)
    for name in ("", "protection", "store", "KB"):
        made.add_column(name, justify="right" if name == "KB" else "left")
    for name in ("callers", *HEADINGS.values(), "×"):
        made.add_column(name, justify="right")
    last = ""
    for row in rows:
        if last and row["system"] != last:
            made.add_section()
        last = row["system"]
        made.add_row(*_cells(row), _times(row, rows))
    return made


def _cells(row: Row) -> list[str]:
    figures = ["" if row[name] is None else number(row[name]) for name in HEADINGS]
    return [
        *(row[name] for name in ("system", "protection", "store")),
        f"{row['size'] / 1000:g}",
        how(row),
        *figures,
    ]


def how(row: Row) -> str:
    """How messages came."""
    return f"backlog {row['backlog']:,}" if row["backlog"] else str(row["callers"])


def number(value: float) -> str:
    """Three digits that mean something."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def best_peer(rows: Sequence[Row], size: int) -> float | None:
    """The most messages a second of any peer, with messages of this size; None if none was measured."""
    speeds = [row["msgs_per_s"] for row in rows if row["size"] == size and row["system"] not in OURS]
    return max(speeds, default=None)


def _times(row: Row, rows: Sequence[Row]) -> str:
    best = best_peer(rows, row["size"])
    return "" if best is None or row["system"] not in OURS else number(row["msgs_per_s"] / best)


def plot(rows: Sequence[Row]) -> Text:
    """Messages a second, by powers of ten: an axis that shows both ends."""
    figure = plotext.figure
    figure.clear()
    figure.plot_size(PLOT_WIDTH, len(rows) + 5)
    figure.theme("simple")
    figure.legend(False)
    places = list(range(len(rows), 0, -1))
    speeds = [math.log10(max(row["msgs_per_s"], 1)) for row in rows]
    for place, speed in zip(places, speeds, strict=True):
        line = figure.signal([0, speed], [place, place], marker="•")
        line.lines(True)
        figure.draw(line)
    names = [
        f"{row['system']} {row['protection'].split(',')[-1].strip()} {row['store']} {how(row)}"
        for row in rows
    ]
    figure.ruler("y").ticks(places, [name[:LABEL_WIDTH] for name in names])
    powers = range(math.ceil(max(speeds)) + 1)
    figure.ruler("x").ticks(list(powers), [f"{10**power:,}" for power in powers])
    figure.title("Messages a second, each with its receipt or answer")
    return Text.from_ansi(str(figure.build()), no_wrap=True)
