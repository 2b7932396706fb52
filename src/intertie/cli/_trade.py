"""What the commands of the trade share."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import plotext
from cyclopts import Parameter
from rich.text import Text

from intertie.cli._receipts import wait_for
from intertie.cli._shared import PartyOption, print_json
from intertie.exchange.outbound import DELIVERED
from intertie.gateway.trade_desk import Desk
from intertie.model.ids import AgreementId, MessageId, PartyId
from intertie.run import Opened, opened

PartnerOption = Annotated[PartyOption, Parameter(help="The partner.")]
Under = Annotated[
    AgreementId | None, Parameter(name="--agreement", help="Default: the only one in force with the partner.")
]
Wait = Annotated[
    float, Parameter(name="--wait", help="Seconds to wait for the receipt; 1 is the exit if there is none.")
]
# Of a plot, in characters: a screen is some hundred columns wide.
WIDTH, HEIGHT = 100, 18


@contextlib.contextmanager
def desk_with(
    dir: Path, partner: PartyId, agreement: AgreementId | None = None
) -> Iterator[tuple[Opened, Desk]]:
    """The gateway of a directory, opened, and the trade with a partner."""
    with opened(dir) as it:
        yield it, Desk(it.gateway, partner, it.clock(), agreement)


def told(it: Opened, messages: Sequence[MessageId], wait: float, *, json: bool) -> int:
    """Print what was queued, and what became of it if there is a wait; the exit code."""
    found = wait_for(it.gateway.store, messages, wait)
    states = {id: row.state for id, row in found.items()}
    if json:
        print_json({"messages": [{"id": id, "state": states[id].value} for id in messages]})
    for id in () if json else messages:
        why = f": {found[id].detail}" if found[id].detail else ""
        print(f"{id} {states[id]}{why}" if wait > 0 else f"Queued as {id}.")
    return int(wait > 0 and any(state not in DELIVERED for state in states.values()))


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
