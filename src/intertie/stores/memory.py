"""The store's twin in memory: the same promises but durability, for tests and trials."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from itertools import islice

from intertie.exchange import outbound
from intertie.exchange.ordering import Ahead, choose
from intertie.exchange.outbound import ParcelState, State, step_parcel
from intertie.gateway.ports import (
    Erased,
    Hold,
    MessageRow,
    NewMessage,
    ParcelRow,
    Query,
    ReceiptWriter,
    Refusal,
    RevokedToken,
    holds_back,
)
from intertie.gateway.trading.trade_ports import Shared
from intertie.journal.checkpoint import Head
from intertie.journal.entry import Entry
from intertie.journal.growth import Growth, grow
from intertie.model.errors import StoreError
from intertie.model.ids import (
    AgreementId,
    ConversationId,
    DocumentName,
    InterfaceCode,
    MessageId,
    ParcelId,
    PartyId,
)
from intertie.seal.certificates import Chain
from intertie.seal.receipt import Outcome
from intertie.seal.transport import Transport
from intertie.seal.tree import Frontier
from intertie.stores import receiving, sending
from intertie.stores.erasing import erased_entry, hold_entry
from intertie.stores.identity import check_chains
from intertie.stores.memory_answers import MemoryAnswers
from intertie.stores.memory_follow import MemoryFollow
from intertie.stores.memory_operations import MemoryOperations
from intertie.stores.memory_proof import MemoryProof
from intertie.stores.memory_relay import MemoryRelay
from intertie.stores.memory_rows import is_due, matches, new_row, partner_of, waiting
from intertie.stores.memory_search import MemorySearch
from intertie.stores.memory_trade import MemoryTrade
from intertie.stores.sending import Tell

ParcelKey = tuple[ParcelId, bool, PartyId]


class MemoryStore(
    MemoryProof, MemoryFollow, MemoryOperations, MemoryTrade, MemoryAnswers, MemoryRelay, MemorySearch
):
    """`gateway.ports.Store` in dictionaries. Every method works out all it will write before it writes any of it."""

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.RLock()
        self._rows: list[MessageRow] = []  # place = seq - 1
        self._out: dict[MessageId, int] = {}  # seqs
        self._tell: Tell = lambda queued: None
        self._in: dict[tuple[PartyId, MessageId], int] = {}
        self._parcels: dict[ParcelKey, ParcelRow] = {}
        self._states: dict[ParcelKey, ParcelState] = {}
        self._due: dict[ParcelKey, datetime] = {}
        self._refusals: list[Refusal] = []
        self._lines: list[tuple[int, bytes, bytes]] = []
        self._nodes = Frontier().to_bytes()
        self._heads: dict[PartyId, list[Head]] = {}
        self._seqs: Counter[PartyId] = Counter()
        self._revoked: dict[str, RevokedToken] = {}
        self._revoked_partners: dict[PartyId, datetime] = {}
        self._holds: dict[int, Hold] = {}
        self._held = 0
        self._chains: dict[bytes, Chain] = {}
        self._announced: Counter[PartyId] = Counter()
        self._changes = 0
        self._closed = False

    def close(self) -> None:
        """Nothing can be asked any more."""
        with self._lock:
            self._closed = True

    @contextmanager
    def _open(self) -> Iterator[None]:
        with self._lock:
            if self._closed:
                raise StoreError("the store is closed", do="open it again")
            yield

    def _grown(self, growth: Growth) -> Head:
        self._lines.extend(growth.lines)
        self._nodes = growth.nodes
        self._changes += 1
        return growth.head

    def _put(self, seq: int, **changes: object) -> None:
        self._rows[seq - 1] = self._rows[seq - 1]._replace(**changes)  # type: ignore[arg-type]

    def _outgoing(self, keep: Callable[[MessageRow], bool]) -> list[MessageRow]:
        return [row for row in self._rows if row.outgoing and keep(row)]

    # Sharing work

    @property
    def shared(self) -> bool:
        """It is of one process."""
        return False

    def claim(self, what: str) -> bool:
        """There is nobody else."""
        return True

    def unclaim(self, what: str) -> None:
        """Nothing to give back."""

    # Sending

    def add_outgoing(
        self, messages: Sequence[NewMessage], entries: Sequence[Entry], now: datetime
    ) -> list[int]:
        """Queue messages; Refused(MESSAGE_ID_REUSED) for an id with other bytes, and then none is queued."""
        with self._open():
            held = {m.id: self._rows[self._out[m.id] - 1].leaf for m in messages if m.id in self._out}
            new = sending.pick_new(messages, held)
            self._check_resends(new)
            growth = grow(self._nodes, sending.entries_of(new, entries))
            for message in new:
                self._rows.append(new_row(message, len(self._rows) + 1, now, None))
                self._out[message.id] = len(self._rows)
                self._follow(message)
            self._grown(growth)
            seqs = [self._out[message.id] for message in messages]
        self._tell(sending.priorities(messages))
        return seqs

    def on_queued(self, tell: Tell) -> None:
        """Tell whom messages were queued to."""
        self._tell = tell

    def next_partners(self, now: datetime) -> list[PartyId]:
        """Partners with a message or a parcel that could go now, of ours or of others."""
        with self._open():
            found = {key[2] for key in self._states if self._is_due(key, now)}
            for row in self._outgoing(lambda row: is_due(row, now)):
                if not any(before.state is State.SENDING for before in self._before(row)):
                    found.add(row.recipient)
            return sorted(found | self.relay_parties(now))

    def take_outgoing(self, partner: PartyId, now: datetime, *, count: int, size: int) -> list[MessageRow]:
        """What goes into the next parcel, in order (exchange/ordering.py)."""
        with self._open():
            due = self._outgoing(lambda row: row.recipient == partner and is_due(row, now))
            due.sort(key=lambda row: (row.priority, row.seq))

            def ahead(conversation: ConversationId, seq: int) -> Ahead:
                before = [row for row in self._before(self._rows[seq - 1]) if row.expires > now or row.parcel]
                return Ahead(not all(is_due(row, now) for row in before), [waiting(row) for row in before])

            chosen = choose((waiting(row) for row in due), ahead, count=count, size=size)
            return [self._rows[seq - 1] for seq in chosen]

    def _before(self, row: MessageRow) -> list[MessageRow]:
        """What is not finished of the same conversation with the same partner, before this message."""
        if row.conversation is None:
            return []
        return self._outgoing(
            lambda r: (
                r.seq < row.seq
                and r.conversation == row.conversation
                and r.recipient == row.recipient
                and r.done_at is None
            )
        )

    def unfinished_parcel(
        self, partner: PartyId, now: datetime, *, without: Collection[ParcelId] = ()
    ) -> ParcelRow | None:
        """The oldest sealed parcel without a receipt that is due, and not on its way."""
        with self._open():
            found = (
                row
                for key, row in self._parcels.items()
                if key[2] == partner and row.id not in without and self._is_due(key, now)
            )
            return next(found, None)

    def _is_due(self, key: ParcelKey, now: datetime) -> bool:
        return (
            key[1] and self._states[key] is ParcelState.WAITING and outbound.is_due(self._due.get(key), now)
        )

    def parcel_messages(
        self, parcel: ParcelId, *, outgoing: bool, partner: PartyId | None = None
    ) -> list[MessageRow]:
        """The messages of a parcel by position."""
        with self._open():
            key = self._find(parcel, outgoing, partner)
            if key is None:
                return []
            found = (
                r
                for r in self._rows
                if r.parcel == parcel and r.outgoing == outgoing and partner_of(r) == key[2]
            )
            return sorted(found, key=lambda r: r.position or 0)

    def _find(self, parcel: ParcelId, outgoing: bool, partner: PartyId | None) -> ParcelKey | None:
        return next(
            (k for k in self._parcels if k[:2] == (parcel, outgoing) and partner in (None, k[2])), None
        )

    def _sealed(self, parcel: ParcelId) -> ParcelKey:
        key = self._find(parcel, True, None)
        if key is None:
            raise StoreError(f"no outgoing parcel {parcel}", do="report this")
        return key

    def next_seq(self, partner: PartyId) -> int:
        """The next parcel number towards a partner."""
        with self._open():
            self._seqs[partner] += 1
            self._changes += 1
            return self._seqs[partner]

    def add_parcel(self, parcel: ParcelRow, messages: Sequence[MessageId], now: datetime) -> None:
        """Keep a sealed parcel; ImpossibleEvent if a message of it is not queued any more."""
        with self._open():
            rows = {m: self._rows[self._out[m] - 1] for m in messages if m in self._out}
            sending.check_sealing(
                parcel, messages, {m: (row.state, row.recipient) for m, row in rows.items()}
            )
            key = (parcel.id, True, parcel.partner)
            if self._find(parcel.id, True, None):
                raise StoreError(f"parcel {parcel.id} is there already", do="report this")
            self._grown(grow(self._nodes, [sending.sealed_entry(parcel, now)]))
            self._parcels[key] = parcel
            self._states[key] = ParcelState.WAITING
            for position, message in enumerate(messages):
                self._put(self._out[message], state=State.SENDING, parcel=parcel.id, position=position)

    def defer(self, messages: Sequence[MessageId], next_attempt: datetime, detail: str) -> None:
        """Count an attempt of queued messages that could not be sealed."""
        with self._open():
            rows = self._outgoing(lambda row: row.id in messages and row.state is State.QUEUED)
            for row in rows:
                self._put(row.seq, attempts=row.attempts + 1, next_attempt=next_attempt, detail=detail)
            self._changes += 1

    def retry_parcel(self, parcel: ParcelId, next_attempt: datetime, detail: str) -> None:
        """Count an attempt that came to nothing; no effect on a closed parcel."""
        with self._open():
            key = self._sealed(parcel)
            if self._states[key] is not ParcelState.WAITING:
                return
            self._due[key] = next_attempt
            self._changes += 1
            for row in self.parcel_messages(parcel, outgoing=True):
                self._put(row.seq, attempts=row.attempts + 1, next_attempt=next_attempt, detail=detail)

    def close_parcel(
        self,
        parcel: ParcelId,
        receipt: bytes | None,
        outcomes: Sequence[tuple[MessageId, State, str]],
        entries: Sequence[Entry],
        now: datetime,
        *,
        transport: Transport | None = None,
        head: Head | None = None,
        shared: Shared | None = None,
    ) -> None:
        """Set the outcomes; no effect if the parcel was closed before with as much proof or more."""
        with self._open():
            key = self._sealed(parcel)
            after = step_parcel(self._states[key], sending.close_event(receipt))
            if after is self._states[key]:
                return
            states = {row.id: row.state for row in self.parcel_messages(parcel, outgoing=True)}
            sending.check_closing(parcel, outcomes, states)
            self._grown(grow(self._nodes, entries))
            self._states[key] = after
            self._parcels[key] = self._parcels[key]._replace(receipt=receipt, transport=transport, blob=None)
            for message, state, detail in outcomes:
                self._put(self._out[message], state=state, detail=detail, done_at=now, next_attempt=None)
                if state is State.QUEUED:
                    self._put(self._out[message], done_at=None, parcel=None, position=None)
            if head is not None:
                self._add_head(key[2], head)
            if shared is not None:
                self._keep_delivered(key[2], shared, outcomes)

    def set_state(
        self, message: MessageId, state: State, detail: str, entries: Sequence[Entry], now: datetime
    ) -> None:
        """Move a queued message to a final state; ImpossibleEvent if it is not queued any more."""
        with self._open():
            if message not in self._out:
                raise StoreError(
                    f"no outgoing message {message}", do="look for it with `intertie message list`"
                )
            seq = self._out[message]
            sending.check_move(message, self._rows[seq - 1].state, state)
            self._grown(grow(self._nodes, entries))
            self._put(seq, state=state, detail=detail, done_at=now)

    def expire(self, now: datetime) -> list[MessageId]:
        """Expire queued messages."""
        with self._open():
            over = self._outgoing(lambda row: row.state is State.QUEUED and row.expires <= now)
            if over:
                entries = [sending.expired_entry(row.id, row.recipient, row.leaf, now) for row in over]
                self._grown(grow(self._nodes, entries))
            for row in over:
                self._put(row.seq, state=State.EXPIRED, detail="expired before it could be sent", done_at=now)
            return [row.id for row in over]

    # Receiving

    def find_incoming_parcel(self, partner: PartyId, parcel: ParcelId) -> ParcelRow | None:
        """A parcel received before."""
        with self._open():
            return self._parcels.get((parcel, False, partner))

    def find_incoming(self, sender: PartyId, ids: Sequence[MessageId]) -> dict[MessageId, bytes]:
        """Leaf hashes of what was received under these ids."""
        with self._open():
            return {i: self._rows[self._in[sender, i] - 1].leaf for i in ids if (sender, i) in self._in}

    def accept(
        self,
        parcel: ParcelRow,
        messages: Sequence[NewMessage],
        refusals: Sequence[Refusal],
        outcomes: Sequence[Outcome],
        write_receipt: ReceiptWriter,
        now: datetime,
    ) -> bytes:
        """Keep all of it and return the receipt; Refused(PARCEL_ID_REUSED) if the id was another parcel's meanwhile."""
        with self._open():
            key = (parcel.id, False, parcel.partner)
            if key in self._parcels:
                return receiving.check_repeat(parcel, self._parcels[key])
            held = self.find_incoming(parcel.partner, [message.id for message in messages])
            settled = receiving.settle(parcel, messages, refusals, outcomes, held, now)
            arrived = grow(self._nodes, receiving.arrival_entries(parcel, settled, now))
            receipt = write_receipt(settled.outcomes, arrived.head)
            receipted = grow(arrived.nodes, [receiving.receipt_entry(parcel, receipt, now)])
            self._grown(arrived)
            self._grown(receipted)
            self._parcels[key] = parcel._replace(receipt=receipt, blob=None)
            self._states[key] = ParcelState.RECEIPTED
            self._refusals.extend(settled.refusals)
            for message in settled.messages:
                self._rows.append(new_row(message, len(self._rows) + 1, now, parcel.id))
                self._in[message.sender, message.id] = len(self._rows)
                if message.traded:
                    self._keep_shared(len(self._rows), parcel.partner, parcel.at)
            if parcel.owes:
                self.owe_answer(parcel.partner, parcel.id, parcel.at)
        return receipt

    def refuse(self, refusal: Refusal) -> None:
        """Keep a refusal."""
        with self._open():
            self._grown(grow(self._nodes, [receiving.refusal_entry(refusal)]))
            self._refusals.append(refusal)

    # Reading

    def message(
        self,
        message: MessageId,
        *,
        outgoing: bool | None = None,
        partner: PartyId | None = None,
        body: bool = True,
    ) -> MessageRow | None:
        """One message; the first one kept if several partners chose the id and none is named."""
        with self._open():
            for row in self._rows:
                if (
                    row.id == message
                    and outgoing in (None, row.outgoing)
                    and partner in (None, partner_of(row))
                ):
                    return row if body else row._replace(body=b"")
            return None

    def messages(self, query: Query) -> list[MessageRow]:
        """Messages by seq."""
        with self._open():
            found = [row for row in self._rows if matches(row, query)][: query.limit]
            return found if query.bodies else [row._replace(body=b"") for row in found]

    def parcel(self, parcel: ParcelId, *, outgoing: bool, partner: PartyId | None = None) -> ParcelRow | None:
        """One parcel; the first one kept if several partners chose the id and none is named."""
        with self._open():
            key = self._find(parcel, outgoing, partner)
            return self._parcels[key] if key else None

    def refusals(self, *, after: int = 0, limit: int = 1000) -> list[tuple[int, Refusal]]:
        """Refusals by seq."""
        with self._open():
            return list(enumerate(self._refusals, 1))[after : after + limit]

    def counts(self) -> dict[tuple[bool, str], int]:
        """How many messages are in which state."""
        with self._open():
            return dict(Counter((row.outgoing, row.state.value) for row in self._rows))

    def entries(self, *, after: int = 0, limit: int = 10_000) -> list[tuple[int, bytes, bytes]]:
        """Lines of the journal from index `after`."""
        with self._open():
            return self._lines[after : after + limit]

    def head(self) -> Head:
        """The journal's head."""
        with self._open():
            return grow(self._nodes, ()).head

    def note(self, entries: Sequence[Entry]) -> Head:
        """Append to the journal; EvidenceError for an entry that could not be read back."""
        with self._open():
            return self._grown(grow(self._nodes, entries))

    def partner_heads(self, partner: PartyId) -> list[Head]:
        """Heads of a partner's journal, in the order they came."""
        with self._open():
            return list(self._heads.get(partner, ()))

    def add_partner_head(self, partner: PartyId, head: Head, now: datetime) -> None:
        """Keep a head of a partner's journal; the same head twice is kept once."""
        with self._open():
            self._add_head(partner, head)

    def _add_head(self, partner: PartyId, head: Head) -> None:
        heads = self._heads.setdefault(partner, [])
        if head not in heads:
            heads.append(head)
            self._changes += 1

    # Access tokens

    def revoke_token(self, token: RevokedToken, now: datetime) -> None:
        """Remember a revoked token until it would have ended."""
        with self._open():
            self._revoked = {id: kept for id, kept in self._revoked.items() if kept.until > now}
            self._revoked.setdefault(token.id, token)
            self._changes += 1

    def revoke_tokens_of(self, partner: PartyId, at: datetime) -> None:
        """Revoke all tokens of a partner issued up to this time."""
        with self._open():
            self._revoked_partners[partner] = max(at, self._revoked_partners.get(partner, at))
            self._changes += 1

    def token_revoked(self, token: str, partner: PartyId, issued: datetime) -> bool:
        """Whether a token is revoked."""
        with self._open():
            since = self._revoked_partners.get(partner)
            return token in self._revoked or (since is not None and issued <= since)

    def revoked_tokens(self, now: datetime) -> list[RevokedToken]:
        """Revoked tokens that have not ended."""
        with self._open():
            return [kept for _, kept in sorted(self._revoked.items()) if kept.until > now]

    def revoked_partners(self) -> dict[PartyId, datetime]:
        """Since when the tokens of which partners are revoked as a whole."""
        with self._open():
            return dict(sorted(self._revoked_partners.items()))

    # Erasing

    def ended(
        self,
        interface: InterfaceCode,
        document: DocumentName,
        mode: str,
        *,
        before: datetime,
        after: int,
        limit: int,
    ) -> list[MessageRow]:
        """Messages of a flow that were done before this time and still have their body, without it."""
        with self._open():
            found = (
                row._replace(body=b"")
                for row in self._rows
                if (row.interface, row.document, row.mode) == (interface, document, mode)
                and row.done_at is not None
                and row.done_at < before
                and row.erased is None
                and row.seq > after
            )
            return list(islice(found, limit))

    def erase(self, seqs: Sequence[int], why: str, now: datetime) -> list[int]:
        """Forget bodies; the seqs of those that were erased."""
        with self._open():
            wanted = [self._rows[seq - 1] for seq in sorted(set(seqs)) if 0 < seq <= len(self._rows)]
            rows = [row for row in wanted if self._erasable(row)]
            self._grown(
                grow(self._nodes, [erased_entry(r.id, partner_of(r), r.leaf, why, now) for r in rows])
            )
            for row in rows:
                self._put(row.seq, body=b"", erased=Erased(now, why))
            return [row.seq for row in rows]

    def _erasable(self, row: MessageRow) -> bool:
        held = any(holds_back(hold, row) for hold in self._holds.values())
        return row.done_at is not None and row.erased is None and not held

    def hold(
        self,
        message: MessageId | None,
        agreement: AgreementId | None,
        reference: str,
        now: datetime,
    ) -> Hold:
        """Begin a hold, or find the one there is."""
        with self._open():
            for there in self._holds.values():
                if (there.message, there.agreement) == (message, agreement):
                    return there
            self._held += 1
            new = Hold(self._held, message, agreement, reference, now)
            self._grown(grow(self._nodes, [hold_entry(new, now, released=False)]))
            self._holds[new.number] = new
            return new

    def release(self, number: int, now: datetime) -> Hold | None:
        """End a hold."""
        with self._open():
            ended = self._holds.get(number)
            if ended is not None:
                self._grown(grow(self._nodes, [hold_entry(ended, now, released=True)]))
                del self._holds[number]
            return ended

    def holds(self) -> list[Hold]:
        """The holds in force."""
        with self._open():
            return list(self._holds.values())

    # Identity

    def keep_chains(self, chains: Mapping[bytes, Chain]) -> None:
        """Keep certificate chains by thumbprint."""
        check_chains(chains)
        with self._open():
            self._chains = {**chains, **self._chains}

    def chain(self, thumbprint: bytes) -> Chain | None:
        """The chain whose leaf has this SHA-256."""
        with self._open():
            return self._chains.get(thumbprint)

    def announced(self, partner: PartyId) -> int:
        """The highest sequence of our descriptor that the partner has acknowledged."""
        with self._open():
            return self._announced[partner]

    def set_announced(self, partner: PartyId, sequence: int) -> None:
        """Keep that the partner has acknowledged this sequence."""
        with self._open():
            self._announced[partner] = max(self._announced[partner], sequence)
            self._changes += 1

    def changed(self) -> int:
        """A number that differs after any write."""
        with self._open():
            return self._changes
