"""Views where the business is not as usual: calls that were refused, taken back or changed, gaps, documents that have no effect,
partners of an older protocol, several agreements, days on which the clock changes."""

from __future__ import annotations

import itertools
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.exchange.house import AGGREGATOR, UTILITY
from tests.exchange.test_acts_dispatch import instruction
from tests.exchange.test_translated_settlement import EVENT, STATEMENT, ordered
from tests.exchange.test_view_settlement import ZONE
from tests.exchange.trade_stage import HOUR, NWS, Stage, dealt, kw

from intertie.gateway.office import uploaded
from intertie.gateway.office.office_acts import NotHere
from intertie.gateway.office.uploaded import Row
from intertie.gateway.trading import trade_dispatch as act
from intertie.gateway.trading.trade_desk import Desk
from intertie.gateway.views import view_ageing, view_event, view_policy, view_settlement, view_statement
from intertie.gateway.views.view_event import Curve, Plot
from intertie.market.dispatch_state import Status
from intertie.model.billing import LineCode
from intertie.model.dispatch import CancelReason, DispatchAnswer, RefusalReason
from intertie.model.errors import SettingsError
from intertie.model.ids import AgreementId, PartyId
from intertie.model.interval import IntervalSeries, Window, local_day
from intertie.model.quantity import Unit
from intertie.model.settlement import (
    EventPerformance,
    ExcludedDay,
    ExclusionReason,
    MeterPerformance,
    PerformanceStatement,
    StatementLine,
)
from intertie.portal.pages.settlement_event import plot_data

QUARTER = timedelta(minutes=15)


def called(**changes: Any) -> tuple[Stage, str]:
    stage = dealt(baseline_method="high-5-of-10")
    body = instruction(stage, **changes)
    stage.done(act.instruct(stage.utility, body))
    return stage, body.dispatch


def energies(start: datetime, *values: int | None) -> IntervalSeries:
    return IntervalSeries(start=start, step_seconds=900, unit=Unit.KWH, power_of_ten=-3, values=values)


def performed(start: datetime, dispatch: str, *actual: int | None, **more: Any) -> EventPerformance:
    """An event of so many quarter hours, with a baseline of 2 kWh each."""
    count = len(actual)
    delivered = [0 if value is None else max(0, 2000 - value) for value in actual]
    said: dict[str, Any] = {
        "dispatch": dispatch,
        "window": Window(start=start, end=start + QUARTER * count),
        "asked_kw": kw(start, *([5] * count), step=QUARTER),
        "baseline_kwh": energies(start, *([2000] * count)),
        "actual_kwh": energies(start, *actual),
        "delivered_kwh": energies(start, *delivered),
        "performance_factor": Decimal("0.5"),
    }
    return EventPerformance(**{**said, **more})


def stating(stage: Stage, name: str, *events: EventPerformance, **more: Any) -> PerformanceStatement:
    said: dict[str, Any] = {
        "statement": name,
        "confirmation": NWS,
        "service": stage.utility.book.deals[NWS].terms.service,
        "period": Window(start=stage.now - 3 * HOUR, end=stage.now),
        "baseline_method": "high-5-of-10",
        "events": events,
    }
    return PerformanceStatement(**{**said, **more})


def over(stage: Stage) -> datetime:
    """The call is over; when it began."""
    [one] = stage.utility.book.dispatches.values()
    stage.now = one.instruction.window.end + HOUR
    start: datetime = one.instruction.window.start
    return start


# Calls


def test_a_refused_call_stays_on_the_calendar_and_says_so() -> None:
    stage, name = called()
    stage.done(act.answer(stage.aggregator, name, DispatchAnswer.REFUSED, reason=RefusalReason.NOT_AVAILABLE))
    start = over(stage)
    [one] = view_settlement.calendar(stage.gateways[UTILITY], f"{start:%Y-%m}", ZONE, stage.now).events
    assert one.status is Status.REFUSED and one.statement == ""
    found = view_event.event_view(stage.utility, name)
    assert found.status is Status.REFUSED and len(found.messages) == 2


