"""What settlement analysts see: the calendar, one call, a statement, and a line as arithmetic; over what two gateways hold."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import cast

import pytest
from msgspec.structs import replace
from tests.exchange import test_settle
from tests.exchange.house import AGGREGATOR, UTILITY
from tests.exchange.test_settle import EVENT_DAY, ZONE, Settling, settled
from tests.exchange.trade_stage import NWS, dealt

from intertie.gateway.billing import billing_invoice
from intertie.gateway.office.office_acts import NotHere
from intertie.gateway.views import view_event, view_settlement, view_statement
from intertie.market.dispatch_state import Status
from intertie.market.explain_line import explain_line
from intertie.model.errors import SettingsError
from intertie.model.ids import PartyId
from intertie.model.interval import IntervalSeries
from intertie.model.quantity import Unit

NAME = "S-NWS-1-2026-01"
CALL = "D-1"
BOTH = (UTILITY, AGGREGATOR)


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Settling:
    """A statement of the month, and an invoice for it, that both hold. Nothing here changes it."""
    make = test_settle.stage.__wrapped__  # type: ignore[attr-defined]
    found = cast(Settling, make(cast(Path, tmp_path_factory.mktemp("readings"))))
    found.done(*found.utility.say(settled(found, UTILITY).statement))
    body = billing_invoice.find_statement(found.aggregator, None)
    found.done(
        billing_invoice.issue(found.aggregator, billing_invoice.from_statement(found.aggregator, body, "I-1"))
    )
    return found


def call_of(stage: Settling) -> str:
    [name] = stage.utility.book.dispatches
    return name


@pytest.mark.parametrize("party", BOTH)
def test_the_calendar_has_the_call_on_its_day_with_what_was_delivered(
    stage: Settling, party: PartyId
) -> None:
    found = view_settlement.calendar(stage.gateways[party], "2026-01", ZONE, stage.now)
    assert (found.month, found.before, found.after, found.left_out) == ("2026-01", "2025-12", "2026-02", 0)
    assert all(len(week) == 7 for week in found.weeks) and found.weeks[0][0].day.weekday() == 0
    days = {one.day: one for week in found.weeks for one in week}
    assert min(days) == date(2025, 12, 29) and not days[date(2025, 12, 31)].in_month
    assert {day for day, one in days.items() if one.events} == {EVENT_DAY}
    [one] = days[EVENT_DAY].events
    assert one.dispatch == call_of(stage) and one.confirmation == NWS and one.status is Status.UNREPORTED
    assert one.asked_kw == Decimal(5) and one.asked_kwh == Decimal("2.5")
    assert one.statement == NAME and one.factor == Decimal("0.64")
    assert one.delivered_kwh == pytest.approx(Decimal("1.6"), abs=Decimal("0.02"))


def test_a_month_without_a_call_is_empty_and_the_present_one_is_the_default(stage: Settling) -> None:
    found = view_settlement.calendar(stage.gateways[UTILITY], "", ZONE, stage.now)
    assert found.month == f"{stage.now:%Y-%m}" == "2026-02" and found.events == ()
    december = view_settlement.calendar(stage.gateways[UTILITY], "2025-12", ZONE, stage.now)
    assert (december.before, december.after) == ("2025-11", "2026-01") and december.events == ()


def test_days_are_those_of_the_zone(stage: Settling) -> None:
    found = view_settlement.calendar(stage.gateways[UTILITY], "2026-01", "Pacific/Kiritimati", stage.now)
    [day] = [one.day for week in found.weeks for one in week if one.events]
    assert day == EVENT_DAY + timedelta(days=1), "13:00 UTC is the next day there"


@pytest.mark.parametrize("text", ["2026-13", "january", "2026-1", "../etc", "0001-01", "2026-01-01"])
def test_what_is_no_month_is_said(stage: Settling, text: str) -> None:
    with pytest.raises(SettingsError):
        view_settlement.calendar(stage.gateways[UTILITY], text, ZONE, stage.now)


def test_more_calls_than_a_page_holds_are_counted(stage: Settling, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(view_settlement, "CALENDAR_EVENTS_MAX", 0)
    found = view_settlement.calendar(stage.gateways[UTILITY], "2026-01", ZONE, stage.now)
    assert found.events == () and found.left_out == 1


def test_a_stranger_is_no_partner(stage: Settling) -> None:
    with pytest.raises(NotHere):
        view_settlement.calendar(
            stage.gateways[UTILITY], "2026-01", ZONE, stage.now, PartyId("nobody.example")
        )


@pytest.mark.parametrize("party", BOTH)
def test_statements_are_listed_with_what_came_of_them(stage: Settling, party: PartyId) -> None:
    there = AGGREGATOR if party == UTILITY else UTILITY
    found = view_settlement.statements_with(stage.gateways[party], there)
    [row] = found.rows
    assert not found.more and row.statement == NAME and row.by == UTILITY and row.calls == 1
    assert row.total == sum(line.amount for line in settled(stage, UTILITY).statement.lines)
    assert row.currency == "USD" and row.invoices == ("I-1",) and row.disputes == ()


def test_of_many_statements_the_newest_are_listed(stage: Settling) -> None:
    found = view_settlement.statements_with(stage.gateways[UTILITY], AGGREGATOR, 0)
    assert found.rows == () and found.more


@pytest.mark.parametrize("party", BOTH)
def test_a_call_is_shown_interval_by_interval(stage: Settling, party: PartyId) -> None:
    found = view_event.event_view(stage.desk(party), call_of(stage))
    one = found.performance
    assert one is not None and found.zone == ZONE and found.asked_kwh == Decimal("2.5")
    assert (one.statement, one.by, one.factor) == (NAME, UTILITY, Decimal("0.64"))
    assert one.delivered == sum(row.delivered or 0 for row in one.intervals)
    assert one.baseline - one.metered == pytest.approx(one.delivered, abs=Decimal("0.02"))
    assert [row.start.minute for row in one.intervals] == [0, 15]
    assert [row.asked for row in one.intervals] == [Decimal("1.25")] * 2
    assert [curve.name for curve in one.plot.curves] == ["Asked", "Baseline", "Metered", "Delivered"]
    assert one.plot.times[1] - one.plot.times[0] == one.plot.step_seconds == 900
    assert {len(curve.values) for curve in one.plot.curves} == {2}
    event = settled(stage, UTILITY).statement.events[0]
    assert one.days_used == event.days_used and len(one.days_used) == 5
    assert [(row.day, row.reason) for row in one.excluded] == [
        (day.day, day.reason.value) for day in event.days_excluded
    ]
    assert one.excluded, "a day that was left out says why"
    assert [row.meter for row in one.meters] == ["M-1", "M-2"] and one.meters_left_out == 0
    assert sum(row.less for row in one.meters) == pytest.approx(one.delivered, abs=Decimal("0.02"))
    assert [number for number, _ in one.lines] == [2, 3], "what it comes to in money"


def test_a_call_names_its_messages_in_order(stage: Settling) -> None:
    found = view_event.event_view(stage.utility, call_of(stage))
    assert [one.document for one in found.messages] == ["dispatch_instruction", "dispatch_response"]
    assert [one.by for one in found.messages] == [UTILITY, AGGREGATOR] and found.messages_left_out == 0
    row = stage.gateways[UTILITY].store.message(found.messages[0].message, body=False)
    assert row is not None and row.outgoing


def test_more_messages_than_a_page_holds_are_counted(
    stage: Settling, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(view_event, "MESSAGES_MAX", 1)
    found = view_event.event_view(stage.utility, call_of(stage))
    assert [one.document for one in found.messages] == ["dispatch_response"] and found.messages_left_out == 1
    monkeypatch.setattr(view_event, "METERS_MAX", 1)
    one = view_event.event_view(stage.utility, call_of(stage)).performance
    assert one is not None and len(one.meters) == 1 and one.meters_left_out == 1


def test_a_call_without_a_statement_is_shown_all_the_same() -> None:
    fresh = dealt()
    call = test_settle.instruction(fresh)
    fresh.done(test_settle.trade_dispatch.instruct(fresh.utility, call))
    power = IntervalSeries(
        start=call.window.start, step_seconds=900, unit=Unit.KW, power_of_ten=-3, values=(4000, None)
    )
    fresh.done(test_settle.trade_dispatch.measure(fresh.aggregator, call.dispatch, power))
    found = view_event.event_view(fresh.aggregator, call.dispatch)
    assert found.performance is None and found.others == () and found.status is Status.WAITING
    assert found.telemetry is not None and found.telemetry.curves[0].values == (4.0, None)
    [one] = view_settlement.calendar(
        fresh.gateways[UTILITY], f"{call.window.start:%Y-%m}", ZONE, fresh.now
    ).events
    assert one.statement == "" and one.factor is None and one.delivered_kwh is None


def test_what_is_not_there_is_said(stage: Settling) -> None:
    with pytest.raises(NotHere, match="D-404"):
        view_event.event_view(stage.utility, "D-404")
    with pytest.raises(NotHere, match="speaks"):
        view_event.event_view(stage.utility, call_of(stage), "S-404")
    with pytest.raises(NotHere, match="S-404"):
        view_statement.statement_view(stage.utility, "S-404")
    for number in (0, 4, -1):
        with pytest.raises(NotHere, match="3 lines"):
            view_statement.line_view(stage.utility, NAME, number)


@pytest.mark.parametrize("party", BOTH)
def test_a_statement_has_its_calls_and_lines(stage: Settling, party: PartyId) -> None:
    found = view_statement.statement_view(stage.desk(party), NAME)
    body = settled(stage, UTILITY).statement
    assert found.ours is (party == UTILITY) and found.zone == ZONE and found.currency == "USD"
    assert view_statement.local_period(found) == (date(2026, 1, 15), date(2026, 1, 31))
    [call] = found.calls
    assert call.dispatch == call_of(stage) and call.asked == Decimal("2.5") and len(call.days_used) == 5
    assert [(row.number, row.code) for row in found.lines] == [(1, "RES"), (2, "UTL"), (3, "PEN")]
    assert found.total == sum(line.amount for line in body.lines)
    assert found.invoices == ("I-1",) and found.corrects is None and found.corrected_by is None
    assert found.until is not None and found.until > found.end


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_line_is_explained_as_the_command_does_without_a_reading(stage: Settling, number: int) -> None:
    made = settled(stage, UTILITY)
    expected = explain_line(made.statement, number - 1, made.held.book, made.held.deal)
    for party in BOTH:
        found = view_statement.line_view(stage.desk(party), NAME, number)
        assert found.explained == expected and found.why_not == ""
        assert found.lines == 3 and found.line.number == number


def test_a_line_names_the_messages_that_it_comes_from(stage: Settling) -> None:
    about_call = view_statement.line_view(stage.utility, NAME, 2)
    assert [one.document for one in about_call.sources] == [
        "confirmation",
        "dispatch_instruction",
        "dispatch_response",
        "performance_statement",
    ]
    month = view_statement.line_view(stage.utility, NAME, 1)
    assert [one.document for one in month.sources] == ["confirmation", "performance_statement"]


def test_of_many_messages_behind_a_line_the_newest_and_the_deal_are_named(
    stage: Settling, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(view_statement, "SOURCES_MAX", 1)
    found = view_statement.line_view(stage.utility, NAME, 2).sources
    assert [one.document for one in found] == ["confirmation", "dispatch_response", "performance_statement"]


def test_a_deal_that_this_version_cannot_settle_says_why(
    stage: Settling, monkeypatch: pytest.MonkeyPatch
) -> None:
    deal = stage.utility.book.deals[NWS].terms
    strange = replace(deal, baseline_method="of-tomorrow")
    monkeypatch.setattr(view_statement, "deal_of", lambda desk, body: strange)
    found = view_statement.line_view(stage.utility, NAME, 1)
    assert found.explained is None and "of-tomorrow" in found.why_not
    monkeypatch.setattr(view_statement, "deal_of", lambda desk, body: None)
    found = view_statement.line_view(stage.utility, NAME, 1)
    assert found.explained is None and NWS in found.why_not


def test_a_statement_that_corrects_another_is_found_from_both(tmp_path: Path) -> None:
    make = test_settle.stage.__wrapped__  # type: ignore[attr-defined]
    stage = cast(Settling, make(tmp_path))
    body = settled(stage, UTILITY).statement
    stage.done(*stage.utility.say(body))
    stage.done(*stage.utility.say(replace(body, statement=f"{NAME}-2", corrects=NAME)))
    rows = view_settlement.statements_with(stage.gateways[AGGREGATOR], UTILITY).rows
    assert [row.statement for row in rows] == [f"{NAME}-2", NAME], "the newest first"
    assert [row.corrected_by for row in rows] == [None, f"{NAME}-2"]
    assert view_statement.statement_view(stage.aggregator, NAME).corrected_by == f"{NAME}-2"
    found = view_event.event_view(stage.aggregator, call_of(stage))
    assert found.performance is not None and found.performance.statement == f"{NAME}-2"
    assert found.others == (NAME,)
    older = view_event.event_view(stage.aggregator, call_of(stage), NAME)
    assert older.performance is not None and older.performance.statement == NAME
