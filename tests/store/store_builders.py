"""Messages, parcels and receipts for the tests of stores: the right shape, nothing sealed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from intertie.gateway.ports import NewMessage, ParcelRow, Refusal
from intertie.gateway.relaying.relay_ports import Relayed
from intertie.journal.checkpoint import Head
from intertie.journal.entry import Entry, Kind
from intertie.journal.verify import verify_entries
from intertie.model.ids import (
    AgreementId,
    ConversationId,
    DocumentName,
    InterfaceCode,
    MessageId,
    ParcelId,
    PartyId,
)
from intertie.seal.key_port import KeyFile
from intertie.seal.receipt import Outcome
from intertie.seal.transport import Transport
from intertie.seal.tree import leaf_hash
from intertie.stores.postgres import PostgresStore
from intertie.stores.postgres_schema import Server
from intertie.stores.sqlite import SqliteStore

NOW = datetime(2026, 7, 1, 12, 0, tzinfo=UTC)
US = PartyId("grid.example")
THEM = PartyId("agg.example")
OTHER = PartyId("other.example")
TLS = Transport(
    binding="parcel_https",
    engine="openssl",
    version="TLSv1.3",
    group="X25519MLKEM768",
    cipher="TLS_AES_256_GCM_SHA384",
    certificate="ab" * 32,
)


def sqlite_store(path: Path) -> SqliteStore:
    """A SQLite store with the key file beside it."""
    return SqliteStore(path, KeyFile(path.with_name("store.kek")))


def postgres_store(server: Server, folder: Path) -> PostgresStore:
    """A PostgreSQL store with its key file in a folder."""
    return PostgresStore(server, KeyFile(folder / "store.kek"))


def uuid7(number: int, family: int = 0) -> str:
    """A UUIDv7 that is the same in every run."""
    return f"{number:08x}-0000-7000-8{family:03x}-{number:012x}"


def message_id(number: int) -> MessageId:
    return MessageId(uuid7(number, 1))


def parcel_id(number: int) -> ParcelId:
    return ParcelId(uuid7(number, 2))


def message(
    number: int,
    *,
    sender: PartyId = THEM,
    recipient: PartyId = US,
    position: int = 0,
    body: bytes | None = None,
    priority: int = 5,
    conversation: str | None = None,
    document: str = "meter_readings",
    expires: datetime = NOW + timedelta(days=3),
) -> NewMessage:
    raw = json.dumps({"number": number, "text": "x" * 100}).encode() if body is None else body
    return NewMessage(
        body=raw,
        leaf=leaf_hash(raw),
        position=position,
        id=message_id(number),
        sender=sender,
        recipient=recipient,
        interface=InterfaceCode("DA"),
        document=DocumentName(document),
        mode="scheduled",
        conversation=None if conversation is None else ConversationId(conversation),
        agreement=AgreementId("base-2026"),
        created=NOW - timedelta(minutes=1),
        expires=expires,
        priority=priority,
    )


def outgoing(number: int, *, to: PartyId = THEM, **changes: object) -> NewMessage:
    return message(number, sender=US, recipient=to, **changes)  # type: ignore[arg-type]


def incoming(numbers: Sequence[int], sender: PartyId = THEM) -> list[NewMessage]:
    return [message(number, sender=sender, position=place) for place, number in enumerate(numbers)]


def accepted(messages: Sequence[NewMessage]) -> list[Outcome]:
    return [Outcome(message=m.id, leaf=m.leaf.hex(), status="accepted") for m in messages]


def queued_entries(messages: Sequence[NewMessage], now: datetime = NOW) -> list[Entry]:
    return [
        Entry(kind=Kind.MESSAGE_OUT, at=now, partner=m.recipient, message=m.id, digest=m.leaf.hex())
        for m in messages
    ]


def chain(number: int) -> tuple[bytes, tuple[bytes, ...]]:
    """A chain of two and its thumbprint; the right shape, no certificates."""
    leaf = b"leaf" + bytes([number])
    return hashlib.sha256(leaf).digest(), (leaf, b"intermediate")


def act(note: str = "test") -> Entry:
    return Entry(kind=Kind.ACT, at=NOW, digest=hashlib.sha256(note.encode()).hexdigest(), note=note)


def parcel(
    number: int,
    messages: Sequence[NewMessage],
    *,
    out: bool = False,
    partner: PartyId = THEM,
    salt: bytes = b"",
) -> ParcelRow:
    blob = b"sealed:" + salt + b"".join(m.body for m in messages)
    return ParcelRow(
        id=parcel_id(number),
        outgoing=out,
        partner=partner,
        digest=hashlib.sha256(blob).digest(),
        blob=blob if out else None,
        manifest=b'{"manifest":1}',
        leaves=b"".join(m.leaf for m in messages),
        receipt=None,
        at=NOW,
    )


def refusal(number: int, code: str = "schema", step: int = 9, partner: PartyId = THEM) -> Refusal:
    return Refusal(
        at=NOW,
        partner=partner,
        parcel=parcel_id(number),
        message=message_id(number),
        code=code,
        step=step,
        detail="body.x: expected int",
        digest=hashlib.sha256(str(number).encode()).digest(),
    )


def write_receipt(outcomes: Sequence[Outcome], head: Head) -> bytes:
    """A receipt that anybody can read: what the store told its writer."""
    said = [[o.message, o.status, o.code] for o in outcomes]
    return json.dumps({"outcomes": said, "size": head.size, "root": head.root.hex()}).encode()


def read_receipt(raw: bytes) -> tuple[list[str], Head]:
    """The statuses and the head."""
    said = json.loads(raw)
    return [status for _, status, _ in said["outcomes"]], Head(said["size"], bytes.fromhex(said["root"]))


def take_in(store, number: int, numbers: Sequence[int], sender: PartyId = THEM) -> bytes:  # type: ignore[no-untyped-def]
    """Accept a parcel of sound messages."""
    messages = incoming(numbers, sender)
    row = parcel(number, messages, partner=sender)
    return store.accept(row, messages, [], accepted(messages), write_receipt, NOW)


def verify(store, witnesses: Sequence[Head] = ()) -> Head:  # type: ignore[no-untyped-def]
    """The journal read back; raises if it does not hold together."""
    lines = [(raw, leaf) for _, raw, leaf in store.entries(limit=1_000_000)]
    return verify_entries(lines, store.head(), witnesses)


def relayed_row(
    number: int,
    *,
    text: bytes = b"sealed",
    priority: int = 5,
    expires: datetime = NOW + timedelta(hours=6),
    **fields: object,
) -> Relayed:
    """A parcel of others, from THEM to OTHER, as a relay keeps it."""
    plain = Relayed(
        parcel=parcel_id(number),
        sender=THEM,
        recipient=OTHER,
        previous=THEM,
        next=OTHER,
        hop=1,
        digest=hashlib.sha256(text).digest(),
        suite="MLKEM768-X25519/HKDF-SHA256/AES-256-GCM",
        size=len(text),
        blob=text,
        waybill=b"waybill",
        trail=b"[]",
        receipt=b"",
        at=NOW + timedelta(seconds=number),
        expires=expires,
        priority=priority,
    )
    return plain._replace(**fields)  # type: ignore[arg-type]
