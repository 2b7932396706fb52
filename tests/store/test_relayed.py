"""Parcels of others, the same in every store: kept once with their hop receipt, due to one party after the other, and ended."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from store_builders import NOW, OTHER, THEM, US, parcel_id, relayed_row, verify

from intertie.exchange.relaying import GIVE_UP_AFTER, LINGER, Back, Event, Passage, Telling
from intertie.gateway.ports import Store
from intertie.gateway.relaying.relay_ports import Load, Relayed
from intertie.journal.checkpoint import Head
from intertie.journal.entry import Entry, Kind, read_entry
from intertie.model.errors import Code, Refused, StoreError
from intertie.model.ids import ParcelId, PartyId

END = NOW + timedelta(hours=6)
SOON = NOW + timedelta(minutes=5)


def take(store: Store, one: Relayed) -> bytes:
    return store.take_relayed(one, lambda head: b"receipt at %d" % head.size, NOW)


def entry(parcel: ParcelId, note: str = "relay: step") -> Entry:
    return Entry(kind=Kind.ACT, at=NOW, partner=OTHER, parcel=parcel, digest="ab" * 32, note=note)


def move(store: Store, number: int, event: Event, **more: object) -> bool:
    return store.move_relayed(parcel_id(number), event, entry(parcel_id(number)), **more)  # type: ignore[arg-type]


def found(store: Store, number: int) -> Relayed:
    one = store.relayed(parcel_id(number))
    assert one is not None
    return one


def due(store: Store, party: PartyId = OTHER, now: datetime = NOW) -> ParcelId | None:
    one = store.relay_due(party, now)
    return one.parcel if one is not None else None


def notes(store: Store) -> list[str]:
    return [read_entry(raw).note for _, raw, _ in store.entries()]


def test_it_is_kept_with_the_receipt_for_the_head_that_has_its_line(store: Store) -> None:
    assert take(store, relayed_row(1)) == b"receipt at 1"
    assert found(store, 1) == relayed_row(1)._replace(receipt=b"receipt at 1")
    assert notes(store) == ["relay: taken", "relay: hop receipt"] and store.head().size == 2
    assert store.relayed(parcel_id(2)) is None
    verify(store)


def test_a_repeat_gets_the_same_receipt_and_writes_nothing(store: Store) -> None:
    first = take(store, relayed_row(1))
    assert take(store, relayed_row(1, previous=OTHER)) == first and store.head().size == 2


@pytest.mark.parametrize("other", [relayed_row(1, text=b"other"), relayed_row(1, sender=US)])
def test_another_parcel_under_its_id_is_refused(store: Store, other: Relayed) -> None:
    take(store, relayed_row(1))
    with pytest.raises(Refused) as caught:
        take(store, other)
    assert caught.value.code is Code.PARCEL_ID_REUSED and store.head().size == 2


def test_a_receipt_that_cannot_be_written_leaves_nothing(store: Store) -> None:
    def fail(head: Head) -> bytes:
        raise Refused(Code.PROTECTION_TOO_WEAK)

    with pytest.raises(Refused):
        store.take_relayed(relayed_row(1), fail, NOW)
    assert store.relayed(parcel_id(1)) is None and store.head().size == 0


def test_the_most_urgent_is_due_first_then_the_oldest(store: Store) -> None:
    for one in (relayed_row(1), relayed_row(2), relayed_row(3, priority=1), relayed_row(4, next=US)):
        take(store, one)
    assert due(store) == parcel_id(3)
    without = store.relay_due(OTHER, NOW, without=[parcel_id(3)])
    assert without is not None and without.parcel == parcel_id(1) and without.blob == b"sealed"
    assert due(store, US) == parcel_id(4) and due(store, THEM) is None
    assert store.next_partners(NOW) == sorted([OTHER, US])


def test_what_was_put_off_is_due_later_and_nothing_after_its_end(store: Store) -> None:
    take(store, relayed_row(1))
    store.defer_relayed(parcel_id(1), SOON, "no answer")
    assert due(store) is None and not store.next_partners(NOW)
    assert due(store, now=SOON) == parcel_id(1)
    assert (found(store, 1).attempts, found(store, 1).detail) == (1, "no answer")
    assert due(store, now=SOON - timedelta(hours=3)) == parcel_id(1)  # a clock that was put back
    assert due(store, now=END) is None


def test_a_receipt_is_owed_to_who_handed_it_over(store: Store) -> None:
    take(store, relayed_row(1))
    assert move(store, 1, Event.RECEIPT, answer=b"answer")
    one = found(store, 1)
    assert (one.passage, one.back, one.blob, one.answer) == (Passage.RECEIPTED, Back.OWED, None, b"answer")
    assert due(store, THEM) == parcel_id(1) and due(store) is None
    assert store.next_partners(NOW) == [THEM]
    assert store.tell_relayed(parcel_id(1), Telling.CONFIRM, entry(parcel_id(1), "told"))
    assert (found(store, 1).back, found(store, 1).answer) == (Back.GIVEN, None)
    assert due(store, THEM) is None and notes(store)[-1] == "told"
    verify(store)


def test_what_is_no_step_writes_nothing(store: Store) -> None:
    take(store, relayed_row(1))
    assert not move(store, 1, Event.NO_ANSWER)
    assert move(store, 1, Event.RECEIPT, answer=b"answer")
    size = store.head().size
    assert not move(store, 1, Event.RECEIPT, answer=b"other") and not move(store, 1, Event.EXPIRE)
    assert not store.tell_relayed(parcel_id(1), Telling.LEARN, entry(parcel_id(1)))
    assert store.head().size == size and found(store, 1).answer == b"answer"
    with pytest.raises(StoreError):
        move(store, 9, Event.RECEIPT)


def test_what_was_passed_on_waits_for_what_becomes_of_it(store: Store) -> None:
    take(store, relayed_row(1))
    assert move(store, 1, Event.PASS, onward=b"hop receipt")
    one = found(store, 1)
    assert (one.passage, one.back, one.blob, one.onward) == (
        Passage.PASSED,
        Back.NOTHING,
        None,
        b"hop receipt",
    )
    assert due(store) is None and due(store, THEM) is None
    assert move(store, 1, Event.REFUSE, answer=b"no", detail="why")
    assert (found(store, 1).onward, found(store, 1).detail) == (b"hop receipt", "why")


def test_a_late_receipt_is_owed_again(store: Store) -> None:
    take(store, relayed_row(1))
    move(store, 1, Event.EXPIRE, answer=b"expired")
    store.tell_relayed(parcel_id(1), Telling.CONFIRM, entry(parcel_id(1)))
    assert move(store, 1, Event.RECEIPT, answer=b"receipt")
    assert (found(store, 1).back, found(store, 1).answer) == (Back.OWED, b"receipt")


def test_how_much_of_a_sender_waits(store: Store) -> None:
    for number in (1, 2, 3):
        take(store, relayed_row(number))
    take(store, relayed_row(4, sender=US))
    move(store, 3, Event.PASS)
    assert store.relay_load(THEM) == Load(2, 12) and store.relay_load(OTHER) == Load(0, 0)


def test_what_ends(store: Store) -> None:
    for number in (1, 2, 3):
        take(store, relayed_row(number, expires=END + timedelta(seconds=number)))
    take(store, relayed_row(4, expires=END + timedelta(days=30)))
    move(store, 2, Event.PASS)
    move(store, 3, Event.RECEIPT, answer=b"answer")

    def ending(at: datetime) -> list[ParcelId]:
        return [one.parcel for one in store.relay_ending(at)]

    assert ending(END) == [] and ending(END + timedelta(seconds=1)) == [parcel_id(1)]
    assert ending(END + timedelta(seconds=2) + LINGER) == [parcel_id(1), parcel_id(2)]
    assert ending(END + timedelta(seconds=3) + GIVE_UP_AFTER) == [parcel_id(1), parcel_id(2), parcel_id(3)]


def test_a_list_of_them_the_newest_first_without_bytes(store: Store) -> None:
    for number in (1, 2, 3):
        take(store, relayed_row(number))
    move(store, 1, Event.RECEIPT, answer=b"answer")
    move(store, 2, Event.REFUSE, answer=b"answer")
    store.tell_relayed(parcel_id(2), Telling.CONFIRM, entry(parcel_id(2)))
    waiting = store.relayed_rows(waiting=True, limit=10)
    assert [one.parcel for one in waiting] == [parcel_id(3), parcel_id(1)]
    assert all(one.blob is None and one.answer is None for one in waiting)
    assert [one.parcel for one in store.relayed_rows(waiting=False, limit=2)] == [parcel_id(3), parcel_id(2)]


def test_what_relays_said_is_kept_once_in_order_and_journaled(store: Store) -> None:
    for statements in ([b"one"], [b"one", b"two"], [b"two"], []):
        store.keep_hops(parcel_id(1), outgoing=True, partner=OTHER, statements=statements, now=NOW)
    store.keep_hops(parcel_id(1), outgoing=False, partner=OTHER, statements=[b"three"], now=NOW)
    assert store.hops(parcel_id(1), outgoing=True, partner=OTHER) == [b"one", b"two"]
    assert store.hops(parcel_id(1), outgoing=False, partner=OTHER) == [b"three"]
    assert store.hops(parcel_id(1), outgoing=True, partner=THEM) == []
    assert notes(store) == ["hop receipt kept"] * 3
    verify(store)
