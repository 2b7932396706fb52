"""`intertie readings plot`: days of a meter as a curve, with what would be taken for what is missing."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from fractions import Fraction
from typing import Annotated

import plotext
from cyclopts import Parameter
from rich.console import Console
from rich.text import Text

from intertie.cli._readings import Judged, judged
from intertie.cli._shared import HERE, Dir
from intertie.market.vee import in_time
from intertie.model.metering import Channel
from intertie.run import opened

WIDTH, HEIGHT = 100, 20
# More points than a plot has columns twice over only cost time.
POINTS_MAX = 2_000


def plot(
    meter: str,
    /,
    *,
    first: Annotated[date | None, Parameter(name="--from", help="From this local day.")] = None,
    last: Annotated[date | None, Parameter(name="--to", help="Up to this local day, with it.")] = None,
    channel: Annotated[Channel, Parameter(help="Which way energy flows.")] = Channel.IMPORT,
    minutes: Annotated[int, Parameter(help="Length of an interval.")] = 15,
    dir: Dir = HERE,
) -> None:
    """Plot the days of a meter (default: its last seven): kW by interval, and estimates where readings are missing."""
    with opened(dir) as it:
        it.store.unlock()
        found = judged(it, meter, first, last, channel, minutes)
    Console().print(drawn(found, f"{meter}, {channel}: kW by days from {found.block.first}"))


def drawn(judged_days: Judged, title: str) -> Text:
    """The curve of readings, and the points that were estimated."""
    figure = plotext.figure
    figure.clear()
    figure.plot_size(WIDTH, HEIGHT)
    figure.theme("simple")
    for label, marker, points in (
        ("read", "hd", list(_points(judged_days, estimated=False))),
        ("estimated", "•", list(_points(judged_days, estimated=True))),
    ):
        if points:
            curve = figure.signal([at for at, _ in points], [kw for _, kw in points], marker=marker)
            curve.label(label)
            figure.draw(curve)
    figure.title(title)
    return Text.from_ansi(str(figure.build()), no_wrap=True)


def _points(judged_days: Judged, *, estimated: bool) -> Iterator[tuple[float, float]]:
    """Days since the first, in true time, and mean power."""
    block, found = judged_days
    day, slot = in_time(block)
    source = found.estimated if estimated else block
    shown = (found.interpolated | found.from_like_days) if estimated else block.present
    kw = float(Fraction(10) ** block.power_of_ten * 60 / block.step_minutes)
    every = max(1, len(day) // POINTS_MAX)
    for number in range(0, len(day), every):
        here = (0, day[number], slot[number])
        if shown[here]:
            yield number * block.step_minutes / 1440, int(source.values[here]) * kw
