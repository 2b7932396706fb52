"""Answers that are to be posted, the same in every store: owed with what they answer, due again, settled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta

import pytest
from store_builders import (
    NOW,
    OTHER,
    THEM,
    accepted,
    incoming,
    parcel,
    parcel_id,
    refusal,
    sqlite_store,
    write_receipt,
)

from intertie.gateway.ports import Store
from intertie.gateway.translating.translated_ports import ANSWERS_AT_ONCE
from intertie.model.errors import Refused
from intertie.model.ids import PartyId
from intertie.seal.receipt import Outcome

LATER = NOW + timedelta(minutes=5)


def take(store: Store, number: int, partner: PartyId = THEM, salt: bytes = b"") -> bytes:
    """A message that came in another protocol."""
    messages = incoming([number], partner)
    row = parcel(number, messages, partner=partner, salt=salt)._replace(owes=True)
    return store.accept(row, messages, [], accepted(messages), write_receipt, NOW)


def test_an_answer_is_owed_once_it_is_written(store: Store) -> None:
    answer = take(store, 1)
    (owed,) = store.owed_answers(THEM, NOW)
    assert (owed.parcel, owed.answer, owed.attempts, owed.since) == (parcel_id(1), answer, 0, NOW)
    assert not store.owed_answers(OTHER, NOW)


def test_it_is_due_again_later_and_in_the_end_settled(store: Store) -> None:
    take(store, 1)
    store.defer_answer(THEM, parcel_id(1), LATER)
    assert not store.owed_answers(THEM, LATER - timedelta(seconds=1))
    (owed,) = store.owed_answers(THEM, LATER)
    assert (owed.attempts, owed.since) == (1, NOW)
    for _ in range(2):
        store.settle_answer(THEM, parcel_id(1), NOW)
        assert not store.owed_answers(THEM, LATER)


def test_what_is_asked_for_again_while_it_is_posted_is_owed_again(store: Store) -> None:
    take(store, 1)
    store.owe_answer(THEM, parcel_id(1), LATER)
    store.settle_answer(THEM, parcel_id(1), NOW)
    (owed,) = store.owed_answers(THEM, LATER)
    assert owed.since == LATER
    store.settle_answer(THEM, parcel_id(1), LATER)
    assert not store.owed_answers(THEM, LATER)


def test_a_repeat_owes_it_once_more(store: Store) -> None:
    answer = take(store, 1)
    store.settle_answer(THEM, parcel_id(1), NOW)
    assert take(store, 1) == answer
    assert not store.owed_answers(THEM, LATER)
    for _ in range(2):
        store.owe_answer(THEM, parcel_id(1), LATER)
    (owed,) = store.owed_answers(THEM, LATER)
    assert (owed.answer, owed.attempts, owed.since) == (answer, 0, LATER)


def test_a_refusal_owes_its_answer_too(store: Store) -> None:
    (message,) = incoming([1])
    row = parcel(1, [message])._replace(owes=True)
    outcome = Outcome(message=message.id, leaf=message.leaf.hex(), status="refused", code="schema")
    answer = store.accept(row, [], [refusal(1)], [outcome], write_receipt, NOW)
    assert store.owed_answers(THEM, NOW)[0].answer == answer
    assert store.counts() == {}


def test_what_is_not_kept_owes_nothing(store: Store) -> None:
    take(store, 1)
    with pytest.raises(Refused):
        take(store, 1, salt=b"other")
    assert len(store.owed_answers(THEM, NOW)) == 1


def test_a_parcel_of_ours_owes_nothing(store: Store) -> None:
    messages = incoming([1])
    store.accept(parcel(1, messages), messages, [], accepted(messages), write_receipt, NOW)
    assert not store.owed_answers(THEM, NOW)


def test_two_partners_with_one_id_and_the_oldest_first(store: Store) -> None:
    take(store, 1, OTHER)
    for number in range(ANSWERS_AT_ONCE + 2, 0, -1):
        take(store, number)
    found = store.owed_answers(THEM, NOW)
    assert [one.parcel for one in found] == [parcel_id(n) for n in range(1, ANSWERS_AT_ONCE + 1)]
    assert len(store.owed_answers(OTHER, NOW)) == 1


def test_who_delivers_is_told(store: Store) -> None:
    told: list[Mapping[PartyId, Sequence[int]]] = []
    store.on_queued(told.append)
    take(store, 1)
    store.owe_answer(THEM, parcel_id(1), LATER)
    assert told.count({THEM: (0,)}) == 2


def test_they_outlive_the_process(tmp_path) -> None:  # type: ignore[no-untyped-def]
    store = sqlite_store(tmp_path / "store.db")
    answer = take(store, 1)
    store.close()
    again = sqlite_store(tmp_path / "store.db")
    assert again.owed_answers(THEM, NOW)[0].answer == answer
    again.close()
