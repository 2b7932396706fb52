"""What the commands of `intertie readings` share."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from fractions import Fraction
from typing import NamedTuple

from intertie.cli._shared import print_pairs, print_table
from intertie.gateway.metering.readings import Readings, take_in
from intertie.gateway.metering.readings_block import load_block
from intertie.gateway.metering.readings_ports import Summary, Wanted
from intertie.market.blocks import Block
from intertie.market.reading_days import KEPT, SAID, Fault
from intertie.market.vee import Validated, VeeRules, nameplates, validate
from intertie.model.errors import SettingsError
from intertie.model.metering import Channel
from intertie.run.readings import ReadingsOpened

# What like days are looked for in, before the days that are asked for.
BEFORE = timedelta(days=35)
# A screen, and a plot, hold no more.
DAYS_MAX = 92


class Judged(NamedTuple):
    """Days of one meter as they were read, and what validation says of them."""

    block: Block
    found: Validated


def judged(
    it: ReadingsOpened, meter: str, first: date | None, last: date | None, channel: Channel, minutes: int
) -> Judged:
    """A meter's days from the first to the last (default: its last seven), and some before them for estimates. SettingsError
    if there are none."""
    take_in(it.gateway, it.readings)
    readings = it.readings
    there = days_of(readings, meter, channel)
    if not there:
        raise SettingsError(
            f"no {channel} readings of {meter}", do="`intertie readings show` lists what there is."
        )
    end = last or max(there)
    start = first or end - timedelta(days=6)
    if not 0 <= (end - start).days < DAYS_MAX:
        raise SettingsError(
            f"{start} to {end} is not between 1 and {DAYS_MAX} days", do="Ask for fewer days."
        )
    begin = start - BEFORE
    block = load_block(
        readings,
        [meter],
        begin,
        (end - begin).days + 1,
        channel=channel,
        step_minutes=minutes,
        power_of_ten=-6,
    )
    rules = VeeRules(signed=channel is Channel.NET)
    found = validate(block, rules, nameplates(block, it.meters))
    return Judged(*_from(block, found, (start - begin).days))


def _from(block: Block, found: Validated, day: int) -> tuple[Block, Validated]:
    """Without the days before one."""

    def cut(one: Block) -> Block:
        return one._replace(
            first=one.days[day],
            values=one.values[:, day:],
            present=one.present[:, day:],
            quality=one.quality[:, day:],
            revision=one.revision[:, day:],
            source=one.source[:, day:],
        )

    masks = {check: mask[:, day:] for check, mask in found.found.items()}
    return cut(block), Validated(
        masks, cut(found.estimated), found.interpolated[:, day:], found.from_like_days[:, day:]
    )


def days_of(readings: Readings, meter: str, channel: Channel) -> set[date]:
    """Days of which a meter has readings."""
    wanted = Wanted(meters=[meter], channels=[channel.value])
    return {day for table in readings.store.tables(wanted, ("day",)) for day in table["day"].to_pylist()}


def show_summary(summary: Summary) -> None:
    """What there is, for people."""
    print_pairs(
        [
            ("meter days", f"{summary.rows:,} (with revisions), {summary.readings:,} readings"),
            ("from, to", f"{summary.first or ''} {summary.last or ''} in {summary.zone}"),
            ("files", f"{summary.files}, {summary.size / 1e6:,.1f} MB; imported: {summary.imports}"),
        ]
    )
    show_faults(summary.faults.items())


def show_faults(faults: Iterable[tuple[Fault, int]]) -> None:
    """What was found, with its number."""
    print_table(
        "Found",
        ["what", "readings", "kept", ""],
        [
            [fault, f"{count:,}", "yes" if fault in KEPT else "refused", SAID[fault]]
            for fault, count in faults
        ],
        empty="Nothing was wrong with what came.",
    )


def shown_kwh(value: int, power: int) -> str:
    """A value of a block in kWh."""
    return f"{float(value * Fraction(10) ** power):.3f}"
