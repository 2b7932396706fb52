"""Curves drawn with characters."""

from __future__ import annotations

from collections.abc import Sequence

import plotext
from rich.text import Text

# A screen is some hundred columns wide.
WIDTH, HEIGHT = 100, 18

Curve = tuple[str, Sequence[tuple[float, float]], str]


def drawn(title: str, curves: Sequence[Curve]) -> Text:
    """Curves of (x, y) with their names and markers, drawn with characters; one without points is left out."""
    figure = plotext.figure
    figure.clear()
    figure.plot_size(WIDTH, HEIGHT)
    figure.theme("simple")
    for label, points, marker in curves:
        if points:
            curve = figure.signal([x for x, _ in points], [y for _, y in points], marker=marker)
            curve.lines(True)
            curve.label(label)
            figure.draw(curve)
    figure.title(title)
    return Text.from_ansi(str(figure.build()), no_wrap=True)
