"""What every store promises of erasing and of holds."""

from __future__ import annotations

from datetime import timedelta

from store_builders import (
    NOW,
    THEM,
    accepted,
    incoming,
    message,
    message_id,
    outgoing,
    parcel,
    parcel_id,
    queued_entries,
    take_in,
    verify,
    write_receipt,
)

from intertie.exchange.outbound import State
from intertie.gateway.ports import Erased, MessageRow, Query, Store
from intertie.journal.entry import Kind, read_entry
from intertie.model.ids import AgreementId, DocumentName, InterfaceCode

DA, READINGS = InterfaceCode("DA"), DocumentName("meter_readings")
LATER = NOW + timedelta(days=1)


def row(store: Store, number: int) -> MessageRow:
    found = store.message(message_id(number))
    assert found is not None
    return found


def notes(store: Store) -> list[str]:
    return [read_entry(raw).note for _, raw, _ in store.entries() if read_entry(raw).kind is Kind.ACT]


def ended(store: Store, before: object = LATER, after: int = 0, limit: int = 100) -> list[int]:
    rows = store.ended(DA, READINGS, "scheduled", before=before, after=after, limit=limit)  # type: ignore[arg-type]
    assert all(r.body == b"" and r.size for r in rows)
    return [r.seq for r in rows]


def test_an_erased_body_is_gone_and_all_else_is_there(store: Store) -> None:
    take_in(store, 1, [1, 2, 3])
    before = row(store, 2)
    assert store.erase([2], "privacy_request", LATER) == [2]
    after = row(store, 2)
    assert after == before._replace(body=b"", erased=Erased(LATER, "privacy_request"))
    assert (after.size, after.leaf) == (len(incoming([1, 2])[1].body), incoming([1, 2])[1].leaf)
    assert [r.body for r in store.messages(Query(outgoing=False))] == [
        row(store, 1).body,
        b"",
        row(store, 3).body,
    ]
    assert row(store, 1).body and row(store, 3).body


def test_erasing_is_journaled_with_hash_and_rule(store: Store) -> None:
    take_in(store, 1, [1, 2])
    witness = store.head()
    store.erase([1], "order", LATER)
    last = [read_entry(raw) for _, raw, _ in store.entries()][witness.size]
    assert (last.kind, last.note, last.message, last.partner) == (
        Kind.ACT,
        "erased:order",
        message_id(1),
        THEM,
    )
    assert last.digest == row(store, 1).leaf.hex()
    verify(store, [witness])


def test_a_repeat_of_an_erased_message_is_still_known(store: Store) -> None:
    receipt = take_in(store, 1, [1])
    store.erase([1], "retention", LATER)
    assert take_in(store, 1, [1]) == receipt
    assert store.find_incoming(THEM, [message_id(1)]) == {message_id(1): incoming([1])[0].leaf}
    again = incoming([1])
    store.accept(parcel(2, again), again, [], accepted(again), write_receipt, LATER)
    assert row(store, 1).body == b""  # a duplicate brings nothing back


def test_what_is_erased_is_not_erased_again(store: Store) -> None:
    take_in(store, 1, [1])
    assert store.erase([1, 1], "order", NOW) == [1]
    head = store.head()
    assert store.erase([1, 77, -1], "mistake", LATER) == []
    assert store.head() == head
    assert row(store, 1).erased == Erased(NOW, "order")


def test_what_is_on_its_way_is_not_erased(store: Store) -> None:
    first, second = outgoing(1), outgoing(2)
    store.add_outgoing([first, second], queued_entries([first, second]), NOW)
    store.add_parcel(parcel(1, [first], out=True), [first.id], NOW)
    assert store.erase([1, 2], "mistake", NOW) == []
    store.close_parcel(parcel_id(1), b"receipt", [(first.id, State.ACCEPTED, "")], [], NOW)
    store.set_state(second.id, State.CANCELLED, "", [], NOW)
    assert store.erase([1, 2], "mistake", NOW) == [1, 2]
    verify(store)


