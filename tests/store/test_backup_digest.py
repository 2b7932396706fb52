"""What was changed in a backup is found, wherever it stands: where no key and no signature is at hand, by its digest."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import apsw
import pytest
from store_builders import (
    NOW,
    act,
    chain,
    message_id,
    outgoing,
    parcel,
    parcel_id,
    queued_entries,
    refusal,
    sqlite_store,
    take_in,
)

from intertie.exchange.outbound import State
from intertie.journal.checkpoint import Head
from intertie.model.errors import EvidenceError, IntertieError, StoreError
from intertie.stores.backup import Contents, back_up, restore

# Places in the file that are changed, one at a time: enough to meet every kind of row.
PLACES = 150


@pytest.fixture
def backup(tmp_path: Path) -> tuple[Path, Contents]:
    """A backup with something in most tables."""
    with closing(sqlite_store(tmp_path / "s.db")) as store:
        messages = [outgoing(n) for n in (1, 2, 3)]
        store.add_outgoing(messages, queued_entries(messages), NOW)
        store.add_parcel(parcel(1, messages[:1], out=True), [message_id(1)], NOW)
        done = (message_id(1), State.ACCEPTED, "")
        store.close_parcel(parcel_id(1), b"receipt", [done], [act()], NOW, head=Head(7, b"7" * 32))
        take_in(store, 20, [21, 22, 23])
        store.refuse(refusal(30))
        store.keep_chains(dict([chain(1)]))
        return tmp_path / "backup", back_up(store, tmp_path / "backup")


def restored(file: Path, folder: Path) -> Contents:
    """Into a new store; nothing is in it if that raises."""
    for one in folder.glob("target.db*"):
        one.unlink()
    with closing(sqlite_store(folder / "target.db")) as store:
        try:
            return restore(store, file)
        except IntertieError:
            assert store.head().size == 0 and not store.counts()
            raise


def test_a_changed_bit_is_found_or_changes_nothing(backup: tuple[Path, Contents], tmp_path: Path) -> None:
    file, want = backup
    raw, found = file.read_bytes(), 0
    places = [place for place in range(100, len(raw)) if raw[place]]  # what is 0 is mostly free space
    for place in places[:: max(1, len(places) // PLACES)]:
        bad = tmp_path / "bad"
        bad.write_bytes(raw[:place] + bytes([raw[place] ^ 1]) + raw[place + 1 :])
        try:
            assert restored(bad, tmp_path)._replace(compared=True) == want, place
        except IntertieError:
            found += 1
    assert found > PLACES / 2


@pytest.mark.parametrize("what", ["data", "receipt", "manifest", "leaves", "detail", "chain", "root"])
def test_a_changed_value_is_found(what: str, backup: tuple[Path, Contents], tmp_path: Path) -> None:
    table = {"data": "chunks", "detail": "refusals", "chain": "chains", "root": "partner_heads"}.get(
        what, "parcels"
    )
    kind = "TEXT" if what in ("detail", "chain") else "BLOB"
    order = "thumbprint" if table == "chains" else "rowid"
    with closing(apsw.Connection(str(backup[0]))) as db:
        last = f"{order} = (SELECT max({order}) FROM {table})"
        db.execute(f"UPDATE {table} SET {what} = CAST(substr({what}, 2) || 'x' AS {kind}) WHERE {last}")
        assert db.changes() == 1
    with pytest.raises(StoreError, match="was changed after it was written"):
        restored(backup[0], tmp_path)


@pytest.mark.parametrize("table", ["messages", "parcels", "journal", "refusals", "chains", "partner_heads"])
def test_a_row_that_is_gone_is_found(table: str, backup: tuple[Path, Contents], tmp_path: Path) -> None:
    with closing(apsw.Connection(str(backup[0]))) as db:
        assert db.execute(f"DELETE FROM {table} RETURNING 1").fetchall()
    with pytest.raises((StoreError, EvidenceError)):
        restored(backup[0], tmp_path)


def test_a_copy_by_sqlite_itself_is_restored_and_said_not_to_be_compared(tmp_path: Path) -> None:
    with closing(sqlite_store(tmp_path / "s.db")) as store:
        take_in(store, 1, [1, 2])
        head = store.head()
    contents = restored(tmp_path / "s.db", tmp_path)
    assert not contents.compared and contents.head == head and contents.rows["messages"] == 2


def test_it_is_the_same_whoever_writes_it(tmp_path: Path) -> None:
    with closing(sqlite_store(tmp_path / "s.db")) as store:
        take_in(store, 1, [1, 2])
        one, two = (back_up(store, tmp_path / name).digest for name in ("a", "b"))
        take_in(store, 3, [3])
        assert one == two != back_up(store, tmp_path / "c").digest
