"""Business days: weekends, holidays, the hour of close, and the days of 23 and 25 hours."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from trade_world import CALENDAR

from intertie.market.calendar import add_business_days, close_of, day_counted, is_business_day
from intertie.model.errors import SettingsError
from intertie.model.record import RuleError


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


@pytest.mark.parametrize(
    ("arrives", "days", "closes"),
    [
        (
            "2026-07-01T10:00-04:00",
            2,
            "2026-07-06T17:00-04:00",
        ),  # Friday the 3rd is a holiday, then a weekend
        ("2026-07-01T17:00-04:00", 2, "2026-07-07T17:00-04:00"),  # at the close: as of the next day
        ("2026-09-05T12:00-04:00", 2, "2026-09-10T17:00-04:00"),  # Saturday before Labor Day: as of Tuesday
        ("2026-11-25T16:59-05:00", 1, "2026-11-27T17:00-05:00"),
        ("2026-03-06T12:00-05:00", 1, "2026-03-09T17:00-04:00"),  # over the change to summer time
        ("2026-06-01T10:00-04:00", 0, "2026-06-01T17:00-04:00"),
    ],
)
def test_deadlines(arrives: str, days: int, closes: str) -> None:
    assert add_business_days(CALENDAR, at(arrives), days) == at(closes)


def test_days_of_23_and_25_hours_close_at_midnight() -> None:
    calendar = replace(CALENDAR, weekend=(), close_hour=24)
    for day, hours in ((date(2026, 3, 8), 23), (date(2026, 11, 1), 25), (date(2026, 6, 1), 24)):
        assert close_of(calendar, day) - close_of(calendar, day - timedelta(days=1)) == timedelta(hours=hours)


def test_a_zone_that_is_not_there() -> None:
    with pytest.raises(SettingsError, match="no zone"):
        close_of(replace(CALENDAR, zone="No/Where"), date(2026, 1, 1))


def test_a_calendar_names_each_day_once() -> None:
    with pytest.raises(RuleError, match="holidays"):
        replace(CALENDAR, holidays=(date(2026, 1, 1), date(2026, 1, 1)))


@given(st.integers(0, 2 * 365 * 24 * 60), st.integers(0, 30))
def test_a_deadline_is_on_a_business_day_and_grows(minutes: int, days: int) -> None:
    then = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
    closes = add_business_days(CALENDAR, then, days)
    assert closes > then and closes < add_business_days(CALENDAR, then, days + 1)
    assert is_business_day(CALENDAR, day_counted(CALENDAR, closes - timedelta(seconds=1)))
    assert closes <= add_business_days(CALENDAR, then + timedelta(hours=1), days)
