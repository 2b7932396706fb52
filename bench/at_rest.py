"""What it costs to keep: bodies encrypted one by one, in the store and on disk when the call returns; and the journal."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path

import apsw

from bench import primitives
from bench.measure import OURS, PRIMITIVES, Call, Case, Job, Scale
from bench.world import MESSAGE_BYTES, NOW, messages
from intertie.gateway.ports import NewMessage, Query
from intertie.journal.entry import Entry, Kind
from intertie.model.ids import AgreementId, DocumentName, InterfaceCode, PartyId, new_message_id
from intertie.seal.body_cipher import OVERHEAD, BodyCipher, BodyName
from intertie.seal.key_port import KeyFile
from intertie.seal.tree import leaf_hash
from intertie.stores.schema import connect
from intertie.stores.sqlite import SqliteStore

US, THEM = PartyId("a.example"), PartyId("b.example")
# The primitives, and the bytes in one table of a bare SQLite file with the store's own settings: as durable.
BARE_SQLITE = "with bare SQLite"
CIPHERTEXT_BYTES = MESSAGE_BYTES + OVERHEAD
ENTRY_BYTES = 300


def plan(scale: Scale) -> list[Job]:
    """The cipher alone, the store with everything it writes beside bodies, and the journal."""
    kinds = (encrypt, decrypt, keep, read, append)
    return [partial(kind, count) for kind in kinds for count in scale.counts]


@contextmanager
def encrypt(count: int) -> Iterator[Case]:
    """Bodies, each a ciphertext of its own that is bound to its row."""
    cipher, named = BodyCipher(os.urandom(32)), _named(_new(count))
    calls = {OURS: lambda: cipher.seal(named), PRIMITIVES: _each(count, primitives.encrypt)}
    yield Case("encrypt bodies", count, "µs", calls)


@contextmanager
def decrypt(count: int) -> Iterator[Case]:
    """The same bodies, one by one."""
    cipher, named = BodyCipher(os.urandom(32)), _named(_new(count))
    sealed = [(name, cipher.seal([(name, body)])) for name, body in named]

    def ours() -> None:
        for name, ciphertext in sealed:
            cipher.open(name, ciphertext)

    yield Case("decrypt bodies", count, "µs", {OURS: ours, PRIMITIVES: _each(count, primitives.decrypt)})


@contextmanager
def keep(count: int) -> Iterator[Case]:
    """Messages queued: rows, encrypted bodies and journal entries in one transaction."""
    with _folder() as folder:
        store, bare, floor = _store(folder), Bare(folder, CIPHERTEXT_BYTES), _each(count, primitives.encrypt)
        fresh: list[NewMessage] = []

        def before() -> None:
            fresh[:] = _new(count)

        calls = {
            OURS: lambda: store.add_outgoing(fresh, _entries(fresh), NOW),
            PRIMITIVES: floor,
            BARE_SQLITE: primitives.together(floor, partial(bare.keep, count)),
        }
        yield Case("keep in the store", count, "µs", calls, before)
        store.close()
        bare.close()


@contextmanager
def read(count: int) -> Iterator[Case]:
    """The same messages read."""
    with _folder() as folder:
        store, bare, floor = _store(folder), Bare(folder, CIPHERTEXT_BYTES), _each(count, primitives.decrypt)
        new = _new(count)
        store.add_outgoing(new, _entries(new), NOW)
        bare.keep(count)
        query = Query(outgoing=True, limit=count)
        calls = {
            OURS: lambda: store.messages(query),
            PRIMITIVES: floor,
            BARE_SQLITE: primitives.together(floor, partial(bare.read, count)),
        }
        yield Case("read from the store", count, "µs", calls)
        store.close()
        bare.close()


@contextmanager
def append(count: int) -> Iterator[Case]:
    """Entries in the journal, its head and the edge of its tree."""
    with _folder() as folder:
        store, bare = _store(folder), Bare(folder, ENTRY_BYTES)
        entries, floor = _entries(_new(count)), primitives.hash_tree([bytes(ENTRY_BYTES)] * count)
        calls = {
            OURS: lambda: store.note(entries),
            PRIMITIVES: floor,
            BARE_SQLITE: primitives.together(floor, partial(bare.keep, count)),
        }
        yield Case("append to the journal", count, "µs", calls)
        store.close()
        bare.close()


class Bare:
    """Bytes in a table of their own, with the store's settings and without anything that makes a store of it."""

    def __init__(self, folder: Path, size: int) -> None:
        path = folder / "bare.db"
        db = apsw.Connection(str(path))
        db.pragma("journal_mode", "wal")
        db.execute("CREATE TABLE kept (number INTEGER PRIMARY KEY, data BLOB)")
        db.close()
        self._db = connect(path, write=True)
        self._data = os.urandom(size)

    def keep(self, count: int) -> None:
        """So many rows in one transaction, on disk when this returns."""
        with self._db:
            self._db.executemany("INSERT INTO kept (data) VALUES (?)", [(self._data,)] * count)

    def read(self, count: int) -> None:
        """So many rows."""
        self._db.execute("SELECT data FROM kept ORDER BY number LIMIT ?", (count,)).fetchall()

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="intertie-bench-") as name:
        yield Path(name)


def _store(folder: Path) -> SqliteStore:
    return SqliteStore(folder / "store.db", KeyFile(folder / "store.kek"))


def _each(count: int, primitive: Callable[[int], Call]) -> Call:
    """A primitive over so many bodies, one by one."""
    once = primitive(MESSAGE_BYTES)

    def all_of_them() -> None:
        for _ in range(count):
            once()

    return all_of_them


def _named(new: Sequence[NewMessage]) -> list[tuple[BodyName, bytes]]:
    return [(BodyName(seq, True, one.id, one.leaf), one.body) for seq, one in enumerate(new, 1)]


def _new(count: int) -> list[NewMessage]:
    return [_message(place, body) for place, body in enumerate(messages(count))]


def _message(place: int, body: bytes) -> NewMessage:
    return NewMessage(
        body=body,
        leaf=leaf_hash(body),
        position=place,
        id=new_message_id(NOW),
        sender=US,
        recipient=THEM,
        interface=InterfaceCode("DA"),
        document=DocumentName("meter_readings"),
        mode="scheduled",
        conversation=None,
        agreement=AgreementId("base-2026"),
        created=NOW,
        expires=NOW + timedelta(days=3),
        priority=5,
    )


def _entries(new: Sequence[NewMessage]) -> list[Entry]:
    return [
        Entry(kind=Kind.MESSAGE_OUT, at=NOW, partner=THEM, message=one.id, digest=one.leaf.hex())
        for one in new
    ]
