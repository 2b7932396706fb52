"""The SQLite file under encryption: what a thief reads, what the wrong key reads, and what erasing leaves in the bytes."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta
from pathlib import Path

import apsw
import pytest
from store_builders import (
    NOW,
    THEM,
    accepted,
    incoming,
    message,
    message_id,
    outgoing,
    parcel,
    parcel_id,
    queued_entries,
    sqlite_store,
    take_in,
    verify,
    write_receipt,
)
from test_migration import IN, OUT, first_version

from intertie.exchange.outbound import State
from intertie.gateway.ports import Query
from intertie.journal.entry import read_entry
from intertie.model.errors import StoreError
from intertie.seal.body_cipher import StoreLockedError
from intertie.seal.key_port import KeyFile
from intertie.stores import sqlite_bodies, sqlite_erase
from intertie.stores.sqlite import SqliteStore

MARK = b"ACCOUNT-7731-4412"
AUGUST = datetime(2026, 8, 3, tzinfo=NOW.tzinfo)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


def on_disk(path: Path) -> bytes:
    """Every byte of the store's files, the log too."""
    return b"".join(p.read_bytes() for p in sorted(path.parent.glob("store.db*")))


def take_marked(store: SqliteStore, number: int, count: int = 3, now: datetime = NOW) -> list[bytes]:
    """A parcel of messages that hold a secret; their bodies."""
    messages = [
        message(number * 100 + n, position=n, body=b'{"secret":"%s","n":%d}' % (MARK, number * 100 + n))
        for n in range(count)
    ]
    row = parcel(number, messages)
    store.accept(row, messages, [], accepted(messages), write_receipt, now)
    return [m.body for m in messages]


def ciphertexts(path: Path) -> list[bytes]:
    """The ciphertext of each message, by seq."""
    db = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    rows = db.execute(
        "SELECT substr(c.data, m.start + 1, m.length + 28) FROM messages m JOIN chunks c USING (chunk) ORDER BY seq"
    )
    found = [data for (data,) in rows]
    db.close()
    return found


def test_no_body_lies_in_the_files(path: Path) -> None:
    store = sqlite_store(path)
    bodies = take_marked(store, 1)
    out = outgoing(1, body=b'{"secret":"%s"}' % MARK)
    store.add_outgoing([out], queued_entries([out]), NOW)
    assert MARK not in on_disk(path)
    assert [r.body for r in store.messages(Query(outgoing=False))] == bodies
    assert [r.body for r in store.take_outgoing(THEM, NOW, count=9, size=9999)] == [out.body]
    store.close()
    assert MARK not in on_disk(path)


def test_a_month_has_one_key_and_the_next_another(path: Path) -> None:
    store = sqlite_store(path)
    take_marked(store, 1)
    take_marked(store, 2)
    take_marked(store, 3, now=AUGUST)
    keys = store.data_keys()
    assert [(k.number, k.month, k.port, k.used, k.live) for k in keys] == [
        (1, "2026-07", "file", 6, 6),
        (2, "2026-08", "file", 3, 3),
    ]
    store.close()
    again = sqlite_store(path)
    assert take_marked(again, 4, now=AUGUST)
    assert [k.used for k in again.data_keys()] == [6, 6]
    assert len(again.messages(Query(outgoing=False))) == 12
    again.close()


def test_months_are_those_of_utc(path: Path) -> None:
    store = sqlite_store(path)
    take_marked(store, 1, now=datetime.fromisoformat("2026-08-01T01:00:00+02:00"))
    assert [k.month for k in store.data_keys()] == ["2026-07"]
    store.close()


def test_a_key_that_has_done_its_work_is_followed_by_another(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_bodies, "USES_MAX", 5)
    store = sqlite_store(path)
    bodies = take_marked(store, 1) + take_marked(store, 2)
    assert [(k.month, k.used) for k in store.data_keys()] == [("2026-07", 3), ("2026-07", 3)]
    assert [r.body for r in store.messages(Query(outgoing=False))] == bodies
    store.close()


# Without the key


