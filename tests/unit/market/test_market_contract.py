"""The base contract: every rule broken once, and what keeping them leads to."""

from __future__ import annotations

from datetime import timedelta

import pytest
from msgspec.structs import replace
from trade_world import AGGREGATOR, CALENDAR, GSA, T0, TEXT, UTILITY, World, signature

from intertie.market import contract
from intertie.market.contract import State, check_in_force, status
from intertie.market.event import Broken
from intertie.model.agreement import ContractAction, Elections
from intertie.model.ids import AgreementId

SECOND = replace(TEXT, revision=2, effective=T0 + timedelta(days=100))


def state_of(world: World) -> State:
    return status(world.ledger().book.contracts[GSA], world.now)


def test_proposed_countered_signed_by_both() -> None:
    world = World()
    world.say(UTILITY, TEXT)
    assert state_of(world) is State.PROPOSED
    counter = replace(TEXT, revision=2, elections=Elections(payment_day_of_month=10))
    world.say(AGGREGATOR, counter)
    world.sign(AGGREGATOR, counter)
    assert state_of(world) is State.PARTLY_SIGNED
    world.sign(UTILITY, counter)
    assert state_of(world) is State.IN_FORCE and world.void() == []
    (text,) = world.ledger().book.contracts[GSA].texts
    assert text.elections.payment_day_of_month == 10 and text.elections.confirm_deadline_business_days == 2


@pytest.mark.rule("contract.parties")
def test_a_contract_is_between_the_two_parties_of_its_message() -> None:
    world = World()
    world.say(UTILITY, replace(TEXT, seller="other.example"))
    assert world.void() == ["contract.parties"]
    world = World().signed()
    world.say(UTILITY, replace(SECOND, buyer=AGGREGATOR, seller=UTILITY))
    assert world.void() == ["contract.parties"]


@pytest.mark.rule("contract.calendar")
@pytest.mark.parametrize("zone", ["Mars/Olympus", "America/Nowhere"])
def test_the_zone_of_the_calendar_must_exist(zone: str) -> None:
    world = World()
    world.say(UTILITY, replace(TEXT, calendar=replace(CALENDAR, zone=zone)))
    assert world.void() == ["contract.calendar"]


@pytest.mark.rule("contract.first_revision")
def test_the_first_proposal_is_revision_1() -> None:
    world = World()
    world.say(UTILITY, SECOND)
    assert world.void() == ["contract.first_revision"]


@pytest.mark.rule("contract.known")
def test_what_nobody_proposed_cannot_be_signed() -> None:
    world = World()
    world.sign(UTILITY)
    world.notice(UTILITY, ContractAction.SUSPEND)
    assert world.void() == ["contract.known"] * 2


@pytest.mark.rule("contract.next_revision")
def test_of_two_counter_proposals_that_cross_the_first_counts() -> None:
    world = World()
    world.say(UTILITY, TEXT)
    first = replace(TEXT, revision=2, special_provisions="first")
    world.say(AGGREGATOR, first)
    world.say(UTILITY, replace(first, special_provisions="second"))
    assert world.void() == ["contract.next_revision"]
    draft = world.ledger().book.contracts[GSA].draft
    assert draft is not None and draft.text == first


@pytest.mark.rule("contract.revision")
@pytest.mark.rule("contract.terms")
@pytest.mark.rule("contract.signed_once")
def test_who_signs_names_the_newest_text_once() -> None:
    world = World()
    world.say(UTILITY, TEXT)
    world.say(UTILITY, replace(TEXT, revision=2))
    world.sign(AGGREGATOR)
    world.say(AGGREGATOR, replace(signature(TEXT), revision=2))
    world.sign(AGGREGATOR, replace(TEXT, revision=2))
    world.sign(AGGREGATOR, replace(TEXT, revision=2))
    assert world.void() == ["contract.revision", "contract.terms", "contract.signed_once"]
    assert state_of(world) is State.PARTLY_SIGNED


@pytest.mark.rule("contract.step")
def test_what_the_table_does_not_have_is_void() -> None:
    world = World()
    world.say(UTILITY, TEXT)
    world.notice(UTILITY, ContractAction.SUSPEND)
    world.notice(AGGREGATOR, ContractAction.DECLINE)
    world.sign(UTILITY)
    world.say(UTILITY, replace(TEXT, revision=2))
    assert world.void() == ["contract.step"] * 3 and state_of(world) is State.DECLINED


