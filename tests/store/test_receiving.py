"""What every store promises of incoming parcels."""

from __future__ import annotations

import hashlib
from datetime import timedelta

import pytest
from store_builders import (
    NOW,
    OTHER,
    THEM,
    US,
    accepted,
    incoming,
    message,
    message_id,
    parcel,
    parcel_id,
    read_receipt,
    refusal,
    take_in,
    verify,
    write_receipt,
)

from intertie.exchange.outbound import State
from intertie.gateway.ports import Query, Store
from intertie.journal.entry import Kind, read_entry
from intertie.model.errors import Refused, StoreError
from intertie.seal.receipt import Outcome


def kinds(store: Store) -> list[Kind]:
    return [read_entry(raw).kind for _, raw, _ in store.entries()]


def test_accepted_messages_are_kept_as_they_came(store: Store) -> None:
    messages = incoming([1, 2, 3])
    receipt = store.accept(parcel(1, messages), messages, [], accepted(messages), write_receipt, NOW)
    rows = store.messages(Query(outgoing=False))
    assert [row.body for row in rows] == [m.body for m in messages]
    assert [row.leaf for row in rows] == [m.leaf for m in messages]
    assert [row.seq for row in rows] == [1, 2, 3]
    first, sent = rows[0], messages[0]
    assert first._replace(seq=0) == type(first)(
        seq=0,
        outgoing=False,
        id=sent.id,
        sender=THEM,
        recipient=US,
        interface=sent.interface,
        document=sent.document,
        mode=sent.mode,
        conversation=None,
        agreement=sent.agreement,
        created=sent.created,
        expires=sent.expires,
        priority=5,
        state=State.ACCEPTED,
        leaf=sent.leaf,
        parcel=parcel_id(1),
        position=0,
        at=NOW,
        done_at=NOW,
        attempts=0,
        next_attempt=None,
        detail="",
        body=sent.body,
        size=len(sent.body),
    )
    kept = store.parcel(parcel_id(1), outgoing=False)
    assert kept is not None
    assert kept == parcel(1, messages)._replace(receipt=receipt)


def test_receipt_commits_to_the_head_before_itself(store: Store) -> None:
    receipt = take_in(store, 1, [1, 2])
    statuses, head = read_receipt(receipt)
    assert statuses == ["accepted", "accepted"]
    assert head.size == 2
    assert store.head().size == 3
    last = read_entry(store.entries()[-1][1])
    assert last.kind is Kind.RECEIPT_OUT
    assert last.digest == hashlib.sha256(receipt).hexdigest()
    assert verify(store, [head]) == store.head()


def test_journal_has_each_message_and_each_refusal(store: Store) -> None:
    messages = incoming([1, 2])
    bad = refusal(3)
    outcomes = [
        *accepted(messages),
        Outcome(message=bad.message, leaf="0" * 64, status="refused", code="schema"),
    ]
    store.accept(parcel(1, messages), messages, [bad], outcomes, write_receipt, NOW)
    assert kinds(store) == [Kind.MESSAGE_IN, Kind.MESSAGE_IN, Kind.REFUSAL, Kind.RECEIPT_OUT]
    entries = [read_entry(raw) for _, raw, _ in store.entries()]
    assert entries[0].digest == messages[0].leaf.hex()
    assert entries[0].message == messages[0].id
    assert entries[0].parcel == parcel_id(1)
    assert (entries[2].note, entries[2].digest) == ("schema", bad.digest.hex())
    assert store.refusals() == [(1, bad)]


def test_repeated_parcel_gets_the_same_receipt_and_changes_nothing(store: Store) -> None:
    first = take_in(store, 1, [1, 2])
    head, seen = store.head(), store.counts()
    assert take_in(store, 1, [1, 2]) == first
    assert (store.head(), store.counts()) == (head, seen)


def test_parcel_id_with_other_bytes_is_refused_and_leaves_nothing(store: Store) -> None:
    take_in(store, 1, [1])
    head = store.head()
    messages = incoming([5])
    with pytest.raises(Refused, match="parcel_id_reused"):
        store.accept(parcel(1, messages), messages, [], accepted(messages), write_receipt, NOW)
    assert store.head() == head
    assert store.message(message_id(5)) is None


def test_message_that_came_meanwhile_is_a_duplicate(store: Store) -> None:
    take_in(store, 1, [1])
    statuses, _ = read_receipt(take_in(store, 2, [1, 2]))
    assert statuses == ["duplicate", "accepted"]
    assert store.counts() == {(False, "accepted"): 2}
    assert [row.id for row in store.parcel_messages(parcel_id(2), outgoing=False)] == [message_id(2)]
    assert store.refusals() == []


def test_message_id_with_other_bytes_is_refused_and_the_rest_is_kept(store: Store) -> None:
    take_in(store, 1, [1])
    other = message(1, body=b'{"other":1}')
    sound = message(2, position=1)
    messages = [other, sound]
    receipt = store.accept(parcel(2, messages), messages, [], accepted(messages), write_receipt, NOW)
    assert read_receipt(receipt)[0] == ["refused", "accepted"]
    row = store.message(message_id(1))
    assert row is not None
    assert row.body != other.body
    ((_, refused),) = store.refusals()
    assert (refused.code, refused.message, refused.step) == ("message_id_reused", message_id(1), 9)
    assert refused.digest == hashlib.sha256(other.body).digest()
    verify(store)