def test_the_sealed_bytes_go_once_they_are_not_sent_again(store: Store) -> None:
    for number, receipt, state in ((1, b"receipt", State.ACCEPTED), (2, None, State.EXPIRED)):
        one = outgoing(number)
        sealed = parcel(number, [one], out=True)
        store.add_outgoing([one], queued_entries([one]), NOW)
        store.add_parcel(sealed, [one.id], NOW)
        waiting = store.parcel(parcel_id(number), outgoing=True)
        assert waiting is not None and waiting.blob == sealed.blob
        store.close_parcel(parcel_id(number), receipt, [(one.id, state, "")], [], NOW)
        closed = store.parcel(parcel_id(number), outgoing=True)
        assert closed == sealed._replace(blob=None, receipt=receipt)


def test_a_late_receipt_reaches_a_parcel_whose_bytes_are_gone(store: Store) -> None:
    one = outgoing(1)
    store.add_outgoing([one], queued_entries([one]), NOW)
    store.add_parcel(parcel(1, [one], out=True), [one.id], NOW)
    store.close_parcel(parcel_id(1), None, [(one.id, State.EXPIRED, "")], [], NOW)
    store.close_parcel(parcel_id(1), b"receipt", [(one.id, State.ACCEPTED, "")], [], NOW)
    kept = store.parcel(parcel_id(1), outgoing=True)
    assert kept is not None and (kept.receipt, kept.blob) == (b"receipt", None)


# Looking for what has ended


def test_ended_are_those_done_before_and_not_erased(store: Store) -> None:
    take_in(store, 1, [1, 2, 3])
    other = message(9, document="invoice")
    store.accept(parcel(2, [other]), [other], [], accepted([other]), write_receipt, NOW)
    store.add_outgoing([outgoing(5)], [], NOW)
    assert ended(store) == [1, 2, 3]
    assert ended(store, after=1, limit=1) == [2]
    assert ended(store, before=NOW) == []
    store.erase([2], "retention", NOW)
    assert ended(store) == [1, 3]
    assert store.ended(DA, READINGS, "real_time", before=LATER, after=0, limit=9) == []


def test_rows_without_bodies(store: Store) -> None:
    take_in(store, 1, [1])
    assert store.messages(Query(outgoing=False, bodies=False)) == [row(store, 1)._replace(body=b"")]
    assert store.message(message_id(1), body=False) == row(store, 1)._replace(body=b"")


# Holds


def test_a_held_message_is_not_erased_until_the_hold_ends(store: Store) -> None:
    take_in(store, 1, [1, 2])
    held = store.hold(message_id(1), None, "CASE-1", NOW)
    assert store.holds() == [held]
    assert store.erase([1, 2], "retention", NOW) == [2]
    assert store.release(held.number, NOW) == held
    assert store.holds() == []
    assert store.erase([1], "retention", NOW) == [1]
    assert notes(store)[:4] == ["hold", "erased:retention", "hold_released", "erased:retention"]
    verify(store)


def test_a_held_agreement_holds_all_its_messages(store: Store) -> None:
    take_in(store, 1, [1])
    free = message(2)._replace(agreement=None)
    store.accept(parcel(2, [free]), [free], [], accepted([free]), write_receipt, NOW)
    store.hold(None, AgreementId("base-2026"), "CASE-1", NOW)
    assert store.erase([1, 2], "retention", NOW) == [2]


def test_a_message_hold_does_not_touch_messages_without_agreement(store: Store) -> None:
    free = [message(n, position=n - 1)._replace(agreement=None) for n in (1, 2)]
    store.accept(parcel(1, free), free, [], accepted(free), write_receipt, NOW)
    store.hold(message_id(1), None, "CASE-1", NOW)
    assert store.erase([1, 2], "order", NOW) == [2]


def test_the_same_hold_twice_is_one(store: Store) -> None:
    first = store.hold(None, AgreementId("a"), "CASE-1", NOW)
    assert store.hold(None, AgreementId("a"), "CASE-2", LATER) == first
    assert store.hold(None, AgreementId("b"), "CASE-2", LATER).number == first.number + 1
    assert store.release(77, NOW) is None
    assert store.release(first.number, NOW) == first
    assert store.release(first.number, NOW) is None
    assert store.hold(None, AgreementId("a"), "CASE-3", LATER).number == first.number + 2