@pytest.mark.parametrize("how", ["none", "lost", "other"])
def test_without_the_right_key_the_index_is_there_and_bodies_stay_closed(path: Path, how: str) -> None:
    store = sqlite_store(path)
    bodies = take_marked(store, 1)
    head = store.head()
    store.close()
    key = path.with_name("store.kek")
    right = key.read_bytes()
    if how == "lost":
        key.unlink()
    elif how == "other":
        key.write_bytes(bytes(32))
    locked = SqliteStore(path) if how == "none" else sqlite_store(path)
    assert len(locked.messages(Query(outgoing=False, bodies=False))) == 3
    assert locked.counts() == {(False, "accepted"): 3}
    assert locked.message(message_id(100), body=False) is not None
    assert verify(locked) == head
    with pytest.raises(StoreLockedError):
        locked.messages(Query(outgoing=False))
    with pytest.raises(StoreLockedError):
        locked.unlock()
    for now in (NOW, AUGUST):  # neither this month's key nor a new one
        with pytest.raises(StoreLockedError):
            take_marked(locked, 2, now=now)
    with pytest.raises(StoreLockedError):
        locked.add_outgoing([outgoing(1)], [], NOW)
    assert (locked.head(), len(locked.data_keys())) == (head, 1)
    locked.close()
    key.write_bytes(right)
    key.chmod(0o600)
    unlocked = sqlite_store(path)
    unlocked.unlock()
    assert [r.body for r in unlocked.messages(Query(outgoing=False))] == bodies
    unlocked.close()


def test_a_store_without_a_key_port_keeps_no_first_body_either(path: Path) -> None:
    store = SqliteStore(path)
    with pytest.raises(StoreLockedError, match="without its key port"):
        take_in(store, 1, [1])
    assert store.head().size == 0
    store.close()


def test_a_body_that_was_changed_or_moved_is_a_named_error(path: Path) -> None:
    store = sqlite_store(path)
    take_marked(store, 1)
    db = apsw.Connection(str(path))
    starts = dict(db.execute("SELECT seq, start FROM messages"))
    db.execute("UPDATE messages SET start = ? WHERE seq = 1", (starts[2],))
    db.close()
    with pytest.raises(StoreError, match="changed in the store"):
        store.message(message_id(100))
    assert store.message(message_id(101)) is not None
    store.close()


# Erasing


def test_neither_body_nor_ciphertext_is_left_in_file_or_log(path: Path) -> None:
    store = sqlite_store(path)
    bodies = take_marked(store, 1, count=40)
    before = ciphertexts(path)
    assert all(one in on_disk(path) for one in before)
    assert store.erase([2, 3], "privacy_request", NOW) == [2, 3]
    raw = on_disk(path)
    assert [one in raw for one in before] == [seq not in (2, 3) for seq in range(1, 41)]
    assert path.with_name("store.db-wal").stat().st_size == 0
    kept = store.messages(Query(outgoing=False))
    assert [r.body for r in kept] == [b"" if r.erased else body for r, body in zip(kept, bodies, strict=True)]
    verify(store)
    store.close()


def test_the_sealed_bytes_are_gone_from_file_and_log_too(path: Path) -> None:
    store = sqlite_store(path)
    one = outgoing(1, body=b"y" * 9000)
    sealed = parcel(1, [one], out=True, salt=b"HPKE-CIPHERTEXT")
    store.add_outgoing([one], queued_entries([one]), NOW)
    store.add_parcel(sealed, [one.id], NOW)
    assert b"HPKE-CIPHERTEXT" in on_disk(path)
    store.close_parcel(parcel_id(1), b"receipt", [(one.id, State.ACCEPTED, "")], [], NOW)
    store.erase([1], "order", NOW)
    assert b"HPKE-CIPHERTEXT" not in on_disk(path)
    assert b"yyyy" not in on_disk(path)
    store.close()


