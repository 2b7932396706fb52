"""Settlement of a period, by hand, and the invoice it supports."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction

import msgspec
import pytest
from market_cases import DAY, DEAL, WINDOW, A, B, book, call, readings

from intertie.market.baseline import Adjustment, NoBaseline
from intertie.market.statement import add_up, asked_wh, event_of, invoice_of, settle, settle_event
from intertie.market.terms import rule_of, terms_of
from intertie.model.errors import SettingsError
from intertie.model.settlement import ExclusionReason

FIRST, LAST = date(2026, 2, 1), date(2026, 2, 28)


def test_the_event_by_hand() -> None:
    found = settle_event(book(), call())
    # Baseline 1000 + 2000 = 3000 Wh a quarter, level before the event the same: factor 1.
    assert found.baseline_kwh.total() == Decimal(12)
    assert found.actual_kwh.total() == Decimal(6)
    # 3000 - 1500 = 1500 Wh a quarter, under the 2000 that 8 kW ask for: 6 of 8 kWh.
    assert found.delivered_kwh.total() == Decimal(6)
    assert (found.performance_factor, found.adjustment_factor) == (Decimal("0.75"), Decimal(1))
    assert found.days_used == (date(2026, 2, 12), date(2026, 2, 13))
    assert [(d.day, d.reason) for d in found.days_excluded] == [
        (date(2026, 2, 11), ExclusionReason.NOT_AMONG_HIGHEST)
    ]


def test_the_meters_add_up_to_the_event() -> None:
    found = settle_event(book(), call())
    assert [part.meter for part in found.meters] == [A, B]
    for field in ("baseline_kwh", "actual_kwh"):
        parts = [getattr(part, field).values for part in found.meters]
        assert tuple(map(sum, zip(*parts, strict=True))) == getattr(found, field).values


def test_additive_parts_add_up_too() -> None:
    it = book(500, 1000)
    it.readings[A][DAY] = (1500,) * 76 + (500,) * 4 + (1000,) * 16  # type: ignore[index]
    found = settle_event(it._replace(rule=it.rule._replace(adjustment=Adjustment.ADDITIVE)), call())
    # 500 Wh more than usual between 15:00 and 17:00, under the cap of 600: 3500 Wh a quarter.
    assert found.baseline_kwh.total() == Decimal(14)
    assert sum(part.baseline_kwh.total() for part in found.meters) == Decimal(14)
    assert found.adjustment_factor is None


def test_a_refused_call_delivered_nothing() -> None:
    found = settle_event(book(), call(refused=True))
    assert (found.delivered_kwh.total(), found.performance_factor) == (0, Decimal("0.00"))
    assert found.baseline_kwh.total() - found.actual_kwh.total() == Decimal(6)


def test_a_missing_meter_day_delivers_nothing() -> None:
    it = book()
    del it.readings[B][DAY]  # type: ignore[attr-defined]
    found = settle_event(it, call())
    assert found.actual_kwh.values == (None,) * 4
    assert found.delivered_kwh.total() == 0


def test_the_month_by_hand() -> None:
    statement, lines = settle(book(), DEAL, [call()], FIRST, LAST, "S-1")
    # 10 kW x 0.75 x 6.00 = 45.00; 6 kWh x 1.00; (8 - 6) kWh x 0.75 = 1.50
    assert [(line.code, line.amount) for line in lines] == [
        ("RES", Decimal("45.00")),
        ("UTL", Decimal("6.00")),
        ("PEN", Decimal("-1.50")),
    ]
    assert (statement.period.start, statement.period.end) == (DEAL.term.start, DEAL.term.end)
    assert [line.amount for line in statement.lines] == [line.amount for line in lines]
    assert "high 2 of 3" in statement.text
    assert statement.performance_factor == Decimal("0.75")


def test_both_sides_get_the_same_bytes() -> None:
    one, two = (settle(book(), DEAL, [call()], FIRST, LAST, "S-1")[0] for _ in range(2))
    assert msgspec.json.encode(one) == msgspec.json.encode(two)


def test_the_invoice() -> None:
    statement, lines = settle(book(), DEAL, [call()], FIRST, LAST, "S-1")
    found = invoice_of(statement, lines, DEAL, "I-1", date(2026, 3, 2), date(2026, 4, 1), corrects="I-0")
    assert (found.total.amount, found.total.currency) == (Decimal("49.50"), "EUR")
    assert [line.line for line in found.lines] == [1, 2, 3]
    assert {line.statement for line in found.lines} == {"S-1"}
    assert (found.corrects, found.confirmation, found.period) == ("I-0", "deal", statement.period)


def test_too_little_history_is_said() -> None:
    it = book()
    short = {
        meter: {d: v for d, v in days.items() if d > DAY - timedelta(days=3)}
        for meter, days in it.readings.items()
    }
    with pytest.raises(NoBaseline):
        settle(it._replace(readings=short), DEAL, [call()], FIRST, LAST, "S-1")


def test_the_event_in_local_time() -> None:
    found = event_of(call().instruction, "Europe/Berlin")
    assert (found.day, found.first, found.last, found.step_minutes) == (DAY, 76, 80, 15)
    assert event_of(call().instruction, "UTC").first == 72


def test_asked_in_watt_hours() -> None:
    # 8 kW over a quarter of an hour
    assert asked_wh(call().instruction) == (Fraction(2000),) * 4


def test_sums_know_gaps_and_missing_days() -> None:
    assert add_up({}) == {}
    days = {A: {DAY: (1, None), FIRST: (1, 1)}, B: {DAY: (2, 3)}}
    assert add_up(days) == {DAY: (3, None)}


def test_the_deal_names_its_rule() -> None:
    rule = rule_of(DEAL, frozenset({DAY}))
    assert (rule.highest, rule.of, rule.minimum_days, rule.cap) == (2, 3, 3, Fraction(1, 5))
    assert rule.adjustment is Adjustment.MULTIPLICATIVE
    assert rule.holidays == {DAY}
    bare = msgspec.structs.replace(DEAL, baseline_method="high-5-of-10")
    assert rule_of(bare).adjustment is Adjustment.NONE
    assert terms_of(DEAL).contracted_kw == 10


@pytest.mark.parametrize("method", ["high-6-of-5", "high-0-of-5", "middle-8-of-10", "high-5-of-10-guess"])
def test_an_unknown_method_is_said(method: str) -> None:
    with pytest.raises(SettingsError, match=method):
        rule_of(msgspec.structs.replace(DEAL, baseline_method=method))


def test_the_window_is_the_calls() -> None:
    assert settle_event(book(), call()).window == WINDOW

    assert set(readings(1, 2)) == {A, B}
