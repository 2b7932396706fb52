"""Disputes: who may raise and answer them, what an answer may say, and where one goes that is not settled in time."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from msgspec.structs import replace
from tests.unit.market.billing_world import Ledgers, answers, bill, disputes, elected, sold
from tests.unit.market.trade_world import AGGREGATOR, TEXT, UTILITY

from intertie.market.dispute import FINAL, TABLE, State, Step, deadline, stage
from intertie.model.agreement import DisputeResolution
from intertie.model.billing import Resolution

CONCEDED, REJECTED, SPLIT = Resolution.CONCEDED, Resolution.REJECTED, Resolution.SPLIT


def raised(*amounts: str) -> Ledgers:
    """I-1 of 100.00 and 60.00; of both lines 10.00 is disputed."""
    world = sold(*(amounts or ("100.00", "60.00")))
    world.tell(UTILITY, disputes("X-1", "I-1", l1=("100.00", "90.00"), l2=("60.00", "50.00")))
    return world


def test_lines_are_answered_one_by_one() -> None:
    world = raised()
    assert world.disputes["X-1"].state is State.OPEN
    world.tell(AGGREGATOR, answers("X-1", CONCEDED, l1="90.00"))
    assert world.disputes["X-1"].state is State.OPEN
    world.tell(AGGREGATOR, answers("X-1", REJECTED, l2="60.00"))
    assert world.disputes["X-1"].state is State.REJECTED
    assert (world.item("I-1").amount, world.item("I-1").held) == (150, 0)
    # talked about again: half way
    world.tell(AGGREGATOR, answers("X-1", SPLIT, l2="55.00"))
    assert world.disputes["X-1"].state is State.RESOLVED
    assert world.item("I-1").amount == 145
    assert world.broken == []


@pytest.mark.rule("dispute.name")
def test_a_name_is_used_once() -> None:
    world = raised()
    world.tell(AGGREGATOR, bill("I-2", "5.00"))
    world.tell(UTILITY, disputes("X-1", "I-2", l1=("5.00", "1.00")))
    assert world.broken == ["dispute.name"] and world.item("I-2").held == 0
    assert world.disputes["X-1"].body.invoice == "I-1"


@pytest.mark.rule("dispute.payer")
def test_whoever_charges_does_not_dispute() -> None:
    world = sold("100.00")
    world.tell(AGGREGATOR, disputes("X-1", "I-1", l1=("100.00", "110.00")))
    assert world.broken == ["dispute.payer"] and not world.disputes


@pytest.mark.rule("dispute.line")
def test_lines_are_those_of_the_invoice() -> None:
    world = sold("100.00")
    world.tell(UTILITY, disputes("X-1", "I-1", l1=("100.00", "90.00"), l2=("1.00", "0.00")))
    assert world.broken == ["dispute.line"] and world.item("I-1").held == 0


@pytest.mark.rule("dispute.once")
def test_a_line_is_in_one_dispute_at_a_time() -> None:
    world = raised()
    world.tell(UTILITY, disputes("X-2", "I-1", l2=("60.00", "40.00")))
    assert world.broken == ["dispute.once"] and world.item("I-1").held == 20
    world.tell(AGGREGATOR, answers("X-1", REJECTED, l2="60.00"))
    world.tell(UTILITY, disputes("X-2", "I-1", l2=("60.00", "40.00")))
    assert world.broken == ["dispute.once"] * 2, "what was rejected is still in dispute"
    world.tell(AGGREGATOR, answers("X-1", CONCEDED, l2="50.00"))
    world.tell(UTILITY, disputes("X-2", "I-1", l2=("50.00", "40.00")))
    assert len(world.broken) == 2 and world.item("I-1").held == 20


@pytest.mark.rule("dispute.window")
def test_what_is_long_over_is_not_disputed() -> None:
    text = elected(adjustment_window_months=2)
    for days, broken in ((57, []), (61, ["dispute.window"])):
        world = sold("100.00", text=text)  # of June; on 2 July
        world.later(days)
        world.tell(UTILITY, disputes("X-1", "I-1", l1=("100.00", "90.00")))
        assert world.broken == broken


@pytest.mark.rule("dispute.reply_by")
def test_an_answer_is_asked_for_in_the_future() -> None:
    world = sold("100.00")
    body = disputes("X-1", "I-1", l1=("100.00", "90.00"))
    world.tell(UTILITY, replace(body, reply_by=world.now - timedelta(hours=1)))
    assert world.broken == ["dispute.reply_by"]
    world.tell(UTILITY, replace(body, reply_by=world.now + timedelta(days=1)))
    assert world.disputes["X-1"].state is State.OPEN


@pytest.mark.rule("dispute.unknown")
def test_only_the_other_side_answers_what_was_raised() -> None:
    world = raised()
    world.tell(AGGREGATOR, answers("X-9", CONCEDED, l1="90.00"))
    world.tell(UTILITY, answers("X-1", CONCEDED, l1="90.00"))
    assert world.broken == ["dispute.unknown"] * 2 and not world.disputes["X-1"].answers


@pytest.mark.rule("dispute.answer")
def test_an_answer_is_about_lines_that_are_in_dispute() -> None:
    world = raised("100.00", "60.00", "7.00")
    world.tell(AGGREGATOR, answers("X-1", CONCEDED, l1="90.00", l3="7.00"))
    assert world.broken == ["dispute.answer"] and world.item("I-1").amount == 167
    world.tell(AGGREGATOR, answers("X-1", CONCEDED, l1="90.00"))
    world.tell(AGGREGATOR, answers("X-1", REJECTED, l1="100.00"))
    assert world.broken == ["dispute.answer"] * 2 and world.item("I-1").amount == 157


@pytest.mark.rule("dispute.agreed")
@pytest.mark.parametrize(
    ("how", "agreed", "right"),
    [
        (CONCEDED, "90.00", True),
        (CONCEDED, "90.01", False),
        (REJECTED, "100.00", True),
        (REJECTED, "99.99", False),
        (SPLIT, "90.00", True),
        (SPLIT, "95.00", True),
        (SPLIT, "100.01", False),
        (SPLIT, "89.99", False),
        (Resolution.CORRECTED, "90.00", True),
        (Resolution.CORRECTED, "80.00", False),
    ],
)
def test_what_an_answer_may_agree_to(how: Resolution, agreed: str, right: bool) -> None:
    world = raised()
    world.tell(AGGREGATOR, answers("X-1", how, "I-2" if how is Resolution.CORRECTED else None, l1=agreed))
    assert world.broken == ([] if right else ["dispute.agreed"])
    assert world.item("I-1").lines[0].amount == (Decimal(agreed) if right else 100)


def test_more_may_be_expected_than_claimed() -> None:
    world = sold("100.00")
    world.tell(UTILITY, disputes("X-1", "I-1", l1=("100.00", "110.00")))
    world.tell(AGGREGATOR, answers("X-1", SPLIT, l1="105.00"))
    assert world.broken == [] and world.item("I-1").amount == 105


def test_a_statement_is_disputed_by_its_name_before_its_invoice_is_out() -> None:
    world = sold("100.00")
    world.tell(UTILITY, disputes("X-S-1", "S-1", l1=("100.00", "90.00")))
    assert world.broken == [] and world.disputes["X-S-1"].state is State.OPEN
    assert world.item("I-1").held == 0
    world.tell(AGGREGATOR, answers("X-S-1", CONCEDED, l1="90.00"))
    assert world.disputes["X-S-1"].state is State.RESOLVED and world.item("I-1").amount == 100


def test_what_is_not_settled_in_time_goes_where_the_contract_says() -> None:
    text = elected(dispute_days=30, dispute_resolution=DisputeResolution.MEDIATION)
    world = raised()
    one = world.disputes["X-1"]
    until = one.received + timedelta(days=30)
    assert deadline(one, text) == until
    assert stage(one, until - timedelta(seconds=1), text) == "open"
    assert stage(one, until, text) == f"open, to mediation since {until.date()}"
    rejected = one._replace(state=State.REJECTED)
    assert stage(rejected, until, text) == f"rejected, to mediation since {until.date()}"
    assert stage(one._replace(state=State.RESOLVED), until + timedelta(days=99), text) == "resolved"
    sooner = one._replace(body=replace(one.body, reply_by=one.received + timedelta(days=3)))
    assert deadline(sooner, TEXT) == one.received + timedelta(days=3)


def test_the_table_is_whole() -> None:
    for state in State:
        steps = {step for known, step in TABLE if known is state}
        assert bool(steps) is (state not in FINAL)
    assert set(TABLE.values()) == set(State) - {State.UNKNOWN}
    assert {step for _, step in TABLE} == set(Step)
