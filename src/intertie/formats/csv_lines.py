"""Lines of a CSV of readings, a block at a time: each becomes numbers, or has the reason why not.

Fields repeat: a file has few stamps, meters and units. Each distinct text is read once; only values are read one by one, by
vectorised arithmetic on integers.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from intertie.formats.csv_days import LINE
from intertie.market.reading_days import AHEAD, Fault
from intertie.model.ids import NAME
from intertie.model.interval import VALUE_MAX, local_day
from intertie.model.metering import ESPI_QUALITY, Channel, Quality

CHANNELS = tuple(Channel)
# Powers of ten from 10^-9 of the unit to 10^-6 kWh.
UNITS = {"kwh": 1_000, "wh": 1_000_000, "mwh": 1}
_NUMBER = r"^(?P<sign>[+-]?)(?P<whole>\d{1,9})(?:\.(?P<part>\d{1,9}))?$"
_LARGE = r"^[+-]?\d{10,}(\.\d*)?$"
_STAMP = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d)?(Z|[+-]\d\d:\d\d)?")
_NAME = re.compile(NAME)
_REASON = {fault: number for number, fault in enumerate(Fault)}
FINE = -1
# A day, a month, a year are not intervals that a day is cut into.
MINUTES_MAX = 60


class Stamp(NamedTuple):
    """When an interval begins: Unix seconds, the local day, seconds into it; and how much later it is, if the clock shows this
    time twice and the line does not say which."""

    at: int
    day: int
    offset: int
    fold: int
    reason: int


class Known:
    """Numbers of meters, in the order in which they come; -1 for those that are not known."""

    def __init__(self, is_known: Callable[[str], bool], meters: list[str]) -> None:
        self._is_known, self._meters = is_known, meters

    def __call__(self, meter: str) -> int:
        if not self._is_known(meter):
            return -1
        self._meters.append(meter)
        return len(self._meters) - 1


class Judge:
    """All lines of one file, block after block."""

    def __init__(self, zone: str, now: datetime, known: Known) -> None:
        self._tz, self._zone = ZoneInfo(zone), zone
        self._latest = int((now + AHEAD).timestamp())
        self._meter = _Coded(known)
        self._channel = _Coded(lambda text: CHANNELS.index(Channel(text.strip().lower())))
        self._unit = _Coded(lambda text: UNITS.get(text.strip().lower(), 0))
        self._quality = _Coded(_quality)
        self._revision = _Coded(lambda text: _between(text, 1_000_000))
        self._minutes = _Coded(_minutes)
        self._stamps: dict[tuple[str, int, bool], Stamp] = {}

    def __call__(self, columns: Sequence[Any], first: int) -> tuple[Any, Any]:
        """LINE for each line, numbered from `first`, and the number of its fault among all, or FINE."""
        meter, stamp, value, channel, unit, quality, revision, minutes, ending = columns
        lines = np.zeros(len(meter), LINE)
        reasons = np.full(len(meter), FINE, np.int16)
        lines["line"] = np.arange(first, first + len(meter))
        lines["meter"] = self._meter(meter)
        lines["minutes"] = self._minutes(minutes)
        lines["channel"], lines["quality"] = self._channel(channel), self._quality(quality)
        lines["revision"] = self._revision(revision)
        misread = np.zeros(len(meter), np.bool_)
        for name in ("minutes", "channel", "quality", "revision"):
            misread |= lines[name] < 0
        names = pc.match_substring_regex(meter, NAME_RE2).to_numpy(zero_copy_only=False)
        _mark(reasons, misread | ~names, Fault.BAD_LINE)
        _mark(reasons, lines["meter"] < 0, Fault.FOREIGN_METER)
        scale = self._unit(unit)
        _mark(reasons, scale == 0, Fault.WRONG_UNIT)
        self._place(lines, reasons, stamp, ending)
        _measure(lines, reasons, value, scale)
        return lines, reasons

    def _place(self, lines: Any, reasons: Any, stamps: Any, ending: bool) -> None:
        """When each interval is. A stamp together with a length of interval is read once."""
        encoded = stamps.dictionary_encode()
        texts, codes = encoded.dictionary.to_pylist(), encoded.indices.to_numpy()
        for minutes in np.unique(lines["minutes"]).tolist():
            if minutes <= 0:
                continue
            here = lines["minutes"] == minutes
            table = np.array([self._stamp(text, minutes, ending) for text in texts], np.int64)
            at, day, offset, fold, reason = table[codes[here]].T
            lines["day"][here], lines["offset"][here], lines["fold"][here] = day, offset, fold
            found = np.where(offset % (minutes * 60) != 0, _REASON[Fault.CLOCK], FINE)
            projected = lines["quality"][here] == ESPI_QUALITY[Quality.PROJECTED]
            future = (at + minutes * 60 > self._latest) & ~projected
            found = np.where((found == FINE) & future, _REASON[Fault.FUTURE], found)
            found = np.where(reason != FINE, reason, found)
            reasons[here] = np.where(reasons[here] == FINE, found, reasons[here])

    def _stamp(self, text: str, minutes: int, ending: bool) -> Stamp:
        key = (text, minutes, ending)
        if key not in self._stamps:
            self._stamps[key] = self._read_stamp(text.strip(), timedelta(minutes=minutes if ending else 0))
        return self._stamps[key]

    def _read_stamp(self, text: str, back: timedelta) -> Stamp:
        try:
            if not _STAMP.fullmatch(text):
                raise ValueError
            at = datetime.fromisoformat(text)
        except ValueError:
            return Stamp(0, 0, 0, 0, _REASON[Fault.BAD_LINE])
        fold = 0
        if at.tzinfo is None:
            local = at.replace(tzinfo=self._tz)
            utc = local.timestamp()
            if datetime.fromtimestamp(utc, self._tz).replace(tzinfo=None) != at:
                return Stamp(0, 0, 0, 0, _REASON[Fault.NO_SUCH_TIME])
            fold = int(local.replace(fold=1).timestamp() - utc)
            at = local
        elif at.utcoffset() not in (timedelta(0), at.astimezone(self._tz).utcoffset()):
            return Stamp(0, 0, 0, 0, _REASON[Fault.WRONG_ZONE])
        begun = datetime.fromtimestamp(at.timestamp() - back.total_seconds(), self._tz)
        midnight = local_day(begun.date(), self._zone).start.timestamp()
        seconds = int(begun.timestamp())
        return Stamp(seconds, begun.date().toordinal(), seconds - int(midnight), fold, FINE)


# RE2 knows no look-ahead: two dots are looked for apart.
NAME_RE2 = r"^[A-Za-z0-9](?:[A-Za-z0-9_:/#@+-]|\.(?:[A-Za-z0-9_:/#@+-]|$))*$"


class _Coded:
    """A number for each distinct text of a column; -1 where it cannot be read."""

    def __init__(self, read: Callable[[str], int]) -> None:
        self._read, self._known = read, dict[str, int]()

    def __call__(self, column: Any) -> Any:
        encoded = column.dictionary_encode()
        codes = [self._code(text) for text in encoded.dictionary.to_pylist()]
        return np.array(codes, np.int64)[encoded.indices.to_numpy()]

    def _code(self, text: str) -> int:
        if text not in self._known:
            try:
                self._known[text] = self._read(text)
            except ValueError:
                self._known[text] = -1
        return self._known[text]


def _quality(text: str) -> int:
    """An ESPI code, by its name or its number."""
    if text.strip().isdecimal():
        number = int(text)
        return number if number in ESPI_QUALITY.values() else -1
    return ESPI_QUALITY[Quality(text.strip().lower())]


def _between(text: str, most: int) -> int:
    number = int(text)
    return number if 1 <= number <= most else -1


def _minutes(text: str) -> int:
    """Only lengths that an hour is cut into: no interval then lies in two days."""
    number = _between(text, MINUTES_MAX)
    return number if number > 0 and MINUTES_MAX % number == 0 else -1


def _measure(lines: Any, reasons: Any, values: Any, scale: Any) -> None:
    """Values in 10^-6 kWh; an empty one is a gap."""
    parts = pc.extract_regex(pc.utf8_trim_whitespace(values), pattern=_NUMBER)
    there = parts.is_valid().to_numpy(zero_copy_only=False)
    empty = pc.equal(pc.utf8_trim_whitespace(values), "").to_numpy(zero_copy_only=False)
    large = pc.match_substring_regex(values, _LARGE).to_numpy(zero_copy_only=False)
    whole, part = (_digits(parts.field(i), there, width) for i, width in ((1, 0), (2, 9)))
    size = whole * 1_000_000_000 + part
    minus = pc.equal(parts.field(0), "-").to_numpy(zero_copy_only=False) & there
    divisor = np.where(scale > 0, scale, 1)
    found = np.where(minus, -1, 1) * (size // divisor)
    lines["value"], lines["present"] = np.where(there, found, 0), there
    both = lines["channel"] == CHANNELS.index(Channel.NET)
    most = np.where(found % 1000 == 0, VALUE_MAX * 1000, VALUE_MAX)
    _mark(reasons, large, Fault.TOO_LARGE)
    _mark(reasons, ~there & ~empty, Fault.NOT_A_NUMBER)
    _mark(reasons, there & (size % divisor != 0), Fault.TOO_FINE)
    _mark(reasons, there & (np.abs(found) >= most), Fault.TOO_LARGE)
    _mark(reasons, there & (found < 0) & ~both, Fault.NEGATIVE)


def _digits(texts: Any, there: Any, width: int) -> Any:
    """Digits as numbers, filled up on the right to `width`; zero where there are none."""
    filled = pc.utf8_rpad(texts, width, "0") if width else texts
    plain = pc.if_else(pa.array(there), filled, "0")
    return pc.cast(plain, pa.int64()).to_numpy(zero_copy_only=False)


def _mark(reasons: Any, where: Any, fault: Fault) -> None:
    """The first reason that was found stays."""
    reasons[(reasons == FINE) & where] = _REASON[fault]
