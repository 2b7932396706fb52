"""Series of a meter cut into local days: what is stored is one row for each meter, channel, local day and revision.

A day has the intervals that its clock has: 92, 96 or 100 quarter hours. What a series does not cover is a gap.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple, Protocol
from zoneinfo import ZoneInfo

from intertie.model.interval import local_day
from intertie.model.metering import ESPI_QUALITY, Quality
from intertie.model.record import Record

DAY_SECONDS = 86_400
# A message has a few starts; a season of days has some thousands.
PLACES_KEPT = 4096
# A meter's clock may be ahead by as much as a partner's (gateway.Limits.clock_skew_seconds).
AHEAD = timedelta(seconds=30)


class Fault(StrEnum):
    """What can be wrong with readings as they come. Some are refused (REFUSED), the others are kept and counted."""

    FOREIGN_METER = "foreign_meter"
    FUTURE = "future"
    CLOCK = "clock"
    WRONG_ZONE = "wrong_zone"
    WRONG_UNIT = "wrong_unit"
    NOT_A_NUMBER = "not_a_number"
    NEGATIVE = "negative"
    TOO_FINE = "too_fine"
    TOO_LARGE = "too_large"
    NO_SUCH_TIME = "no_such_time"
    DUPLICATE = "duplicate"
    OVERLAPPING = "overlapping"
    BAD_LINE = "bad_line"
    UNREADABLE = "unreadable"
    # Kept:
    MISSING = "missing"
    OUT_OF_ORDER = "out_of_order"
    DAY_OF_OTHER_ZONE = "day_of_other_zone"
    DAY_TOO_LONG = "day_too_long"
    DAY_TOO_SHORT = "day_too_short"
    SHORT_DAY = "day_of_23_hours"
    LONG_DAY = "day_of_25_hours"
    REPEATED = "repeated"
    CONFLICT = "conflict"


KEPT = frozenset(list(Fault)[list(Fault).index(Fault.MISSING) :])
SAID = {
    Fault.FOREIGN_METER: "the meter is not in the list of meters",
    Fault.FUTURE: "the interval had not ended when the reading came",
    Fault.CLOCK: "the start is not on a boundary of intervals",
    Fault.WRONG_ZONE: "the offset is not the one of the zone at this time",
    Fault.WRONG_UNIT: "the unit is not kWh, Wh or MWh",
    Fault.NOT_A_NUMBER: "the value is not a decimal number",
    Fault.NEGATIVE: "energy in one direction is never below zero",
    Fault.TOO_FINE: "the value is finer than a milliwatt-hour",
    Fault.TOO_LARGE: "the value is beyond 48 bits",
    Fault.NO_SUCH_TIME: "the clock skips this time",
    Fault.DUPLICATE: "the same reading stands there before",
    Fault.OVERLAPPING: "another value, or another length of interval, stands there for this time before",
    Fault.BAD_LINE: "the line has not the fields of the header",
    Fault.UNREADABLE: "what the message says of readings could not be read",
    Fault.MISSING: "intervals of a day without a reading",
    Fault.OUT_OF_ORDER: "a line that is earlier than one before it",
    Fault.DAY_OF_OTHER_ZONE: "a whole day that does not begin at midnight here",
    Fault.DAY_TOO_LONG: "a day begins at midnight and reaches into the next one",
    Fault.DAY_TOO_SHORT: "a day begins at midnight and ends before the next one",
    Fault.SHORT_DAY: "a day on which the clock was put forward",
    Fault.LONG_DAY: "a day on which the clock was put back",
    Fault.REPEATED: "the same reading came before, in another message or file",
    Fault.CONFLICT: "another value of the same revision came before: the first one counts",
}


class DayRow(NamedTuple):
    """A meter's local day, in the order of time; None is a gap. `quality` is one ESPI code, or one for each value."""

    meter: str
    channel: str
    day: date
    revision: int
    step_seconds: int
    power_of_ten: int
    values: Sequence[int | None]
    quality: Sequence[int]


class Values(Protocol):
    """Equal intervals, as model/interval.py has them."""

    @property
    def start(self) -> datetime:
        """Beginning of the first."""

    @property
    def step_seconds(self) -> int:
        """Length of each."""

    @property
    def power_of_ten(self) -> int:
        """Of a kWh."""

    @property
    def values(self) -> Sequence[int | None]:
        """None is a gap."""


class Said(Protocol):
    """What a message says of one meter and channel: `MeterReadings`, or what of it was read."""

    @property
    def meter(self) -> str:
        """Which."""

    @property
    def channel(self) -> str:
        """Which way."""

    @property
    def quality(self) -> Quality | Sequence[Quality]:
        """Of all values, or of each."""

    @property
    def series(self) -> Values:
        """The energy."""

    @property
    def revision(self) -> int:
        """From 1."""


class Found(NamedTuple):
    """Something about one series: its place in the message, what, and of how many intervals."""

    place: int
    fault: Fault
    readings: int
    meter: str


class Finding(Record, frozen=True, kw_only=True):
    """Something about readings that came. What was not kept stands in `refused`, as it came."""

    source: str  # message id, with the file's name if it was in one; or import:NUMBER
    party: str
    fault: Fault
    count: int  # of readings
    kept: bool
    meter: str = ""
    line: int | None = None
    index: int | None = None  # of the message's series, from 0
    refused: str = ""


