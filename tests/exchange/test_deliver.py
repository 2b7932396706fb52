"""Sending: an unknown outcome repeats the same bytes; only a receipt that verifies closes anything."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from tests.exchange.house import (
    AGGREGATOR,
    AGGREGATOR_ROLES,
    AGREEMENT,
    NOW,
    UTILITY,
    UTILITY_ROLES,
    Pair,
    Wire,
    gateway_of,
    keys_of,
    make_pair,
    partner_of,
    with_partner,
)

from intertie.exchange.outbound import State
from intertie.gateway.gateway import Limits, LinkAnswer
from intertie.gateway.ports import MessageRow, Query
from intertie.gateway.proving.verify_journal import verify_journal
from intertie.gateway.sending.answers import Delivery
from intertie.gateway.sending.cancel import cancel
from intertie.gateway.sending.deliver import deliver_once
from intertie.gateway.sending.send_message import Outgoing, send, send_raw
from intertie.model.documents import example
from intertie.model.errors import PartnerError
from intertie.model.ids import ConversationId, DocumentName, InterfaceCode, MessageId
from intertie.model.message import Mode


def declare(pair: Pair, now: datetime = NOW, **more: object) -> MessageId:
    _, body = example(DocumentName("availability_declaration"))
    outgoing = Outgoing(
        body=body,
        recipient=UTILITY,
        interface=InterfaceCode("DA"),
        mode=Mode.SCHEDULED,
        agreement=AGREEMENT,
        **more,  # type: ignore[arg-type]
    )
    return send(pair.aggregator, [outgoing], now)[0]


def deliver(pair: Pair, wire: Wire, now: datetime = NOW) -> Delivery | None:
    return asyncio.run(deliver_once(pair.aggregator, wire, UTILITY, lambda: now, lambda: 0.5))


def state(pair: Pair, message: MessageId) -> MessageRow:
    row = pair.aggregator.store.message(message, outgoing=True)
    assert row is not None
    return row


def received(pair: Pair) -> list[MessageRow]:
    return pair.utility.store.messages(Query(outgoing=False))


def test_nothing_waits_nothing_is_sent() -> None:
    pair = make_pair()
    wire = Wire(pair.utility, AGGREGATOR)
    assert deliver(pair, wire) is None and wire.sent == []


def test_many_messages_share_one_parcel() -> None:
    pair = make_pair()
    ids = [declare(pair) for _ in range(20)]
    wire = Wire(pair.utility, AGGREGATOR)
    delivery = deliver(pair, wire)
    assert delivery is not None and delivery.messages == 20 and len(wire.sent) == 1
    assert {row.id for row in received(pair)} == set(ids)
    assert all(state(pair, message).state is State.ACCEPTED for message in ids)


def test_lost_receipt_repeats_the_same_bytes_with_one_effect() -> None:
    pair = make_pair()
    message = declare(pair)
    wire = Wire(pair.utility, AGGREGATOR, lose_next=True)
    first = deliver(pair, wire)
    assert first is not None and not first.receipted and state(pair, message).state is State.SENDING
    assert deliver(pair, wire) is None, "it waits before it tries again"
    later = NOW + timedelta(minutes=5)
    second = deliver(pair, wire, later)
    assert second is not None and second.receipted and wire.sent[0] == wire.sent[1]
    assert len(received(pair)) == 1 and state(pair, message).state is State.ACCEPTED


@pytest.mark.parametrize(
    "answer",
    [
        LinkAnswer(200, b"<html>ok</html>", None),
        LinkAnswer(200, b"", None),
        LinkAnswer(302, b"", None),
        LinkAnswer(404, b"nobody here", None),
        LinkAnswer(429, b'{"code":"rate_limited","retry":true}', 20.0),
        LinkAnswer(502, b"bad gateway", None),
        LinkAnswer(524, b"", None),
        PartnerError("connection reset"),
    ],
    ids=["200-html", "200-empty", "302", "404", "429", "502", "524", "reset"],
)
def test_what_is_no_receipt_leaves_the_outcome_open(answer: LinkAnswer | PartnerError) -> None:
    pair = make_pair()
    message = declare(pair)
    wire = Wire(pair.utility, AGGREGATOR, answers=[answer])
    delivery = deliver(pair, wire)
    assert delivery is not None and not delivery.receipted
    row = state(pair, message)
    assert row.state is State.SENDING and row.attempts == 1
    again = deliver(pair, wire, NOW + timedelta(minutes=5))
    assert again is not None and again.receipted and wire.sent[0] == wire.sent[1]


def test_retry_after_is_kept() -> None:
    pair = make_pair()
    declare(pair)
    wire = Wire(
        pair.utility, AGGREGATOR, answers=[LinkAnswer(429, b'{"code":"rate_limited","retry":true}', 120.0)]
    )
    deliver(pair, wire)
    assert deliver(pair, wire, NOW + timedelta(seconds=110)) is None
    done = deliver(pair, wire, NOW + timedelta(seconds=130))
    assert done is not None and done.receipted


def test_receipt_of_another_parcel_is_no_receipt() -> None:
    pair = make_pair()
    declare(pair)
    other = make_pair()
    declare(other)
    wire = Wire(other.utility, AGGREGATOR)
    deliver(other, wire)
    (parcel,) = {row.parcel for row in other.aggregator.store.messages(Query(outgoing=True))}
    assert parcel is not None
    kept = other.aggregator.store.parcel(parcel, outgoing=True)
    assert kept is not None and kept.receipt is not None
    delivery = deliver(pair, Wire(pair.utility, AGGREGATOR, answers=[LinkAnswer(200, kept.receipt, None)]))
    assert delivery is not None and not delivery.receipted and "something else" in delivery.detail


def test_a_lasting_refusal_of_the_parcel_ends_its_messages() -> None:
    pair = make_pair()
    message = declare(pair)
    answer = LinkAnswer(422, b'{"code":"cannot_open","detail":"it does not open","retry":false}', None)
    delivery = deliver(pair, Wire(pair.utility, AGGREGATOR, answers=[answer]))
    assert delivery is not None and not delivery.receipted
    row = state(pair, message)
    assert row.state is State.REFUSED and row.detail == "cannot_open: it does not open"


def test_message_refused_by_the_partner_says_why() -> None:
    pair = make_pair()
    message = declare(pair)
    partner = partner_of(pair.aggregator.keys, agreements=())
    pair = Pair(with_partner(pair.utility, partner), pair.aggregator)
    deliver(pair, Wire(pair.utility, AGGREGATOR))
    row = state(pair, message)
    assert row.state is State.REFUSED and row.detail.startswith("agreement_not_in_force")
    assert received(pair) == []


def test_unanswered_until_expiry() -> None:
    pair = make_pair()
    message = declare(pair, expires=NOW + timedelta(minutes=2))
    wire = Wire(pair.utility, AGGREGATOR, answers=[PartnerError("down")] * 10)
    at = NOW
    while state(pair, message).state in {State.QUEUED, State.SENDING} and at < NOW + timedelta(minutes=30):
        deliver(pair, wire, at)
        at += timedelta(seconds=30)
    assert state(pair, message).state is State.EXPIRED
    assert len(set(wire.sent)) == 1, "always the same bytes"


def test_queued_message_expires_by_itself_and_is_never_sent() -> None:
    pair = make_pair()
    message = declare(pair, expires=NOW + timedelta(minutes=2))
    later = NOW + timedelta(minutes=3)
    assert pair.aggregator.store.expire(later) == [message]
    wire = Wire(pair.utility, AGGREGATOR)
    assert deliver(pair, wire, later) is None and wire.sent == []


def test_cancel_before_it_leaves_but_not_after() -> None:
    pair = make_pair()
    first, second = declare(pair), declare(pair)
    assert cancel(pair.aggregator, first, NOW)
    deliver(pair, Wire(pair.utility, AGGREGATOR))
    assert [row.id for row in received(pair)] == [second]
    assert not cancel(pair.aggregator, second, NOW) and not cancel(pair.aggregator, first, NOW)
    assert state(pair, first).state is State.CANCELLED


def test_same_bytes_queued_twice_go_once() -> None:
    pair = make_pair()
    message = declare(pair)
    raw = state(pair, message).body
    assert send_raw(pair.aggregator, raw, NOW) == message
    deliver(pair, Wire(pair.utility, AGGREGATOR))
    assert len(received(pair)) == 1


def test_partner_without_a_strong_enough_key_gets_nothing() -> None:
    pair = make_pair()
    message = declare(pair)
    partner = partner_of(pair.utility.keys)
    weak = partner._replace(keys=type(partner.keys)(partner.party, partner.roles, partner.keys.signing, {}))
    pair = Pair(pair.utility, with_partner(pair.aggregator, weak))
    wire = Wire(pair.utility, AGGREGATOR)
    assert deliver(pair, wire) is None and wire.sent == []
    assert state(pair, message).state is State.FAILED


def test_every_receipt_makes_us_a_witness_of_the_partners_journal() -> None:
    pair = make_pair()
    wire = Wire(pair.utility, AGGREGATOR)
    for _ in range(3):
        declare(pair)
        deliver(pair, wire)
    heads = pair.aggregator.store.partner_heads(UTILITY)
    assert [head.size for head in heads] == sorted({head.size for head in heads}) and len(heads) == 3
    assert verify_journal(pair.utility.store).size >= heads[-1].size
    assert verify_journal(pair.aggregator.store).size > 0


def test_a_message_cancelled_while_it_is_sealed_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process cancels between taking and keeping: the parcel is dropped, the rest goes next time."""
    pair = make_pair()
    first, second = declare(pair), declare(pair)
    store = pair.aggregator.store
    take = store.take_outgoing

    def take_and_cancel(*args: object, **more: object) -> list[MessageRow]:
        rows = take(*args, **more)  # type: ignore[arg-type]
        monkeypatch.setattr(store, "take_outgoing", take)
        assert cancel(pair.aggregator, first, NOW)
        return rows

    monkeypatch.setattr(store, "take_outgoing", take_and_cancel)
    wire = Wire(pair.utility, AGGREGATOR)
    assert deliver(pair, wire) is None and wire.sent == []
    done = deliver(pair, wire)
    assert done is not None and done.receipted and [row.id for row in received(pair)] == [second]


