"""Business days of a stated calendar, and deadlines in them. A day is one of its zone, of 23 to 25 hours."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from intertie.model.agreement import Calendar
from intertie.model.contract import Weekday
from intertie.model.errors import SettingsError

_WEEKDAYS = tuple(Weekday)
MIDNIGHT = 24
# So many days without one business day in a row are a calendar that says nothing (a holiday list is 500 at most).
SEARCH_DAYS_MAX = 1000


def zone_of(calendar: Calendar) -> ZoneInfo:
    """The calendar's zone; SettingsError if this machine does not know it."""
    try:
        return ZoneInfo(calendar.zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise SettingsError(
            f"there is no zone {calendar.zone}", do="name one of the IANA database"
        ) from error


def is_business_day(calendar: Calendar, day: date) -> bool:
    """Whether this is neither a day of the weekend nor a holiday."""
    return _WEEKDAYS[day.weekday()] not in calendar.weekend and day not in calendar.holidays


def next_business_day(calendar: Calendar, day: date) -> date:
    """The first business day after this day."""
    for _ in range(SEARCH_DAYS_MAX):
        day += timedelta(days=1)
        if is_business_day(calendar, day):
            return day
    raise SettingsError(f"calendar {calendar.name} has no business day", do="mend its holidays")


def close_of(calendar: Calendar, day: date) -> datetime:
    """The instant at which business closes on a day, in UTC."""
    zone = zone_of(calendar)
    if calendar.close_hour == MIDNIGHT:
        local = datetime.combine(day + timedelta(days=1), time(0), zone)
    else:
        local = datetime.combine(day, time(calendar.close_hour), zone)
    return local.astimezone(UTC)


def day_counted(calendar: Calendar, at: datetime) -> date:
    """The business day as of which something counts that arrived then: that day if it is one and before its close, else
    the next."""
    day = at.astimezone(zone_of(calendar)).date()
    if is_business_day(calendar, day) and at < close_of(calendar, day):
        return day
    return next_business_day(calendar, day)


def add_business_days(calendar: Calendar, at: datetime, days: int) -> datetime:
    """The close of business so many business days after the one as of which `at` counts."""
    day = day_counted(calendar, at)
    for _ in range(days):
        day = next_business_day(calendar, day)
    return close_of(calendar, day)
