"""A partner with a protocol of its own: until when, under what, and what its contract on paper says to the book."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.exchange.house import AGGREGATOR, UTILITY
from tests.exchange.uftp_world import DEAL, TEXT, foreign_of

from intertie.gateway.translating.accept_translated import original_of, with_original
from intertie.gateway.translating.deliver_translated import TEMPORARY, PostAnswer
from intertie.gateway.translating.foreign import AFTER, check_legacy, paper_events
from intertie.market import confirmation, contract
from intertie.market.book import Ledger
from intertie.model.agreement import BaseContract, ConfirmingParty, ContractSignature
from intertie.model.documents import example
from intertie.model.errors import Code, Refused
from intertie.model.ids import AgreementId, ConfirmationId, DocumentName, MessageId, new_message_id
from intertie.model.message import Header, Mode, Verb, read_envelope, write_message
from intertie.model.record import RuleError

FOREIGN = foreign_of(AGGREGATOR)
SECOND = timedelta(seconds=1)


def test_the_last_day_is_a_day_on_which_it_may() -> None:
    last = FOREIGN.legacy_until
    message = MessageId("m-1")
    check_legacy(AGGREGATOR, FOREIGN, last)
    with pytest.raises(Refused) as caught:
        check_legacy(AGGREGATOR, FOREIGN, last + timedelta(days=1), message)
    assert caught.value.code is Code.PROTECTION_TOO_WEAK
    assert (caught.value.partner, caught.value.message) == (AGGREGATOR, message)
    assert str(last) in str(caught.value) and "uftp" in str(caught.value)


def test_its_agreement_is_that_of_its_contract() -> None:
    assert FOREIGN.agreement == TEXT.agreement and FOREIGN.url == FOREIGN.uftp.url
    without = replace(FOREIGN, contract=None)
    assert without.agreement is None and paper_events(without) == ()


def test_on_paper_it_was_proposed_and_signed_by_both() -> None:
    proposed, ours, theirs = paper_events(FOREIGN)
    assert isinstance(proposed.body, BaseContract) and proposed.body == TEXT
    assert isinstance(ours.body, ContractSignature) and ours.body == theirs.body
    assert [(one.sender, one.recipient) for one in (proposed, ours, theirs)] == [
        (UTILITY, AGGREGATOR),
        (UTILITY, AGGREGATOR),
        (AGGREGATOR, UTILITY),
    ]
    assert [one.received - TEXT.effective for one in (proposed, ours, theirs)] == [
        AFTER * n for n in range(3)
    ]
    assert len({one.message for one in (proposed, ours, theirs)}) == 3


@given(st.permutations(range(3)))
def test_the_book_takes_it_as_a_contract_in_force_in_any_order(order: list[int]) -> None:
    events = paper_events(FOREIGN)
    ledger = Ledger().plus([events[n] for n in order])
    assert not ledger.voids and ledger.digest() == Ledger().plus(events).digest()
    known = ledger.book.contracts[TEXT.agreement]
    assert contract.status(known, TEXT.effective + SECOND) in contract.STANDING
    assert known.text_at(TEXT.effective + SECOND) == TEXT


@given(st.permutations(range(5)))
def test_a_deal_on_paper_is_agreed_in_any_order(order: list[int]) -> None:
    foreign = replace(FOREIGN, deals=(DEAL,))
    events = paper_events(foreign)
    ledger = Ledger().plus([events[n] for n in order])
    assert not ledger.voids
    deal = ledger.book.deals[DEAL.confirmation]
    assert (deal.terms, deal.state) == (DEAL, confirmation.State.ACCEPTED)


def test_who_confirms_by_the_cover_sheet_confirms_on_paper() -> None:
    elections = replace(TEXT.elections, confirming_party=ConfirmingParty.SELLER)
    foreign = replace(FOREIGN, contract=replace(TEXT, elections=elections), deals=(DEAL,))
    ledger = Ledger().plus(paper_events(foreign))
    assert not ledger.voids and ledger.book.deals[DEAL.confirmation].confirmer == TEXT.seller


def test_another_deal_is_another_paper_and_one_under_another_contract_is_none() -> None:
    other = replace(DEAL, confirmation=ConfirmationId("D-2"))
    one, two = ({e.message for e in paper_events(replace(FOREIGN, deals=(deal,)))} for deal in (DEAL, other))
    assert len(one & two) == 3 and len(one | two) == 7
    for wrong in ((DEAL, DEAL), (replace(DEAL, agreement=AgreementId("X-1")),)):
        with pytest.raises(RuleError, match="deals"):
            replace(FOREIGN, deals=wrong)
    with pytest.raises(RuleError, match="deals"):
        replace(FOREIGN, contract=None, deals=(DEAL,))


def test_both_sides_read_one_paper_and_another_text_is_another_paper() -> None:
    """The ids follow from the text alone, so that both sides have the same events."""
    assert paper_events(foreign_of(UTILITY)) == paper_events(FOREIGN)
    revised = replace(FOREIGN, contract=replace(TEXT, revision=TEXT.revision + 1))
    ours, theirs = ({one.message for one in paper_events(each)} for each in (FOREIGN, revised))
    assert not ours & theirs


@pytest.mark.parametrize("status", [0, 100, 199, 200, 204, 299, 300, 399, 400, 401, 403, 409, 499, 500, 503])
def test_what_a_door_says_is_taken_or_final_or_neither(status: int) -> None:
    said = PostAnswer(status)
    assert said.taken == (status // 100 == 2) and said.final == (status // 100 == 4)


def test_not_now_is_not_never() -> None:
    assert {404, 429} <= TEMPORARY
    for status in TEMPORARY:
        assert not PostAnswer(status).final and not PostAnswer(status).taken


@given(st.binary(max_size=300))
def test_the_bytes_that_were_signed_come_back_as_they_were(signed: bytes) -> None:
    kind, body = example(DocumentName("base_contract"))
    header = Header(
        id=new_message_id(TEXT.effective),
        verb=Verb.CREATED,
        document=kind.document,
        version=kind.version,
        interface=kind.interface,
        mode=Mode.SCHEDULED,
        sender=UTILITY,
        recipient=AGGREGATOR,
        created=TEXT.effective,
        expires=TEXT.effective + SECOND,
    )
    raw = with_original(header, body, "uftp", signed)
    assert original_of(raw) == signed
    translated = read_envelope(raw).translated
    assert translated is not None and translated.binding == "uftp"
    assert original_of(write_message(header, body)) is None
