"""Factors, rounding, lines and caps by hand: what lies exactly on a line, and what lies just beside it."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from market_world import EVENT_DAY, D, by_code, half_up, result, terms

from intertie.market.payment import EventResult, Terms, month_lines, total
from intertie.market.performance import kwh, measure, month_factor
from intertie.market.rounding import rounded
from intertie.model.errors import IntertieError

F = Fraction
FIRST, LAST = date(2024, 7, 1), date(2024, 7, 31)


# --- delivered --------------------------------------------------------------------------------------------------------


def test_each_interval_is_held_between_nothing_and_the_cap_by_itself() -> None:
    # Asked 250 each, cap 110 % = 275. 1000 - 800 = 200; 1000 - 700 = 300 -> 275; 1000 - 1050 < 0 -> 0; gap -> 0.
    found = measure([F(1000)] * 4, [800, 700, 1050, None], [F(250)] * 4, F(11, 10))
    assert found.delivered == (F(200), F(275), F(0), F(0))
    assert found.missing == 1
    assert found.delivered_kwh == D("0.475")
    assert found.asked_kwh == D("1.000")
    assert found.factor == D("0.48")  # 475 / 1000 = 0.475: half goes up


def test_too_much_in_one_interval_does_not_make_up_for_another() -> None:
    # 500 for 250 counts 250; 0 for 250 counts 0: half.
    assert measure([F(500)] * 2, [0, 500], [F(250)] * 2).factor == D("0.50")


def test_with_a_cap_over_one_the_factor_still_ends_at_one() -> None:
    found = measure([F(1000)] * 2, [0, 0], [F(250)] * 2, F(2))
    assert (found.delivered, found.factor) == ((F(500), F(500)), D("1.00"))


def test_energy_is_rounded_once_over_the_event() -> None:
    # Three intervals of a third and one of a half: 1.5 Wh -> 2 Wh. Each by itself would give 0 + 0 + 0 + 1 = 1.
    found = measure([F(1, 3)] * 3 + [F(1, 2)], [0] * 4, [F(10)] * 4)
    assert found.delivered_kwh == D("0.002")


@pytest.mark.parametrize(
    ("delivered", "asked", "factor"),
    [
        (0, 1000, "0.00"),
        (4, 1000, "0.00"),
        (5, 1000, "0.01"),  # 0.005
        (994, 1000, "0.99"),
        (995, 1000, "1.00"),
        (1, 3, "0.33"),
        (2, 3, "0.67"),
        (1, 8, "0.13"),  # 0.125; half to even would say 0.12
        (3, 1, "1.00"),
        (-1, 1, "0.00"),
        (0, 0, "1.00"),
    ],
)
def test_factors(delivered: int, asked: int, factor: str) -> None:
    assert str(measure([F(delivered)], [0], [F(asked)]).factor) == factor


def test_lengths_are_named() -> None:
    with pytest.raises(IntertieError, match="2 baseline, 1 actual and 3 asked"):
        measure([F(1)] * 2, [1], [F(1)] * 3)


@pytest.mark.parametrize(
    ("events", "before", "factor"),
    [
        ([], None, "1"),
        ([], "0.42", "0.42"),
        ([("0.80", F(1)), ("0.60", F(1))], "0.10", "0.70"),
        ([("1.00", F(4)), ("0.00", F(1))], None, "0.80"),
        ([("0.50", F(1, 4)), ("1.00", F(3, 4))], None, "0.88"),  # 0.875
        ([("0.52", F(1, 3)), ("0.50", F(1))], None, "0.51"),  # (0.52 + 1.50) / 4 = 0.505
        ([("0.00", F(2))], "1.00", "0.00"),
    ],
)
def test_the_factor_of_a_month_is_weighted_by_hours(
    events: list[tuple[str, Fraction]], before: str | None, factor: str
) -> None:
    weighted = [(D(one), hours) for one, hours in events]
    assert str(month_factor(weighted, None if before is None else D(before))) == factor


@pytest.mark.parametrize(
    ("value", "places", "text"),
    [
        (F(1, 8), "0.01", "0.13"),
        (F(-1, 8), "0.01", "-0.13"),
        (F(1249, 10000), "0.01", "0.12"),
        (F(1, 2), "1", "1"),
        (F(-1, 2), "1", "-1"),
        (F(5, 2), "1", "3"),
        (F(2, 3), "0.000001", "0.666667"),
        (F(0), "0.01", "0.00"),
        (F(7), "0.001", "7.000"),
    ],
)
def test_half_goes_away_from_zero(value: Fraction, places: str, text: str) -> None:
    assert str(rounded(value, D(places))) == text


@settings(max_examples=200, deadline=None)
@given(st.fractions(-(10**9), 10**9), st.integers(0, 9))
def test_rounding_agrees_with_counting_units(value: Fraction, places: int) -> None:
    found = rounded(value, D(1).scaleb(-places))
    assert Fraction(found) == half_up(value, places)
    assert -int(found.as_tuple().exponent) == places


def test_watt_hours_to_kilowatt_hours() -> None:
    assert str(kwh(F(2499, 2))) == "1.250"  # 1249.5 Wh
    assert str(kwh(F(12494, 10))) == "1.249"


# --- lines ------------------------------------------------------------------------------------------------------------


def test_a_full_month_without_an_event() -> None:
    # 4 kW x 1 x 10.00 = 40.00, and nothing else.
    (line,) = month_lines([], terms(), FIRST, LAST)
    assert (line.code, line.quantity, line.unit, line.rate, line.amount, line.dispatch) == (
        "RES",
        D("4.000"),
        "kW month",
        D("10.00"),
        D("40.00"),
        None,
    )
    assert "of the month" not in line.text


@pytest.mark.parametrize(
    ("first", "last", "quantity", "amount"),
    [
        (date(2024, 7, 1), date(2024, 7, 1), "0.129", "1.29"),  # 4 / 31 = 0.12903
        (date(2024, 2, 1), date(2024, 2, 29), "4.000", "40.00"),  # a leap year's February is whole
        (date(2023, 2, 1), date(2023, 2, 28), "4.000", "40.00"),
        (date(2024, 2, 15), date(2024, 2, 29), "2.069", "20.69"),  # 4 x 15 / 29 = 2.06897
        (date(2024, 6, 16), date(2024, 6, 30), "2.000", "20.00"),  # 15 of 30
    ],
)
def test_a_month_counts_by_its_own_days(first: date, last: date, quantity: str, amount: str) -> None:
    line = month_lines([], terms(), first, last)[0]
    assert (str(line.quantity), str(line.amount)) == (quantity, amount)


@pytest.mark.parametrize(
    ("energy", "rate", "amount"),
    [
        ("0.010", "0.50", "0.01"),  # 0.005: half up
        ("0.009", "0.50", "0.00"),  # 0.0045
        ("1.030", "0.50", "0.52"),  # 0.515; as a float it would be 0.51
        ("2.675", "1.00", "2.68"),  # the classic of floats: 2.67499999
        ("0.050", "0.50", "0.03"),  # 0.025: to even would say 0.02
        ("0.000", "0.50", "0.00"),
    ],
)
def test_half_a_cent_goes_up(energy: str, rate: str, amount: str) -> None:
    lines = month_lines([result(energy, energy, "1.00")], terms(utilisation_per_kwh=D(rate)), FIRST, LAST)
    assert str(by_code(lines, "UTL")[0].amount) == amount


def test_each_line_is_rounded_before_the_sum() -> None:
    # Three times 0.005 is 0.01 + 0.01 + 0.01 = 0.03, not 0.015 -> 0.02.
    events = [result("0.010", "0.010", "1.00", dispatch=f"D{n}") for n in range(3)]
    lines = month_lines(events, terms(), FIRST, LAST)
    assert total(by_code(lines, "UTL")) == D("0.03")
    assert total(lines) == D("40.03")


def test_half_a_cent_of_penalty_goes_down() -> None:
    # 0.0025 kWh does not exist; 0.005 kWh short at 1.00 is 0.005: away from zero, -0.01.
    lines = month_lines([result("1.000", "0.995", "1.00")], terms(penalty_per_kwh=D("1.00")), FIRST, LAST)
    assert by_code(lines, "PEN")[0].amount == D("-0.01")


def test_a_penalty_under_half_a_cent_is_no_line() -> None:
    lines = month_lines([result("1.000", "0.998", "1.00")], terms(), FIRST, LAST)  # 0.002 x 2.00 = 0.004
    assert by_code(lines, "PEN") == []


@pytest.mark.parametrize(
    ("threshold", "factor", "amount"),
    [
        ("0.25", "0.25", "10.00"),
        ("0.25", "0.24", "0.00"),
        ("0", "0.00", "0.00"),
        ("0", "0.01", "0.40"),
        ("1", "1.00", "40.00"),
        ("1", "0.99", "0.00"),
    ],
)
def test_the_threshold_itself_still_earns(threshold: str, factor: str, amount: str) -> None:
    lines = month_lines([result("4", "1", factor)], terms(threshold=D(threshold)), FIRST, LAST)
    assert str(lines[0].amount) == amount
    assert len(by_code(lines, "UTL")) == 1  # energy is paid for in any case


@pytest.mark.parametrize(
    ("short", "cap", "amounts"),
    [
        # Rate 2.00 a kWh; the full reservation is 40.00.
        (["5"], "0.25", ["-10.00"]),  # exactly the cap
        (["5.001"], "0.25", ["-10.00"]),
        (["4.995"], "0.25", ["-9.99"]),
        (["3", "1", "9", "1"], "0.25", ["-6.00", "-2.00", "-2.00"]),
        (["3", "0", "9"], "0.25", ["-6.00", "-4.00"]),
        (["1"], "0", []),
        (["100", "100"], "1", ["-40.00"]),
    ],
)
def test_the_cap_is_used_up_in_the_order_of_events(short: list[str], cap: str, amounts: list[str]) -> None:
    events = [result(one, "0", "0.00", dispatch=f"D{n}") for n, one in enumerate(short)]
    lines = month_lines(events, terms(penalty_cap=D(cap)), FIRST, LAST)
    assert [str(line.amount) for line in by_code(lines, "PEN")] == amounts


def test_the_cap_does_not_shrink_with_the_factor() -> None:
    # Factor 0: no reservation is paid, the cap still is half of 40.00.
    lines = month_lines([result("50", "0", "0.00")], terms(penalty_cap=D("0.5")), FIRST, LAST)
    assert total(lines) == D("-20.00")


def test_the_cap_shrinks_with_the_part_of_the_month() -> None:
    # 15 of 30 days: half of 40.00.
    lines = month_lines([result("50", "0", "0.00")], terms(), date(2024, 6, 16), date(2024, 6, 30))
    assert by_code(lines, "PEN")[0].amount == D("-20.00")


def test_a_capped_penalty_shows_the_energy_it_pays_for() -> None:
    # 40.00 at 3.00 a kWh pay for 13.333 kWh: 39.999 -> 40.00.
    lines = month_lines([result("50", "0", "0.00")], terms(penalty_per_kwh=D("3.00")), FIRST, LAST)
    (line,) = by_code(lines, "PEN")
    assert (line.quantity, line.amount) == (D("-13.333"), D("-40.00"))
    assert line.text.endswith("up to the month's cap")


@pytest.mark.parametrize("delivered", ["4", "5"])
def test_all_or_more_than_asked_costs_nothing(delivered: str) -> None:
    assert by_code(month_lines([result("4", delivered, "1.00")], terms(), FIRST, LAST), "PEN") == []


def test_without_a_rate_there_is_no_penalty() -> None:
    lines = month_lines([result("4", "0", "0.00")], terms(penalty_per_kwh=D(0)), FIRST, LAST)
    assert [line.code for line in lines] == ["RES", "UTL"]


def test_lines_follow_the_events_and_name_them() -> None:
    events = [result("4", "2", "0.50", dispatch="D1"), result("4", "4", "1.00", dispatch="D2")]
    found = [(line.code, line.dispatch) for line in month_lines(events, terms(), FIRST, LAST)]
    assert found == [("RES", None), ("UTL", "D1"), ("PEN", "D1"), ("UTL", "D2")]


def test_nothing_adds_up_to_zero_cents() -> None:
    assert str(total([])) == "0.00"


# --- the month a second time ------------------------------------------------------------------------------------------

ENERGIES = st.integers(0, 60_000).map(lambda n: D(n).scaleb(-3))
RATES = st.integers(0, 5_000).map(lambda n: D(n).scaleb(-3))
SHARES = st.integers(0, 100).map(lambda n: D(n).scaleb(-2))
EVENTS = st.lists(st.tuples(ENERGIES, SHARES, SHARES, st.integers(1, 16).map(lambda n: F(n, 4))), max_size=6)


def cents(energy: Fraction, rate: Decimal) -> int:
    return int(half_up(energy * F(rate), 2) * 100)


def twin(events: list[EventResult], deal: Terms, days: int, before: Decimal | None) -> list[tuple[str, int]]:
    """The codes and cents of July's lines, one after the other."""
    hours = part = F(0)
    for event in events:
        hours += event.hours
        part += event.hours * F(event.factor)
    factor = half_up(part / hours, 2) if events else F(1 if before is None else before)
    whole = F(deal.contracted_kw) * days / 31
    paid = half_up(whole * factor, 3) if factor >= F(deal.threshold) else F(0)
    lines = [("RES", cents(paid, deal.reservation_per_kw_month))]
    left = int(half_up(whole * F(deal.reservation_per_kw_month) * F(deal.penalty_cap), 2) * 100)
    for event in events:
        lines.append(("UTL", cents(F(event.delivered_kwh), deal.utilisation_per_kwh)))
        short = half_up(F(deal.grace) * F(event.asked_kwh) - F(event.delivered_kwh), 3)
        if short <= 0 or not deal.penalty_per_kwh:
            continue
        due = cents(short, deal.penalty_per_kwh)
        if due > left:
            watt_hours = F(left, 100) / F(deal.penalty_per_kwh) * 1000
            due = cents(F(watt_hours.numerator // watt_hours.denominator, 1000), deal.penalty_per_kwh)
        if due:
            lines.append(("PEN", -due))
            left -= due
    return lines


@settings(max_examples=200, deadline=None)
@given(
    rows=EVENTS,
    rates=st.tuples(RATES, RATES, RATES),
    kilowatts=st.integers(1, 100_000).map(lambda n: D(n).scaleb(-3)),
    shares=st.tuples(SHARES, SHARES, SHARES),
    days=st.integers(1, 31),
    before=st.none() | SHARES,
)
def test_both_ways_give_the_same_cents(
    rows: list[tuple[Decimal, Decimal, Decimal, Fraction]],
    rates: tuple[Decimal, Decimal, Decimal],
    kilowatts: Decimal,
    shares: tuple[Decimal, Decimal, Decimal],
    days: int,
    before: Decimal | None,
) -> None:
    deal = Terms(kilowatts, *rates, *shares)
    events = [
        EventResult(f"D{n}", EVENT_DAY, hours, asked, Decimal(rounded(F(asked * part), D("0.001"))), factor)
        for n, (asked, part, factor, hours) in enumerate(rows)
    ]
    lines = month_lines(events, deal, FIRST, date(2024, 7, days), before)
    expected = twin(events, deal, days, before)
    assert [(line.code, int(line.amount * 100)) for line in lines] == expected
    assert total(lines) * 100 == sum(amount for _, amount in expected)
    assert all(line.amount == line.amount.quantize(D("0.01")) for line in lines)