def test_a_call_that_was_taken_back_names_the_message_that_did_it() -> None:
    stage, name = called()
    stage.done(act.cancel(stage.utility, name, next(iter(CancelReason)), stage.now))
    found = view_event.event_view(stage.aggregator, name)
    assert found.status is Status.CANCELLED
    assert [one.document for one in found.messages] == ["dispatch_instruction", "dispatch_cancel"]


def test_an_emergency_outside_any_deal_has_no_deal_and_utc() -> None:
    stage = dealt()
    body = instruction(stage, confirmation=None, emergency=True)
    stage.done(act.instruct(stage.utility, body))
    found = view_event.event_view(stage.utility, body.dispatch)
    assert found.emergency and found.confirmation == "" and found.zone == "UTC"
    [one] = view_settlement.calendar(
        stage.gateways[UTILITY], f"{body.window.start:%Y-%m}", ZONE, stage.now
    ).events
    assert one.emergency and one.confirmation == ""


def test_what_waits_for_its_receipt_is_not_held_by_both() -> None:
    stage = dealt()
    body = instruction(stage)
    act.instruct(stage.utility, body)
    assert view_settlement.calendar(stage.gateways[UTILITY], "", ZONE, stage.now).events == ()
    with pytest.raises(NotHere):
        view_event.event_view(stage.utility, body.dispatch)


def test_gaps_are_gaps_in_plot_table_and_meters() -> None:
    stage, name = called()
    stage.done(act.answer(stage.aggregator, name, DispatchAnswer.ACCEPTED))
    start = over(stage)
    parts = tuple(
        MeterPerformance(
            meter=f"M-{number}", baseline_kwh=energies(start, 1000, 1000), actual_kwh=energies(start, *values)
        )
        for number, values in enumerate(((500, None), (None, None), (900, 900)), 1)
    )
    event = performed(start, name, 1500, None, meters=parts)
    stage.done(*stage.utility.say(stating(stage, "S-1", event)))
    found = view_event.event_view(stage.aggregator, name).performance
    assert found is not None
    metered = next(curve for curve in found.plot.curves if curve.name == "Metered")
    assert metered.values == (1.5, None)
    assert [row.metered for row in found.intervals] == [Decimal("1.5"), None]
    assert [(row.meter, row.gaps) for row in found.meters] == [("M-2", 2), ("M-1", 1), ("M-3", 0)]
    assert found.meters[0].less == 2 and found.meters[-1].less == Decimal("0.2")


def test_hourly_targets_are_spread_over_the_intervals_of_readings() -> None:
    stage, name = called()
    stage.done(act.answer(stage.aggregator, name, DispatchAnswer.ACCEPTED))
    start = over(stage)
    event = performed(start, name, 0, 0, asked_kw=kw(start, 8, step=2 * QUARTER))
    stage.done(*stage.utility.say(stating(stage, "S-1", event)))
    found = view_event.event_view(stage.aggregator, name).performance
    assert found is not None and [row.asked for row in found.intervals] == [2, 2] and found.asked == 4


def test_days_left_out_say_why_with_the_words_of_whoever_did() -> None:
    stage, name = called()
    stage.done(act.answer(stage.aggregator, name, DispatchAnswer.ACCEPTED))
    start = over(stage)
    day = start.date()
    out = tuple(
        ExcludedDay(day=day - timedelta(days=number), reason=reason, text="storm" if number == 1 else "")
        for number, reason in enumerate(ExclusionReason, 1)
    )
    event = performed(start, name, 0, 0, days_excluded=out, adjustment_factor=Decimal("1.2"), text="a note")
    stage.done(*stage.utility.say(stating(stage, "S-1", event)))
    found = view_event.event_view(stage.utility, name).performance
    assert found is not None and found.adjustment == Decimal("1.2") and found.text == "a note"
    assert next((one.reason, one.text) for one in found.excluded) == ("event_day", "storm")
    assert {one.reason for one in found.excluded} == {reason.value for reason in ExclusionReason}


