"""The embedded store: one SQLite file, durable when a call returns, shared by any number of processes of one machine.

The file must lie on a local disk: the write-ahead log needs memory that its processes share.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from pathlib import Path

import apsw

from intertie.exchange.outbound import State
from intertie.gateway.ports import (
    Hold,
    MessageRow,
    NewMessage,
    ParcelRow,
    Query,
    ReceiptWriter,
    Refusal,
    RevokedToken,
)
from intertie.gateway.trading.trade_ports import Shared
from intertie.journal.checkpoint import Head
from intertie.journal.entry import Entry
from intertie.model.ids import AgreementId, DocumentName, InterfaceCode, MessageId, ParcelId, PartyId
from intertie.seal.body_cipher import BodyKeys
from intertie.seal.certificates import Chain
from intertie.seal.key_port import KeyPort
from intertie.seal.receipt import Outcome
from intertie.seal.transport import Transport
from intertie.stores import (
    sending,
    sqlite_copy,
    sqlite_erase,
    sqlite_in,
    sqlite_journal,
    sqlite_out,
    sqlite_protect,
    sqlite_read,
    sqlite_tokens,
)
from intertie.stores.identity import check_chains
from intertie.stores.numbers import Numbers
from intertie.stores.readers import Readers
from intertie.stores.rows import DataKeyRow
from intertie.stores.schema import connect, open_store, store_error
from intertie.stores.sending import Tell
from intertie.stores.sqlite_answers import SqliteAnswers
from intertie.stores.sqlite_follow import SqliteFollow
from intertie.stores.sqlite_operations import SqliteOperations
from intertie.stores.sqlite_proof import SqliteProof
from intertie.stores.sqlite_relay import SqliteRelay
from intertie.stores.sqlite_search import SqliteSearch
from intertie.stores.sqlite_trade import SqliteTrade
from intertie.stores.writer import Writer


class SqliteStore(
    SqliteProof, SqliteFollow, SqliteOperations, SqliteTrade, SqliteAnswers, SqliteRelay, SqliteSearch
):
    """`gateway.ports.Store` in a SQLite file. Safe to use from any thread."""

    def __init__(self, path: Path, port: KeyPort | None = None) -> None:
        """Open the file, or make it. SettingsError for a file that is not ours or is of a newer version (it is left as
        it is), StoreError if it cannot be read or written. Bodies are encrypted under keys that `port` wraps; without
        it they can be neither kept nor read (StoreLockedError), and all else can."""
        open_store(path)
        self._path = path
        self._keys = BodyKeys(port)
        try:
            self._writer = Writer(connect(path, write=True))
        except apsw.Error as error:
            raise store_error(error) from error
        self._readers = Readers(lambda: connect(path, write=False))
        # Every parcel asks for the same few chains to be kept: those that are there already cost a look at this set.
        self._kept: set[bytes] = set()
        self._numbers = Numbers()
        self._tell: Tell = lambda queued: None

    def close(self) -> None:
        """Finish what waits and let go of the file."""
        self._writer.close()
        self._readers.close()

    # Sharing work

    @property
    def shared(self) -> bool:
        """One process delivers; the others accept."""
        return False

    def claim(self, what: str) -> bool:
        """Nobody else delivers from this file."""
        return True

    def unclaim(self, what: str) -> None:
        """Nothing to give back."""

    def remarks(self) -> list[str]:
        """What of the settings may lose what was acknowledged: nothing, they are set at each opening."""
        return []

    # Backups

    def copy_out(self, part: Path) -> dict[str, int]:
        """Make a SQLite store of one moment of this one; rows by table."""
        return sqlite_copy.copy_out(self._path, part)

    def copy_in(self, source: apsw.Connection) -> dict[str, int]:
        """Take over all rows of a SQLite store; StoreError unless nothing is here."""
        return self._writer.run(lambda db: sqlite_copy.copy_in(db, source))

    # Sending

    def add_outgoing(
        self, messages: Sequence[NewMessage], entries: Sequence[Entry], now: datetime
    ) -> list[int]:
        """Queue messages; Refused(MESSAGE_ID_REUSED) for an id with other bytes, and then none is queued."""
        seqs = self._writer.run(sending.Addition(self._add, messages, entries, now))
        self._tell(sending.priorities(messages))
        return seqs

    def _add(
        self, db: apsw.Connection, messages: Sequence[NewMessage], entries: Sequence[Entry], now: datetime
    ) -> list[int]:
        return sqlite_out.add(db, self._keys, messages, entries, now)

    def on_queued(self, tell: Tell) -> None:
        """Tell whom messages were queued to, once they are on disk."""
        self._tell = tell

    def next_partners(self, now: datetime) -> list[PartyId]:
        """Partners with a message or a parcel that could go now, of ours or of others."""
        with self._readers.snapshot() as db:
            return sqlite_out.next_partners(db, now)

    def take_outgoing(self, partner: PartyId, now: datetime, *, count: int, size: int) -> list[MessageRow]:
        """What goes into the next parcel, in order (exchange/ordering.py)."""
        with self._readers.snapshot() as db:
            return sqlite_out.take(db, self._keys, partner, now, count, size)

    def unfinished_parcel(
        self, partner: PartyId, now: datetime, *, without: Collection[ParcelId] = ()
    ) -> ParcelRow | None:
        """The oldest sealed parcel without a receipt that is due, and not on its way."""
        with self._readers.snapshot() as db:
            return sqlite_out.unfinished(db, partner, now, without)

    def parcel_messages(
        self, parcel: ParcelId, *, outgoing: bool, partner: PartyId | None = None
    ) -> list[MessageRow]:
        """The messages of a parcel by position."""
        with self._readers.snapshot() as db:
            return sqlite_read.parcel_messages(db, self._keys, parcel, outgoing, partner)

    def next_seq(self, partner: PartyId) -> int:
        """The next parcel number towards a partner."""
        return self._numbers.next(
            partner, lambda count: self._writer.run(lambda db: sqlite_out.next_seqs(db, partner, count))
        )

    def add_parcel(self, parcel: ParcelRow, messages: Sequence[MessageId], now: datetime) -> None:
        """Keep a sealed parcel; ImpossibleEvent if a message of it is not queued any more."""
        self._writer.run(lambda db: sqlite_out.add_parcel(db, parcel, messages, now))

    def defer(self, messages: Sequence[MessageId], next_attempt: datetime, detail: str) -> None:
        """Count an attempt of queued messages that could not be sealed."""
        self._writer.run(lambda db: sqlite_out.defer(db, messages, next_attempt, detail))

    def retry_parcel(self, parcel: ParcelId, next_attempt: datetime, detail: str) -> None:
        """Count an attempt that came to nothing; no effect on a closed parcel."""
        self._writer.run(lambda db: sqlite_out.retry(db, parcel, next_attempt, detail))

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
        self._writer.run(
            lambda db: sqlite_out.close(db, parcel, receipt, outcomes, entries, now, transport, head, shared)
        )

    def set_state(
        self, message: MessageId, state: State, detail: str, entries: Sequence[Entry], now: datetime
    ) -> None:
        """Move a queued message to a final state; ImpossibleEvent if it is not queued any more."""
        self._writer.run(lambda db: sqlite_out.move(db, message, state, detail, entries, now))

    def expire(self, now: datetime) -> list[MessageId]:
        """Expire queued messages; writes nothing if there is none."""
        with self._readers.snapshot() as db:
            if not sqlite_out.has_expired(db, now):
                return []
        return self._writer.run(lambda db: sqlite_out.expire(db, now))

    # Receiving

    def find_incoming_parcel(self, partner: PartyId, parcel: ParcelId) -> ParcelRow | None:
        """A parcel received before."""
        with self._readers.snapshot() as db:
            return sqlite_in.find_parcel(db, partner, parcel)

    def find_incoming(self, sender: PartyId, ids: Sequence[MessageId]) -> dict[MessageId, bytes]:
        """Leaf hashes of what was received under these ids."""
        with self._readers.snapshot() as db:
            return sqlite_in.find_messages(db, sender, ids)

    def accept(
        self,
        parcel: ParcelRow,
        messages: Sequence[NewMessage],
        refusals: Sequence[Refusal],
        outcomes: Sequence[Outcome],
        write_receipt: ReceiptWriter,
        now: datetime,
    ) -> bytes:
        """Keep all of it and return the receipt; Refused(PARCEL_ID_REUSED) if the id was another parcel's meanwhile.
        `write_receipt` runs under the write lock, and must not use the store."""
        receipt = self._writer.run(
            lambda db: sqlite_in.accept(
                db, self._keys, parcel, messages, refusals, outcomes, write_receipt, now
            )
        )
        self._tell(sending.owing(parcel))
        return receipt

    def refuse(self, refusal: Refusal) -> None:
        """Keep a refusal."""
        self._writer.run(lambda db: sqlite_in.refuse(db, refusal))

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
        with self._readers.snapshot() as db:
            return sqlite_read.message(db, self._keys, message, outgoing, partner, body)

    def messages(self, query: Query) -> list[MessageRow]:
        """Messages by seq."""
        with self._readers.snapshot() as db:
            return sqlite_read.messages(db, self._keys, query)

    def parcel(self, parcel: ParcelId, *, outgoing: bool, partner: PartyId | None = None) -> ParcelRow | None:
        """One parcel; the first one kept if several partners chose the id and none is named."""
        with self._readers.snapshot() as db:
            return sqlite_read.parcel(db, parcel, outgoing, partner)

    def refusals(self, *, after: int = 0, limit: int = 1000) -> list[tuple[int, Refusal]]:
        """Refusals by seq."""
        with self._readers.snapshot() as db:
            return sqlite_read.refusals(db, after, limit)

    def counts(self) -> dict[tuple[bool, str], int]:
        """How many messages are in which state."""
        with self._readers.snapshot() as db:
            return sqlite_read.counts(db)

    def entries(self, *, after: int = 0, limit: int = 10_000) -> list[tuple[int, bytes, bytes]]:
        """Lines of the journal from index `after`."""
        with self._readers.snapshot() as db:
            return sqlite_journal.entries(db, after, limit)

    def head(self) -> Head:
        """The journal's head as stored."""
        with self._readers.snapshot() as db:
            return sqlite_journal.head(db)

    def note(self, entries: Sequence[Entry]) -> Head:
        """Append to the journal; EvidenceError for an entry that could not be read back."""
        return self._writer.run(lambda db: sqlite_journal.append(db, entries))

    def partner_heads(self, partner: PartyId) -> list[Head]:
        """Heads of a partner's journal, in the order they came."""
        with self._readers.snapshot() as db:
            return sqlite_read.partner_heads(db, partner)

    def add_partner_head(self, partner: PartyId, head: Head, now: datetime) -> None:
        """Keep a head of a partner's journal; the same head twice is kept once."""
        self._writer.run(lambda db: sqlite_journal.keep_head(db, partner, head, now))

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
        with self._readers.snapshot() as db:
            return sqlite_read.ended(db, interface, document, mode, before, after, limit)

    def erase(self, seqs: Sequence[int], why: str, now: datetime) -> list[int]:
        """Overwrite bodies and cut the log off; the seqs that were erased."""
        erased = self._writer.run(lambda db: sqlite_erase.erase(db, self._keys, seqs, why, now))
        sqlite_erase.scrub(self._path)
        return erased

    def hold(
        self,
        message: MessageId | None,
        agreement: AgreementId | None,
        reference: str,
        now: datetime,
    ) -> Hold:
        """Begin a hold, or find the one there is."""
        return self._writer.run(lambda db: sqlite_erase.hold(db, message, agreement, reference, now))

    def release(self, number: int, now: datetime) -> Hold | None:
        """End a hold."""
        return self._writer.run(lambda db: sqlite_erase.release(db, number, now))

    def holds(self) -> list[Hold]:
        """The holds in force."""
        with self._readers.snapshot() as db:
            return sqlite_read.holds(db)

    # Keys

    def data_keys(self) -> list[DataKeyRow]:
        """All data keys there ever were."""
        with self._readers.snapshot() as db:
            return sqlite_protect.data_keys(db)

    def unprotected(self) -> int:
        """How many chunks still hold bodies that are not encrypted."""
        with self._readers.snapshot() as db:
            return sqlite_protect.unprotected(db)

    def unlock(self) -> None:
        """StoreLockedError unless the key port opens every data key."""
        with self._readers.snapshot() as db:
            sqlite_protect.unlock(db, self._keys)

    def protect(self) -> int:
        """Encrypt one chunk of bodies from before there was encryption; how many are left. With the last one the log is
        cut off, so that nothing stays readable."""
        left = self._writer.run(lambda db: sqlite_protect.protect_one(db, self._keys))
        if left == 0:
            sqlite_erase.scrub(self._path)
        return left

    def rewrap(self, port: KeyPort, now: datetime) -> int:
        """Wrap every data key by another port, and use that from now on; how many keys. All of them or none."""
        count = self._writer.run(lambda db: sqlite_protect.rewrap(db, self._keys, port, now))
        self._keys.use(port)
        sqlite_erase.scrub(self._path)
        return count

    # Identity

    def keep_chains(self, chains: Mapping[bytes, Chain]) -> None:
        """Keep certificate chains by thumbprint; writes nothing if all of them are kept."""
        unseen = {thumb: chain for thumb, chain in chains.items() if thumb not in self._kept}
        if not unseen:
            return
        check_chains(unseen)
        with self._readers.snapshot() as db:
            new = {thumb: chain for thumb, chain in unseen.items() if sqlite_read.chain(db, thumb) is None}
        if new:
            self._writer.run(lambda db: sqlite_journal.keep_chains(db, new))
        self._kept |= unseen.keys()

    def chain(self, thumbprint: bytes) -> Chain | None:
        """The chain whose leaf has this SHA-256."""
        with self._readers.snapshot() as db:
            return sqlite_read.chain(db, thumbprint)

    def announced(self, partner: PartyId) -> int:
        """The highest sequence of our descriptor that the partner has acknowledged."""
        with self._readers.snapshot() as db:
            return sqlite_read.announced(db, partner)

    def set_announced(self, partner: PartyId, sequence: int) -> None:
        """Keep that the partner has acknowledged this sequence."""
        self._writer.run(lambda db: sqlite_out.set_announced(db, partner, sequence))

    def changed(self) -> int:
        """A number that differs after any write, by any process."""
        return self._readers.version()

    # Access tokens

    def revoke_token(self, token: RevokedToken, now: datetime) -> None:
        """Remember a revoked token until it would have ended."""
        self._writer.run(lambda db: sqlite_tokens.revoke(db, token, now))

    def revoke_tokens_of(self, partner: PartyId, at: datetime) -> None:
        """Revoke all tokens of a partner issued up to this time."""
        self._writer.run(lambda db: sqlite_tokens.revoke_all(db, partner, at))

    def token_revoked(self, token: str, partner: PartyId, issued: datetime) -> bool:
        """Whether a token is revoked."""
        with self._readers.snapshot() as db:
            return sqlite_tokens.is_revoked(db, token, partner, issued)

    def revoked_tokens(self, now: datetime) -> list[RevokedToken]:
        """Revoked tokens that have not ended."""
        with self._readers.snapshot() as db:
            return sqlite_tokens.revoked(db, now)

    def revoked_partners(self) -> dict[PartyId, datetime]:
        """Since when the tokens of which partners are revoked as a whole."""
        with self._readers.snapshot() as db:
            return sqlite_tokens.revoked_partners(db)
