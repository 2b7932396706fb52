"""`intertie dispatch show`: dispatches with a partner; one of them as it went, beside its telemetry."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Annotated

from cyclopts import Parameter
from rich.console import Console
from rich.text import Text

from intertie.cli._plot import drawn
from intertie.cli._shared import HERE, Dir, Json, PartyOption, print_json, print_table, when
from intertie.cli._trade import desk_with
from intertie.gateway.trading.trade_desk import Desk
from intertie.market.dispatch_state import Dispatch, view
from intertie.market.telemetry import Row, track
from intertie.model.errors import SettingsError

Await = Annotated[float, Parameter(name="--wait", help="Seconds to wait until it, or any, is there.")]
COLUMNS = ("dispatch", "state", "now", "point", "from", "to", "answer_due", "answered", "why")
TRACKED = ("from", "asked_kw", "owed_kw", "measured_kw")


def show(
    partner: PartyOption, dispatch: str = "", /, *, wait: Await = 0.0, dir: Dir = HERE, json: Json = False
) -> None:
    """List dispatches with a partner; with the name of one, what was asked, owed and measured, as a table and a plot.

    Example:

        intertie dispatch show aggregator.example
        intertie dispatch show aggregator.example D-20260701T1600Z-1

    Parameters
    ----------
    partner
        The other side.
    dispatch
        Its name (default: list all).
    """
    with desk_with(dir, partner, wait=wait, ready=partial(_there, dispatch)) as (_, desk):
        now, book = desk.now, desk.book
    if not dispatch:
        lines = [line(one, now) for one in book.dispatches.values()]
        if json:
            print_json({"dispatches": [dict(zip(COLUMNS, one, strict=True)) for one in lines]})
        else:
            print_table("Dispatches", COLUMNS, lines, empty="No dispatch.")
        return
    known = book.dispatches.get(dispatch)
    if known is None:
        raise SettingsError(f"no dispatch {dispatch} with {partner}", do="List them without a name.")
    went = track(known, now)
    rows = [tracked(row) for row in went.rows]
    if json:
        said = dict(zip(COLUMNS, line(known, now), strict=True))
        print_json(
            {**said, "followed": went.followed, "rows": [dict(zip(TRACKED, r, strict=True)) for r in rows]}
        )
        return
    print_table(f"Dispatch {dispatch}: {known.state}", TRACKED, rows, empty="Nothing is known of it.")
    Console().print(plot(went.rows))
    if went.followed is not None:
        print(f"Measured of what was owed: {went.followed:.1%}")


def _there(dispatch: str, desk: Desk) -> bool:
    known = desk.book.dispatches
    return dispatch in known if dispatch else bool(known)


def line(one: Dispatch, now: datetime) -> list[str]:
    """A row of COLUMNS."""
    body = one.instruction
    window = when(body.window.start), when(body.window.end)
    answered = when(body.respond_by), when(one.answered)
    return [body.dispatch, one.state, view(one, now), body.point, *window, *answered, one.reason or ""]


def tracked(row: Row) -> list[str]:
    """A row of TRACKED; blank where nothing is known."""
    values = (row.asked_kw, row.owed_kw, row.measured_kw)
    return [when(row.start), *("" if value is None else f"{value:.3f}" for value in values)]


def plot(rows: Sequence[Row]) -> Text:
    """The three curves over the hours of UTC, drawn with characters."""
    first = rows[0].start
    curves = []
    for label, values, marker in (
        ("asked", [row.asked_kw for row in rows], "─"),
        ("owed", [row.owed_kw for row in rows], "dot"),
        ("measured", [row.measured_kw for row in rows], "hd"),
    ):
        known = [
            ((row.start - first).total_seconds() / 3600, float(kw))
            for row, kw in zip(rows, values, strict=True)
            if kw is not None
        ]
        curves.append((label, known, marker))
    return drawn(f"kW, by hours from {when(first)}", curves)