def test_a_statement_without_effect_is_not_shown() -> None:
    """It leaves a call out, so the rules of the trade give it no effect; the sender is told when it sends."""
    stage, name = called()
    stage.done(act.answer(stage.aggregator, name, DispatchAnswer.ACCEPTED))
    over(stage)
    with pytest.raises(Exception, match=r"statement\.items"):
        stage.utility.say(stating(stage, "S-1"))
    assert view_settlement.statements_with(stage.gateways[UTILITY], AGGREGATOR).rows == ()


def test_many_lines_and_calls_are_bounded_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    stage, name = called()
    stage.done(act.answer(stage.aggregator, name, DispatchAnswer.ACCEPTED))
    start = over(stage)
    lines = tuple(
        StatementLine(
            code=LineCode.ADJUSTMENT,
            text=f"{n}",
            quantity=Decimal(1),
            unit="x",
            rate=Decimal(1),
            amount=Decimal(1),
        )
        for n in range(9)
    )
    stage.done(*stage.utility.say(stating(stage, "S-1", performed(start, name, 0, 0), lines=lines)))
    monkeypatch.setattr(view_statement, "LINES_MAX", 4)
    monkeypatch.setattr(view_statement, "CALLS_MAX", 0)
    found = view_statement.statement_view(stage.utility, "S-1")
    assert len(found.lines) == 4 and found.lines_left_out == 5 and found.total == 9
    assert found.calls == () and found.calls_left_out == 1
    other = view_statement.line_view(stage.utility, "S-1", 9)
    assert other.lines == 9 and other.explained is not None
    assert other.explained.amount.startswith("ADJ 8: 1 x × 1")


# Partners of an older protocol


def test_a_partner_that_speaks_uftp_has_a_calendar_and_statements_too() -> None:
    two = ordered()
    two.now = max(two.now, STATEMENT.period.end + HOUR)
    two.say(UTILITY, STATEMENT)
    for _ in range(4):
        two.carry(UTILITY)
        two.carry(AGGREGATOR)
    desk = Desk(two.gateways[UTILITY], AGGREGATOR, two.now)
    rows = view_settlement.statements_with(two.gateways[UTILITY], AGGREGATOR).rows
    for row in rows:
        found = view_statement.statement_view(desk, row.statement)
        assert found.currency and found.calls[0].dispatch == EVENT.dispatch
    assert view_settlement.trading_partners(two.gateways[UTILITY]) == (AGGREGATOR,)
    calls = view_settlement.calendar(two.gateways[UTILITY], "2026-01", ZONE, two.now)
    assert calls.partners == (AGGREGATOR,) and calls.left_out == 0


# Agreements


def test_an_agreement_that_is_named_is_the_one_that_is_spoken_under() -> None:
    stage = dealt()
    desk = stage.utility
    named = Desk(stage.gateways[UTILITY], AGGREGATOR, stage.now, desk.agreement)
    assert view_ageing.owed(named).agreement == desk.agreement
    other = Desk(stage.gateways[UTILITY], AGGREGATOR, stage.now, AgreementId("ON-PAPER-1"))
    with pytest.raises(SettingsError, match="not signed"):
        view_ageing.owed(other)
    with pytest.raises(NotHere):
        view_ageing.invoice_view(other, "I-1")


def test_only_the_two_sides_of_the_trade_state_and_charge() -> None:
    stage = dealt()
    assert view_settlement.may_state(stage.utility) and not view_settlement.may_state(stage.aggregator)
    assert view_settlement.may_invoice(stage.aggregator) and not view_settlement.may_invoice(stage.utility)


# Days


@pytest.mark.parametrize(
    ("month", "first", "last", "weeks"),
    [
        ("2026-02", date(2026, 1, 26), date(2026, 3, 1), 5),
        ("2027-02", date(2027, 2, 1), date(2027, 2, 28), 4),
        ("2026-03", date(2026, 2, 23), date(2026, 4, 5), 6),
        ("2026-12", date(2026, 11, 30), date(2027, 1, 3), 5),
        ("2024-02", date(2024, 1, 29), date(2024, 3, 3), 5),
    ],
)
def test_weeks_are_whole_and_hold_the_month(month: str, first: date, last: date, weeks: int) -> None:
    stage = Stage()
    found = view_settlement.calendar(stage.gateways[UTILITY], month, ZONE, stage.now)
    days = [one.day for week in found.weeks for one in week]
    assert (days[0], days[-1], len(found.weeks)) == (first, last, weeks)
    assert [b - a for a, b in itertools.pairwise(days)] == [timedelta(days=1)] * (len(days) - 1)
    assert sum(one.in_month for week in found.weeks for one in week) == len(
        [day for day in days if f"{day:%Y-%m}" == month]
    )


