"""Dead letters: read, judged, and sent again as a new message that is linked to the old one."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import timedelta
from typing import get_args, get_type_hints

import msgspec
import pytest
from house import AGGREGATOR, AGREEMENT, NOW, UTILITY, Pair, Wire, make_pair, partner_of, with_partner
from test_deliver import declare, deliver, received, state

from intertie.exchange.outbound import ImpossibleEvent, ResentBefore, State
from intertie.gateway.gateway import LinkAnswer
from intertie.gateway.ports import Mark
from intertie.gateway.proving.erase import Why
from intertie.gateway.proving.verify_journal import verify_journal
from intertie.gateway.receiving.accept_parcel import new_message
from intertie.gateway.sending.cancel import cancel
from intertie.gateway.sending.expire import expire
from intertie.gateway.sending.resend import NotResentError, resend, why_dead
from intertie.journal.entry import Entry, Kind, read_entry
from intertie.model.attachment import AttachmentRef
from intertie.model.errors import PartnerError, Refused
from intertie.model.ids import AgreementId, MessageId, new_message_id
from intertie.model.message import read_envelope, write_message
from intertie.seal.tree import leaf_hash

LATER = NOW + timedelta(hours=1)
REFUSAL = LinkAnswer(422, b'{"code":"cannot_open","retry":false}', None)


def notes(pair: Pair, message: MessageId) -> Sequence[Entry]:
    entries = [read_entry(raw) for _, raw, _ in pair.aggregator.store.entries()]
    return [entry for entry in entries if entry.message == message]


def refused(pair: Pair) -> MessageId:
    message = declare(pair, expires=NOW + timedelta(hours=3))
    deliver(pair, Wire(pair.utility, AGGREGATOR, answers=[REFUSAL]))
    assert state(pair, message).state is State.REFUSED
    return message


def test_a_refused_message_goes_again_with_the_same_body_and_arrives() -> None:
    pair = make_pair()
    old = refused(pair)
    assert [row.id for row in pair.aggregator.store.dead_letters()] == [old]
    new = resend(pair.aggregator, old, LATER)
    delivery = deliver(pair, Wire(pair.utility, AGGREGATOR, now=LATER), LATER)
    assert delivery is not None and delivery.receipted and state(pair, new).state is State.ACCEPTED
    before, after = json.loads(state(pair, old).body), json.loads(state(pair, new).body)
    assert before["body"] == after["body"]
    changed = {name for name in after["header"] if before["header"].get(name) != after["header"][name]}
    assert changed == {"id", "created", "expires"}
    assert state(pair, new).expires - LATER == timedelta(hours=3), (
        "as long a life as the first was meant to have"
    )
    assert [row.id for row in received(pair)] == [new] and pair.aggregator.store.dead_letters() == []


def test_the_link_is_kept_and_journaled() -> None:
    pair = make_pair()
    old = refused(pair)
    new = resend(pair.aggregator, old, LATER)
    assert pair.aggregator.store.marks([old, new]) == {old: Mark(resent_as=new), new: Mark(resends=old)}
    first, second = notes(pair, new)
    assert (first.kind, second.kind, second.note) == (Kind.MESSAGE_OUT, Kind.ACT, f"resends:{old}")
    verify_journal(pair.aggregator.store)


def test_once_is_enough() -> None:
    pair = make_pair()
    old = refused(pair)
    new = resend(pair.aggregator, old, LATER)
    with pytest.raises(ResentBefore, match=new):
        resend(pair.aggregator, old, LATER)


def test_life_may_be_longer() -> None:
    pair = make_pair()
    new = resend(pair.aggregator, refused(pair), LATER, life=timedelta(days=9))
    assert state(pair, new).expires == LATER + timedelta(days=9)


def test_what_nobody_answered_is_sent_again_only_by_who_says_so() -> None:
    pair = make_pair()
    old = declare(pair, expires=NOW + timedelta(minutes=1))
    wire = Wire(pair.utility, AGGREGATOR, lose_next=True)
    deliver(pair, wire)
    wire.answers = [PartnerError("down")]
    deliver(pair, wire, LATER)
    row = state(pair, old)
    assert (row.state, why_dead(row)) == (State.EXPIRED, "exhausted")
    assert [m.id for m in received(pair)] == [old], "it did arrive"
    with pytest.raises(NotResentError, match=r"may have it.*--may-have-arrived"):
        resend(pair.aggregator, old, LATER)
    assert resend(pair.aggregator, old, LATER, anyway=True)


def test_a_partner_that_does_not_know_us_any_more_may_have_it_from_before() -> None:
    pair = make_pair()
    old = declare(pair)
    wire = Wire(pair.utility, AGGREGATOR, lose_next=True)
    deliver(pair, wire)
    wire.answers = [LinkAnswer(403, b'{"code":"unknown_sender","retry":false}', None)]
    deliver(pair, wire, LATER)
    assert state(pair, old).state is State.REFUSED and [m.id for m in received(pair)] == [old]
    with pytest.raises(NotResentError, match="may have it"):
        resend(pair.aggregator, old, LATER)


def test_what_never_left_goes_again_without_a_question() -> None:
    pair = make_pair()
    old = declare(pair, expires=NOW + timedelta(minutes=1))
    assert expire(pair.aggregator, LATER) == [old] and why_dead(state(pair, old)) == "expired"
    new = resend(pair.aggregator, old, LATER)
    assert why_dead(state(pair, new)) == ""


def test_what_is_still_wrong_is_refused_before_anything_is_kept() -> None:
    pair = make_pair()
    old = refused(pair)
    ended = partner_of(pair.utility.keys, agreements=[AgreementId("OTHER")])
    pair = Pair(pair.utility, with_partner(pair.aggregator, ended))
    before = pair.aggregator.store.head()
    with pytest.raises(Refused, match="agreement_not_in_force"):
        resend(pair.aggregator, old, LATER)
    assert pair.aggregator.store.head() == before


def test_what_is_alive_delivered_or_taken_back_is_no_dead_letter() -> None:
    pair = make_pair()
    taken, alive = declare(pair), declare(pair)
    cancel(pair.aggregator, taken, NOW)
    for message in (taken, alive):
        with pytest.raises(ImpossibleEvent, match=message):
            resend(pair.aggregator, message, NOW)
    deliver(pair, Wire(pair.utility, AGGREGATOR))
    with pytest.raises(ImpossibleEvent):
        resend(pair.aggregator, alive, NOW)
    with pytest.raises(NotResentError, match="no message"):
        resend(pair.aggregator, MessageId("019b9de8-3700-7d26-92e5-dfe8cb1855fe"), NOW)


def test_what_was_erased_cannot_go_again() -> None:
    pair = make_pair()
    old = refused(pair)
    pair.aggregator.store.erase([state(pair, old).seq], Why.MISTAKE, LATER)
    with pytest.raises(NotResentError, match="erased"):
        resend(pair.aggregator, old, LATER)


@pytest.mark.parametrize("gone", ["suspended", "removed"])
def test_a_parcel_to_a_partner_that_gets_nothing_more_ends_too(gone: str) -> None:
    pair = make_pair()
    message = declare(pair, expires=NOW + timedelta(minutes=30))
    deliver(pair, Wire(pair.utility, AGGREGATOR, answers=[PartnerError("down")]))
    partner = pair.aggregator.partners.find(UTILITY)
    assert partner is not None
    other = partner._replace(suspended=True) if gone == "suspended" else partner_of(pair.aggregator.keys)
    pair = Pair(pair.utility, with_partner(pair.aggregator, other))
    if gone == "removed":
        pair.aggregator.partners.partners.pop(UTILITY)  # type: ignore[attr-defined]
    assert expire(pair.aggregator, NOW + timedelta(minutes=29)) == []
    assert state(pair, message).state is State.SENDING
    assert expire(pair.aggregator, NOW + timedelta(minutes=30)) == [message]
    assert why_dead(state(pair, message)) == "exhausted"
    assert AGREEMENT in state(pair, message).body.decode()


def test_files_were_sealed_for_the_dead_letter_alone() -> None:
    pair = make_pair()
    envelope = read_envelope(state(pair, declare(pair)).body)
    header = msgspec.structs.replace(envelope.header, id=new_message_id(NOW))
    ref = AttachmentRef(
        id="019b9de8-3700-7d26-92e5-dfe8cb1855fe",  # type: ignore[arg-type]
        name="readings.csv",
        media_type="text/csv",
        size=7,
        sha256="ab" * 32,
        cipher=get_args(get_type_hints(AttachmentRef)["cipher"])[0],
        key="A" * 43,
    )
    raw = write_message(header, envelope.body, [ref])
    pair.aggregator.store.add_outgoing([new_message(raw, leaf_hash(raw), 0, header)], [], NOW)
    pair.aggregator.store.set_state(header.id, State.FAILED, "attachment_missing: gone", [], NOW)
    with pytest.raises(NotResentError, match="has files"):
        resend(pair.aggregator, header.id, LATER)
