"""What every store promises of outgoing messages and the parcels that carry them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path

import pytest
from store_builders import (
    NOW,
    OTHER,
    THEM,
    US,
    act,
    message,
    message_id,
    outgoing,
    parcel,
    parcel_id,
    queued_entries,
    sqlite_store,
    verify,
)

from intertie.exchange.outbound import ImpossibleEvent, State
from intertie.gateway.ports import NewMessage, Query, Store
from intertie.journal.checkpoint import Head
from intertie.journal.entry import Kind, read_entry
from intertie.model.errors import Refused, StoreError
from intertie.model.ids import PartyId
from intertie.stores.numbers import TAKEN_AT_ONCE

LATER = NOW + timedelta(minutes=5)


def queue(store: Store, *messages: NewMessage) -> list[int]:
    return store.add_outgoing(messages, queued_entries(messages), NOW)


def taken(store: Store, count: int = 100, size: int = 10**6) -> list[int]:
    """Numbers of the messages that would go to THEM now."""
    rows = store.take_outgoing(THEM, NOW, count=count, size=size)
    return [int(row.id[:8], 16) for row in rows]


def seal(store: Store, number: int, *messages: NewMessage) -> None:
    store.add_parcel(parcel(number, messages, out=True), [m.id for m in messages], NOW)


def state(store: Store, number: int) -> State:
    row = store.message(message_id(number), outgoing=True)
    assert row is not None
    return row.state


def test_queued_message_is_there_with_its_bytes(store: Store) -> None:
    assert queue(store, outgoing(1), outgoing(2, conversation="c")) == [1, 2]
    row = store.message(message_id(2), outgoing=True)
    assert row is not None
    assert (row.state, row.body, row.sender, row.recipient) == (State.QUEUED, outgoing(2).body, US, THEM)
    assert (row.parcel, row.position, row.done_at, row.attempts, row.next_attempt) == (
        None,
        None,
        None,
        0,
        None,
    )
    assert row.conversation == "c"
    assert store.message(message_id(2), outgoing=False) is None
    assert store.counts() == {(True, "queued"): 2}
    assert [read_entry(raw).kind for _, raw, _ in store.entries()] == [Kind.MESSAGE_OUT] * 2


def test_same_message_is_queued_once(store: Store) -> None:
    queue(store, outgoing(1))
    assert queue(store, outgoing(1), outgoing(2), outgoing(2)) == [1, 2, 2]
    assert store.counts() == {(True, "queued"): 2}
    assert store.head().size == 3  # 1 once, and the caller's two entries for 2
    verify(store)


def test_same_id_with_other_bytes_is_refused_whole(store: Store) -> None:
    queue(store, outgoing(1))
    with pytest.raises(Refused, match="message_id_reused"):
        queue(store, outgoing(2), outgoing(1, body=b"{}"))
    with pytest.raises(Refused, match="message_id_reused"):
        queue(store, outgoing(3), outgoing(3, body=b"{}"))
    assert store.counts() == {(True, "queued"): 1}
    assert store.head().size == 1


def test_an_id_may_be_used_in_both_directions(store: Store) -> None:
    queue(store, outgoing(1))
    assert store.find_incoming(US, [message_id(1)]) == {}
    assert store.find_incoming(THEM, [message_id(1)]) == {}


def test_urgent_first_then_by_age(store: Store) -> None:
    queue(
        store,
        outgoing(1, priority=5),
        outgoing(2, priority=0),
        outgoing(3, priority=5),
        outgoing(4, priority=0),
    )
    assert taken(store) == [2, 4, 1, 3]
    assert taken(store, count=3) == [2, 4, 1]


def test_take_changes_nothing(store: Store) -> None:
    queue(store, outgoing(1))
    before = store.head()
    assert taken(store) == taken(store) == [1]
    assert store.head() == before


def test_take_stops_at_the_size_but_takes_one(store: Store) -> None:
    size = len(outgoing(1).body)
    queue(store, *[outgoing(n) for n in range(1, 5)])
    assert taken(store, size=2 * size) == [1, 2]
    assert taken(store, size=2 * size + 1) == [1, 2]
    assert taken(store, size=1) == [1]
    assert taken(store, count=0) == [1]


def test_take_is_for_one_partner(store: Store) -> None:
    queue(store, outgoing(1, to=OTHER), outgoing(2))
    assert taken(store) == [2]
    assert store.next_partners(NOW) == [THEM, OTHER]


def test_order_of_a_conversation_beats_priority(store: Store) -> None:
    queue(
        store,
        outgoing(1, priority=5, conversation="c"),
        outgoing(2, priority=3),
        outgoing(3, priority=0, conversation="c"),
        outgoing(4, priority=7, conversation="c"),
    )
    assert taken(store) == [1, 3, 2, 4]


def test_conversation_waits_for_the_message_on_its_way(store: Store) -> None:
    first, second, free = (
        outgoing(1, conversation="c"),
        outgoing(2, conversation="c", priority=0),
        outgoing(3),
    )
    queue(store, first, second, free)
    seal(store, 1, first)
    assert taken(store) == [3]
    store.close_parcel(parcel_id(1), b"receipt", [(first.id, State.ACCEPTED, "")], [], NOW)
    assert taken(store) == [2, 3]


def test_same_conversation_name_with_another_partner_does_not_wait(store: Store) -> None:
    theirs, ours = outgoing(1, to=OTHER, conversation="c"), outgoing(2, conversation="c")
    queue(store, theirs, ours)
    store.add_parcel(parcel(1, [theirs], out=True, partner=OTHER), [theirs.id], NOW)
    assert taken(store) == [2]


def test_partner_whose_conversation_waits_has_nothing_to_send(store: Store) -> None:
    first, second = outgoing(1, conversation="c"), outgoing(2, conversation="c")
    queue(store, first, second)
    seal(store, 1, first)
    store.retry_parcel(parcel_id(1), LATER, "no answer")
    assert store.next_partners(NOW) == []
    assert store.next_partners(LATER) == [THEM]


def test_expired_messages_do_not_go_and_do_not_block(store: Store) -> None:
    queue(store, outgoing(1, conversation="c", expires=NOW), outgoing(2, conversation="c"))
    assert taken(store) == [2]


def test_expire(store: Store) -> None:
    queue(store, outgoing(1, expires=NOW), outgoing(2, expires=LATER), outgoing(3, expires=NOW))
    assert store.expire(NOW) == [message_id(1), message_id(3)]
    assert store.expire(NOW) == []
    assert store.counts() == {(True, "expired"): 2, (True, "queued"): 1}
    last = read_entry(store.entries()[-1][1])
    assert (last.kind, last.note, last.message) == (Kind.ACT, "expired", message_id(3))
    row = store.message(message_id(1))
    assert row is not None
    assert row.done_at == NOW
    assert "expired" in row.detail
    verify(store)


def test_numbers_of_parcels_per_partner(store: Store) -> None:
    assert [store.next_seq(THEM), store.next_seq(THEM), store.next_seq(OTHER), store.next_seq(THEM)] == [
        1,
        2,
        1,
        3,
    ]


def test_sealed_parcel_is_kept_whole_before_it_leaves(store: Store) -> None:
    first, second = outgoing(1), outgoing(2)
    queue(store, first, second)
    row = parcel(1, [second, first], out=True)
    store.add_parcel(row, [second.id, first.id], NOW)
    assert store.unfinished_parcel(THEM, NOW) == row
    assert store.unfinished_parcel(OTHER, NOW) is None
    assert store.parcel(parcel_id(1), outgoing=True) == row
    rows = store.parcel_messages(parcel_id(1), outgoing=True)
    assert [(r.id, r.position, r.state) for r in rows] == [
        (second.id, 0, State.SENDING),
        (first.id, 1, State.SENDING),
    ]
    assert taken(store) == []
    assert store.next_partners(NOW) == [THEM]
    entry = read_entry(store.entries()[-1][1])
    assert (entry.kind, entry.parcel, entry.digest) == (Kind.PARCEL_OUT, parcel_id(1), row.digest.hex())


def test_a_message_travels_in_one_parcel_only(store: Store) -> None:
    first, second = outgoing(1), outgoing(2)
    queue(store, first, second)
    seal(store, 1, first)
    with pytest.raises(ImpossibleEvent, match=first.id):
        seal(store, 2, second, first)
    assert state(store, 2) is State.QUEUED
    assert store.parcel(parcel_id(2), outgoing=True) is None
    with pytest.raises(StoreError, match="no outgoing message"):
        seal(store, 2, outgoing(77))
    with pytest.raises(StoreError, match="twice"):
        seal(store, 2, second, second)
    with pytest.raises(StoreError, match="names no message"):
        seal(store, 2)
    with pytest.raises(StoreError, match=f"for {THEM}"):
        store.add_parcel(parcel(2, [second], out=True, partner=OTHER), [second.id], NOW)
    with pytest.raises(StoreError):
        seal(store, 1, second)  # the parcel's id is taken
    assert store.counts() == {(True, "queued"): 1, (True, "sending"): 1}


def test_retry_counts_and_waits(store: Store) -> None:
    first = outgoing(1)
    queue(store, first)
    seal(store, 1, first)
    store.retry_parcel(parcel_id(1), LATER, "connection refused")
    assert store.unfinished_parcel(THEM, NOW) is None
    due = store.unfinished_parcel(THEM, LATER)
    assert due is not None
    assert due.blob == parcel(1, [first], out=True).blob
    store.retry_parcel(parcel_id(1), LATER + timedelta(minutes=1), "timeout")
    row = store.message(first.id)
    assert row is not None
    assert (row.attempts, row.next_attempt, row.detail) == (2, LATER + timedelta(minutes=1), "timeout")
    assert row.state is State.SENDING
    with pytest.raises(StoreError, match="no outgoing parcel"):
        store.retry_parcel(parcel_id(9), LATER, "")


def test_a_clock_that_is_put_back_holds_up_nothing(store: Store) -> None:
    first, second, third = (
        outgoing(1),
        outgoing(2, conversation="c"),
        outgoing(3, conversation="c", priority=0),
    )
    queue(store, first, second, third)
    seal(store, 1, first)
    store.retry_parcel(parcel_id(1), LATER, "down")
    store.defer([second.id], LATER, "down")
    assert store.unfinished_parcel(THEM, NOW) is None and taken(store) == []
    before = NOW - timedelta(hours=2)
    assert store.next_partners(before) == [THEM]
    assert store.unfinished_parcel(THEM, before) is not None
    rows = store.take_outgoing(THEM, before, count=9, size=10**6)
    assert [row.id for row in rows] == [second.id, third.id]


def test_oldest_unfinished_parcel_first(store: Store) -> None:
    first, second = outgoing(1), outgoing(2)
    queue(store, first, second)
    seal(store, 2, first)
    seal(store, 1, second)
    found = store.unfinished_parcel(THEM, NOW)
    assert found is not None
    assert found.id == parcel_id(2)
    store.retry_parcel(parcel_id(2), LATER, "")
    found = store.unfinished_parcel(THEM, NOW)
    assert found is not None
    assert found.id == parcel_id(1)


def test_close_with_a_receipt(store: Store) -> None:
    first, second, third = outgoing(1), outgoing(2), outgoing(3)
    queue(store, first, second, third)
    seal(store, 1, first, second, third)
    outcomes = [
        (first.id, State.ACCEPTED, ""),
        (second.id, State.DUPLICATE, ""),
        (third.id, State.REFUSED, "schema: bad"),
    ]
    store.close_parcel(parcel_id(1), b"receipt", outcomes, [act("receipt")], LATER)
    assert store.counts() == {(True, "accepted"): 1, (True, "duplicate"): 1, (True, "refused"): 1}
    row = store.message(third.id)
    assert row is not None
    assert (row.detail, row.done_at, row.parcel) == ("schema: bad", LATER, parcel_id(1))
    kept = store.parcel(parcel_id(1), outgoing=True)
    assert kept is not None
    assert kept.receipt == b"receipt"
    assert store.unfinished_parcel(THEM, LATER) is None
    assert store.next_partners(LATER) == []
    assert read_entry(store.entries()[-1][1]).note == "receipt"
    verify(store)


def test_closing_twice_changes_nothing(store: Store) -> None:
    first = outgoing(1)
    queue(store, first)
    seal(store, 1, first)
    store.close_parcel(parcel_id(1), b"receipt", [(first.id, State.ACCEPTED, "")], [act()], NOW)
    before = store.head(), store.message(first.id)
    store.close_parcel(parcel_id(1), b"other", [(first.id, State.REFUSED, "")], [act()], LATER)
    store.close_parcel(parcel_id(1), None, [(first.id, State.EXPIRED, "")], [act()], LATER)
    store.retry_parcel(parcel_id(1), LATER, "late silence")
    assert (store.head(), store.message(first.id)) == before
    kept = store.parcel(parcel_id(1), outgoing=True)
    assert kept is not None
    assert kept.receipt == b"receipt"


def test_late_receipt_overrules_giving_up(store: Store) -> None:
    first = outgoing(1)
    queue(store, first)
    seal(store, 1, first)
    store.close_parcel(parcel_id(1), None, [(first.id, State.EXPIRED, "no answer")], [act()], NOW)
    assert state(store, 1) is State.EXPIRED
    assert store.unfinished_parcel(THEM, LATER) is None
    store.close_parcel(parcel_id(1), b"receipt", [(first.id, State.ACCEPTED, "")], [act()], LATER)
    assert state(store, 1) is State.ACCEPTED
    assert store.counts() == {(True, "accepted"): 1}


def test_messages_of_a_refused_parcel_go_again_in_another(store: Store) -> None:
    first, second = outgoing(1), outgoing(2)
    queue(store, first, second)
    seal(store, 1, first, second)
    back = [(first.id, State.QUEUED, "unknown_key"), (second.id, State.QUEUED, "unknown_key")]
    store.close_parcel(parcel_id(1), None, back, [act("refused")], NOW)
    assert store.unfinished_parcel(THEM, LATER) is None
    assert [row.id for row in store.take_outgoing(THEM, NOW, count=9, size=10**6)] == [first.id, second.id]
    row = store.message(first.id)
    assert row is not None
    assert (row.parcel, row.position, row.done_at, row.detail) == (None, None, None, "unknown_key")
    assert store.parcel_messages(parcel_id(1), outgoing=True) == []
    assert store.counts() == {(True, "queued"): 2}
    seal(store, 2, second, first)
    outcomes = [(second.id, State.ACCEPTED, ""), (first.id, State.DUPLICATE, "")]
    store.close_parcel(parcel_id(2), b"receipt", outcomes, [act()], LATER)
    assert store.counts() == {(True, "accepted"): 1, (True, "duplicate"): 1}
    verify(store)


def test_a_receipt_may_send_some_of_its_messages_back_to_the_queue(store: Store) -> None:
    first, second = outgoing(1), outgoing(2)
    queue(store, first, second)
    seal(store, 1, first, second)
    outcomes = [(first.id, State.ACCEPTED, ""), (second.id, State.QUEUED, "from_the_future")]
    store.close_parcel(parcel_id(1), b"receipt", outcomes, [act()], NOW)
    store.defer([second.id], LATER, "from_the_future: later")
    assert taken(store) == [] and store.counts() == {(True, "accepted"): 1, (True, "queued"): 1}
    kept = store.parcel(parcel_id(1), outgoing=True)
    assert kept is not None and kept.receipt == b"receipt"
    assert [row.id for row in store.parcel_messages(parcel_id(1), outgoing=True)] == [first.id]
    (row,) = store.take_outgoing(THEM, LATER, count=9, size=10**6)
    assert (row.id, row.attempts, row.parcel) == (second.id, 1, None)
    verify(store)


def test_a_message_that_was_given_up_does_not_go_back_to_the_queue(store: Store) -> None:
    first = outgoing(1)
    queue(store, first)
    seal(store, 1, first)
    store.close_parcel(parcel_id(1), None, [(first.id, State.EXPIRED, "")], [act()], NOW)
    with pytest.raises(ImpossibleEvent):
        store.close_parcel(parcel_id(1), b"receipt", [(first.id, State.QUEUED, "")], [act()], LATER)
    store.close_parcel(parcel_id(1), b"receipt", [(first.id, State.REFUSED, "")], [act()], LATER)
    assert state(store, 1) is State.REFUSED


def test_close_needs_the_outcome_of_each_message_and_no_other(store: Store) -> None:
    first, second = outgoing(1), outgoing(2)
    queue(store, first, second, outgoing(3))
    seal(store, 1, first, second)
    one = (first.id, State.ACCEPTED, "")
    for outcomes in ([one], [one, one], [one, (message_id(3), State.ACCEPTED, "")], []):
        with pytest.raises(StoreError, match="outcomes"):
            store.close_parcel(parcel_id(1), b"receipt", outcomes, [], NOW)
    with pytest.raises(ImpossibleEvent):
        store.close_parcel(parcel_id(1), b"r", [one, (second.id, State.CANCELLED, "")], [], NOW)
    assert store.counts() == {(True, "sending"): 2, (True, "queued"): 1}
    with pytest.raises(StoreError, match="no outgoing parcel"):
        store.close_parcel(parcel_id(5), None, [], [], NOW)


@pytest.mark.parametrize("final", [State.CANCELLED, State.FAILED, State.EXPIRED])
def test_set_state(store: Store, final: State) -> None:
    queue(store, outgoing(1))
    store.set_state(message_id(1), final, "why", [act("moved")], LATER)
    row = store.message(message_id(1))
    assert row is not None
    assert (row.state, row.detail, row.done_at) == (final, "why", LATER)
    assert taken(store) == []
    assert store.counts() == {(True, final.value): 1}
    assert read_entry(store.entries()[-1][1]).note == "moved"


def test_what_left_cannot_be_cancelled(store: Store) -> None:
    first = outgoing(1)
    queue(store, first)
    seal(store, 1, first)
    before = store.head()
    for final in (State.CANCELLED, State.EXPIRED, State.FAILED):
        with pytest.raises(ImpossibleEvent, match=first.id):
            store.set_state(first.id, final, "", [act()], NOW)
    store.close_parcel(parcel_id(1), b"r", [(first.id, State.ACCEPTED, "")], [], NOW)
    with pytest.raises(ImpossibleEvent):
        store.set_state(first.id, State.CANCELLED, "", [act()], NOW)
    assert (state(store, 1), store.head()) == (State.ACCEPTED, before)


def test_set_state_of_nothing(store: Store) -> None:
    with pytest.raises(StoreError, match="no outgoing message"):
        store.set_state(message_id(1), State.CANCELLED, "", [], NOW)
    queue(store, outgoing(2))
    with pytest.raises(ImpossibleEvent):
        store.set_state(message_id(2), State.ACCEPTED, "", [], NOW)


def test_messages_list(store: Store) -> None:
    queue(
        store,
        outgoing(1, document="invoice"),
        outgoing(2, to=OTHER),
        outgoing(3, document="invoice"),
        outgoing(4, body=b"{}"),
    )
    store.set_state(message_id(3), State.CANCELLED, "", [], NOW)

    def listed(**wanted: object) -> list[int]:
        return [row.seq for row in store.messages(Query(outgoing=True, **wanted))]  # type: ignore[arg-type]

    assert listed() == [1, 2, 3, 4]
    assert listed(after=2) == [3, 4]
    assert listed(limit=2) == [1, 2]
    assert listed(partner=OTHER) == [2]
    assert listed(document="invoice") == [1, 3]
    assert listed(states=[State.CANCELLED]) == [3]
    assert listed(states=[State.CANCELLED, State.QUEUED], after=1, partner=THEM) == [3, 4]
    assert listed(states=[]) == []
    assert store.messages(Query(outgoing=False)) == []


def test_empty_call(store: Store) -> None:
    assert store.add_outgoing([], [], NOW) == []
    assert store.take_outgoing(THEM, NOW, count=5, size=5) == []
    assert store.message(message(1).id) is None


def test_who_delivers_is_told_whom_messages_were_queued_to(store: Store) -> None:
    told: list[dict[PartyId, int]] = []

    def tell(priorities: Mapping[PartyId, Sequence[int]]) -> None:
        assert store.next_partners(NOW), "told only once they are there"
        told.append({party: len(those) for party, those in priorities.items()})

    store.on_queued(tell)
    queue(store, outgoing(1), outgoing(2, to=OTHER), outgoing(3))
    assert told == [{THEM: 2, OTHER: 1}]
    with pytest.raises(Refused):
        queue(store, outgoing(1, body=b'{"other":1}'))
    assert len(told) == 1, "nothing was queued"


def test_a_parcel_on_its_way_is_not_given_out_again(store: Store) -> None:
    messages = [outgoing(n) for n in (1, 2, 3)]
    queue(store, *messages)
    for number, one in enumerate(messages, 1):
        seal(store, number, one)
    first = store.unfinished_parcel(THEM, NOW)
    second = store.unfinished_parcel(THEM, NOW, without={parcel_id(1)})
    third = store.unfinished_parcel(THEM, NOW, without=[parcel_id(2), parcel_id(1)])
    assert [row and row.id for row in (first, second, third)] == [parcel_id(n) for n in (1, 2, 3)]
    assert store.unfinished_parcel(THEM, NOW, without=[parcel_id(n) for n in (1, 2, 3)]) is None


def test_the_head_that_a_receipt_names_is_kept_with_it_or_not_at_all(store: Store) -> None:
    messages = [outgoing(1), outgoing(2)]
    queue(store, *messages)
    for number, one in enumerate(messages, 1):
        seal(store, number, one)
    one, two = Head(1, b"1" * 32), Head(2, b"2" * 32)
    with pytest.raises(StoreError):
        store.close_parcel(parcel_id(1), b"receipt", [], [act()], NOW, head=one)
    assert store.partner_heads(THEM) == []
    for number, head in ((1, one), (2, two), (2, Head(3, b"3" * 32))):
        outcome = (message_id(number), State.ACCEPTED, "")
        store.close_parcel(parcel_id(number), b"receipt", [outcome], [act()], NOW, head=head)
    assert store.partner_heads(THEM) == [one, two], "a parcel that was closed before changes nothing"


def test_numbers_of_parcels_are_not_given_twice_by_two_processes(tmp_path: Path) -> None:
    stores = [sqlite_store(tmp_path / "one.db") for _ in range(2)]
    given = [stores[turn % 2].next_seq(THEM) for turn in range(2 * TAKEN_AT_ONCE + 10)]
    for one in stores:
        one.close()
    again = sqlite_store(tmp_path / "one.db")
    given.append(again.next_seq(THEM))
    again.close()
    assert len(set(given)) == len(given) and min(given) == 1
    assert given[-1] == max(given)
