"""The act of putting the readings that count before a question: the same rows that settlement computes with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from typing import NamedTuple

from intertie.formats.reading_columns import POWER_OF_TEN, Columns, columns_of
from intertie.gateway.metering.readings import Readings
from intertie.gateway.metering.readings_block import load_block, meters_of
from intertie.market.blocks import DAYS_MAX, Block, per_day
from intertie.model.errors import SettingsError
from intertie.model.ids import PartyId
from intertie.model.metering import Channel

# Intervals of all that is asked: in memory some forty bytes each, so a gigabyte at most.
INTERVALS_MAX = 20_000_000


class About(NamedTuple):
    """Which readings a question is about. No meters: all that have readings then; no parties: whoever said it."""

    first: date
    last: date
    meters: Sequence[str] = ()
    channels: Sequence[Channel] = tuple(Channel)
    parties: Sequence[PartyId] = ()
    minutes: int = 15


def readings_about(readings: Readings, about: About) -> Columns:
    """Of each meter's day the revision that counts. Raises SettingsError for nothing, or more than fits in memory."""
    days = (about.last - about.first).days + 1
    if not 0 < days <= DAYS_MAX:
        raise SettingsError(
            f"{about.first} to {about.last} is not between 1 and {DAYS_MAX} days", do="Ask for fewer days."
        )
    meters = list(about.meters) or meters_of(readings, about.first, about.last)
    if not meters:
        raise SettingsError(
            f"no readings from {about.first} to {about.last}",
            do="`intertie readings show` lists what there is.",
        )
    asked = len(meters) * days * per_day(about.minutes) * len(about.channels)
    if asked > INTERVALS_MAX:
        raise SettingsError(
            f"{len(meters):,} meters on {days} days are {asked:,} intervals; at most {INTERVALS_MAX:,} fit",
            do="Give --from and --to, --meter or --channel.",
        )
    return columns_of(_blocks(readings, about, meters, days))


def _blocks(
    readings: Readings, about: About, meters: Sequence[str], days: int
) -> Iterator[tuple[str, Block]]:
    for channel in about.channels:
        yield (
            channel.value,
            load_block(
                readings,
                meters,
                about.first,
                days,
                channel=channel,
                parties=about.parties or None,
                step_minutes=about.minutes,
                power_of_ten=POWER_OF_TEN,
            ),
        )
