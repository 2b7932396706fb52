"""Times, lengths and kilowatts as people type them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from cyclopts import App, CycloptsError
from hypothesis import given
from hypothesis import strategies as st

from intertie.cli._times import Length, Moment, moment, window_of
from intertie.gateway.trading.trade_said import series_in
from intertie.model.errors import SettingsError
from intertie.model.interval import Window

NOW = datetime(2026, 7, 1, 12, 0, 30, tzinfo=UTC)
FULL = datetime(2026, 7, 1, 12, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = Window(start=FULL, end=FULL + 4 * HOUR)


def typed(option: str, text: str) -> object:
    """What a command gets of an option."""
    app = App(name="x", result_action="return_value")

    @app.default
    def command(*, at: Moment = HOUR, length: Length = HOUR) -> object:
        return at if option == "--at" else length

    return app([option, text], exit_on_error=False, print_error=False)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("2h", 2 * HOUR),
        ("+15min", HOUR / 4),
        ("30s", timedelta(seconds=30)),
        ("1 d", 24 * HOUR),
        ("2026-07-01T14:00:00+02:00", datetime(2026, 7, 1, 12, tzinfo=UTC)),
        ("2026-07-01", datetime(2026, 7, 1, tzinfo=UTC)),
    ],
)
def test_a_moment_is_a_time_or_so_long_from_now(text: str, found: object) -> None:
    assert typed("--at", text) == found


@pytest.mark.parametrize("text", ["soon", "2 weeks", "2026-07-01T14:00:00", "-2h", ""])
def test_what_is_no_moment(text: str) -> None:
    with pytest.raises(CycloptsError):
        typed("--at", text)


@pytest.mark.parametrize("text", ["2026-07-01", "2", "an hour"])
def test_what_is_no_length(text: str) -> None:
    assert typed("--length", "15min") == HOUR / 4
    with pytest.raises(CycloptsError):
        typed("--length", text)


def test_so_long_from_now_is_a_full_minute_and_a_time_is_itself() -> None:
    assert moment(HOUR, NOW) == FULL + HOUR and moment(timedelta(0), FULL) == FULL
    assert moment(NOW, FULL) == NOW


def test_a_window_by_its_end_or_its_length() -> None:
    assert window_of(HOUR, 2 * HOUR, NOW) == Window(start=FULL + HOUR, end=FULL + 3 * HOUR)
    assert window_of(FULL, FULL + HOUR, NOW) == Window(start=FULL, end=FULL + HOUR)
    with pytest.raises(SettingsError, match="--until"):
        window_of(2 * HOUR, FULL, NOW)


@given(st.lists(st.integers(0, 10**7), min_size=4, max_size=4))
def test_a_value_for_each_interval_to_the_watt(watts: Sequence[int]) -> None:
    text = ",".join(str(Decimal(value) / 1000) for value in watts)
    assert series_in("--kw", text, DAY, HOUR).values == tuple(watts)


def test_one_value_is_for_all_and_a_dash_is_a_gap() -> None:
    assert series_in("--kw", "4.5", DAY, HOUR).values == (4500,) * 4
    gaps = series_in("--kw", "4, -, 0,-1", DAY, HOUR)
    assert gaps.values == (4000, None, 0, -1000) and gaps.end == DAY.end


@pytest.mark.parametrize(
    ("text", "step", "said"),
    [
        ("1,2", HOUR, "2 values for 4 intervals"),
        ("", HOUR, "not a number"),
        ("lots", HOUR, "not a number"),
        ("NaN", HOUR, "not a finite number"),
        ("1e30", HOUR, "outside"),
        ("0.0001", HOUR, "finer than a watt"),
        ("1", timedelta(hours=3), "whole number of steps"),
        ("1", timedelta(minutes=48), "step_seconds"),
    ],
)
def test_what_is_no_series_names_its_option(text: str, step: timedelta, said: str) -> None:
    with pytest.raises(SettingsError) as caught:
        series_in("--kw", text, DAY, step)
    assert caught.value.why.startswith("--kw: ") and said in caught.value.why
