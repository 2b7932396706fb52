"""What every store does with outgoing messages once it knows what it holds: which are new, which may move, what to journal."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import NamedTuple, Self, TypeVar

from intertie.exchange.outbound import (
    Event,
    ImpossibleEvent,
    ParcelEvent,
    ResentBefore,
    State,
    event_for,
    step,
)
from intertie.gateway.ports import MessageRow, NewMessage, ParcelRow
from intertie.journal.entry import Entry, Kind
from intertie.model.errors import Code, Refused, StoreError
from intertie.model.ids import MessageId, ParcelId, PartyId
from intertie.stores.writer import Together

C = TypeVar("C")  # the engine's connection


def pick_new(messages: Iterable[NewMessage], held: Mapping[MessageId, bytes]) -> list[NewMessage]:
    """The messages to queue: each id once, none that is held. Refused(MESSAGE_ID_REUSED) if an id has other bytes."""
    new: dict[MessageId, NewMessage] = {}
    for message in messages:
        known = new[message.id].leaf if message.id in new else held.get(message.id)
        if known is None:
            new[message.id] = message
        elif known != message.leaf:
            detail = "a message with this id and other bytes was queued before"
            raise Refused(Code.MESSAGE_ID_REUSED, detail, message=message.id, partner=message.recipient)
    return list(new.values())


Tell = Callable[[Mapping[PartyId, Sequence[int]]], None]


def priorities(messages: Iterable[NewMessage]) -> Mapping[PartyId, Sequence[int]]:
    """Of the messages to each recipient."""
    found: dict[PartyId, list[int]] = {}
    for message in messages:
        found.setdefault(message.recipient, []).append(message.priority)
    return found


def owing(parcel: ParcelRow) -> Mapping[PartyId, Sequence[int]]:
    """To whom an answer is to be posted now, as what was queued with the highest priority."""
    return {parcel.partner: (0,)} if parcel.owes else {}


class Addition(Together[C, list[int]]):
    """Messages that one caller queues. Those of several callers at once go into one chunk and one growth of the journal."""

    def __init__(
        self,
        add: Callable[[C, Sequence[NewMessage], Sequence[Entry], datetime], list[int]],
        messages: Sequence[NewMessage],
        entries: Sequence[Entry],
        now: datetime,
    ) -> None:
        self._add = add
        self.messages, self.entries, self.now = messages, entries, now

    def all_of(self, db: C, those: Sequence[Self]) -> list[list[int]]:
        """The seqs of each. StoreError if two bring the same message: then who came first counts."""
        messages = [message for one in those for message in one.messages]
        if len(those) > 1 and len({message.id for message in messages}) < len(messages):
            raise StoreError("a message was queued twice at once", do="queue each by itself")
        entries = [entry for one in those for entry in one.entries]
        seqs = iter(self._add(db, messages, entries, those[0].now))
        return [list(islice(seqs, len(one.messages))) for one in those]


class Dead(NamedTuple):
    """What a store knows of a message that is to be sent again."""

    state: State
    recipient: PartyId
    resent_as: MessageId | None


def check_resends(new: Iterable[NewMessage], held: Mapping[MessageId, Dead]) -> None:
    """`held` are the outgoing messages named by `resends`. ImpossibleEvent unless each is a dead letter to the same
    partner, and is sent again once."""
    seen: set[MessageId] = set()
    for message in new:
        old = message.resends
        if old is None:
            continue
        if old not in held or held[old].recipient != message.recipient:
            raise StoreError(f"no message {old} to {message.recipient} was sent from here", do="check the id")
        step(held[old].state, Event.RESEND, message=old)
        if old in seen or held[old].resent_as is not None:
            raise ResentBefore(old, held[old].resent_as or message.id)
        seen.add(old)


def escalated_entry(row: MessageRow, now: datetime) -> Entry:
    """The journal entry of an urgent message that was not acknowledged in time."""
    return Entry(
        kind=Kind.ACT,
        at=now,
        partner=row.recipient,
        message=row.id,
        digest=row.leaf.hex(),
        note="escalated",
    )


def entries_of(new: Iterable[NewMessage], entries: Sequence[Entry]) -> list[Entry]:
    """The entries to write: those about a message that was queued before are in the journal already."""
    queued = {message.id for message in new}
    return [entry for entry in entries if entry.message is None or entry.message in queued]


def sealed_entry(parcel: ParcelRow, now: datetime) -> Entry:
    """The journal entry of a sealed parcel, before a byte of it leaves."""
    return Entry(
        kind=Kind.PARCEL_OUT, at=now, partner=parcel.partner, parcel=parcel.id, digest=parcel.digest.hex()
    )


def expired_entry(message: MessageId, partner: PartyId, leaf: bytes, now: datetime) -> Entry:
    """The journal entry of a message that nobody took in its lifetime."""
    return Entry(
        kind=Kind.ACT, at=now, partner=partner, message=message, digest=leaf.hex(), note=State.EXPIRED.value
    )


def check_sealing(
    parcel: ParcelRow, wanted: Sequence[MessageId], found: Mapping[MessageId, tuple[State, PartyId]]
) -> None:
    """`found` are states and recipients. StoreError unless the parcel carries messages to its partner, each once;
    ImpossibleEvent if one of them is not queued."""
    if not wanted or len(set(wanted)) != len(wanted):
        raise StoreError(f"parcel {parcel.id} names no message, or one twice", do="report this")
    for message in wanted:
        if message not in found:
            raise StoreError(f"no outgoing message {message}", do="queue it first")
        state, recipient = found[message]
        if recipient != parcel.partner:
            raise StoreError(f"message {message} is for {recipient}, not {parcel.partner}", do="report this")
        step(state, Event.SEAL, message=message)


def close_event(receipt: bytes | None) -> ParcelEvent:
    """What closing with or without a receipt means to the parcel."""
    return ParcelEvent.ABANDON if receipt is None else ParcelEvent.RECEIPT


def check_closing(
    parcel: ParcelId,
    outcomes: Sequence[tuple[MessageId, State, str]],
    states: Mapping[MessageId, State],
) -> None:
    """Every message of the parcel has one outcome, and may go there from where it is."""
    named = [message for message, _, _ in outcomes]
    if len(named) != len(states) or set(named) != set(states):
        raise StoreError(f"the outcomes are not those of parcel {parcel}'s messages", do="report this")
    moved: set[tuple[State, State]] = set()  # of a parcel nearly always one, for thousands of messages
    for message, outcome, _ in outcomes:
        move = states[message], outcome
        if move not in moved:
            step(states[message], event_for(outcome), message=message)
            moved.add(move)


def check_move(message: MessageId, before: State, after: State) -> None:
    """Only a queued message moves on its own; one in a parcel shares the parcel's fate, and a final state stays."""
    event = event_for(after)
    if before is not State.QUEUED:
        raise ImpossibleEvent(f"message {message}", before, event)
    step(before, event, message=message)
