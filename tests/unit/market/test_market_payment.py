"""A month's lines, by hand."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from intertie.market.payment import EventResult, Terms, month_lines, total

TERMS = Terms(
    contracted_kw=Decimal(35),
    reservation_per_kw_month=Decimal("6.00"),
    utilisation_per_kwh=Decimal("1.00"),
    penalty_per_kwh=Decimal("0.75"),
)
FIRST, LAST = date(2026, 2, 1), date(2026, 2, 28)


def event(name: str, asked: str, delivered: str, hours: int = 1) -> EventResult:
    factor = (Decimal(delivered) / Decimal(asked)).quantize(Decimal("0.01"))
    return EventResult(name, date(2026, 2, 16), Fraction(hours), Decimal(asked), Decimal(delivered), factor)


def test_by_hand() -> None:
    lines = month_lines([event("a", "20", "16.647"), event("b", "20", "20", 3)], TERMS, FIRST, LAST)
    # Factor: (0.83 x 1 + 1.00 x 3) / 4 = 0.9575 -> 0.96. 35 kW x 0.96 = 33.6 kW month x 6.00 = 201.60.
    # Delivered: 16.647 x 1.00 = 16.65 and 20.00. Short: 3.353 x 0.75 = 2.51475 -> 2.51.
    assert [(line.code, line.dispatch, line.amount) for line in lines] == [
        ("RES", None, Decimal("201.60")),
        ("UTL", "a", Decimal("16.65")),
        ("PEN", "a", Decimal("-2.51")),
        ("UTL", "b", Decimal("20.00")),
    ]
    # 201.60 + 16.65 - 2.51 + 20.00
    assert total(lines) == Decimal("235.74")


def test_a_part_of_a_month_is_paid_by_days() -> None:
    lines = month_lines([], TERMS, date(2026, 1, 12), date(2026, 1, 31))
    # 20 of 31 days: 35 x 20 / 31 = 22.5806 -> 22.581 kW month x 6.00 = 135.486 -> 135.49
    assert (lines[0].quantity, lines[0].amount) == (Decimal("22.581"), Decimal("135.49"))
    assert "64.5%" in lines[0].text


def test_a_month_without_events_keeps_the_factor_before() -> None:
    # 35 x 0.50 x 6.00
    assert month_lines([], TERMS, FIRST, LAST, Decimal("0.50"))[0].amount == Decimal("105.00")


def test_under_the_threshold_there_is_no_reservation() -> None:
    terms = TERMS._replace(threshold=Decimal("0.5"))
    assert month_lines([event("a", "20", "9")], terms, FIRST, LAST)[0].amount == 0
    # 10 of 20 is the threshold itself: 35 x 0.50 x 6.00
    assert month_lines([event("a", "20", "10")], terms, FIRST, LAST)[0].amount == Decimal("105.00")


def test_grace_forgives_a_small_shortfall() -> None:
    terms = TERMS._replace(grace=Decimal("0.95"))
    codes = [line.code for line in month_lines([event("a", "20", "19")], terms, FIRST, LAST)]
    assert codes == ["RES", "UTL"]
    lines = month_lines([event("a", "20", "18")], terms, FIRST, LAST)
    # 0.95 x 20 - 18 = 1 kWh short x 0.75
    assert lines[-1].amount == Decimal("-0.75")


def test_penalties_stop_at_the_cap() -> None:
    terms = TERMS._replace(penalty_cap=Decimal("0.1"))
    events = [event("a", "20", "0"), event("b", "20", "0"), event("c", "20", "0")]
    lines = [line for line in month_lines(events, terms, FIRST, LAST) if line.code == "PEN"]
    # The full reservation is 210.00, its tenth 21.00: the first 20 kWh cost 15.00, the second 6.00 (8 kWh), the third 0.
    assert [(line.dispatch, line.quantity, line.amount) for line in lines] == [
        ("a", Decimal("-20.000"), Decimal("-15.00")),
        ("b", Decimal("-8.000"), Decimal("-6.00")),
    ]
    assert "cap" in lines[1].text


ENERGY = st.decimals(0, 500, places=3)


@given(st.lists(st.tuples(ENERGY, ENERGY), max_size=10))
def test_every_line_can_be_checked_from_what_it_shows(pairs: list[tuple[Decimal, Decimal]]) -> None:
    events = [
        EventResult(f"e{i}", FIRST, Fraction(1), max(pair), min(pair), Decimal("0.50"))
        for i, pair in enumerate(pairs)
    ]
    lines = month_lines(events, TERMS, FIRST, LAST)
    assert all(abs(line.quantity * line.rate - line.amount) <= Decimal("0.005") for line in lines)
    penalties = -sum(line.amount for line in lines if line.code == "PEN")
    assert 0 <= penalties <= Decimal("210.00")
