"""Rules that families ask of each other through the book: deals end with their contract, and nothing stops the fold."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from msgspec.structs import replace
from tests.unit.market.grid_cases import (
    AGREEMENT,
    EVERY_EVENING,
    ZONE,
    at,
    call,
    change,
    deal,
    decision,
    der,
    feeder,
    registration,
    window,
)
from trade_world import AGGREGATOR, TEXT, UTILITY, World

from intertie.market.book import ground_of
from intertie.model.agreement import ContractAction, ContractNotice
from intertie.model.contract import ConfirmationAnswer, ConfirmationResponse
from intertie.model.ids import AgreementId, ConfirmationId
from intertie.model.interval import Window
from intertie.model.quantity import Kilowatts
from intertie.model.record import Record

NEXT_YEAR = AgreementId("GSA-2")
CONTRACT = replace(TEXT, agreement=AGREEMENT, effective=at(-48), ends=None)
SAID = deal(confirm_deadline=at(-10))


class Running(World):
    """A contract in force, three DERs behind a transformer, and a deal of 25 of their 30 kW, for sixty days."""

    def __init__(self) -> None:
        super().__init__()
        self.now = at(-30)
        self.signed(CONTRACT)
        self.tell(UTILITY, feeder(effective=at(-30)))
        self.tell(AGGREGATOR, registration(der(1), der(2), der(3), effective=at(-24)))
        self.tell(UTILITY, decision("D1", "D2", "D3", effective=at(-24)))
        self.tell(UTILITY, SAID)
        self.tell(AGGREGATOR, yes(SAID.confirmation))

    def tell(self, sender: object, body: Record, agreement: AgreementId = AGREEMENT) -> None:
        self.say(UTILITY if sender == UTILITY else AGGREGATOR, body, agreement=agreement)

    def end(self, at_: datetime) -> None:
        body = ContractNotice(agreement=AGREEMENT, revision=1, action=ContractAction.TERMINATE, effective=at_)
        self.say(UTILITY, body)


def yes(name: ConfirmationId) -> ConfirmationResponse:
    return ConfirmationResponse(confirmation=name, answer=ConfirmationAnswer.ACCEPTED)


def over(days: int) -> Window:
    return window(24 * days + 10, 24 * days + 12)


@pytest.mark.rule("dispatch.outside_term")
@pytest.mark.rule("contract.in_force")
def test_nothing_is_called_after_the_end_of_a_contract_that_was_terminated() -> None:
    world = Running()
    world.end(at(24 * 40))
    world.tell(UTILITY, call("X1", span=over(39)))
    world.tell(UTILITY, call("X2", span=over(40)))
    world.now = at(24 * 40)
    world.tell(UTILITY, call("X3", span=over(41)))
    assert world.void() == ["dispatch.outside_term", "contract.in_force"]
    deals = ground_of(world.ledger().book, at()).deals
    assert deals[SAID.confirmation].confirmation.term.end == at(24 * 40)


@pytest.mark.rule("confirmation.term")
def test_no_deal_goes_beyond_the_end_of_a_contract_that_was_terminated() -> None:
    world = Running()
    world.end(at(24 * 40))
    beyond = deal(
        confirmation=ConfirmationId("D-2"), contracted_kw=Kilowatts(Decimal(5)), term=window(0, 24 * 41)
    )
    world.tell(UTILITY, beyond)
    world.tell(UTILITY, replace(beyond, term=window(0, 24 * 40)))
    assert world.void() == ["confirmation.term"]


@pytest.mark.rule("commitment.sold_twice")
def test_a_deal_whose_contract_ended_takes_nothing_any_more() -> None:
    world = Running()
    world.end(at(24 * 40))
    world.signed(replace(CONTRACT, agreement=NEXT_YEAR))
    after = deal(confirmation=ConfirmationId("D-2"), agreement=NEXT_YEAR, term=window(24 * 39, 24 * 60))
    world.tell(UTILITY, after, NEXT_YEAR)
    world.tell(UTILITY, replace(after, term=window(24 * 40, 24 * 60)), NEXT_YEAR)
    assert world.void() == ["commitment.sold_twice"]


@pytest.mark.rule("dispatch.deal_not_in_force")
def test_a_deal_that_begins_after_the_end_of_its_contract_is_none() -> None:
    world = Running()
    later = deal(
        confirmation=ConfirmationId("D-2"), contracted_kw=Kilowatts(Decimal(5)), term=window(24 * 50, 24 * 60)
    )
    world.tell(UTILITY, later)
    world.tell(AGGREGATOR, yes(later.confirmation))
    world.end(at(24 * 40))
    world.tell(UTILITY, replace(call("X1", span=over(51)), confirmation=later.confirmation))
    assert world.void() == ["dispatch.deal_not_in_force"]


@pytest.mark.rule("trade.reckoned")
def test_a_term_that_nobody_can_lay_out_is_void_and_the_fold_goes_on() -> None:
    """A DER that counts since the year 2000, in hours of the week: more days than are laid out."""
    world = Running()
    evenings = registration(
        *(der(n) for n in (1, 2, 3)), revision=2, ends=at(24 * 60), service_hours=EVERY_EVENING, zone=ZONE
    )
    world.tell(AGGREGATOR, evenings)
    long_ago = datetime(2000, 1, 1, tzinfo=UTC)
    world.tell(AGGREGATOR, replace(change(3, added=(der(4),)), effective=long_ago))
    world.tell(UTILITY, decision("D4", revision=3, effective=long_ago))
    world.tell(UTILITY, decision("D4", revision=3, effective=at()))
    assert world.void() == ["trade.reckoned"]
    assert world.ledger().book.registry[SAID.aggregation or ""].ders["D4"][-1].starts == at()
