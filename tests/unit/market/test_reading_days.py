"""Series cut into local days: every value is in the day that its time is in, and what is odd about times has a name."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intertie.market.reading_days import (
    KEPT,
    SAID,
    Fault,
    Finding,
    intervals_of,
    oddities,
    pieces,
    split,
)
from intertie.model.interval import local_day
from intertie.model.metering import ESPI_QUALITY, Quality

ZONE = "America/New_York"
LATER = datetime(2030, 1, 1, tzinfo=UTC)
PLAIN, SHORT, LONG = date(2026, 1, 14), date(2026, 3, 8), date(2026, 11, 1)


class Values(NamedTuple):
    start: datetime
    step_seconds: int
    power_of_ten: int
    values: list[int | None]


class One(NamedTuple):
    """As a document has it, without the document's own rules."""

    meter: str
    channel: str
    quality: Any
    series: Values
    revision: int


def series(start: datetime, values: list[int | None], step: int = 900, **more: Any) -> One:
    given: dict[str, Any] = {"quality": Quality.VALIDATED, "meter": "M1", "revision": 1, **more}
    said = Values(start, step, -3, values)
    return One(given["meter"], "import", given["quality"], said, given["revision"])


def start_of(day: date) -> datetime:
    return local_day(day, ZONE).start


def known(meter: str) -> bool:
    return meter == "M1"


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 400),
    st.sampled_from([300, 900, 1800, 3600]),
    st.integers(0, 60),
    st.lists(st.one_of(st.none(), st.integers(-5, 5)), min_size=1, max_size=250),
)
def test_every_value_is_in_the_day_of_its_time(
    day: int, step: int, offset: int, values: list[int | None]
) -> None:
    start = start_of(PLAIN + timedelta(days=day)) + timedelta(seconds=step * offset)
    rows, _ = split([series(start, values, step)], ZONE, LATER, known)
    seen: dict[datetime, int] = {}
    for row in rows:
        begun = start_of(row.day)
        assert len(row.values) == intervals_of(row.day, ZONE, step)
        for place, value in enumerate(row.values):
            if value is not None:
                at = begun + timedelta(seconds=step * place)
                assert at.astimezone(ZoneInfo(ZONE)).date() == row.day
                seen[at] = value
    asked = {start + timedelta(seconds=step * i): v for i, v in enumerate(values) if v is not None}
    assert seen == asked


@pytest.mark.parametrize(("day", "length"), [(PLAIN, 96), (SHORT, 92), (LONG, 100)])
def test_a_whole_day_is_one_row_with_its_own_length(day: date, length: int) -> None:
    (row,), found = split([series(start_of(day), list(range(length)))], ZONE, LATER, known)
    assert (row.day, list(row.values), list(row.quality)) == (day, list(range(length)), [17])
    name = {92: [Fault.SHORT_DAY], 100: [Fault.LONG_DAY]}.get(length, [])
    assert [one.fault for one in found] == name


def test_qualities_go_with_their_values() -> None:
    quality = (Quality.RAW, Quality.ESTIMATED, Quality.VALID)
    start = start_of(PLAIN) + timedelta(hours=23, minutes=30)
    rows, _ = split([series(start, [1, 2, 3], quality=quality)], ZONE, LATER, known)
    codes = [ESPI_QUALITY[one] for one in quality]
    assert list(rows[0].quality)[-2:] == codes[:2] and rows[1].quality[0] == codes[2]
    assert [len(row.quality) for row in rows] == [96, 96]


@pytest.mark.parametrize(
    ("start", "count", "faults"),
    [
        (start_of(PLAIN), 96, ()),
        (start_of(PLAIN), 40, ()),
        (start_of(PLAIN) + timedelta(minutes=5), 96, (Fault.CLOCK,)),
        (start_of(PLAIN) + timedelta(microseconds=1), 96, (Fault.CLOCK,)),
        (start_of(PLAIN) - timedelta(hours=1), 96, (Fault.DAY_OF_OTHER_ZONE,)),
        (start_of(PLAIN) + timedelta(hours=3), 96, (Fault.DAY_OF_OTHER_ZONE,)),
        (start_of(SHORT), 96, (Fault.DAY_TOO_LONG, Fault.SHORT_DAY)),
        (start_of(LONG), 96, (Fault.DAY_TOO_SHORT, Fault.LONG_DAY)),
        (start_of(LONG), 100, (Fault.LONG_DAY,)),
    ],
)
def test_what_is_odd_about_times(start: datetime, count: int, faults: tuple[Fault, ...]) -> None:
    assert oddities(start, 900, count, ZONE) == faults


def test_days_that_a_zone_cannot_cut_are_clock_faults() -> None:
    """Lord Howe turns its clock by half an hour: hours do not fit into that day."""
    day = local_day(date(2026, 4, 5), "Australia/Lord_Howe")
    assert pieces(day.start, 3600, 24, "Australia/Lord_Howe") == ()
    assert len(pieces(day.start, 1800, 49, "Australia/Lord_Howe")) == 1


def test_foreign_meters_and_the_future_are_refused_whole() -> None:
    start = start_of(PLAIN)
    arrived = start + timedelta(hours=1)
    given = [
        series(start, [1] * 4, meter="X"),
        series(start, [1] * 6),
        series(start, [1] * 4 + [None, None]),
        series(start, [1] * 6, quality=Quality.PROJECTED),
        series(start, [1] * 5, quality=(*[Quality.RAW] * 4, Quality.PROJECTED)),
    ]
    rows, found = split(given, ZONE, arrived, known)
    assert [(one.place, one.fault, one.readings) for one in found if one.fault not in KEPT] == [
        (0, Fault.FOREIGN_METER, 4),
        (1, Fault.FUTURE, 2),
    ]
    assert len(rows) == 3


def test_gaps_are_counted_with_what_a_day_lacks() -> None:
    _, found = split([series(start_of(PLAIN), [1, None, 2])], ZONE, LATER, known)
    assert [(one.fault, one.readings) for one in found] == [(Fault.MISSING, 94)]


def test_every_fault_says_what_it_is() -> None:
    assert set(SAID) == set(Fault)
    assert Fault.MISSING in KEPT and Fault.UNREADABLE not in KEPT
    assert Finding(source="m", party="p", fault=Fault.CLOCK, count=1, kept=False).refused == ""