def test_an_outage_notice_overtakes_a_statement_queued_before_it() -> None:
    utility, aggregator = keys_of(UTILITY, UTILITY_ROLES), keys_of(AGGREGATOR, AGGREGATOR_ROLES)
    sender = gateway_of(utility, [aggregator], Limits(messages_per_parcel=1))
    recipient = gateway_of(aggregator, [utility])
    for name, mode in (("performance_statement", Mode.SCHEDULED), ("outage_notice", Mode.REAL_TIME)):
        _, body = example(DocumentName(name))
        outgoing = Outgoing(
            body=body, recipient=AGGREGATOR, interface=InterfaceCode("DA"), mode=mode, agreement=AGREEMENT
        )
        send(sender, [outgoing], NOW)
    wire = Wire(recipient, UTILITY)
    for _ in range(2):
        asyncio.run(deliver_once(sender, wire, AGGREGATOR, lambda: NOW, lambda: 0.5))
    got = [row.document for row in recipient.store.messages(Query(outgoing=False))]
    assert got == ["outage_notice", "performance_statement"]


# What the partner grants


def send_two(pair: Pair) -> tuple[MessageId, MessageId]:
    """A declaration of availability and an asset outage, queued by the aggregator."""
    _, body = example(DocumentName("asset_outage"))
    outage = Outgoing(
        body=body,
        recipient=UTILITY,
        interface=InterfaceCode("DA"),
        mode=Mode.SCHEDULED,
        agreement=AGREEMENT,
    )
    return declare(pair), send(pair.aggregator, [outage], NOW)[0]


