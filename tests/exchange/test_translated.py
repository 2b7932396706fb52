"""Messages in another protocol, admitted as any other: UFTP between two gateways in memory, with losses, repeats and refusals."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from msgspec.structs import replace
from tests.exchange.house import AGGREGATOR, UTILITY
from tests.exchange.uftp_world import (
    DOMAINS,
    KEYS,
    NEED,
    OPTION,
    Two,
    foreign_of,
    kw,
    offer_to,
    order_of,
)

from intertie.exchange.outbound import State
from intertie.formats.uftp import messages as m
from intertie.formats.uftp.codec import NotUftpError
from intertie.formats.uftp.forms import Role
from intertie.gateway.ports import Query
from intertie.gateway.proving.renew_evidence import lapsing
from intertie.gateway.translating.accept_translated import original_of
from intertie.journal.entry import Kind, read_entry
from intertie.market.offer_state import OfferPhase
from intertie.model.availability import LoadPrognosis
from intertie.model.documents import read_message
from intertie.model.errors import Code, Refused
from intertie.model.ids import ConversationId, new_uuid7
from intertie.model.offers import OfferRevocation, RevocationReason
from intertie.seal.sodium_sign import SodiumKey, open_signed
from intertie.seal.tree import leaf_hash


def asked() -> Two:
    two = Two()
    assert two.exchange(UTILITY, NEED) == (State.ACCEPTED, "")
    return two


def offered() -> Two:
    two = asked()
    assert two.exchange(AGGREGATOR, offer_to(two)) == (State.ACCEPTED, "")
    return two


def test_a_need_an_offer_and_an_order_of_half_of_it() -> None:
    two = offered()
    offer = next(iter(two.book(UTILITY).offers.offers.values()))
    assert offer.offer is not None and offer.need == "N1"
    assert offer.offer.options[0].price == OPTION.price
    half = replace(order_of(two).ordered_kw, power_of_ten=-1, values=(300, 200, 0, 200))
    assert two.exchange(UTILITY, order_of(two, ordered_kw=half)) == (State.ACCEPTED, "")
    theirs = two.book(AGGREGATOR).offers.orders["D1"].order
    assert [theirs.ordered_kw.quantity(i) for i in range(4)] == [30, 20, 0, 20]
    assert theirs.price == OPTION.price and theirs.offer == "O1"
    for party in (UTILITY, AGGREGATOR):
        assert {one.phase for one in two.book(party).offers.offers.values()} == {OfferPhase.ORDERED}


def test_what_is_kept_holds_the_bytes_that_the_partner_signed_and_the_journal_is_about_them() -> None:
    two = asked()
    store = two.gateways[AGGREGATOR].store
    (row,) = store.messages(Query(outgoing=False))
    signed = original_of(row.body)
    assert signed is not None
    message = m.read_payload(open_signed(signed, KEYS[UTILITY].public))
    assert isinstance(message, m.FlexRequest)
    assert [(one.start, one.duration, one.min_power) for one in message.isps] == [
        (69, 2, -100_000),
        (72, 1, -80_000),
    ]
    entries = [read_entry(raw) for _, raw, _ in store.entries()]
    kept = next(one for one in entries if one.kind is Kind.MESSAGE_IN)
    assert kept.digest == leaf_hash(row.body).hex()
    assert row.parcel is not None
    parcel = store.parcel(row.parcel, outgoing=False)
    assert parcel is not None and parcel.receipt is not None
    answer = m.read_payload(open_signed(parcel.receipt, KEYS[AGGREGATOR].public))
    assert isinstance(answer, m.FlexRequestResponse) and answer.answers == message.message_id


def test_a_repeat_has_one_effect_and_the_same_answer() -> None:
    two = asked()
    _, request = two.posted[0]
    for _ in range(2):
        two.doors[AGGREGATOR].take(request)
        two.carry(AGGREGATOR)
    answers = [raw for party, raw in two.posted if party == AGGREGATOR]
    assert len(answers) == 3 and len(set(answers)) == 1
    assert two.gateways[AGGREGATOR].store.counts()[False, "accepted"] == 1


def test_an_id_that_is_used_again_for_something_else_is_refused_each_time_alike() -> None:
    two = asked()
    signed = m.read_signed(two.posted[0][1]).body
    message = m.read_payload(signed[64:])
    assert isinstance(message, m.FlexRequest)
    raw = two.uftp[UTILITY].wrap(
        foreign_of(AGGREGATOR), KEYS[UTILITY].sign(m.write(replace(message, revision=7)))
    )
    answers = []
    for _ in range(2):
        two.doors[AGGREGATOR].take(raw)
        two.carry(AGGREGATOR)
        answers.append(m.read_payload(m.read_signed(two.posted[-1][1]).body[64:]))
    assert answers[0] == answers[1]
    assert isinstance(answers[0], m.FlexRequestResponse)
    assert (answers[0].rejection_reason or "").startswith("Duplicate Identifier")
    assert next(iter(two.book(AGGREGATOR).offers.needs.values())).need.revision == 1


def test_an_answer_that_is_lost_is_posted_again() -> None:
    two = Two()
    message = two.say(UTILITY, NEED)
    two.carry(UTILITY)
    two.lose = {AGGREGATOR}
    assert two.carry(AGGREGATOR) is not None
    assert two.state(UTILITY, message)[0] is State.SENDING
    two.lose = set()
    two.now += timedelta(minutes=1)
    two.carry(AGGREGATOR)
    assert two.state(UTILITY, message)[0] is State.ACCEPTED
    assert not two.gateways[AGGREGATOR].store.owed_answers(UTILITY, two.now + timedelta(days=1))


def test_without_an_answer_the_same_bytes_go_again() -> None:
    two = Two()
    two.say(UTILITY, NEED)
    two.carry(UTILITY)
    two.now += timedelta(minutes=16)
    two.carry(UTILITY)
    assert len(two.posted) == 2 and two.posted[0] == two.posted[1]


def test_a_message_that_nobody_answers_expires() -> None:
    two = Two()
    message = two.say(UTILITY, NEED)
    two.carry(UTILITY)
    two.now += timedelta(days=4)
    two.carry(UTILITY)
    assert two.state(UTILITY, message)[0] is State.EXPIRED


def test_an_answer_that_comes_twice_or_to_nothing_changes_nothing() -> None:
    two = asked()
    answer = next(raw for party, raw in two.posted if party == AGGREGATOR)
    before = two.gateways[UTILITY].store.head()
    two.doors[UTILITY].take(answer)
    assert two.gateways[UTILITY].store.head() == before
    said = m.read_payload(m.read_signed(answer).body[64:])
    assert isinstance(said, m.FlexRequestResponse)
    strange = replace(said, reference=new_uuid7(two.now))
    two.doors[UTILITY].take(
        two.uftp[AGGREGATOR].wrap(foreign_of(UTILITY), KEYS[AGGREGATOR].sign(m.write(strange)))
    )
    assert two.gateways[UTILITY].store.head() == before


def test_a_rule_of_the_trade_refuses_with_the_reason_of_uftp() -> None:
    two = asked()
    signed = m.read_signed(two.posted[0][1]).body
    request = m.read_payload(signed[64:])
    assert isinstance(request, m.FlexRequest)
    late = offer_to(two)
    message = two.say(AGGREGATOR, late)
    two.now = NEED.gate_closes + timedelta(minutes=1)
    two.carry(AGGREGATOR)
    two.carry(UTILITY)
    state, detail = two.state(AGGREGATOR, message)
    assert state is State.REFUSED
    assert detail.startswith("trade_rule: Reference message expired (offer.gate_closed")
    assert not two.book(UTILITY).offers.offers


def test_the_author_hears_of_what_uftp_cannot_say() -> None:
    two = asked()
    two.exchange(AGGREGATOR, offer_to(two))
    uneven = order_of(two, ordered_kw=kw(60, 20, 0, 40))
    with pytest.raises(Refused, match="one share, of two decimal places"):
        two.say(UTILITY, uneven)
    with pytest.raises(Refused, match="no UUID"):
        two.say(UTILITY, replace(NEED, need="N2"), ConversationId("talk"))
    with pytest.raises(Refused, match="one in a message, not 2"):
        two.say(
            UTILITY,
            replace(NEED, need="N2", points=(*NEED.points, "ean.871685900012636544")),
            ConversationId(new_uuid7(two.now)),
        )


def test_a_revoked_offer_is_not_ordered() -> None:
    two = offered()
    body = OfferRevocation(offer="O1", revision=1, reason=RevocationReason.SOLD_ELSEWHERE)
    order = order_of(two)
    assert two.exchange(AGGREGATOR, body) == (State.ACCEPTED, "")
    with pytest.raises(Refused, match=r"offer\.ended"):
        two.say(UTILITY, order)


def test_nothing_goes_or_comes_after_the_end_date() -> None:
    two = Two()
    two.change(AGGREGATOR, foreign=foreign_of(UTILITY, until=date(2026, 1, 1)))
    state, detail = two.exchange(UTILITY, NEED)
    assert state is State.REFUSED and detail.startswith(f"{Code.SENDER_SUSPENDED}: Barred Sender (")
    two.change(UTILITY, foreign=foreign_of(AGGREGATOR, until=date(2026, 1, 1)))
    with pytest.raises(Refused, match="protection_too_weak"):
        two.say(UTILITY, NEED, ConversationId(new_uuid7(two.now)))


def test_a_stranger_and_a_wrong_key_leave_nothing() -> None:
    two = Two()
    two.say(UTILITY, NEED)
    two.lose = {UTILITY}
    two.carry(UTILITY)
    wrapper = m.read_signed(two.posted[0][1])
    store = two.gateways[AGGREGATOR].store
    before = store.head()
    forged = SodiumKey.generate().sign(wrapper.body[64:])
    for wrong, code in (
        (replace(wrapper, body=forged), Code.SIGNATURE_INVALID),
        (replace(wrapper, sender_domain="stranger.example"), Code.UNKNOWN_SENDER),
        (replace(wrapper, sender_role=Role.AGR), Code.UNKNOWN_SENDER),
        (replace(wrapper, body=wrapper.body[:40]), Code.SIGNATURE_INVALID),
    ):
        with pytest.raises(Refused) as refused:
            two.doors[AGGREGATOR].take(m.write(wrong))
        assert refused.value.code is code
    with pytest.raises(NotUftpError):
        two.doors[AGGREGATOR].take(b"<SignedMessage/>")
    assert store.head() == before


def test_a_message_that_says_another_sender_inside_or_is_for_another_is_refused_signed() -> None:
    two = Two()
    two.say(UTILITY, NEED)
    two.lose = {UTILITY}
    two.carry(UTILITY)
    message = m.read_payload(m.read_signed(two.posted[0][1]).body[64:])
    assert isinstance(message, m.FlexRequest)
    for number, (wrong, reason) in enumerate(
        (
            (replace(message, sender_domain="stranger.example"), "Mismatch SenderDomain"),
            (replace(message, recipient_domain="elsewhere.example"), "Unknown RecipientDomain"),
        )
    ):
        named = replace(wrong, message_id=new_uuid7(two.now + timedelta(hours=number)))
        raw = two.uftp[UTILITY].wrap(foreign_of(AGGREGATOR), KEYS[UTILITY].sign(m.write(named)))
        two.doors[AGGREGATOR].take(raw)
        two.carry(AGGREGATOR)
        answer = m.read_payload(m.read_signed(two.posted[-1][1]).body[64:])
        assert isinstance(answer, m.FlexRequestResponse)
        assert (answer.rejection_reason or "").startswith(reason)


def test_a_suspended_partner_is_barred_and_gets_nothing() -> None:
    two = Two()
    two.change(AGGREGATOR, suspended=True)
    message = two.say(UTILITY, NEED)
    two.carry(UTILITY)
    assert two.carry(AGGREGATOR) is None
    two.change(AGGREGATOR, suspended=False)
    two.carry(AGGREGATOR)
    state, detail = two.state(UTILITY, message)
    assert state is State.REFUSED and "Barred Sender" in detail


def test_a_partner_that_has_a_gateway_too_gets_parcels() -> None:
    two = Two()
    partner = two.gateways[UTILITY].partners.find(AGGREGATOR)
    assert partner is not None and partner.translated
    assert not partner._replace(keys=two.gateways[AGGREGATOR].keys.public()).translated


def test_a_test_message_is_answered_and_is_no_message() -> None:
    two = Two()
    said = m.TestMessage(
        sender_domain=DOMAINS[UTILITY],
        recipient_domain=DOMAINS[AGGREGATOR],
        time_stamp=two.now,
        message_id=new_uuid7(two.now),
        conversation_id=new_uuid7(two.now),
    )
    two.doors[AGGREGATOR].take(
        two.uftp[UTILITY].wrap(foreign_of(AGGREGATOR), KEYS[UTILITY].sign(m.write(said)))
    )
    two.carry(AGGREGATOR)
    answer = m.read_payload(m.read_signed(two.posted[-1][1]).body[64:])
    assert isinstance(answer, m.TestMessageResponse) and answer.answers == said.message_id
    assert two.gateways[AGGREGATOR].store.counts() == {}


def test_a_prognosis_arrives_with_its_sign() -> None:
    two = Two()
    body = LoadPrognosis(
        point=NEED.points[0], window=NEED.window, zone=NEED.zone, revision=2, load_kw=kw(300, 20, -5, -5)
    )
    assert two.exchange(AGGREGATOR, body, ConversationId(new_uuid7(two.now))) == (State.ACCEPTED, "")
    (row,) = two.gateways[UTILITY].store.messages(Query(outgoing=False))
    _, theirs = read_message(row.body)
    assert isinstance(theirs, LoadPrognosis) and theirs.revision == 2
    assert [theirs.load_kw.quantity(i) for i in range(4)] == [300, 20, -5, -5]


def test_what_has_no_counterpart_is_rejected_as_such() -> None:
    two = asked()
    request = m.read_payload(m.read_signed(two.posted[0][1]).body[64:])
    assert isinstance(request, m.FlexRequest)
    update = m.FlexReservationUpdate(
        **{name: getattr(request, name) for name in m.Flex.__struct_fields__ if name != "message_id"},
        message_id=new_uuid7(two.now),
        contract_id="C-1",
        reference="R",
        isps=(m.Isp(power=1, start=1),),
    )
    two.doors[AGGREGATOR].take(
        two.uftp[UTILITY].wrap(foreign_of(AGGREGATOR), KEYS[UTILITY].sign(m.write(update)))
    )
    two.carry(AGGREGATOR)
    answer = m.read_payload(m.read_signed(two.posted[-1][1]).body[64:])
    assert isinstance(answer, m.FlexReservationUpdateResponse)
    assert answer.rejection_reason == "Invalid Message: FlexReservationUpdate has no counterpart here"


def test_it_lapses_as_classical_signatures_do() -> None:
    two = asked()
    for party in (UTILITY, AGGREGATOR):
        assert list(lapsing(two.gateways[party], timedelta(days=365), two.now)) == []
        (found,) = lapsing(two.gateways[party], timedelta(days=4000), two.now)
        assert (found.row.document, found.until, found.profile) == ("need", date(2035, 12, 31), "uftp")