def test_the_last_body_of_a_month_takes_the_key_with_it(path: Path) -> None:
    store = sqlite_store(path)
    take_marked(store, 1)
    take_marked(store, 2, now=AUGUST)
    db = apsw.Connection(str(path))
    wrapped = db.execute("SELECT wrapped FROM data_keys WHERE number = 1").get
    db.close()
    store.erase([1, 2], "retention", AUGUST)
    assert [k.destroyed_at for k in store.data_keys()] == [None, None]
    store.erase([3], "retention", AUGUST)
    first, second = store.data_keys()
    assert (first.destroyed_at, first.live, second.destroyed_at, second.live) == (AUGUST, 0, None, 3)
    assert wrapped not in on_disk(path)
    notes = [read_entry(raw).note for _, raw, _ in store.entries()]
    assert notes[-1] == "data_key_destroyed:2026-07#1"
    take_marked(store, 3)  # a late one of that month gets a key of its own
    assert [(k.month, k.live) for k in store.data_keys()][2] == ("2026-07", 3)
    assert len([r for r in store.messages(Query(outgoing=False)) if r.body]) == 6
    verify(store)
    store.close()


def test_an_empty_chunk_gives_its_room_back(path: Path) -> None:
    store = sqlite_store(path)
    big = [message(n, position=n, body=bytes([n]) * 50_000) for n in range(3)]
    store.accept(parcel(1, big), big, [], accepted(big), write_receipt, NOW)
    store.erase([1, 2, 3], "order", NOW)
    db = apsw.Connection(str(path))
    assert db.execute("SELECT max(length(data)) FROM chunks").get == 0
    assert db.pragma("freelist_count") > 30
    db.close()
    store.close()