@given(st.integers(1901, 2997), st.integers(1, 12))
@settings(max_examples=60, deadline=None)
def test_any_month_leads_to_the_one_before_and_after(year: int, month: int) -> None:
    found = view_settlement.calendar(EMPTY.gateways[UTILITY], f"{year}-{month:02d}", ZONE, EMPTY.now)
    ahead = view_settlement.calendar(EMPTY.gateways[UTILITY], found.after, ZONE, EMPTY.now)
    assert found.month == f"{year}-{month:02d}" and ahead.before == found.month
    assert all(len(week) == 7 for week in found.weeks) and 4 <= len(found.weeks) <= 6


EMPTY = Stage()


def test_a_call_on_the_night_when_clocks_change_is_on_its_local_day() -> None:
    stage = dealt()
    late = local_day(date(2026, 3, 8), ZONE).start + timedelta(
        hours=22, minutes=30
    )  # 23:30 on a day of 23 hours
    body = instruction(stage, after=late - stage.now)
    stage.done(act.instruct(stage.utility, body))
    found = view_settlement.calendar(stage.gateways[UTILITY], "2026-03", ZONE, stage.now)
    assert [one.day for week in found.weeks for one in week if one.events] == [date(2026, 3, 8)]
    there = view_settlement.calendar(stage.gateways[UTILITY], "2026-03", "UTC", stage.now)
    assert [one.day for week in there.weeks for one in week if one.events] == [date(2026, 3, 9)]


# Small things


@given(st.lists(st.booleans(), max_size=30))
def test_what_is_wrong_stands_first_and_order_is_kept(oks: list[bool]) -> None:
    rows = [Row(str(number), "", ok) for number, ok in enumerate(oks)]
    found = uploaded.worst_first(rows)
    assert sorted(found, key=rows.index) == rows
    assert [row.ok for row in found] == sorted(oks)
    for ok in (True, False):
        places = [int(row.place) for row in found if row.ok is ok]
        assert places == sorted(places)


@given(st.lists(st.none() | st.floats(-1e6, 1e6), max_size=20), st.integers(1, 86_400))
def test_a_plot_holds_each_value_to_the_end_of_its_interval(values: list[float | None], step: int) -> None:
    times = tuple(step * number for number in range(len(values)))
    said: Any = plot_data(Plot(times, step, (Curve("a", "kW", tuple(values)),)))
    assert len(said["x"]) == len(said["series"][0]["values"]) == (len(values) + 1 if values else 0)
    if values:
        assert said["x"][-1] - said["x"][-2] == step
        assert said["series"][0]["values"][-1] == values[-1] and said["series"][0]["stepped"]
    assert plot_data(None) == {"x": [], "series": []}


def test_nobody_is_a_partner_of_an_empty_gateway() -> None:
    with pytest.raises(NotHere):
        view_settlement.statements_with(EMPTY.gateways[UTILITY], PartyId("nobody.example"))
    assert view_settlement.trading_partners(EMPTY.gateways[UTILITY]) == (AGGREGATOR,)
    assert view_settlement.statements_with(EMPTY.gateways[UTILITY], AGGREGATOR) == ((), False)


def test_a_suspended_partner_runs_no_flows() -> None:
    gateway = EMPTY.gateways[UTILITY]
    before = view_policy.flow_table(gateway, "DA", EMPTY.now.date())
    book: Any = gateway.partners
    known = book.partners[AGGREGATOR]
    book.partners[AGGREGATOR] = known._replace(suspended=True)
    after = view_policy.flow_table(gateway, "DA", EMPTY.now.date())
    book.partners[AGGREGATOR] = known
    assert any(row.ours for row in before.rows) and not any(row.ours for row in after.rows)
    assert [row.profile for row in before.rows] == [row.profile for row in after.rows]