@pytest.mark.rule("contract.signed_in_time")
def test_a_text_is_not_signed_after_its_end() -> None:
    world = World()
    world.say(UTILITY, TEXT)
    world.say(UTILITY, signature(), after=timedelta(days=900))
    assert world.void() == ["contract.signed_in_time"]


@pytest.mark.rule("contract.amendment_time")
def test_an_amendment_holds_from_its_day() -> None:
    world = World().signed()
    world.say(AGGREGATOR, replace(TEXT, revision=2))
    world.say(AGGREGATOR, SECOND)
    world.sign(AGGREGATOR, SECOND)
    assert state_of(world) is State.IN_FORCE
    world.sign(UTILITY, SECOND)
    assert world.void() == ["contract.amendment_time"]
    known = world.ledger().book.contracts[GSA]
    assert known.text_at(SECOND.effective - timedelta(seconds=1)) == TEXT
    assert known.text_at(SECOND.effective) == SECOND


def test_an_amendment_that_is_declined_leaves_the_contract() -> None:
    world = World().signed()
    world.say(AGGREGATOR, SECOND)
    world.notice(UTILITY, ContractAction.DECLINE, revision=2)
    known = world.ledger().book.contracts[GSA]
    assert (known.state, known.draft, known.texts) == (State.IN_FORCE, None, (TEXT,)) and not world.void()


@pytest.mark.rule("contract.lifted_by")
def test_who_suspends_resumes() -> None:
    world = World().signed()
    world.notice(UTILITY, ContractAction.SUSPEND)
    world.notice(AGGREGATOR, ContractAction.RESUME)
    assert state_of(world) is State.SUSPENDED and world.void() == ["contract.lifted_by"]
    world.notice(UTILITY, ContractAction.RESUME)
    assert state_of(world) is State.IN_FORCE
    world.notice(UTILITY, ContractAction.DEFAULT)
    world.notice(AGGREGATOR, ContractAction.CURE)
    assert state_of(world) is State.IN_DEFAULT
    world.notice(UTILITY, ContractAction.CURE)
    assert state_of(world) is State.IN_FORCE


@pytest.mark.rule("contract.termination_notice")
def test_a_termination_gives_notice() -> None:
    world = World().signed()
    world.notice(AGGREGATOR, ContractAction.TERMINATE, effective=world.now + timedelta(days=29))
    assert world.void() == ["contract.termination_notice"] and state_of(world) is State.IN_FORCE
    ends = world.now + timedelta(days=31)
    world.notice(AGGREGATOR, ContractAction.TERMINATE, effective=ends)
    assert state_of(world) is State.IN_FORCE
    world.now = ends
    assert state_of(world) is State.TERMINATED


@pytest.mark.rule("contract.cure_period")
def test_after_a_default_its_declarer_terminates_once_the_cure_period_is_over() -> None:
    world = World().signed()
    world.notice(UTILITY, ContractAction.DEFAULT)
    world.notice(UTILITY, ContractAction.TERMINATE)
    world.now += timedelta(days=15)  # ten business days
    world.notice(AGGREGATOR, ContractAction.TERMINATE)
    assert world.void() == ["contract.cure_period"] * 2 and state_of(world) is State.IN_DEFAULT
    world.notice(UTILITY, ContractAction.TERMINATE)
    assert state_of(world) is State.TERMINATED


@pytest.mark.rule("contract.agreement")
def test_header_and_body_name_one_agreement() -> None:
    world = World()
    world.say(UTILITY, TEXT, agreement=AgreementId("another"))
    assert world.void() == ["contract.agreement"]


@pytest.mark.rule("contract.in_force")
def test_nothing_flows_under_a_contract_that_is_not_in_force_but_what_settles() -> None:
    world = World()
    world.say(UTILITY, TEXT)

    def flows(days: float = 0, *, settles: bool = False) -> bool:
        at = world.now + timedelta(days=days)
        try:
            check_in_force(world.ledger().book.contracts, GSA, at, settles=settles)
        except Broken as broken:
            assert broken.rule is contract.IN_FORCE
            return False
        return True

    assert not flows() and not flows(settles=True)
    world.sign(UTILITY)
    world.sign(AGGREGATOR)
    assert flows() and not flows(-1) and flows(880) and not flows(901)
    world.notice(UTILITY, ContractAction.SUSPEND)
    assert not flows() and flows(settles=True)
    assert flows(901, settles=True) and not flows(900 + 731, settles=True)
