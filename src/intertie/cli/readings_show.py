"""`intertie readings show`: what there is; the days of a meter with what validation finds; the intervals of a day."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Annotated
from zoneinfo import ZoneInfo

from cyclopts import Parameter

from intertie.cli._readings import Judged, judged, show_summary, shown_kwh
from intertie.cli._shared import HERE, Dir, Json, print_json, print_table
from intertie.gateway.metering.readings import take_in
from intertie.market.blocks import layout
from intertie.model.interval import local_day
from intertie.model.metering import ESPI_QUALITY, Channel
from intertie.run.readings import opened_readings

DAYS = ("day", "revision", "kwh", "readings", "of", "estimated", "found", "source")
INTERVALS = ("starts", "kwh", "quality", "found", "estimate_kwh", "estimate")
QUALITIES = {code: quality.value for quality, code in ESPI_QUALITY.items()}


def show(
    meter: str = "",
    /,
    *,
    day: Annotated[date | None, Parameter(help="Only this local day, interval by interval.")] = None,
    first: Annotated[date | None, Parameter(name="--from", help="From this local day.")] = None,
    last: Annotated[date | None, Parameter(name="--to", help="Up to this local day, with it.")] = None,
    channel: Annotated[Channel, Parameter(help="Which way energy flows.")] = Channel.IMPORT,
    minutes: Annotated[int, Parameter(help="Length of an interval.")] = 15,
    dir: Dir = HERE,
    json: Json = False,
) -> None:
    """Show what there is; of a meter, its days with what validation finds; of a day, its intervals.

    A reading is shown as it came. What would be taken in its place stands beside it.
    """
    with opened_readings(dir) as it:
        it.store.unlock()
        if not meter:
            take_in(it.gateway, it.readings)
            summary = it.readings.store.summary()
            print_json(summary._asdict()) if json else show_summary(summary)
            return
        found = judged(it, meter, day or first, day or last, channel, minutes)
    columns, rows = (DAYS, days(found)) if day is None else (INTERVALS, intervals(found, day))
    if json:
        print_json({"meter": meter, "rows": [dict(zip(columns, row, strict=True)) for row in rows]})
    else:
        print_table(f"{meter}, {channel}, {found.block.zone}", columns, rows, empty="No days.")


def days(judged_days: Judged) -> list[Sequence[object]]:
    """A row of DAYS for each."""
    block, found = judged_days
    rows: list[Sequence[object]] = []
    for place, day in enumerate(block.days):
        source = int(block.source[0, place])
        filled = found.estimated.present[0, place] & (
            found.interpolated[0, place] | found.from_like_days[0, place]
        )
        named = {check: int(mask[0, place].sum()) for check, mask in found.found.items()}
        rows.append(
            (
                day,
                int(block.revision[0, place]) or "",
                shown_kwh(int(block.values[0, place].sum()), block.power_of_ten),
                int(block.present[0, place].sum()),
                len(layout(day, block.zone, block.step_minutes)),
                int(filled.sum()),
                ", ".join(f"{check} {count}" for check, count in named.items() if count),
                block.messages[source] if source >= 0 else "",
            )
        )
    return rows


def intervals(judged_days: Judged, day: date) -> list[Sequence[object]]:
    """A row of INTERVALS for each, by local time."""
    block, found = judged_days
    place = block.place_of(day) or 0
    rows: list[Sequence[object]] = []
    for number, slot in enumerate(layout(day, block.zone, block.step_minutes)):
        here = (0, place, slot)
        there = bool(block.present[here])
        made = bool(found.interpolated[here] or found.from_like_days[here])
        rows.append(
            (
                starts(block.zone, day, block.step_minutes, number).strftime("%H:%M %Z"),
                shown_kwh(int(block.values[here]), block.power_of_ten) if there else "",
                QUALITIES[int(block.quality[here])] if there else "",
                ", ".join(check for check, mask in found.found.items() if mask[here]),
                shown_kwh(int(found.estimated.values[here]), block.power_of_ten) if made else "",
                QUALITIES[int(found.estimated.quality[here])] if made else "",
            )
        )
    return rows


def starts(zone: str, day: date, minutes: int, number: int) -> datetime:
    """When an interval of a local day begins, in local time."""
    begun = local_day(day, zone).start + timedelta(minutes=minutes * number)
    return begun.astimezone(UTC).astimezone(ZoneInfo(zone))
