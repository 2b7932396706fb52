"""`intertie registration show`: aggregations, and how each DER stands."""

from __future__ import annotations

from datetime import datetime

from intertie.cli._shared import HERE, Dir, Json, PartyOption, print_json, print_table, when
from intertie.cli._trade import desk_with
from intertie.gateway.trading import trade_registration as act
from intertie.gateway.trading.trade_desk import Desk
from intertie.market.registry import Aggregation, Standing, waiting
from intertie.model.errors import SettingsError
from intertie.model.ids import AggregationId

ALL = ("aggregation", "revision", "services", "from", "until", "ders", "waiting", "kw")
DERS = (
    "der",
    "state",
    "nameplate_kw",
    "accepted_kw",
    "able_kw",
    "point",
    "from",
    "until",
    "why",
    "suspended",
)
HISTORY = ("at", "by", "what", "ders", "from", "revision")


def show(
    partner: PartyOption,
    aggregation: AggregationId | None = None,
    /,
    *,
    history: bool = False,
    dir: Dir = HERE,
    json: Json = False,
) -> None:
    """Show what is registered with a partner; with a name, each DER: what was said of it, and what it can do now.

    Example:

        intertie registration show utility.example
        intertie registration show utility.example AGG-NORTH --history

    Parameters
    ----------
    partner
        The other side.
    aggregation
        Its name (default: all, without their DERs).
    history
        Print who said what, and when.
    """
    with desk_with(dir, partner) as (_, desk):
        if aggregation is None:
            _all(desk, json=json)
            return
        found = desk.book.registry.get(aggregation)
    if found is None:
        raise SettingsError(f"no aggregation {aggregation} with {partner}", do="List them without a name.")
    _one(desk, found, history=history, json=json)


def _all(desk: Desk, *, json: bool) -> None:
    left = [one.aggregation for one in waiting(desk.book.registry, desk.now)]
    rows = [_row(one, desk.now, left.count(name)) for name, one in desk.book.registry.items()]
    if json:
        print_json({"aggregations": [dict(zip(ALL, row, strict=True)) for row in rows]})
    else:
        print_table(f"Registered with {desk.partner}", ALL, rows, empty="No aggregation is registered.")


def _row(one: Aggregation, now: datetime, left: int) -> list[object]:
    counting = one.counting(now)
    kw = sum(version.kw for version in counting.values())
    span = when(one.effective), when(one.ends)
    return [one.name, one.revision, " ".join(one.services), *span, len(counting), left, str(kw)]


def _one(desk: Desk, one: Aggregation, *, history: bool, json: bool) -> None:
    due = {each.der: each for each in waiting({one.name: one}, desk.now)}
    rows: list[list[object]] = []
    for line in act.lines_of(one, desk.now):
        version, why = line.newest, line.newest.reason or ""
        if line.der in due:
            late = "overdue since" if due[line.der].overdue else "decision due by"
            why = f"{late} {when(due[line.der].due)}"
        accepted = version.kw if version.standing is Standing.ACCEPTED else ""
        plate, point = version.der.nameplate_kw, version.der.point
        span = when(version.starts or version.effective), when(version.ends)
        detail = f"{why} {version.detail}".strip()
        state = version.standing.value
        rows.append(
            [line.der, state, str(plate), str(accepted), str(line.kw), point, *span, detail, line.suspension]
        )
    past = [
        [when(note.at), note.by, note.what, " ".join(note.ders), when(note.effective), note.revision]
        for note in one.history
    ]
    if json:
        said = {"aggregation": one.name, "revision": one.revision}
        ders = [dict(zip(DERS, row, strict=True)) for row in rows]
        print_json({**said, "ders": ders, "history": [dict(zip(HISTORY, row, strict=True)) for row in past]})
        return
    print_table(f"{one.name}, revision {one.revision}", DERS, rows, empty="It has no DER.")
    if history:
        print_table("History", HISTORY, past, empty="")
