"""What every store promises of watches, dead letters and what is sent again."""

from __future__ import annotations

from datetime import timedelta

import pytest
from store_builders import (
    NOW,
    OTHER,
    THEM,
    act,
    message_id,
    outgoing,
    parcel,
    parcel_id,
    queued_entries,
    verify,
)

from intertie.exchange.outbound import ImpossibleEvent, ResentBefore, State
from intertie.gateway.ports import ESCALATE_MAX, Mark, MessageRow, NewMessage, Store
from intertie.journal.entry import Kind, read_entry
from intertie.model.errors import StoreError

DUE = NOW + timedelta(seconds=10)
LATER = NOW + timedelta(minutes=5)


def urgent(number: int, seconds: int = 10, **changes: object) -> NewMessage:
    return outgoing(number, **changes)._replace(answer_by=NOW + timedelta(seconds=seconds))


def queue(store: Store, *messages: NewMessage) -> None:
    store.add_outgoing(messages, queued_entries(messages), NOW)


def close(store: Store, number: int, message: NewMessage, state: State) -> None:
    """One parcel with one message, ended like this."""
    store.add_parcel(parcel(number, [message], out=True), [message.id], NOW)
    receipt = b"receipt" if state in (State.ACCEPTED, State.DUPLICATE, State.REFUSED) else None
    store.close_parcel(parcel_id(number), receipt, [(message.id, state, "why")], [act(str(number))], NOW)


def numbers(rows: list[MessageRow]) -> list[int]:
    assert all(row.body == b"" and row.size for row in rows)
    return [int(row.id[:8], 16) for row in rows]


def escalations(store: Store) -> list[str | None]:
    """The messages whose escalation is in the journal."""
    entries = [read_entry(raw) for _, raw, _ in store.entries()]
    return [entry.message for entry in entries if entry.kind is Kind.ACT and entry.note == "escalated"]


def test_what_is_not_answered_in_time_escalates_once(store: Store) -> None:
    queue(store, urgent(1), outgoing(2), urgent(3, 60))
    before = store.head()
    assert store.escalate(DUE - timedelta(microseconds=1)) == [] and store.head() == before
    assert numbers(store.escalate(DUE)) == [1]
    assert store.escalate(DUE) == [] and store.escalate(DUE + timedelta(seconds=1)) == []
    assert escalations(store) == [message_id(1)]
    assert store.marks([message_id(n) for n in (1, 2, 3, 9)]) == {
        message_id(1): Mark(answer_by=DUE, escalated=DUE),
        message_id(3): Mark(answer_by=NOW + timedelta(seconds=60)),
    }
    assert numbers(store.escalated()) == [1] and store.escalated(partner=OTHER) == []
    verify(store)


def test_on_its_way_refused_expired_and_failed_escalate(store: Store) -> None:
    messages = [urgent(n) for n in range(1, 7)]
    queue(store, *messages)
    store.add_parcel(parcel(1, messages[:1], out=True), [messages[0].id], NOW)
    close(store, 2, messages[1], State.REFUSED)
    close(store, 3, messages[2], State.EXPIRED)
    store.set_state(messages[3].id, State.FAILED, "", [act()], NOW)
    close(store, 4, messages[4], State.ACCEPTED)
    store.set_state(messages[5].id, State.CANCELLED, "", [act()], NOW)
    assert numbers(store.escalate(DUE)) == [1, 2, 3, 4]
    assert store.marks([messages[4].id, messages[5].id]) == {}, "what ended well is watched no more"


def test_what_is_delivered_late_stays_escalated(store: Store) -> None:
    message = urgent(1)
    queue(store, message)
    store.escalate(DUE)
    close(store, 1, message, State.ACCEPTED)
    assert store.escalate(LATER) == [] and numbers(store.escalated()) == [1]
    assert store.escalated()[0].state is State.ACCEPTED


def test_unanswered_is_what_escalated_and_is_open_the_newest_first(store: Store) -> None:
    """Also behind any number of messages that wait and are not urgent."""
    queue(store, *[outgoing(n) for n in range(100, 160)], *[urgent(n) for n in range(1, 6)], urgent(9, 600))
    assert store.unanswered(10) == []
    store.escalate(DUE)
    assert numbers(store.unanswered(10)) == [5, 4, 3, 2, 1] and numbers(store.unanswered(2)) == [5, 4]
    store.add_parcel(parcel(1, [urgent(1)], out=True), [message_id(1)], NOW)
    close(store, 2, urgent(2), State.ACCEPTED)
    close(store, 3, urgent(3), State.REFUSED)
    store.set_state(message_id(4), State.CANCELLED, "", [act()], NOW)
    assert [(row.state, row.id) for row in store.unanswered(10)] == [
        (State.QUEUED, message_id(5)),
        (State.SENDING, message_id(1)),
    ]


def test_dead_letters_from_either_end(store: Store) -> None:
    queue(store, *[outgoing(n) for n in range(1, 7)], outgoing(7, to=OTHER))
    for n in (1, 3, 5, 7):
        store.set_state(message_id(n), State.FAILED, "", [act()], NOW)
    assert numbers(store.dead_letters()) == [1, 3, 5, 7]
    assert numbers(store.dead_letters(newest=True)) == [7, 5, 3, 1]
    assert numbers(store.dead_letters(newest=True, limit=2, partner=THEM)) == [5, 3]
    third = store.dead_letters(limit=2)[-1].seq
    assert numbers(store.dead_letters(newest=True, after=third)) == [7, 5]


