"""The SQLite file itself: ours or left alone, private, durable, and quick to ask."""

from __future__ import annotations

import re
import stat
import subprocess
import sys
import threading
from pathlib import Path

import apsw
import pytest
from store_builders import (
    NOW,
    THEM,
    accepted,
    act,
    incoming,
    outgoing,
    parcel,
    sqlite_store,
    take_in,
    verify,
    write_receipt,
)

from intertie.exchange.outbound import State
from intertie.gateway.ports import Query
from intertie.journal.checkpoint import Head
from intertie.model.errors import IntertieError, SettingsError, StoreError
from intertie.stores import schema, sqlite_in, sqlite_out
from intertie.stores.schema import APPLICATION_ID, connect, migrations, open_store
from intertie.stores.sqlite_read import select_messages
from intertie.stores.writer import Writer


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


def test_only_its_owner_reads_the_file_and_its_log(path: Path) -> None:
    store = sqlite_store(path)
    store.note([act()])
    modes = {p.name: stat.S_IMODE(p.stat().st_mode) for p in path.parent.iterdir()}
    store.close()
    assert modes == {"store.db": 0o600, "store.db-wal": 0o600, "store.db-shm": 0o600}


def test_what_was_written_is_there_again(path: Path) -> None:
    store = sqlite_store(path)
    receipt = take_in(store, 1, [1, 2])
    store.add_outgoing([outgoing(3)], [act()], NOW)
    rows, head = store.messages(Query(outgoing=False)), store.head()
    store.close()
    store = sqlite_store(path)
    assert (store.messages(Query(outgoing=False)), store.head()) == (rows, head)
    assert take_in(store, 1, [1, 2]) == receipt
    assert verify(store) == head
    store.close()


def test_settings_of_the_writing_connection(path: Path) -> None:
    open_store(path)
    db = connect(path, write=True)
    assert db.pragma("journal_mode") == "wal"
    assert db.pragma("synchronous") == 2  # FULL
    assert db.pragma("foreign_keys") == 1
    assert db.pragma("application_id") == APPLICATION_ID
    assert db.pragma("user_version") == migrations()[-1].version
    strict = db.execute("SELECT name FROM pragma_table_list WHERE schema = 'main' AND NOT strict").get
    assert strict == "sqlite_schema"
    db.close()
    reader = connect(path, write=False)
    with pytest.raises(apsw.ReadOnlyError):
        reader.execute("DELETE FROM journal")
    reader.close()


def test_unknown_file_is_left_as_it_is(path: Path) -> None:
    path.write_bytes(b"these are somebody's holiday notes, not a database " * 100)
    before = path.read_bytes()
    with pytest.raises(SettingsError, match=r"not a store.*name another file"):
        sqlite_store(path)
    assert path.read_bytes() == before


def test_database_of_another_program_is_left_as_it_is(path: Path) -> None:
    db = apsw.Connection(str(path))
    db.execute("CREATE TABLE holidays (day TEXT)")
    db.close()
    before = path.read_bytes()
    with pytest.raises(SettingsError, match="not a store"):
        sqlite_store(path)
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == ["store.db"]


def test_empty_database_of_another_program_is_left_too(path: Path) -> None:
    db = apsw.Connection(str(path))
    db.pragma("application_id", 77)
    db.close()
    with pytest.raises(SettingsError, match="not a store"):
        sqlite_store(path)


def test_newer_schema_is_refused_with_what_to_do(path: Path) -> None:
    sqlite_store(path).close()
    db = apsw.Connection(str(path))
    newest = migrations()[-1].version
    db.pragma("user_version", newest + 1)
    db.close()
    with pytest.raises(SettingsError, match=rf"schema {newest + 1}.*up to {newest}.*newer") as caught:
        sqlite_store(path)
    assert "restore a backup" in caught.value.do


def test_crash_right_after_the_file_was_made(path: Path) -> None:
    path.touch()
    store = sqlite_store(path)
    assert store.note([act()]).size == 1
    store.close()


def test_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="make its folder"):
        sqlite_store(tmp_path / "none" / "store.db")


def test_folder_in_place_of_the_file(tmp_path: Path) -> None:
    with pytest.raises(StoreError):
        sqlite_store(tmp_path)


def test_damaged_file_is_a_named_error(path: Path) -> None:
    store = sqlite_store(path)
    take_in(store, 1, range(1, 200))
    store.close()
    raw = bytearray(path.read_bytes())
    raw[4096:] = b"\xff" * (len(raw) - 4096)
    path.write_bytes(raw)
    with pytest.raises(IntertieError, match="damaged"):
        sqlite_store(path).messages(Query(outgoing=False))