def test_messages_whose_scope_is_not_granted_fail_one_by_one_and_take_nobody_down() -> None:
    pair = make_pair()
    first, second = send_two(pair)
    wire = Wire(pair.utility, AGGREGATOR, grants=frozenset({"DA/availability_declaration"}))
    delivery = deliver(pair, wire)
    assert delivery is not None
    assert (delivery.receipted, delivery.messages) == (True, 1)
    assert state(pair, first).state is State.ACCEPTED
    failed = state(pair, second)
    assert (failed.state, failed.parcel) == (State.FAILED, None)
    assert failed.detail.startswith("insufficient_scope: utility.example does not grant us DA/asset_outage")


def test_with_nothing_granted_nothing_is_sealed_and_nothing_sent() -> None:
    pair = make_pair()
    ids = send_two(pair)
    wire = Wire(pair.utility, AGGREGATOR, grants=frozenset())
    assert deliver(pair, wire) is None
    assert wire.sent == []
    assert {state(pair, message).state for message in ids} == {State.FAILED}


def test_a_whole_interface_is_granted_with_one_scope() -> None:
    pair = make_pair()
    send_two(pair)
    delivery = deliver(pair, Wire(pair.utility, AGGREGATOR, grants=frozenset({"DA/*"})))
    assert delivery is not None
    assert (delivery.receipted, delivery.messages) == (True, 2)


