"""Which readings make two statements differ: intervals of event days that both statements show, and older revisions, held here,
that explain the other side's numbers."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import NamedTuple

from intertie.gateway.metering.readings import Readings
from intertie.gateway.metering.readings_ports import Wanted
from intertie.gateway.settlement.settle import Compared
from intertie.gateway.settlement.settle_inputs import Held
from intertie.market.statement import Call, settle_event
from intertie.model.billing import DifferingInput
from intertie.model.ids import MeterId
from intertie.model.interval import IntervalSeries
from intertie.model.settlement import EventPerformance, MeterPerformance

WATT_HOUR = Decimal("0.001")
# Of one comparison. More than a page of readings that differ is one cause, found elsewhere.
NAMED_MAX = 200
COLUMNS = ("meter", "channel", "day", "revision", "power_of_ten", "values", "source")


class Older(NamedTuple):
    """A revision of a meter's day that is not the newest."""

    meter: MeterId
    day: date
    revision: int
    newest: int
    watt_hours: tuple[int | None, ...]
    source: str


def differing_readings(readings: Readings, found: Compared) -> list[DifferingInput]:
    """The readings that the other side must hold differently, as far as its statement and our older revisions show."""
    theirs = {event.dispatch: event for event in found.theirs.events}
    named: list[DifferingInput] = []
    for ours in found.ours.events:
        other = theirs.get(ours.dispatch)
        if other is not None:
            named += _intervals(ours, other)
            named += _revisions(readings, found, ours, other)
    return named[:NAMED_MAX]


def _intervals(ours: EventPerformance, theirs: EventPerformance) -> Iterator[DifferingInput]:
    """Metered values of the event itself stand in both statements."""
    mine = {part.meter: part for part in ours.meters}
    for other in theirs.meters:
        part = mine.get(other.meter)
        if part is None:
            continue
        for place, (here, there) in enumerate(
            zip(_kwh(part.actual_kwh), _kwh(other.actual_kwh), strict=False)
        ):
            if here != there:
                at = part.actual_kwh.start + part.actual_kwh.step * place
                name = f"{other.meter}/{at:%Y-%m-%dT%H:%MZ}"
                yield DifferingInput(input=name, theirs=_shown(there), ours=_shown(here))


def _revisions(
    readings: Readings, found: Compared, ours: EventPerformance, theirs: EventPerformance
) -> Iterator[DifferingInput]:
    """Baselines rest on days that a statement only names: an older revision, put in the place of the newer, must give theirs."""
    call = next((one for one in found.held.calls if one.instruction.dispatch == ours.dispatch), None)
    mine = {part.meter: part for part in ours.meters}
    wrong = [part for part in theirs.meters if part.meter in mine and not _same(part, mine[part.meter])]
    if call is None or not wrong:
        return
    for part in wrong:
        for older in older_revisions(readings, found.held, part.meter):
            if _same(part, _with(found, call, older)):
                yield DifferingInput(
                    input=f"{older.meter}/{older.day}",
                    theirs=f"revision {older.revision}, {older.source}",
                    ours=f"revision {older.newest}",
                )
                break


def _with(found: Compared, call: Call, older: Older) -> MeterPerformance | None:
    """The meter's part of an event as it would be with this older revision."""
    book = found.held.book
    loads = {**book.readings[older.meter], older.day: older.watt_hours}
    event = settle_event(book._replace(readings={**book.readings, older.meter: loads}), call)
    return next((part for part in event.meters if part.meter == older.meter), None)


def older_revisions(readings: Readings, held: Held, meter: MeterId) -> list[Older]:
    """Revisions of a meter's days that newer ones replaced; of one channel, as most meters have."""
    first = min(held.book.readings.get(meter, {}), default=held.period.first)
    wanted = Wanted(first=first, last=held.period.last, meters=[meter])
    rows = [row for table in readings.store.tables(wanted, COLUMNS) for row in table.to_pylist()]
    newest: dict[date, int] = {}
    for row in rows:
        if row["meter"] == meter:
            newest[row["day"]] = max(newest.get(row["day"], 0), row["revision"])
    return [
        Older(
            meter,
            row["day"],
            row["revision"],
            newest[row["day"]],
            tuple(_watt_hours(value, row["power_of_ten"]) for value in row["values"]),
            row["source"],
        )
        for row in rows
        if row["meter"] == meter and row["revision"] < newest[row["day"]]
    ]


def _watt_hours(value: int | None, power: int) -> int | None:
    """Of a value in kWh times ten to a power; finer ones do not come this far (the block refuses them)."""
    if value is None:
        return None
    exact: int = value * 10 ** (power + 3) if power >= -3 else value // 10 ** (-3 - power)
    return exact


def _same(theirs: MeterPerformance, ours: MeterPerformance | None) -> bool:
    return (
        ours is not None
        and _kwh(theirs.baseline_kwh) == _kwh(ours.baseline_kwh)
        and _kwh(theirs.actual_kwh) == _kwh(ours.actual_kwh)
    )


def _kwh(series: IntervalSeries) -> list[Decimal | None]:
    return [series.quantity(place) for place in range(len(series.values))]


def _shown(kwh: Decimal | None) -> str:
    return (
        "no reading"
        if kwh is None
        else f"{kwh.quantize(WATT_HOUR) if kwh == kwh.quantize(WATT_HOUR) else kwh:f} kWh"
    )