def test_several_processes_may_make_the_file_at_once(path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from datetime import datetime, UTC;"
        "from intertie.stores.sqlite import SqliteStore; from intertie.journal.entry import Entry, Kind;"
        "s = SqliteStore(Path(sys.argv[1]));"
        "[s.note([Entry(kind=Kind.ACT, at=datetime(2026,1,1,tzinfo=UTC), digest='0'*64)]) for _ in range(25)];"
        "s.close()"
    )
    running = [subprocess.Popen([sys.executable, "-c", code, str(path)]) for _ in range(3)]
    assert [process.wait(60) for process in running] == [0, 0, 0]
    store = sqlite_store(path)
    assert verify(store) == store.head()
    assert store.head().size == 75
    store.close()


def test_migrations_without_a_gap(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    folder = tmp_path / "sql" / "sqlite"
    folder.mkdir(parents=True)
    monkeypatch.setattr(schema.resources, "files", lambda package: tmp_path)
    (folder / "0001_a.sql").write_text("CREATE TABLE a (x)")
    (folder / "notes.txt").write_text("0007")
    assert [m.version for m in migrations()] == [1]
    (folder / "0003_c.sql").write_text("CREATE TABLE c (x)")
    with pytest.raises(SettingsError, match=r"\[1, 3\]"):
        migrations()


def test_next_migration_is_applied_to_an_older_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = sqlite_store(path)
    head = store.note([act()])
    store.close()
    known = migrations()
    next_one = schema.Migration(len(known) + 1, "CREATE TABLE more (x INTEGER) STRICT")
    monkeypatch.setattr(schema, "migrations", lambda: [*known, next_one])
    store = sqlite_store(path)
    assert store.head() == head
    store.close()
    db = apsw.Connection(str(path))
    assert db.pragma("user_version") == len(known) + 1
    assert db.table_exists("main", "more")
    db.close()


def test_failing_migration_leaves_the_old_schema(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sqlite_store(path).close()
    known = migrations()
    broken = schema.Migration(
        len(known) + 1, "CREATE TABLE more (x INTEGER) STRICT; CREATE TABLE frontier (y)"
    )
    with monkeypatch.context() as patched:
        patched.setattr(schema, "migrations", lambda: [*known, broken])
        with pytest.raises(StoreError):
            sqlite_store(path)
    store = sqlite_store(path)
    assert store.note([act()]).size == 1
    store.close()


# One failing operation does not take others of its group down.


def test_group_commits_the_sound_and_tells_the_others(path: Path) -> None:
    open_store(path)
    db = connect(path, write=True)
    commits: list[str] = []
    db.exec_trace = lambda cursor, sql, bindings: commits.append(sql) or True
    writer = Writer(db)
    begun, gate = threading.Event(), threading.Event()
    results: dict[int, object] = {}

    def call(number: int) -> None:
        def operation(connection: apsw.Connection) -> int:
            connection.execute("INSERT INTO partners (party) VALUES (?)", (f"p{number}",))
            if number == 3:
                raise StoreError("the third")
            if number == 4:
                connection.execute("INSERT INTO partners (party) VALUES ('p4')")
            return number

        try:
            results[number] = writer.run(operation)
        except StoreError as error:
            results[number] = str(error)

    blocker = threading.Thread(target=lambda: writer.run(lambda connection: begun.set() or gate.wait(10)))
    blocker.start()
    assert begun.wait(10)
    callers = [threading.Thread(target=call, args=(n,)) for n in range(1, 6)]
    for caller in callers:
        caller.start()
    while writer._jobs.qsize() < 5:
        threading.Event().wait(0.01)
    gate.set()
    for thread in [blocker, *callers]:
        thread.join()
    assert commits.count("COMMIT") == 2  # the blocker's, and one for the group
    writer.close()
    assert results[1] == 1
    assert results[2] == 2
    assert results[3] == "the third"
    assert "UNIQUE" in str(results[4])
    assert results[5] == 5
    reader = connect(path, write=False)
    kept = [party for (party,) in reader.execute("SELECT party FROM partners ORDER BY party")]
    reader.close()
    assert kept == ["p1", "p2", "p5"]


def test_write_inside_a_write_is_an_error_and_not_a_standstill(path: Path) -> None:
    store = sqlite_store(path)
    messages = incoming([1])

    def writes(outcomes: object, head: Head) -> bytes:
        store.note([act()])
        return b"receipt"

    with pytest.raises(StoreError, match="write inside a write"):
        store.accept(parcel(1, messages), messages, [], accepted(messages), writes, NOW)
    assert store.head().size == 0
    store.close()


def test_receipt_writer_may_read(path: Path) -> None:
    store = sqlite_store(path)
    messages = incoming([1])

    def reads(outcomes: list, head: Head) -> bytes:  # type: ignore[type-arg]
        assert store.head().size == 0  # readers see only finished writes
        assert head.size == 1
        return write_receipt(outcomes, head)

    store.accept(parcel(1, messages), messages, [], accepted(messages), reads, NOW)
    assert store.head().size == 2
    store.close()


def test_error_that_is_a_mistake_of_the_caller_reaches_the_caller(path: Path) -> None:
    store = sqlite_store(path)
    messages = incoming([1])
    with pytest.raises(ZeroDivisionError):
        store.accept(
            parcel(1, messages), messages, [], accepted(messages), lambda outcomes, head: 1 // 0, NOW
        )
    assert store.head().size == 0
    assert store.note([act()]).size == 1
    store.close()


def test_busy_store_is_a_named_error(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema, "BUSY_MILLISECONDS", 50)
    store = sqlite_store(path)
    other = apsw.Connection(str(path))
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match="busy"):
        store.note([act()])
    assert store.head().size == 0  # readers do not wait for writers
    other.execute("ROLLBACK")
    assert store.note([act()]).size == 1
    other.close()
    store.close()


# What is asked often is found by an index, and kept numbers are true.


PLANS = {
    "due": (sqlite_out._CANDIDATES, "messages_queued"),
    "ahead": (sqlite_out._AHEAD, "messages_talking"),
    "unfinished": (sqlite_out._UNFINISHED, "parcels_waiting"),
    "by ids": (sqlite_out._BY_IDS, "messages_id"),
    "by id": (sqlite_out._BY_ID, "messages_id"),
    "expired": (sqlite_out._EXPIRED, "messages_expiring"),
    "seen": (sqlite_in._FIND_MESSAGES, "messages_id"),
    "repeat": (sqlite_in._FIND_PARCEL, "parcels_id"),
    "partners: messages": (sqlite_out._PARTNERS, "messages_queued"),
    "partners: conversations": (sqlite_out._PARTNERS, "messages_talking"),
    "partners: parcels": (sqlite_out._PARTNERS, "parcels_waiting"),
    "list": (select_messages(Query(outgoing=True))[0], "m USING INTEGER PRIMARY KEY (rowid>?)"),
    "list by partner": (select_messages(Query(outgoing=True, partner=THEM))[0], "(rowid>?)"),
    "list by state": (
        select_messages(Query(outgoing=True, states=[State.QUEUED]))[0],
        "messages_expiring",
    ),
    "list by state of the past": (
        select_messages(Query(outgoing=True, states=[State.ACCEPTED]))[0],
        "(rowid>?)",
    ),
    "list by document": (select_messages(Query(outgoing=True, document="x"))[0], "messages_document"),
}


@pytest.mark.parametrize("name", sorted(PLANS))
def test_plans_use_their_index(path: Path, name: str) -> None:
    open_store(path)
    db = connect(path, write=False)
    sql, index = PLANS[name]
    values = [None] * sql.count("?") or dict.fromkeys(re.findall(r":(\w+)", sql), 0)
    plan = " / ".join(row[3] for row in db.execute("EXPLAIN QUERY PLAN " + sql, values))
    db.close()
    assert index in plan, plan
    assert "TEMP B-TREE" not in plan
    assert "SCAN m" not in plan


def test_tallies_are_the_counts(path: Path) -> None:
    store = sqlite_store(path)
    take_in(store, 1, range(1, 6))
    queued = [outgoing(n) for n in range(10, 16)]
    store.add_outgoing(queued, [], NOW)
    store.set_state(queued[0].id, State.CANCELLED, "", [], NOW)
    store.add_parcel(parcel(2, queued[1:4], out=True), [m.id for m in queued[1:4]], NOW)
    finals = [
        (queued[1].id, State.ACCEPTED, ""),
        (queued[2].id, State.DUPLICATE, ""),
        (queued[3].id, State.REFUSED, ""),
    ]
    store.close_parcel(parcel(2, []).id, b"receipt", finals, [], NOW)
    db = connect(path, write=False)
    real = {
        (bool(o), s): n
        for o, s, n in db.execute("SELECT outgoing, state, count(*) FROM messages GROUP BY 1, 2")
    }
    db.close()
    assert store.counts() == real
    store.close()


def test_bodies_lie_in_one_row_per_transaction(path: Path) -> None:
    store = sqlite_store(path)
    take_in(store, 1, range(1, 50))
    db = connect(path, write=False)
    assert db.execute("SELECT count(*) FROM chunks").get == 1
    assert db.pragma("foreign_key_check") is None
    db.close()
    store.close()
