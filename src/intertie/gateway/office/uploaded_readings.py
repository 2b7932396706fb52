"""Readings in a file that one of our own people brought: judged line by line, and kept. Arrow is loaded with this file."""

from __future__ import annotations

import io
from collections.abc import Iterable
from datetime import datetime
from itertools import islice

import msgspec

from intertie.formats.espi.series import EspiRead, EspiRules, meter_named_by
from intertie.formats.espi.stream import read_feed
from intertie.formats.reading_table import Origin
from intertie.formats.readings_csv import CsvRules, read_csv
from intertie.gateway.gateway import Gateway
from intertie.gateway.metering.import_readings import import_csv, import_espi, import_json
from intertie.gateway.metering.readings import Readings, finding_of, take_in
from intertie.gateway.office.uploaded import ROWS_MAX, Kind, Row, failed, kind_of, worst_first
from intertie.gateway.office.uploaded_acts import Came
from intertie.gateway.settlement.settling_ports import LookedAt
from intertie.market.reading_days import KEPT, SAID, Fault, Finding, split
from intertie.model.errors import IntertieError, SettingsError
from intertie.model.explain import why_unreadable
from intertie.model.metering import MeterReadingSet

# What to do about lines that are not taken.
DO = {
    Fault.FOREIGN_METER: "Correct the meter, or add it to the list of meters in [readings].",
    Fault.FUTURE: "Bring it after the interval has ended; or correct the day.",
    Fault.CLOCK: "Let it start on a boundary of its interval.",
    Fault.WRONG_ZONE: "Write the offset of that day: clocks change twice a year.",
    Fault.WRONG_UNIT: "Write kWh, Wh or MWh in the column `unit`.",
    Fault.NOT_A_NUMBER: "Write a decimal number with a point.",
    Fault.NEGATIVE: "Energy that flows back is of the channel `export`.",
    Fault.TOO_FINE: "Round to a milliwatt-hour.",
    Fault.TOO_LARGE: "Look at the unit: it is more than any meter counts.",
    Fault.NO_SUCH_TIME: "That hour is skipped in spring: correct the time.",
    Fault.DUPLICATE: "Nothing: it is there once.",
    Fault.OVERLAPPING: "Say which one counts: give the later one a higher `revision`.",
    Fault.BAD_LINE: "Give the line as many fields as the first line has.",
    Fault.UNREADABLE: "See docs/readings.md for what can be read.",
}
# Findings that are read of one file; more are counted in the readings themselves.
FINDINGS_MAX = 10_000


def look_readings(readings: Readings, content: bytes, now: datetime) -> LookedAt:
    """Judge a file as importing it would, and keep nothing. Never raises for what is in the file."""
    try:
        days, found = _judged(readings, content, now)
    except IntertieError as error:
        return LookedAt((failed("the file", error),), 0, 1, 0)
    rows = worst_first([_row(one) for one in found])
    wrong = sum(one.count for one in found if not one.kept)
    return LookedAt(rows[:ROWS_MAX], days, wrong, max(0, len(rows) - ROWS_MAX))


def keep_readings(gateway: Gateway, readings: Readings, content: bytes, now: datetime) -> Came:
    """Take readings in; each reading that is not taken has its row. Raises BadCsv, EspiError, SettingsError, StoreError; then
    nothing is kept."""
    looked = look_readings(readings, content, now)
    kind, _ = kind_of(content)
    if kind is Kind.READINGS_CSV:
        import_csv(gateway, readings, io.BytesIO(content), len(content), _csv(readings, now), _untold)
    elif kind is Kind.ESPI:
        import_espi(gateway, readings, io.BytesIO(content), EspiRules(meter_named_by), now, _untold)
    elif kind is Kind.READINGS_JSON:
        import_json(gateway, readings, content, now)
    else:
        raise SettingsError("there are no readings in this file", do="docs/readings.md says what is read.")
    taken = take_in(gateway, readings)
    told = Row("the file", f"{taken.rows} meter days taken in", True)
    return Came((told, *looked.rows), taken.rows, looked.wrong)


def _untold(count: int) -> None:
    """Nobody watches."""


def _csv(readings: Readings, now: datetime) -> CsvRules:
    return CsvRules(readings.zone, now, readings.is_known)


def _judged(readings: Readings, content: bytes, now: datetime) -> tuple[int, list[Finding]]:
    """Meter days, and findings."""
    origin = Origin("", now, "upload")
    kind, _ = kind_of(content)
    if kind is Kind.READINGS_CSV:
        with read_csv(io.BytesIO(content), len(content), _csv(readings, now), origin) as read:
            days = sum(len(table) for table in read.tables)
            return days, _some(read.findings())
    if kind is Kind.ESPI:
        return _judged_espi(readings, content, origin)
    try:
        said = msgspec.json.decode(content, type=MeterReadingSet)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise SettingsError(
            f"no meter_readings: {why_unreadable(error)}", do="`intertie example meter_readings` prints one."
        ) from error
    rows, found = split(said.meters, readings.zone, now, readings.is_known)
    return len(rows), _some(finding_of(one, origin, said) for one in found)


def _judged_espi(readings: Readings, content: bytes, origin: Origin) -> tuple[int, list[Finding]]:
    read = EspiRead(read_feed(io.BytesIO(content)), EspiRules(meter_named_by))
    days, found = 0, []
    for series in read:
        rows, some = split([series], readings.zone, origin.arrived, readings.is_known)
        days += len(rows)
        found += [_plain(one.fault, one.readings, one.meter, "") for one in some]
    found += [
        _plain(one.fault, one.readings, one.meter, f"entry {one.entry}: {one.why}") for one in read.unread
    ]
    return days, found[:FINDINGS_MAX]


def _plain(fault: Fault, count: int, meter: str, refused: str) -> Finding:
    return Finding(
        source="upload", party="", fault=fault, count=count, kept=fault in KEPT, meter=meter, refused=refused
    )


def _some(found: Iterable[Finding]) -> list[Finding]:
    return list(islice(found, FINDINGS_MAX))


def _row(one: Finding) -> Row:
    """A finding as a row. What was refused is the person's own file, so it may be shown to that person."""
    place = (
        f"line {one.line}" if one.line is not None else one.refused.partition(":")[0] or f"meter {one.meter}"
    )
    what = f"meter {one.meter}" if one.meter else one.fault.value
    many = f" ({one.count} readings)" if one.count > 1 else ""
    return Row(place[:80], what, one.kept, f"{SAID[one.fault].capitalize()}{many}.", DO.get(one.fault, ""))