def test_equal_copies_in_one_parcel_share_the_fate_of_the_first(store: Store) -> None:
    take_in(store, 1, [1])
    other = message(1, body=b'{"other":1}')
    copy = Outcome(message=other.id, leaf=other.leaf.hex(), status="duplicate")
    row = parcel(2, [other, other])
    receipt = store.accept(row, [other], [], [*accepted([other]), copy], write_receipt, NOW)
    assert read_receipt(receipt)[0] == ["refused", "refused"]


def test_refused_outcomes_stay_as_they_are(store: Store) -> None:
    take_in(store, 1, [1])
    broken = Outcome(message=None, leaf="1" * 64, status="refused", code="bad_message")
    messages = [message(1, position=1)]
    receipt = store.accept(
        parcel(2, messages), messages, [], [broken, *accepted(messages)], write_receipt, NOW
    )
    assert read_receipt(receipt)[0] == ["refused", "duplicate"]


def test_two_senders_may_use_one_id(store: Store) -> None:
    take_in(store, 1, [1], THEM)
    take_in(store, 1, [1], OTHER)
    assert store.counts() == {(False, "accepted"): 2}
    for party in (THEM, OTHER):
        row = store.message(message_id(1), partner=party)
        kept = store.parcel(parcel_id(1), outgoing=False, partner=party)
        assert row is not None
        assert kept is not None
        assert (row.sender, kept.partner) == (party, party)
        (only,) = store.parcel_messages(parcel_id(1), outgoing=False, partner=party)
        assert only.sender == party
    first = store.message(message_id(1))
    assert first is not None
    assert first.sender == THEM
    assert store.find_incoming(OTHER, [message_id(1)]) == {message_id(1): first.leaf}


def test_parcel_of_refusals_only(store: Store) -> None:
    outcome = Outcome(message=None, leaf="2" * 64, status="refused", code="bad_message")
    receipt = store.accept(parcel(1, []), [], [refusal(1)], [outcome], write_receipt, NOW)
    assert read_receipt(receipt)[0] == ["refused"]
    assert store.messages(Query(outgoing=False)) == []
    assert kinds(store) == [Kind.REFUSAL, Kind.RECEIPT_OUT]


def test_receipt_that_cannot_be_written_leaves_nothing(store: Store) -> None:
    messages = incoming([1])

    def broken(outcomes: object, head: object) -> bytes:
        raise StoreError("no key")

    with pytest.raises(StoreError, match="no key"):
        store.accept(parcel(1, messages), messages, [refusal(9)], accepted(messages), broken, NOW)
    assert store.head().size == 0
    assert store.counts() == {}
    assert store.refusals() == []
    assert store.find_incoming_parcel(THEM, parcel_id(1)) is None
    take_in(store, 1, [1])


def test_outcomes_must_speak_of_the_messages(store: Store) -> None:
    messages = incoming([1, 2])
    for outcomes in ([], accepted(messages[::-1]), accepted(messages)[:1]):
        with pytest.raises(StoreError, match="no outcome"):
            store.accept(parcel(1, messages), messages, [], outcomes, write_receipt, NOW)
    assert store.head().size == 0


def test_find_incoming(store: Store) -> None:
    take_in(store, 1, [1, 2])
    found = store.find_incoming(THEM, [message_id(1), message_id(7)])
    assert found == {message_id(1): incoming([1])[0].leaf}
    assert store.find_incoming(OTHER, [message_id(1)]) == {}
    assert store.find_incoming(THEM, []) == {}


def test_find_incoming_parcel(store: Store) -> None:
    receipt = take_in(store, 1, [1])
    known = store.find_incoming_parcel(THEM, parcel_id(1))
    assert known is not None
    assert known.receipt == receipt
    assert known.blob is None
    assert store.find_incoming_parcel(OTHER, parcel_id(1)) is None
    assert store.parcel(parcel_id(1), outgoing=True) is None


def test_refuse_is_kept_and_journaled(store: Store) -> None:
    first, second = refusal(1, "bad_frame", 2), refusal(2, "unknown_sender", 3, OTHER)
    store.refuse(first)
    store.refuse(second)
    assert store.refusals() == [(1, first), (2, second)]
    assert store.refusals(after=1) == [(2, second)]
    assert store.refusals(limit=1) == [(1, first)]
    assert kinds(store) == [Kind.REFUSAL, Kind.REFUSAL]
    nameless = first._replace(partner=None, parcel=None, message=None, at=NOW + timedelta(seconds=1))
    store.refuse(nameless)
    assert store.refusals(after=2) == [(3, nameless)]
    verify(store)


def test_messages_of_a_parcel_come_in_its_order(store: Store) -> None:
    take_in(store, 1, [5, 3, 4])
    rows = store.parcel_messages(parcel_id(1), outgoing=False)
    assert [row.id for row in rows] == [message_id(5), message_id(3), message_id(4)]
    assert store.parcel_messages(parcel_id(1), outgoing=True) == []
    assert store.parcel_messages(parcel_id(2), outgoing=False) == []
