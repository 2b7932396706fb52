"""What the acts need from the outside. Stores and bindings keep these promises; tests hold every store to them.

A store promises: what a returned call wrote is on disk; one `accept` or `note` is all there or not there at all;
several processes may use one store at once; a reader sees only finished writes.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple, Protocol

from intertie.exchange.outbound import State
from intertie.gateway.operating.operations_ports import OperationsStore
from intertie.gateway.proving.proof_ports import ProofStore
from intertie.gateway.relaying.relay_ports import RelayStore
from intertie.gateway.trading.trade_ports import Shared, TradeStore
from intertie.gateway.translating.translated_ports import TranslatedStore
from intertie.journal.checkpoint import Head
from intertie.journal.entry import Entry
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

# Messages looked at for one page of a search: some tens of milliseconds of a store, whatever is asked and however many are kept.
# 100,000 took 110 ms for words that are nowhere, and 200 at the 95th percentile of PostgreSQL: too near to what a page may take.
SCAN_MAX = 60_000
# Escalations in one transaction: more at once are one outage of ours, and the next call takes up the rest.
ESCALATE_MAX = 500
# Of the newest escalations so many are looked at for those that are open: urgent messages expire within hours.
UNANSWERED_LOOK = 2_000


class Erased(NamedTuple):
    """When a body was erased, and by which rule."""

    at: datetime
    why: str  # gateway/proving/erase.py: Why


class MessageRow(NamedTuple):
    """One message, in or out, as the index knows it. `body` is the exact bytes; empty if it was erased, or not asked for."""

    seq: int  # order in this store, from 1
    outgoing: bool
    id: MessageId
    sender: PartyId
    recipient: PartyId
    interface: InterfaceCode
    document: DocumentName
    mode: str
    conversation: ConversationId | None
    agreement: AgreementId | None
    created: datetime
    expires: datetime
    priority: int
    state: State  # of an incoming message: State.ACCEPTED
    leaf: bytes  # RFC 9162 leaf hash of body
    parcel: ParcelId | None
    position: int | None  # place in that parcel
    at: datetime  # written to the store
    done_at: datetime | None  # receipted, refused, expired
    attempts: int
    next_attempt: datetime | None
    detail: str  # refusal code and sentence
    body: bytes
    size: int = 0  # bytes of the body as it was sent
    erased: Erased | None = None


class ParcelRow(NamedTuple):
    """A parcel as it went or came: enough to answer a repeat and to prove each message later."""

    id: ParcelId
    outgoing: bool
    partner: PartyId
    digest: bytes  # SHA-256 of the whole blob
    blob: bytes | None  # outgoing: the sealed bytes, to send again the same
    manifest: bytes  # the manifest JWS
    leaves: bytes  # 32 bytes each, in order
    receipt: bytes | None
    at: datetime
    transport: Transport | None = None  # the connection it came over, or got its receipt over
    owes: bool = False  # incoming: the receipt is posted by us, not given as the answer (gateway/translating/translated_ports.py)


class NewMessage(NamedTuple):
    """A message that passed every step, ready to be kept."""

    body: bytes
    leaf: bytes
    position: int
    id: MessageId
    sender: PartyId
    recipient: PartyId
    interface: InterfaceCode
    document: DocumentName
    mode: str
    conversation: ConversationId | None
    agreement: AgreementId | None
    created: datetime
    expires: datetime
    priority: int
    answer_by: datetime | None = None  # outgoing and urgent: without a receipt by then it escalates
    resends: MessageId | None = None  # outgoing: the dead letter whose content this is
    traded: bool = False  # incoming: the rules of the trade are about it


class Mark(NamedTuple):
    """What is known of an outgoing message besides its row. `answer_by` only while its watch is there."""

    answer_by: datetime | None = None
    escalated: datetime | None = None
    told: datetime | None = None  # a mail about it was handed over
    resends: MessageId | None = None
    resent_as: MessageId | None = None


class Refusal(NamedTuple):
    """Something that was not accepted, and the rule. Holds no payload."""

    at: datetime
    partner: PartyId | None
    parcel: ParcelId | None
    message: MessageId | None
    code: str
    step: int
    detail: str
    digest: bytes  # SHA-256 of what was refused


class RevokedToken(NamedTuple):
    """An access token that was revoked before its end. After `until` it would be refused as expired."""

    id: str
    partner: PartyId
    until: datetime


class Hold(NamedTuple):
    """What must not be erased, whatever the retention says: one message, or all under an agreement."""

    number: int
    message: MessageId | None
    agreement: AgreementId | None
    reference: str  # the case, as those who asked for it know it
    at: datetime


def holds_back(hold: Hold, row: MessageRow) -> bool:
    """Whether a hold in force is on this message, or on the agreement it was sent under."""
    return hold.message == row.id or (hold.agreement is not None and hold.agreement == row.agreement)


class Query(NamedTuple):
    """Which messages to list; None means any. `after` is a seq."""

    outgoing: bool
    after: int = 0
    limit: int = 100
    partner: PartyId | None = None
    document: DocumentName | None = None
    states: Sequence[State] | None = None
    bodies: bool = True  # False: rows without bodies, for which no key is needed
    conversation: ConversationId | None = None


class Search(NamedTuple):
    """Which messages; None means any. `words` all stand in one of the ids, names or the detail of a message, in any case of
    letters: its body is not looked into."""

    before: int | None = None  # a seq
    limit: int = 50
    scan: int = SCAN_MAX
    outgoing: bool | None = None
    partner: PartyId | None = None
    interface: InterfaceCode | None = None
    document: DocumentName | None = None
    agreement: AgreementId | None = None
    conversation: ConversationId | None = None
    parcel: ParcelId | None = None
    message: MessageId | None = None
    states: Sequence[State] | None = None
    since: datetime | None = None  # queued or received at this time or later
    until: datetime | None = None  # and before this one
    words: Sequence[str] = ()


class Found(NamedTuple):
    """Rows without bodies, newest first. `older` is the seq to go on before, None when all has been looked at: a page may be
    short, or empty, and yet not the last one."""

    rows: list[MessageRow]
    older: int | None


class ReceiptWriter(Protocol):
    """Signs the receipt once the store knows the outcomes and the journal head that the receipt commits to."""

    def __call__(self, outcomes: Sequence[Outcome], head: Head) -> bytes:
        """Return the bytes of the signed receipt."""


class Store(ProofStore, OperationsStore, TradeStore, TranslatedStore, RelayStore, Protocol):
    """All that a gateway keeps. Methods raise StoreError, EvidenceError for an entry that could not be read back, and
    ImpossibleEvent where a message has moved on meanwhile; each is atomic and durable once it returns."""

    def close(self) -> None:
        """Let go of files and threads."""

    # Sharing work
    @property
    def shared(self) -> bool:
        """Whether every process that serves may deliver from this store, by claims; else one does."""

    def claim(self, what: str) -> bool:
        """Whether this process may do from now on what only one does at a time; also if it may already. What a process that
        ended, however it ended, had claimed is free at once. A claim that a lost connection took is found out by asking
        again: whoever acts on it long after must bear that another one does too."""

    def unclaim(self, what: str) -> None:
        """Let other processes do it."""

    # Sending
    def add_outgoing(
        self, messages: Sequence[NewMessage], entries: Sequence[Entry], now: datetime
    ) -> list[int]:
        """Queue messages in one transaction; the same id with the same bytes is queued once, with other bytes refused
        (Refused MESSAGE_ID_REUSED). `answer_by` opens a watch. `resends`: ImpossibleEvent if that message is no dead letter
        (exchange/outbound.py), ResentBefore if it was sent again before. Returns their seqs."""

    def next_partners(self, now: datetime) -> list[PartyId]:
        """Partners with something to send now, also of others (relay_ports.py): what is due, exchange/outbound.py says
        (`is_due`)."""

    def take_outgoing(self, partner: PartyId, now: datetime, *, count: int, size: int) -> list[MessageRow]:
        """What is due for one partner, by priority then seq, at most `count` messages and `size` bytes (but at least
        one); order per conversation is kept. Does not change state."""

    def on_queued(self, tell: Callable[[Mapping[PartyId, Sequence[int]]], None]) -> None:
        """Have this told, in the thread that queued them, of which priorities messages were queued through this object, to which
        partners: what delivers in the same process need not wait until it looks at `changed`."""

    def unfinished_parcel(
        self, partner: PartyId, now: datetime, *, without: Collection[ParcelId] = ()
    ) -> ParcelRow | None:
        """A parcel already sealed for this partner, without a receipt, due to be sent again (the same bytes), and not among
        those that are on their way; the oldest first."""

    def parcel_messages(
        self, parcel: ParcelId, *, outgoing: bool, partner: PartyId | None = None
    ) -> list[MessageRow]:
        """The messages a parcel carries (outgoing) or that were kept from it (incoming), in order of position."""

    def next_seq(self, partner: PartyId) -> int:
        """The next parcel sequence number towards a partner, from 1: never the same twice, and some may be left out."""

    def add_parcel(self, parcel: ParcelRow, messages: Sequence[MessageId], now: datetime) -> None:
        """Keep a sealed parcel, journal it (parcel_out) and mark its messages SENDING, before a byte leaves.
        ImpossibleEvent if one of them is not queued any more: another process sealed or cancelled it."""

    def defer(self, messages: Sequence[MessageId], next_attempt: datetime, detail: str) -> None:
        """Queued messages could not be sealed now: count the attempt; they are due again at `next_attempt`. No effect on
        those that have moved on."""

    def retry_parcel(self, parcel: ParcelId, next_attempt: datetime, detail: str) -> None:
        """The outcome is unknown: count the attempt; send the same bytes again at `next_attempt`."""

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
        """A receipt (or a final refusal: receipt None) came, over this connection: set the messages' states, keep the
        receipt and the head of the partner's journal that it names, journal. Each message of the parcel has one outcome;
        QUEUED, for one that was refused for now: it leaves the parcel and goes again in another. What of `shared` was delivered
        is held by both from then on. No effect on a parcel closed before, unless a late receipt says more."""

    def set_state(
        self, message: MessageId, state: State, detail: str, entries: Sequence[Entry], now: datetime
    ) -> None:
        """Move one queued message to a final state (expired, cancelled, failed); ImpossibleEvent if it is not queued."""

    def expire(self, now: datetime) -> list[MessageId]:
        """Queued messages past their expiry become EXPIRED, with a journal entry each; returns them."""

    # Receiving
    def find_incoming_parcel(self, partner: PartyId, parcel: ParcelId) -> ParcelRow | None:
        """A parcel received before, for the answer to a repeat."""

    def find_incoming(self, sender: PartyId, ids: Sequence[MessageId]) -> dict[MessageId, bytes]:
        """The leaf hashes of messages already received from this sender, among these ids."""

    def accept(
        self,
        parcel: ParcelRow,
        messages: Sequence[NewMessage],
        refusals: Sequence[Refusal],
        outcomes: Sequence[Outcome],
        write_receipt: ReceiptWriter,
        now: datetime,
    ) -> bytes:
        """One transaction: keep messages and refusals, journal each, write the receipt over the outcomes and the new
        head, keep the parcel with it. If the parcel was received meanwhile (same digest) the stored receipt is the
        answer; if a message id was received meanwhile with the same leaf its outcome becomes duplicate, with another
        leaf refused (message_id_reused). Returns the receipt bytes."""

    def refuse(self, refusal: Refusal) -> None:
        """Keep and journal a refusal of a whole parcel."""

    # Reading
    def message(
        self,
        message: MessageId,
        *,
        outgoing: bool | None = None,
        partner: PartyId | None = None,
        body: bool = True,
    ) -> MessageRow | None:
        """One message by id, with its body or without. Two partners may choose the same id: name the partner to be sure,
        else the first kept."""

    def messages(self, query: Query) -> list[MessageRow]:
        """Messages in the order of seq."""

    def search(self, wanted: Search) -> Found:
        """The newest messages that are wanted, of the newest `scan` that an index leads to."""

    def parcel(self, parcel: ParcelId, *, outgoing: bool, partner: PartyId | None = None) -> ParcelRow | None:
        """One parcel with its manifest and receipt. Two partners may choose the same id, as in `message`."""

    def refusals(self, *, after: int = 0, limit: int = 1000) -> list[tuple[int, Refusal]]:
        """Refusals with their seq, oldest first."""

    def counts(self) -> dict[tuple[bool, str], int]:
        """How many messages, by (outgoing, state)."""

    def entries(self, *, after: int = 0, limit: int = 10_000) -> list[tuple[int, bytes, bytes]]:
        """Journal entries: (index from 0, entry bytes, leaf hash as stored), from index `after`."""

    def head(self) -> Head:
        """The journal's size and root as stored."""

    def note(self, entries: Sequence[Entry]) -> Head:
        """Append to the journal; the new head."""

    def partner_heads(self, partner: PartyId) -> list[Head]:
        """Heads of the partner's journal that its receipts committed to, oldest first."""

    def add_partner_head(self, partner: PartyId, head: Head, now: datetime) -> None:
        """Keep a head of a partner's journal."""

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
        """Messages of a flow after this seq that were done before this time and still have their body, without it."""

    def erase(self, seqs: Sequence[int], why: str, now: datetime) -> list[int]:
        """Overwrite the bodies of these messages, so that no copy of them is left in the store's files, and journal each;
        their rows and leaf hashes stay. The seqs that were erased: not among them is what is erased already, on its way,
        or held. A data key under which nothing is left is destroyed. StoreError if something is erased but copies of it
        may be left in a log that another process reads: ask again."""

    def hold(
        self,
        message: MessageId | None,
        agreement: AgreementId | None,
        reference: str,
        now: datetime,
    ) -> Hold:
        """Let nothing of a message, or of all messages under an agreement, be erased; the hold there is, if there is."""

    def release(self, number: int, now: datetime) -> Hold | None:
        """End a hold; None if there is none of this number."""

    def holds(self) -> list[Hold]:
        """The holds in force, oldest first."""

    # Identity
    def keep_chains(self, chains: Mapping[bytes, Chain]) -> None:
        """Keep certificate chains by the SHA-256 of their leaf; StoreError if a thumbprint is not the leaf's. One that is
        kept stays as it is."""

    def chain(self, thumbprint: bytes) -> Chain | None:
        """The chain whose leaf has this SHA-256."""

    def announced(self, partner: PartyId) -> int:
        """The highest sequence of our descriptor that the partner has acknowledged; 0 if none."""

    def set_announced(self, partner: PartyId, sequence: int) -> None:
        """The partner has acknowledged our descriptor of this sequence; an older one than it has changes nothing."""

    def changed(self) -> int:
        """A number that differs after any process wrote to this store: for waiting without polling rows."""

    # Access tokens
    def revoke_token(self, token: RevokedToken, now: datetime) -> None:
        """Remember that a token is revoked; forget those that have ended."""

    def revoke_tokens_of(self, partner: PartyId, at: datetime) -> None:
        """Every token of this partner issued at this time or before is revoked."""

    def token_revoked(self, token: str, partner: PartyId, issued: datetime) -> bool:
        """Whether a token is revoked, by itself or with all of its partner's."""

    def revoked_tokens(self, now: datetime) -> list[RevokedToken]:
        """Single tokens that are revoked and have not ended, by id."""

    def revoked_partners(self) -> dict[PartyId, datetime]:
        """The partners whose tokens were revoked as a whole, and when last."""

    # Following up
    def escalate(self, now: datetime) -> list[MessageRow]:
        """Look at each open watch whose time is over (exchange/escalation.py): delivered or taken back, and it is closed;
        else it is escalated, once, with a journal entry. Those escalated now, by due time then seq, without bodies; at
        most ESCALATE_MAX a call."""

    def untold(self, since: datetime, limit: int) -> list[MessageRow]:
        """Messages escalated at this time or later of which nobody was told, by seq, without bodies."""

    def set_told(self, messages: Sequence[MessageId], now: datetime) -> None:
        """Somebody was told of these escalations; no effect on others."""

    def escalated(
        self, *, after: int = 0, limit: int = 100, partner: PartyId | None = None
    ) -> list[MessageRow]:
        """Messages that escalated, by seq, whatever became of them since, without bodies."""

    def unanswered(self, limit: int) -> list[MessageRow]:
        """Messages that escalated and are queued or on their way still, the newest first, without bodies; among the newest
        UNANSWERED_LOOK escalations, however many messages are kept."""

    def dead_letters(
        self, *, after: int = 0, limit: int = 100, partner: PartyId | None = None, newest: bool = False
    ) -> list[MessageRow]:
        """Messages that were refused, expired or failed and were not sent again, by seq, without bodies. `newest`: those
        first."""

    def marks(self, messages: Sequence[MessageId]) -> dict[MessageId, Mark]:
        """What else is known of these outgoing messages; those of which nothing is are left out."""