def test_a_log_that_is_being_read_is_said_and_cut_off_the_next_time(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("intertie.stores.schema.BUSY_MILLISECONDS", 100)
    store = sqlite_store(path)
    take_marked(store, 1)
    secret = ciphertexts(path)[0]
    reader = apsw.Connection(str(path))
    reader.execute("BEGIN")
    assert reader.execute("SELECT count(*) FROM messages").get == 3
    with pytest.raises(StoreError, match="another process is reading") as caught:
        store.erase([1], "order", NOW)
    assert "again" in caught.value.do
    row = store.message(message_id(100))
    assert row is not None and row.erased is not None
    reader.execute("ROLLBACK")
    reader.close()
    assert store.erase([1], "order", NOW) == []
    assert secret not in on_disk(path)
    store.close()


def test_erasing_beside_writers_loses_nothing(path: Path) -> None:
    store = sqlite_store(path)
    take_marked(store, 1, count=50)
    writers = [threading.Thread(target=take_marked, args=(store, n)) for n in range(2, 8)]
    for writer in writers:
        writer.start()
    for seq in range(1, 51, 10):
        assert len(store.erase(range(seq, seq + 10), "order", NOW)) == 10
    for writer in writers:
        writer.join()
    assert len([r for r in store.messages(Query(outgoing=False)) if MARK in r.body]) == 18
    assert [(k.used, k.live) for k in store.data_keys()] == [(68, 18)]
    verify(store)
    store.close()


# A store of before


def test_bodies_of_before_read_as_they_are_and_then_are_encrypted(path: Path) -> None:
    first_version(path)
    plain = IN[0].body
    store = sqlite_store(path)
    assert store.unprotected() == 2
    assert plain in on_disk(path)
    both = [r.body for out in (False, True) for r in store.messages(Query(outgoing=out))]
    assert [store.protect(), store.protect(), store.protect()] == [1, 0, 0]
    assert store.unprotected() == 0
    assert not any(
        m.body in on_disk(path).replace(parcel(2, OUT[:1], out=True).blob or b"", b"") for m in IN + OUT
    )
    assert [r.body for out in (False, True) for r in store.messages(Query(outgoing=out))] == both
    assert [(k.month, k.used, k.live) for k in store.data_keys()] == [("2026-07", 5, 5)]
    due = store.unfinished_parcel(THEM, NOW)
    assert due is not None and due.blob == parcel(2, OUT[:1], out=True).blob
    verify(store)
    store.close()


def test_bodies_of_before_can_be_erased_before_and_after_they_are_encrypted(path: Path) -> None:
    first_version(path)
    store = sqlite_store(path)
    assert store.erase([2], "order", NOW) == [2]
    assert IN[1].body not in on_disk(path)
    while store.protect():
        pass
    assert [r.body for r in store.messages(Query(outgoing=False))] == [IN[0].body, b"", IN[2].body]
    assert store.erase([1, 3], "order", NOW) == [1, 3]
    assert [(k.used, k.live) for k in store.data_keys()] == [(4, 2)]
    verify(store)
    store.close()


def test_encrypting_goes_on_after_an_interruption_and_needs_the_key(path: Path) -> None:
    first_version(path)
    locked = SqliteStore(path)
    with pytest.raises(StoreLockedError):
        locked.protect()
    assert [r.body for r in locked.messages(Query(outgoing=False))] == [m.body for m in IN]
    locked.close()
    for left in (1, 0):
        store = sqlite_store(path)
        assert store.protect() == left
        store.close()


def test_a_new_message_beside_bodies_of_before(path: Path) -> None:
    first_version(path)
    store = sqlite_store(path)
    take_in(store, 9, [50])
    assert [r.body for r in store.messages(Query(outgoing=False))] == [m.body for m in IN + incoming([50])]
    assert store.unprotected() == 2
    store.close()


# Another key port


def test_rewrapping_leaves_bodies_and_retires_the_old_key(path: Path) -> None:
    store = sqlite_store(path)
    bodies = take_marked(store, 1) + take_marked(store, 2, now=AUGUST)
    before = ciphertexts(path)
    new = KeyFile(path.with_name("new.kek"))
    assert store.rewrap(new, AUGUST) == 2
    assert ciphertexts(path) == before
    assert [r.body for r in store.messages(Query(outgoing=False))] == bodies
    assert read_entry(store.entries()[-1][1]).note == "rewrapped:file"
    store.close()
    old = sqlite_store(path)
    with pytest.raises(StoreLockedError):
        old.messages(Query(outgoing=False))
    old.close()
    path.with_name("store.kek").unlink()
    again = SqliteStore(path, new)
    assert [r.body for r in again.messages(Query(outgoing=False))] == bodies
    assert take_marked(again, 3, now=AUGUST)
    again.close()


def test_rewrapping_is_all_or_nothing(path: Path) -> None:
    store = sqlite_store(path)
    bodies = take_marked(store, 1) + take_marked(store, 2, now=AUGUST)
    head = store.head()

    class Failing(KeyFile):
        calls = 0

        def wrap(self, key: bytes, context: bytes) -> bytes:
            self.calls += 1
            if self.calls == 2:
                raise StoreError("the module is not there")
            return super().wrap(key, context)

    with pytest.raises(StoreError, match="not there"):
        store.rewrap(Failing(path.with_name("new.kek")), NOW)
    assert store.head() == head
    assert [r.body for r in store.messages(Query(outgoing=False))] == bodies
    store.close()


def test_a_key_row_that_was_rolled_back_is_another_key(path: Path) -> None:
    """The number of a key is given again if its transaction was lost; the cache must not answer with the lost one."""
    store = sqlite_store(path)
    messages = incoming([1])

    def fails(outcomes: object, head: object) -> bytes:
        raise StoreError("lost")

    with pytest.raises(StoreError, match="lost"):
        store.accept(parcel(1, messages), messages, [], accepted(messages), fails, NOW)
    take_in(store, 1, [1])
    store.close()
    again = sqlite_store(path)
    assert again.messages(Query(outgoing=False))[0].body == messages[0].body
    again.close()


def test_scrubbing_a_file_that_is_gone_is_a_named_error(tmp_path: Path) -> None:
    with pytest.raises(StoreError):
        sqlite_erase.scrub(tmp_path / "none.db")


def test_the_index_alone_is_what_a_locked_store_needs(path: Path) -> None:
    store = sqlite_store(path)
    take_marked(store, 1)
    store.close()
    locked = SqliteStore(path)
    assert locked.erase([1], "order", NOW + timedelta(days=1)) == [1]  # to erase no key is needed
    locked.close()