def test_the_longest_overdue_first_and_not_all_at_once(store: Store) -> None:
    count = ESCALATE_MAX + 20
    queue(store, *[urgent(n, count - n) for n in range(1, count + 1)])
    first, second, third = (numbers(store.escalate(LATER + timedelta(hours=1))) for _ in range(3))
    assert first + second == list(range(count, 0, -1)) and len(second) == 20 and third == []


def test_somebody_is_told_once(store: Store) -> None:
    queue(store, urgent(1), urgent(2), urgent(3))
    store.escalate(DUE)
    assert numbers(store.untold(DUE, 10)) == [1, 2, 3] and numbers(store.untold(DUE, 2)) == [1, 2]
    assert store.untold(DUE + timedelta(seconds=1), 10) == [], "that is no news any more"
    store.set_told([message_id(1), message_id(2), message_id(9)], LATER)
    assert numbers(store.untold(DUE, 10)) == [3]
    store.set_told([message_id(1)], LATER + timedelta(hours=1))
    assert store.marks([message_id(1)]) == {message_id(1): Mark(answer_by=DUE, escalated=DUE, told=LATER)}


def test_nobody_is_told_of_what_did_not_escalate(store: Store) -> None:
    queue(store, urgent(1))
    store.set_told([message_id(1)], NOW)
    assert store.marks([message_id(1)]) == {message_id(1): Mark(answer_by=DUE)}
    assert numbers(store.escalate(DUE)) == [1] and numbers(store.untold(DUE, 9)) == [1]


def test_a_repeated_message_has_one_watch(store: Store) -> None:
    queue(store, urgent(1))
    queue(store, urgent(1, 99))
    assert store.marks([message_id(1)]) == {message_id(1): Mark(answer_by=DUE)}


def test_dead_letters(store: Store) -> None:
    messages = [outgoing(n) for n in range(1, 8)]
    queue(store, *messages, outgoing(8, to=OTHER))
    for number, state in enumerate(
        [State.ACCEPTED, State.REFUSED, State.EXPIRED, State.DUPLICATE, State.FAILED], 1
    ):
        close(store, number, messages[number - 1], state)
    store.set_state(message_id(6), State.CANCELLED, "", [act()], NOW)
    store.set_state(message_id(8), State.FAILED, "no key", [act()], NOW)
    assert numbers(store.dead_letters()) == [2, 3, 5, 8]
    assert numbers(store.dead_letters(after=2, limit=2)) == [3, 5]
    assert numbers(store.dead_letters(partner=OTHER)) == [8] and store.dead_letters()[3].detail == "no key"


def test_a_dead_letter_is_sent_again_once(store: Store) -> None:
    old = outgoing(1)
    queue(store, old)
    close(store, 1, old, State.REFUSED)
    queue(store, outgoing(2)._replace(resends=old.id))
    assert store.dead_letters() == []
    assert store.marks([old.id, message_id(2)]) == {
        old.id: Mark(resent_as=message_id(2)),
        message_id(2): Mark(resends=old.id),
    }
    before = store.head()
    with pytest.raises(ResentBefore, match=message_id(2)):
        queue(store, outgoing(3)._replace(resends=old.id))
    assert store.message(message_id(3)) is None and store.head() == before, "nothing of it is kept"
    queue(store, outgoing(2)._replace(resends=old.id))  # the same message again is no second one
    assert store.head() == before


def test_two_at_once_are_one_too_many(store: Store) -> None:
    old = outgoing(1)
    queue(store, old)
    close(store, 1, old, State.REFUSED)
    with pytest.raises(ResentBefore):
        queue(store, outgoing(2)._replace(resends=old.id), outgoing(3)._replace(resends=old.id))
    assert numbers(store.dead_letters()) == [1]


def test_one_that_is_sent_again_may_die_too(store: Store) -> None:
    old, new = outgoing(1), outgoing(2)._replace(resends=message_id(1))
    queue(store, old)
    close(store, 1, old, State.EXPIRED)
    queue(store, new)
    close(store, 2, new, State.EXPIRED)
    queue(store, outgoing(3)._replace(resends=new.id))
    assert store.marks([new.id]) == {new.id: Mark(resends=old.id, resent_as=message_id(3))}


@pytest.mark.parametrize("state", [None, State.SENDING, State.ACCEPTED, State.DUPLICATE, State.CANCELLED])
def test_what_is_no_dead_letter_is_not_sent_again(store: Store, state: State | None) -> None:
    old = outgoing(1)
    queue(store, old)
    if state is State.SENDING:
        store.add_parcel(parcel(1, [old], out=True), [old.id], NOW)
    elif state is State.CANCELLED:
        store.set_state(old.id, state, "", [act()], NOW)
    elif state is not None:
        close(store, 1, old, state)
    with pytest.raises(ImpossibleEvent, match=old.id):
        queue(store, outgoing(2)._replace(resends=old.id))
    assert store.message(message_id(2)) is None


def test_a_dead_letter_goes_to_the_partner_it_was_for(store: Store) -> None:
    old = outgoing(1)
    queue(store, old)
    close(store, 1, old, State.REFUSED)
    for resends, to in ((old.id, OTHER), (message_id(7), THEM)):
        with pytest.raises(StoreError, match="was sent from here"):
            queue(store, outgoing(2, to=to)._replace(resends=resends))


def test_a_late_receipt_takes_a_letter_from_the_dead(store: Store) -> None:
    old = outgoing(1)
    queue(store, old)
    close(store, 1, old, State.EXPIRED)
    store.close_parcel(parcel_id(1), b"receipt", [(old.id, State.ACCEPTED, "")], [act()], LATER)
    assert store.dead_letters() == []
    with pytest.raises(ImpossibleEvent):
        queue(store, outgoing(2)._replace(resends=old.id))