class Piece(NamedTuple):
    """Where a part of a series stands in a local day: values `first` up to `last`, from interval `offset` of `length`."""

    day: date
    first: int
    last: int
    offset: int
    length: int


@lru_cache(PLACES_KEPT)
def intervals_of(day: date, zone: str, step_seconds: int) -> int:
    """How many intervals a local day has; 0 if they do not fit into it."""
    window = local_day(day, zone)
    count, rest = divmod(int((window.end - window.start).total_seconds()), step_seconds)
    return 0 if rest else count


@lru_cache(PLACES_KEPT)
def pieces(start: datetime, step_seconds: int, count: int, zone: str) -> tuple[Piece, ...]:
    """The days of a series; empty if an interval begins off the boundaries, or lies in two days."""
    found = []
    first = 0
    step, tz = timedelta(seconds=step_seconds), ZoneInfo(zone)
    while first < count:
        at = start + step * first
        day = at.astimezone(tz).date()
        offset, rest = divmod(int((at - local_day(day, zone).start).total_seconds()), step_seconds)
        length = intervals_of(day, zone, step_seconds)
        if rest or at.microsecond or offset >= length:
            return ()
        last = min(count, first + length - offset)
        found.append(Piece(day, first, last, offset, length))
        first = last
    return tuple(found)


@lru_cache(PLACES_KEPT)
def oddities(start: datetime, step_seconds: int, count: int, zone: str) -> tuple[Fault, ...]:
    """What is odd about the days of a series, by its times alone."""
    cut = pieces(start, step_seconds, count, zone)
    if not cut:
        return (Fault.CLOCK,)
    normal = DAY_SECONDS // step_seconds
    whole, lengths = count in (normal, cut[0].length), {piece.length for piece in cut}
    found = []
    if whole and cut[0].offset:
        found.append(Fault.DAY_OF_OTHER_ZONE)
    elif whole and count > cut[0].length:
        found.append(Fault.DAY_TOO_LONG)
    elif whole and count < cut[0].length:
        found.append(Fault.DAY_TOO_SHORT)
    if min(lengths) < normal:
        found.append(Fault.SHORT_DAY)
    if max(lengths) > normal:
        found.append(Fault.LONG_DAY)
    return tuple(found)


def split(
    said: Iterable[Said], zone: str, arrived: datetime, is_known: Callable[[str], bool]
) -> tuple[list[DayRow], list[Found]]:
    """Rows of what can be used, and everything that was found. A series with a fault that is not KEPT gives no row."""
    rows: list[DayRow] = []
    found: list[Found] = []
    latest = arrived + AHEAD
    for place, one in enumerate(said):
        series, meter = one.series, one.meter
        start, step, count = series.start, series.step_seconds, len(series.values)
        if not is_known(meter):
            found.append(Found(place, Fault.FOREIGN_METER, count, meter))
            continue
        cut, odd, end = _times(start, step, count, zone)
        if end > latest and (ahead := _ahead(one, latest)):
            found.append(Found(place, Fault.FUTURE, ahead, meter))
            continue
        found += [Found(place, fault, count, meter) for fault in odd]
        gaps = 0
        for piece in cut:
            row = _row(one, piece)
            rows.append(row)
            gaps += row.values.count(None)
        if gaps:
            found.append(Found(place, Fault.MISSING, gaps, meter))
    return rows, found


@lru_cache(PLACES_KEPT)
def _times(
    start: datetime, step_seconds: int, count: int, zone: str
) -> tuple[tuple[Piece, ...], tuple[Fault, ...], datetime]:
    """All that follows from the times of a series alone: many meters have the same."""
    odd = oddities(start, step_seconds, count, zone)
    cut = () if Fault.CLOCK in odd else pieces(start, step_seconds, count, zone)
    return cut, odd, start + timedelta(seconds=step_seconds * count)


def _ahead(one: Said, latest: datetime) -> int:
    """How many readings are of intervals that end after this time; what is projected may be."""
    series, total = one.series, 0
    step = timedelta(seconds=series.step_seconds)
    for place, value in enumerate(series.values):
        quality = one.quality if isinstance(one.quality, Quality) else one.quality[place]
        ends = series.start + step * (place + 1)
        total += value is not None and quality is not Quality.PROJECTED and ends > latest
    return total


def _row(one: Said, piece: Piece) -> DayRow:
    """A day of a series; quality of intervals that it does not reach is that of the first one, and means nothing."""
    series = one.series
    values, length = series.values, piece.last - piece.first
    if isinstance(one.quality, Quality):
        quality = _ALIKE[one.quality]
    else:
        codes = [ESPI_QUALITY[code] for code in one.quality[piece.first : piece.last]]
        after = piece.length - piece.offset - length
        quality = (*[codes[0]] * piece.offset, *codes, *[codes[0]] * after)
    if length != len(values):
        values = values[piece.first : piece.last]
    if length != piece.length:
        before, after = piece.offset, piece.length - piece.offset - length
        values = (*[None] * before, *values, *[None] * after)
    return DayRow(
        one.meter,
        one.channel,
        piece.day,
        one.revision,
        series.step_seconds,
        series.power_of_ten,
        values,
        quality,
    )


# The quality of a whole day.
_ALIKE: dict[Quality, tuple[int, ...]] = {quality: (code,) for quality, code in ESPI_QUALITY.items()}
