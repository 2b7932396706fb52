"""Hours of the week as people write them."""

from __future__ import annotations

from datetime import time

import pytest

from intertie.cli._hours import hours_of
from intertie.model.contract import Weekday
from intertie.model.errors import SettingsError


def test_days_and_spans_of_days() -> None:
    found = hours_of(["mon-wed 17:00-21:30", "Sun 00:00-24:00"])
    assert [one.weekday for one in found] == [*tuple(Weekday)[:3], Weekday.SUNDAY]
    assert (found[0].start, found[0].end) == (time(17), time(21, 30))
    assert (found[3].start, found[3].end) == (time(0), time(0))


def test_over_the_end_of_the_week() -> None:
    assert [one.weekday[:3] for one in hours_of(["sat-mon 08:00-09:00"])] == ["sat", "sun", "mon"]
    assert hours_of([]) == ()


@pytest.mark.parametrize(
    "text", ["weekdays 17:00-21:00", "mon 17-21", "mon 21:00-17:00", "mon 17:00-25:00", "mon 17:61-18:00", ""]
)
def test_what_is_not_understood(text: str) -> None:
    with pytest.raises(SettingsError):
        hours_of([text])