def test_a_partner_that_cannot_be_asked_is_asked_again_later_and_nothing_is_sealed() -> None:
    pair = make_pair()
    message, _ = send_two(pair)
    wire = Wire(pair.utility, AGGREGATOR, grants=PartnerError("nobody at home"))
    delivery = deliver(pair, wire)
    assert delivery is not None
    assert (delivery.parcel, delivery.receipted, delivery.messages) == (None, False, 2)
    first = state(pair, message)
    assert (first.state, first.attempts, first.detail) == (State.QUEUED, 1, "nobody at home")
    assert first.next_attempt is not None
    assert first.next_attempt > NOW
    assert deliver(pair, wire) is None  # it waits
    assert deliver(pair, wire, first.next_attempt) is not None
    second = state(pair, message)
    assert second.next_attempt is not None
    assert second.next_attempt - first.next_attempt > first.next_attempt - NOW  # longer each time
    wire.grants = None
    delivery = deliver(pair, wire, second.next_attempt)
    assert delivery is not None
    assert delivery.receipted


def test_a_partner_with_nothing_to_get_is_not_asked() -> None:
    pair = make_pair()
    assert deliver(pair, Wire(pair.utility, AGGREGATOR, grants=PartnerError("must not be asked"))) is None


@pytest.mark.parametrize("takes", [1, 3, 8])
def test_parcels_too_large_for_the_partner_get_smaller(takes: int) -> None:
    pair = make_pair()
    small = Pair(replace(pair.utility, limits=Limits(messages_per_parcel=takes)), pair.aggregator)
    small = Pair(small.utility, replace(pair.aggregator, limits=Limits(messages_per_parcel=16)))
    talk = ConversationId("c")
    ids = [declare(small, conversation=talk if place % 2 else None) for place in range(16)]
    wire = Wire(small.utility, AGGREGATOR)
    for _ in range(60):
        if deliver(small, wire) is None:
            break
    assert all(state(small, message).state is State.ACCEPTED for message in ids)
    rows = received(small)
    assert {row.id for row in rows} == set(ids) and len(rows) == 16
    assert [row.id for row in rows if row.conversation] == [m for place, m in enumerate(ids) if place % 2]
    verify_journal(small.aggregator.store)


def test_a_single_message_that_is_too_large_is_refused() -> None:
    pair = make_pair()
    pair = Pair(replace(pair.utility, limits=Limits(parcel_bytes=100)), pair.aggregator)
    message = declare(pair)
    delivery = deliver(pair, Wire(pair.utility, AGGREGATOR))
    assert delivery is not None and not delivery.receipted
    row = state(pair, message)
    assert row.state is State.REFUSED and row.detail.startswith("too_large")
