"""A store that an earlier version made comes up to date with everything that is in it."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import resources
from pathlib import Path

import apsw
import pytest
from store_builders import NOW, THEM, US, accepted, act, incoming, outgoing, parcel, sqlite_store, verify

from intertie.exchange.outbound import State
from intertie.gateway.ports import Query
from intertie.journal.growth import grow
from intertie.seal.body_cipher import OVERHEAD
from intertie.seal.tree import Frontier
from intertie.stores import receiving, sending
from intertie.stores.rows import INSERT_MESSAGE, Row, micros, new_rows
from intertie.stores.schema import APPLICATION_ID

IN, OUT = incoming([1, 2, 3]), [outgoing(11), outgoing(12)]


def plain(rows: Iterable[Row]) -> list[Row]:
    """The rows as they were when a body took no more room than its bytes."""
    return [(*row[:-2], row[-2] - place * OVERHEAD, row[-1]) for place, row in enumerate(rows)]


def first_version(path: Path) -> None:
    """A store as the first schema had it: one parcel in, one waiting to go out, one message queued, a journal."""
    db = apsw.Connection(str(path))
    folder = resources.files("intertie.stores").joinpath("sql/sqlite")
    db.pragma("journal_mode", "wal")
    db.execute("BEGIN")
    db.execute(folder.joinpath("0001_first.sql").read_text(encoding="utf-8"))
    settled = receiving.settle(parcel(1, IN), IN, [], accepted(IN), {}, NOW)
    entries = [*receiving.arrival_entries(parcel(1, IN), settled, NOW), act()]
    sealed = parcel(2, OUT[:1], out=True)
    grown = grow(Frontier().to_bytes(), [*entries, sending.sealed_entry(sealed, NOW)])
    db.executemany("INSERT INTO journal VALUES (?, ?, ?)", grown.lines)
    db.execute("INSERT INTO frontier VALUES (1, ?, ?, ?)", (*grown.head, grown.nodes))
    chunks = (b"".join(m.body for m in IN), b"".join(m.body for m in OUT), sealed.blob)
    db.executemany("INSERT INTO chunks VALUES (?, ?)", list(enumerate(chunks, 1)))
    columns = "number, id, outgoing, partner, digest, chunk, manifest, leaves, receipt, at, state"
    for number, row, chunk, receipt, state in (
        (1, parcel(1, IN), None, b"receipt", "receipted"),
        (2, sealed, 3, None, "waiting"),
    ):
        values = (number, row.id, int(row.outgoing), THEM, row.digest, chunk, row.manifest, row.leaves)
        db.execute(
            f"INSERT INTO parcels ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (*values, receipt, micros(NOW), state),
        )
    db.executemany(INSERT_MESSAGE, plain(new_rows(IN, 1, 1, micros(NOW), parcel=1, done=True)))
    db.executemany(INSERT_MESSAGE, plain(new_rows(OUT, 4, 2, micros(NOW), parcel=None, done=False)))
    db.execute("UPDATE messages SET state = 'sending', parcel = 2, position = 0 WHERE seq = 4")
    db.execute("INSERT INTO tallies VALUES (0, 'accepted', 3), (1, 'sending', 1), (1, 'queued', 1)")
    db.execute("INSERT INTO partners VALUES (?, 7)", (THEM,))
    db.pragma("application_id", APPLICATION_ID)
    db.pragma("user_version", 1)
    db.execute("COMMIT")
    db.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    first_version(tmp_path / "store.db")
    return tmp_path / "store.db"


def test_everything_is_still_there(path: Path) -> None:
    store = sqlite_store(path)
    received, sent = store.messages(Query(outgoing=False)), store.messages(Query(outgoing=True))
    assert [row.body for row in received + sent] == [m.body for m in IN + OUT]
    assert [row.state for row in sent] == [State.SENDING, State.QUEUED]
    kept = store.parcel(parcel(1, IN).id, outgoing=False)
    assert kept is not None and kept == parcel(1, IN)._replace(receipt=b"receipt")
    due = store.unfinished_parcel(THEM, NOW)
    assert due is not None and due.blob == parcel(2, OUT[:1], out=True).blob and due.transport is None
    assert store.next_seq(THEM) == 7
    assert store.announced(THEM) == 0
    assert verify(store).size == 5
    store.close()


def test_it_goes_on_where_it_was(path: Path) -> None:
    store = sqlite_store(path)
    sealed = parcel(2, OUT[:1], out=True)
    store.close_parcel(sealed.id, b"receipt", [(OUT[0].id, State.ACCEPTED, "")], [act()], NOW)
    assert store.counts()[True, "accepted"] == 1
    assert [row.id for row in store.take_outgoing(THEM, NOW, count=9, size=9**9)] == [OUT[1].id]
    assert store.find_incoming(THEM, [m.id for m in IN]) == {m.id: m.leaf for m in IN}
    assert (IN[0].sender, OUT[0].sender) == (THEM, US)
    verify(store)
    store.close()


def test_once_up_to_date_it_is_opened_as_it_is(path: Path) -> None:
    sqlite_store(path).close()
    before = path.read_bytes()
    sqlite_store(path).close()
    assert path.read_bytes() == before
