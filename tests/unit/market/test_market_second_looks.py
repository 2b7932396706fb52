"""Rules with more than one way to be broken: the ways that the stories of their families do not come by."""

from __future__ import annotations

from datetime import timedelta

import pytest
from msgspec.structs import replace
from offer_world import SETTING, at, counter, event, need, play, sealed, unsolicited
from tests.unit.market import grid_cases as grid
from tests.unit.market.grid_cases import answer, call, called, ground, kw
from tests.unit.market.test_market_book_rules import NEXT_YEAR, Running
from trade_world import AGGREGATOR, TEXT, UTILITY, World

from intertie.market import dispatch, dispatch_rules, offer_rules, offers
from intertie.market.event import Broken, Rule
from intertie.market.offer_state import Offers
from intertie.model.agreement import ContractAction
from intertie.model.contract import ConfirmationAnswer, ConfirmationResponse
from intertie.model.dispatch import (
    CancelReason,
    DispatchCancel,
    DispatchReport,
    DispatchTelemetry,
    RefusalReason,
    ReportKind,
)
from intertie.model.ids import ConversationId
from intertie.model.offers import OfferRevocation, RevocationReason
from intertie.model.record import Record
from intertie.model.system import OutageCause, OutageKind, OutageNotice
from intertie.seal.sealed_offer import close_offer


def refused(rule: Rule, book: Offers, body: Record, hours: float, conversation: str = "conv-1") -> None:
    said = event(body, hours, conversation=ConversationId(conversation))
    with pytest.raises(Broken) as broken:
        offers.apply(book, said, SETTING._replace(confirmations=frozenset()))
    assert broken.value.rule is rule


@pytest.mark.rule("confirmation.agreement")
def test_a_deal_stays_under_its_agreement_and_so_does_its_answer() -> None:
    world = Running()
    world.signed(replace(TEXT, agreement=NEXT_YEAR, effective=grid.at(-48), ends=None))
    terms = grid.deal(confirmation=grid.ConfirmationId("D-2"), points=grid.POINTS[:1], contracted_kw=5)
    world.tell(UTILITY, terms)
    yes = ConfirmationResponse(confirmation=terms.confirmation, answer=ConfirmationAnswer.ACCEPTED)
    world.tell(UTILITY, replace(terms, revision=2, agreement=NEXT_YEAR), NEXT_YEAR)
    world.tell(AGGREGATOR, yes, NEXT_YEAR)
    world.tell(AGGREGATOR, yes)
    assert world.void() == ["confirmation.agreement"] * 2


@pytest.mark.rule("contract.revision")
@pytest.mark.rule("contract.step")
def test_a_notice_names_the_text_in_force_and_comes_before_its_end() -> None:
    world = World().signed(replace(TEXT, ends=TEXT.effective + timedelta(days=90)))
    world.notice(UTILITY, ContractAction.SUSPEND, revision=2)
    world.notice(UTILITY, ContractAction.SUSPEND)
    world.notice(UTILITY, ContractAction.RESUME)
    world.now = TEXT.effective + timedelta(days=90)
    world.notice(UTILITY, ContractAction.SUSPEND)
    assert world.void() == ["contract.revision", "contract.step"]


@pytest.mark.rule("offer.ended")
@pytest.mark.rule("offer.expired")
def test_what_was_revoked_or_has_expired_is_not_countered() -> None:
    conversation = ConversationId("conv-u")
    book = play([event(unsolicited(valid_until=at(5)), 1, conversation=conversation)])
    other = counter(offer="U1", valid_until=at(4.9))
    offers.apply(book, event(other, 4, conversation=conversation), SETTING)
    refused(offer_rules.OFFER_EXPIRED, book, other, 5.1, "conv-u")
    gone = OfferRevocation(offer="U1", revision=1, reason=RevocationReason.OTHER)
    book = play([event(gone, 2, conversation=conversation)], book=book)
    refused(offer_rules.OFFER_ENDED, book, other, 4, "conv-u")


@pytest.mark.rule("offer.unknown_confirmation")
def test_a_need_under_a_confirmation_names_one_in_force() -> None:
    refused(offer_rules.OFFER_CONFIRMATION, Offers(), need(confirmation="D-9"), 0)


@pytest.mark.rule("key.other_offer")
def test_a_key_to_what_is_no_offer() -> None:
    box, _ = sealed()
    closed, opening = close_offer(b"not an offer", offers.context_of(box, SETTING))
    box = replace(box, **closed._asdict())
    book = play([event(need(sealed=True), 0), event(box, 1)])
    key = sealed()[1]
    refused(offer_rules.KEY_OTHER, book, replace(key, **opening._asdict()), 2.5)


def at_time(body: Record, hours: float, *, ours: bool = False) -> grid.Event:
    return grid.event(body, hours, grid.BUYER if ours else grid.SELLER)


def report(kind: ReportKind, hours: float) -> grid.Event:
    return at_time(DispatchReport(dispatch="X1", report=kind, at=grid.at(hours)), hours)


@pytest.mark.rule("dispatch.started_twice")
def test_what_was_taken_back_while_it_ran_ends_once() -> None:
    stop = DispatchCancel(dispatch="X1", effective=grid.at(11), reason=CancelReason.OTHER)
    events = [
        at_time(call(), 0, ours=True),
        at_time(answer(), 1),
        report(ReportKind.STARTED, 10),
        at_time(stop, 10.5, ours=True),
        report(ReportKind.FINISHED, 11),
    ]
    dispatches = called(*events)
    assert dispatches["X1"].finished == grid.at(11)
    with grid.breaks(dispatch.STARTED):
        called(report(ReportKind.FINISHED, 11.5), before=dispatches)


@pytest.mark.rule("dispatch.closed")
def test_nothing_is_measured_of_what_was_refused() -> None:
    no = answer("X1", "refused", reason=RefusalReason.SAFETY)
    dispatches = called(at_time(call(), 0, ours=True), at_time(no, 1))
    with grid.breaks(dispatch.CLOSED):
        called(
            at_time(DispatchTelemetry(dispatch="X1", power_kw=kw(grid.CALL, 1, 2)), 11),
            before=dispatches,
        )


@pytest.mark.rule("dispatch.de_energised")
def test_a_transformer_has_supply_and_nobody_behind_it() -> None:
    lost = OutageNotice(
        outage="O1",
        kind=OutageKind.PLANNED,
        cause=OutageCause.MAINTENANCE,
        points=grid.POINTS,
        starts=grid.at(9),
        estimated_restoration=grid.at(13),
    )
    state = grid.grid_of(grid.event(lost, 0))
    with grid.breaks(dispatch_rules.DE_ENERGISED) as broken:
        called(at_time(call(), 1, ours=True), on=ground(state=state))
    assert "no point behind T1" in str(broken.value)
    part = grid.grid_of(grid.event(replace(lost, points=grid.POINTS[:2]), 0))
    assert called(at_time(call(), 1, ours=True), on=ground(state=part))
