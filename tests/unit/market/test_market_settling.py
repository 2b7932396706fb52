"""Statements in the book: of a deal that stands, of a time that is over, with every call in it, also after the contract's end."""

from __future__ import annotations

import pytest
from msgspec.structs import replace
from tests.unit.market.grid_cases import answer, at, call, performance, statement, window
from tests.unit.market.test_market_book_rules import Running
from trade_world import AGGREGATOR, UTILITY

from intertie.model.contract import Service
from intertie.model.dispatch import CancelReason, DispatchCancel, RefusalReason
from intertie.model.ids import ConfirmationId

SECOND = window(34, 36)


def called() -> Running:
    """Two calls, one of which is refused, and a month later."""
    world = Running()
    world.tell(UTILITY, call("X1"))
    world.tell(UTILITY, call("X2", span=SECOND))
    world.tell(AGGREGATOR, answer("X2", "refused", reason=RefusalReason.SAFETY))
    world.now = at(24 * 28)
    return world


WHOLE = statement(performance("X1"), performance("X2", SECOND))


@pytest.mark.rule("statement.items")
def test_every_call_is_in_it_also_a_refused_one() -> None:
    world = called()
    for body in (statement(), statement(performance("X1")), statement(performance("X2", SECOND)), WHOLE):
        world.tell(UTILITY, body)
    assert world.void() == ["statement.items"] * 3
    assert set(world.ledger().book.counted) == {"X1", "X2"}


@pytest.mark.rule("statement.items")
def test_a_correction_and_another_time_may_have_less() -> None:
    world = called()
    world.tell(UTILITY, statement(performance("X1"), corrects="S0"))
    world.tell(UTILITY, statement(performance("X1"), period=window(0, 34)))
    world.tell(UTILITY, statement(performance("X2", SECOND), period=window(34, 48)))
    assert world.void() == []


@pytest.mark.rule("statement.items")
def test_what_was_taken_back_before_it_began_is_no_call() -> None:
    world = Running()
    world.tell(UTILITY, call("X1"))
    world.tell(UTILITY, DispatchCancel(dispatch="X1", effective=at(), reason=CancelReason.OTHER))
    world.tell(UTILITY, call("X2", span=SECOND))
    world.now = at(35)
    world.tell(UTILITY, DispatchCancel(dispatch="X2", effective=at(35.5), reason=CancelReason.OTHER))
    world.now = at(24 * 28)
    world.tell(UTILITY, statement())
    world.tell(UTILITY, statement(performance("X2", SECOND)))
    assert world.void() == ["statement.items"]


@pytest.mark.rule("statement.unknown_deal")
def test_it_is_of_a_deal_that_stands() -> None:
    world = called()
    world.tell(UTILITY, replace(WHOLE, confirmation=ConfirmationId("D-9")))
    world.tell(UTILITY, replace(WHOLE, service=Service.RELIABILITY))
    assert world.void() == ["statement.unknown_deal"] * 2


@pytest.mark.rule("statement.period")
def test_its_time_is_over_and_the_deals() -> None:
    world = called()
    world.tell(UTILITY, replace(WHOLE, period=window(0, 24 * 29)))
    world.tell(UTILITY, statement(period=window(-48, -24)))
    world.tell(UTILITY, WHOLE)
    assert world.void() == ["statement.period"] * 2


@pytest.mark.rule("contract.in_force")
def test_what_was_earned_is_settled_after_the_end_of_the_contract() -> None:
    world = called()
    world.end(at(24 * 60))
    world.now = at(24 * 61)
    world.tell(UTILITY, WHOLE)
    world.now = at(24 * 61 + 24 * 731)
    world.tell(UTILITY, WHOLE)
    assert world.void() == ["contract.in_force"]
