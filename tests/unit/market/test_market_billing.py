"""Invoices, corrections, credits and what disputes do to them: how each stands afterwards, and every rule with who breaks it."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from billing_world import (
    DUE,
    FIRST,
    JUNE,
    MAY,
    Ledgers,
    answers,
    bill,
    credits_,
    disputes,
    elected,
    invoice,
    line,
    pays,
    sold,
)
from msgspec.structs import replace
from tests.unit.market.grid_cases import at, window
from tests.unit.market.test_market_book_rules import Running
from trade_world import AGGREGATOR, GSA, UTILITY

from intertie.market.account import balance
from intertie.market.billing_state import State, allocation, standing
from intertie.model.billing import InvoiceLine, LineCode, Resolution
from intertie.model.ids import ConfirmationId
from intertie.model.interval import Window


def test_an_invoice_is_open_then_late() -> None:
    world = sold("100.00", "-20.50")
    item = world.item("I-1")
    assert (item.state, item.amount, item.open, item.payable) == (State.OPEN, *[Decimal("79.50")] * 3)
    assert standing(item, DUE) == "open"
    assert standing(item, date(2026, 7, 28)) == "late, open"
    assert balance(world.accounts, GSA) == Decimal("79.50")


def test_what_the_utility_charges_lowers_the_balance() -> None:
    world = sold("100.00")
    world.tell(UTILITY, bill("U-1", "30.00"))
    assert balance(world.accounts, GSA) == 70
    assert world.void() == []


@pytest.mark.rule("billing.name")
def test_a_name_is_used_once_by_whomever() -> None:
    world = sold("100.00")
    world.tell(UTILITY, bill("I-1", "30.00"))
    world.tell(AGGREGATOR, credits_("I-1", "I-1", l1="5.00"), credits_("C-1", "I-1", l1="5.00"))
    world.tell(AGGREGATOR, bill("C-1", "1.00"))
    assert world.void() == ["billing.name"] * 3
    assert world.item("I-1").issuer == AGGREGATOR


@pytest.mark.rule("billing.currency")
def test_one_currency() -> None:
    world = sold("100.00")
    world.tell(
        AGGREGATOR, bill("I-2", "1.00", currency="EUR"), credits_("C-1", "I-1", currency="EUR", l1="1.00")
    )
    world.tell(UTILITY, pays("P-1", {"I-1": "1.00"}, currency="EUR"))
    assert world.void() == ["billing.currency"] * 3


@pytest.mark.rule("billing.issued")
def test_tomorrow_has_not_come_in_the_calendar_s_zone() -> None:
    world = Ledgers()
    world.now = datetime(2026, 7, 3, 3, tzinfo=UTC)  # 23:00 of the 2nd in New York
    world.tell(AGGREGATOR, bill("I-1", "1.00", issued=date(2026, 7, 3), due=date(2026, 7, 27)))
    world.tell(AGGREGATOR, bill("I-2", "1.00"))
    assert world.void() == ["billing.issued"]


@pytest.mark.rule("billing.due")
@pytest.mark.parametrize(
    ("text", "earliest"),
    [
        (elected(), date(2026, 7, 27)),
        (elected(payment_day_of_month=3), date(2026, 7, 13)),  # ten days after it was issued are a Sunday
        (elected(payment_days=0), date(2026, 7, 2)),
        (elected(payment_days=1), date(2026, 7, 6)),  # a holiday, and a weekend
        (elected(payment_days=30), date(2026, 8, 3)),
    ],
)
def test_not_due_before_the_contract_says(text, earliest) -> None:  # type: ignore[no-untyped-def]
    world = Ledgers(text)
    world.tell(AGGREGATOR, bill("I-1", "1.00", due=earliest))
    assert world.void() == []
    if earliest > FIRST:
        world.tell(AGGREGATOR, bill("I-2", "1.00", due=date.fromordinal(earliest.toordinal() - 1)))
        assert world.void() == ["billing.due"]


@pytest.mark.rule("billing.adjustment_window")
def test_after_the_window_nothing_is_charged_or_credited() -> None:
    world = sold("100.00", text=elected(adjustment_window_months=2))
    world.tell(AGGREGATOR, bill("I-0", "1.00", period=MAY))
    world.later(61)
    today = world.now.date()
    world.tell(AGGREGATOR, bill("I-2", "1.00", issued=today, due=date(2026, 12, 1)))
    world.tell(AGGREGATOR, credits_("C-1", "I-1", l1="1.00"))
    world.tell(UTILITY, pays("P-1", {"I-1": "100.00"}))
    assert world.void() == ["billing.adjustment_window"] * 2


@pytest.mark.rule("billing.deal")
def test_an_invoice_is_for_a_deal_that_stands() -> None:
    world = Running()
    world.now = at(24 * 40)
    good = {"period": window(0, 48), "issued": world.now.date(), "due": date(2026, 12, 1)}
    world.tell(AGGREGATOR, bill("I-1", "1.00", confirmation=ConfirmationId("NO-1"), **good))
    deal = next(iter(world.ledger().book.deals))
    world.tell(AGGREGATOR, bill("I-2", "1.00", confirmation=deal, **good))
    assert world.void() == ["billing.deal"]


@pytest.mark.rule("billing.corrects")
def test_a_correction_takes_over_what_was_paid() -> None:
    world = sold("100.00")
    world.tell(UTILITY, pays("P-1", {"I-1": "60.00"}))
    world.tell(AGGREGATOR, bill("I-1-2", "90.00", corrects="I-1"))
    old, new = world.item("I-1"), world.item("I-1-2")
    assert (old.state, old.open, old.replaced_by) == (State.REPLACED, 0, "I-1-2")
    assert (new.state, new.open) == (State.PARTLY_PAID, 30)
    assert balance(world.accounts, GSA) == 30
    world.tell(AGGREGATOR, bill("I-1-3", "80.00", corrects="I-1"))  # was replaced
    world.tell(UTILITY, bill("I-1-4", "80.00", corrects="I-1-2"))  # not its own
    world.tell(AGGREGATOR, bill("I-1-5", "80.00", corrects="I-9"))
    assert world.void() == ["billing.corrects"] * 3


def test_a_correction_may_leave_nothing_or_a_credit() -> None:
    world = sold("100.00")
    world.tell(UTILITY, pays("P-1", {"I-1": "60.00"}))
    world.tell(AGGREGATOR, bill("I-1-2", "60.00", corrects="I-1"))
    assert world.item("I-1-2").state is State.SETTLED
    world.tell(AGGREGATOR, bill("I-1-3", "50.00", corrects="I-1-2"))
    assert (world.item("I-1-3").state, world.item("I-1-3").open) == (State.IN_CREDIT, -10)
    assert balance(world.accounts, GSA) == -10
    assert world.void() == []


def test_a_payment_that_crosses_a_correction_counts_for_it() -> None:
    world = sold("100.00")
    world.tell(AGGREGATOR, bill("I-1-2", "90.00", corrects="I-1"))
    world.tell(UTILITY, pays("P-1", {"I-1": "100.00"}))
    assert world.item("I-1-2").open == -10
    assert world.void() == []


@pytest.mark.rule("billing.credit")
def test_a_credit_lowers_lines_and_no_further_than_to_nothing() -> None:
    world = sold("100.00", "50.00", "-5.00")
    world.tell(AGGREGATOR, credits_("C-1", "I-1", l1="30.00", l2="50.00"))
    item = world.item("I-1")
    assert [one.amount for one in item.lines] == [70, 0, -5]
    assert (item.credits, balance(world.accounts, GSA)) == (("C-1",), 65)
    world.tell(AGGREGATOR, credits_("C-2", "I-1", l2="0.01"), credits_("C-3", "I-1", l3="1.00"))
    world.tell(AGGREGATOR, credits_("C-4", "I-1", l4="1.00"), credits_("C-5", "I-9", l1="1.00"))
    world.tell(UTILITY, credits_("C-6", "I-1", l1="1.00"))
    world.tell(AGGREGATOR, bill("I-1-2", "50.00", corrects="I-1"), credits_("C-7", "I-1", l1="1.00"))
    assert world.void() == ["billing.credit"] * 6


def test_a_credit_of_what_was_paid_is_there_to_be_used() -> None:
    world = sold("100.00")
    world.tell(UTILITY, pays("P-1", {"I-1": "100.00"}))
    world.tell(AGGREGATOR, credits_("C-1", "I-1", l1="30.00"), bill("I-2", "50.00"))
    assert (world.item("I-1").state, world.item("I-1").open) == (State.IN_CREDIT, -30)
    world.tell(UTILITY, pays("P-2", {"I-2": "50.00", "I-1": "-30.00"}))
    assert {world.item(name).state for name in ("I-1", "I-2")} == {State.SETTLED}
    assert (balance(world.accounts, GSA), world.void()) == (0, [])


def test_what_is_disputed_is_held_back_and_the_rest_is_payable() -> None:
    world = sold("100.00", "60.00")
    world.tell(UTILITY, disputes("X-1", "I-1", l2=("60.00", "45.00")))
    item = world.item("I-1")
    assert (item.open, item.held, item.payable) == (160, 15, 145)
    assert standing(item, DUE) == "open, disputed"
    world.tell(UTILITY, pays("P-1", {"I-1": "145.00"}, dispute="X-1"))
    assert standing(world.item("I-1"), date(2027, 1, 1)) == "partly_paid, disputed"
    assert allocation(world.item("I-1")) == (100, 45)


@pytest.mark.parametrize(
    ("resolution", "agreed", "amount"),
    [
        (Resolution.CONCEDED, "45.00", 145),
        (Resolution.SPLIT, "52.50", Decimal("152.50")),
        (Resolution.REJECTED, "60.00", 160),
    ],
)
def test_an_answer_says_what_is_owed(resolution: Resolution, agreed: str, amount: Decimal) -> None:
    world = sold("100.00", "60.00")
    world.tell(UTILITY, disputes("X-1", "I-1", l2=("60.00", "45.00")))
    world.tell(AGGREGATOR, answers("X-1", resolution, l2=agreed))
    item = world.item("I-1")
    assert (item.amount, item.held, balance(world.accounts, GSA)) == (amount, 0, amount)


def test_an_answer_may_raise_what_was_settled() -> None:
    world = sold("100.00")
    world.tell(UTILITY, pays("P-1", {"I-1": "100.00"}))
    world.tell(UTILITY, disputes("X-1", "I-1", l1=("100.00", "110.00")))
    assert world.item("I-1").held == 0
    world.tell(AGGREGATOR, answers("X-1", Resolution.CONCEDED, l1="110.00"))
    assert (world.item("I-1").state, world.item("I-1").open) == (State.PARTLY_PAID, 10)


def test_disputes_and_answers_of_others_move_nothing() -> None:
    world = sold("100.00")
    world.tell(AGGREGATOR, disputes("X-0", "I-1", l1=("100.00", "1.00")))  # its own
    world.tell(UTILITY, disputes("X-1", "I-9", l1=("100.00", "1.00")))
    world.tell(AGGREGATOR, answers("X-7", Resolution.CONCEDED, l1="1.00"))
    world.tell(UTILITY, disputes("X-3", "I-1", l1=("100.00", "40.00"), l7=("1.00", "0.00")))  # no line 7
    assert world.item("I-1").held == 0
    world.tell(UTILITY, disputes("X-2", "I-1", l1=("100.00", "40.00")))
    world.tell(UTILITY, answers("X-2", Resolution.CONCEDED, l1="1.00"))  # only who charged answers
    world.tell(AGGREGATOR, answers("X-2", Resolution.CONCEDED, l2="1.00"))  # not disputed
    assert (world.item("I-1").open, world.item("I-1").held) == (100, 60)
    assert len(world.accounts.entries) == 3
    assert balance(world.accounts, GSA) == 100


def test_a_correction_ends_the_dispute() -> None:
    world = sold("100.00")
    world.tell(UTILITY, disputes("X-1", "I-1", l1=("100.00", "90.00")))
    world.tell(AGGREGATOR, bill("I-1-2", "90.00", corrects="I-1"))
    world.tell(AGGREGATOR, answers("X-1", Resolution.CORRECTED, "I-1-2", l1="90.00"))
    assert (world.item("I-1-2").held, world.item("I-1-2").payable) == (0, 90)
    assert balance(world.accounts, GSA) == 90


def interest_line(number: int, amount: str, late: str) -> InvoiceLine:
    return line(number, amount, LineCode.INTEREST, late=late)


@pytest.mark.rule("billing.interest")
def test_interest_is_charged_up_to_the_contract_s_rate_and_once() -> None:
    world = sold("1000.00", text=elected(late_interest_percent_per_year=Decimal("7.3")))
    world.later(35)  # 6 August, ten days late: 1000 x 7.3 % x 10 / 365 = 2.00
    today = world.now.date()
    terms = {"issued": today, "due": date(2026, 12, 1)}
    for name, lines in (
        ("F-1", (interest_line(1, "2.01", "I-1"),)),
        ("F-2", (interest_line(1, "1.50", "I-1"), interest_line(2, "0.51", "I-1"))),
        ("F-3", (interest_line(1, "0.01", "I-9"),)),
    ):
        world.tell(AGGREGATOR, invoice(name, lines, **terms))
    world.tell(UTILITY, invoice("F-4", (interest_line(1, "1.00", "I-1"),), **terms))
    assert world.void() == ["billing.interest"] * 4
    world.tell(AGGREGATOR, invoice("F-5", (interest_line(1, "1.50", "I-1"),), **terms))
    world.tell(AGGREGATOR, invoice("F-6", (interest_line(1, "0.51", "I-1"),), **terms))
    world.tell(AGGREGATOR, invoice("F-7", (interest_line(1, "2.00", "I-1"),), corrects="F-5", **terms))
    assert world.void() == ["billing.interest"] * 5
    assert world.item("F-7").amount == 2


def test_no_interest_on_what_is_disputed_until_it_is_owed() -> None:
    world = sold("900.00", "100.00", text=elected(late_interest_percent_per_year=Decimal("7.3")))
    world.tell(UTILITY, disputes("X-1", "I-1", l2=("100.00", "0.00")))
    world.tell(UTILITY, pays("P-1", {"I-1": "900.00"}))
    day = date(2026, 8, 6)
    assert world.item("I-1").interest(day, world.text.elections) == 0
    world.tell(AGGREGATOR, answers("X-1", Resolution.REJECTED, l2="100.00"))
    assert world.item("I-1").interest(day, world.text.elections) == Decimal("0.20")


def test_what_is_paid_of_each_line() -> None:
    world = sold("50.00", "-10.00", "30.00")
    item = world.item("I-1")
    assert allocation(item) == (10, -10, 0)  # the penalty pays for a part of the first line
    world.tell(UTILITY, pays("P-1", {"I-1": "55.00"}))
    assert allocation(world.item("I-1")) == (50, -10, 15)
    world.tell(UTILITY, pays("P-2", {"I-1": "20.00"}))
    assert allocation(world.item("I-1")) == (50, -10, 30)  # five too much are of no line


def test_settling_goes_on_after_the_contract_s_end() -> None:
    text = replace(elected(), ends=datetime(2026, 7, 10, tzinfo=UTC))
    world = sold("10.00", text=text)
    world.later(60)
    world.tell(UTILITY, pays("P-1", {"I-1": "10.00"}))
    assert (world.void(), world.item("I-1").state) == ([], State.SETTLED)
    assert JUNE.end < text.ends  # type: ignore[operator]


@pytest.mark.rule("trade.reckoned")
def test_a_time_that_nobody_can_reckon_with_stops_no_book() -> None:
    end = datetime(9999, 12, 30, tzinfo=UTC)
    world = Ledgers()
    last = Window(start=JUNE.start, end=end)
    world.tell(AGGREGATOR, bill("I-1", "1.00", period=last, due=date(9999, 12, 31)))
    world.tell(AGGREGATOR, bill("I-2", "1.00", period=Window(start=JUNE.start, end=end.replace(year=9998))))
    world.tell(AGGREGATOR, bill("I-3", "1.00", due=date(9999, 12, 31)))
    assert world.void() == ["trade.reckoned", "billing.due"]
    far = Ledgers(elected(payment_days=366))
    far.tell(AGGREGATOR, bill("I-1", "1.00", issued=date(1, 1, 1), due=date(9999, 12, 31)))
    assert far.void() == []
