"""Confirmations: every rule broken once, and acceptance by silence over a holiday weekend."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from msgspec.structs import replace
from trade_world import AGGREGATOR, GSA, T0, TEXT, UTILITY, World

from intertie.market import confirmation
from intertie.market.confirmation import State, standing, status
from intertie.model.agreement import ConfirmingParty, Elections
from intertie.model.contract import (
    Confirmation,
    ConfirmationAnswer,
    ConfirmationResponse,
    Objection,
    ObjectionReason,
    Service,
)
from intertie.model.documents import example
from intertie.model.ids import AgreementId, ConfirmationId, DocumentName
from intertie.model.interval import Window

_, EXAMPLE = example(DocumentName("confirmation"))
assert isinstance(EXAMPLE, Confirmation)
DEAL = replace(
    EXAMPLE,
    agreement=GSA,
    term=Window(start=T0 + timedelta(days=30), end=T0 + timedelta(days=120)),
    confirm_deadline=T0,
)
NAME = DEAL.confirmation
ACCEPTED = ConfirmationResponse(confirmation=NAME, answer=ConfirmationAnswer.ACCEPTED)
OBJECTED = replace(
    ACCEPTED,
    answer=ConfirmationAnswer.OBJECTED,
    reasons=(Objection(reason=ObjectionReason.WRONG_PRICE, field="utilisation_rate_per_kwh"),),
)


def dealt(**elections: object) -> World:
    text = replace(TEXT, elections=Elections(**elections))  # type: ignore[arg-type]
    return World().signed(text)


def confirm(world: World, terms: Confirmation = DEAL, **changes: object) -> None:
    world.say(UTILITY, replace(terms, **changes), agreement=GSA)


def answer(
    world: World, said: ConfirmationResponse, after: timedelta = timedelta(minutes=1), **changes: object
) -> None:
    world.say(AGGREGATOR, replace(said, **changes), agreement=GSA, after=after)


def deal(world: World) -> confirmation.Deal:
    return world.ledger().book.deals[NAME]


def test_accepted_objected_revised() -> None:
    world = dealt()
    confirm(world)
    answer(world, OBJECTED)
    assert deal(world).state is State.OBJECTED and deal(world).objections == OBJECTED.reasons
    assert not standing(world.ledger().book.deals, GSA, world.now + timedelta(days=99))
    confirm(world, revision=2)
    answer(world, ACCEPTED, revision=2)
    assert deal(world).state is State.ACCEPTED and world.void() == []
    assert standing(world.ledger().book.deals, GSA, world.now) == (deal(world),)


@pytest.mark.rule("confirmation.deadline")
def test_deemed_accepted_over_a_holiday_weekend() -> None:
    """Thursday 2 July 2026, after the Friday that is a holiday and the weekend: Tuesday 7 July, 17:00 in New York."""
    world = dealt()
    world.now = datetime.fromisoformat("2026-07-02T09:59:00-04:00")
    confirm(world)
    closes = datetime.fromisoformat("2026-07-07T17:00:00-04:00")
    assert deal(world).deadline == closes
    assert status(deal(world), closes - timedelta(seconds=1)) is State.OPEN
    assert status(deal(world), closes) is State.DEEMED
    answer(world, OBJECTED, after=closes - world.now)
    assert world.void() == ["confirmation.deadline"] and status(deal(world), world.now) is State.DEEMED
    confirm(world, revision=2)
    assert world.void()[1:] == ["confirmation.step"]


def test_an_objection_in_the_last_second_counts() -> None:
    world = dealt()
    confirm(world)
    answer(world, OBJECTED, after=deal(world).deadline - world.now - timedelta(seconds=1))
    assert world.void() == [] and status(deal(world), world.now + timedelta(days=9)) is State.OBJECTED


def test_a_later_deadline_that_the_deal_states_counts() -> None:
    world = dealt()
    later = T0 + timedelta(days=20)
    confirm(world, confirm_deadline=later)
    assert deal(world).deadline == later


@pytest.mark.rule("confirmation.confirming_party")
def test_who_confirms_is_elected() -> None:
    world = dealt(confirming_party=ConfirmingParty.SELLER)
    confirm(world)
    assert world.void() == ["confirmation.confirming_party"]
    world = dealt(confirming_party=ConfirmingParty.EITHER)
    confirm(world)
    world.say(AGGREGATOR, replace(DEAL, revision=2), agreement=GSA)
    assert world.void() == ["confirmation.confirming_party"]


@pytest.mark.rule("confirmation.answered_by")
@pytest.mark.rule("confirmation.known")
def test_the_other_side_answers_what_was_confirmed() -> None:
    world = dealt()
    answer(world, ACCEPTED, confirmation=ConfirmationId("another"))
    confirm(world)
    world.say(UTILITY, ACCEPTED, agreement=GSA)
    assert world.void() == ["confirmation.known", "confirmation.answered_by"]


@pytest.mark.rule("confirmation.revision")
def test_revisions_that_race() -> None:
    world = dealt()
    confirm(world, revision=2)
    confirm(world)
    confirm(world, revision=2, max_calls=7)
    answer(world, ACCEPTED)
    assert world.void() == ["confirmation.revision"] * 2
    assert deal(world).terms.max_calls == 7 and deal(world).state is State.OPEN


@pytest.mark.rule("confirmation.step")
def test_an_accepted_deal_is_not_objected_to() -> None:
    world = dealt()
    confirm(world)
    answer(world, ACCEPTED)
    answer(world, OBJECTED)
    assert world.void() == ["confirmation.step"] and deal(world).state is State.ACCEPTED


@pytest.mark.rule("confirmation.agreement")
def test_a_deal_is_under_the_agreement_of_its_header() -> None:
    world = dealt()
    confirm(world, agreement=AgreementId("another"))
    assert world.void() == ["confirmation.agreement"]


@pytest.mark.rule("confirmation.term")
def test_a_deal_ends_with_its_contract() -> None:
    world = dealt()
    confirm(world, term=Window(start=T0 + timedelta(days=800), end=T0 + timedelta(days=901)))
    assert world.void() == ["confirmation.term"]


@pytest.mark.rule("confirmation.currency")
def test_a_deal_is_in_the_currency_of_the_contract() -> None:
    world = dealt(currency="CAD")
    confirm(world)
    assert world.void() == ["confirmation.currency"]


@pytest.mark.rule("service.energy")
def test_energy_is_off_unless_elected() -> None:
    world = dealt()
    confirm(world, service=Service.ENERGY)
    (void,) = world.ledger().voids
    assert void.rule.name == "service.energy" and "federal jurisdiction" in void.detail
    world = dealt(energy=True)
    confirm(world, service=Service.ENERGY)
    assert world.void() == []


@pytest.mark.rule("contract.in_force")
def test_no_deal_without_a_contract() -> None:
    world = World()
    confirm(world)
    assert world.void() == ["contract.in_force"]
