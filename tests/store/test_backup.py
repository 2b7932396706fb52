"""A backup holds all of a store, from either engine into either; and what was changed in it is found."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import apsw
import pytest
from store_builders import (
    NOW,
    OTHER,
    THEM,
    act,
    chain,
    message_id,
    outgoing,
    parcel,
    parcel_id,
    postgres_store,
    queued_entries,
    refusal,
    sqlite_store,
    take_in,
    verify,
)

from intertie.exchange.outbound import State
from intertie.gateway.ports import Query, RevokedToken
from intertie.journal.checkpoint import Head
from intertie.model.errors import EvidenceError, IntertieError, SettingsError, StoreError
from intertie.seal.key_port import KeyFile
from intertie.stores.backup import back_up, restore
from intertie.stores.postgres import PostgresStore
from intertie.stores.postgres_schema import Server
from intertie.stores.sqlite import SqliteStore
from intertie.stores.tables import TABLES

Kept = SqliteStore | PostgresStore
Make = Callable[[str], Kept]


def fill(store: Kept) -> None:
    """Something in nearly every table."""
    messages = [outgoing(n) for n in range(1, 6)]
    store.add_outgoing(messages, queued_entries(messages), NOW)
    store.add_outgoing([outgoing(9, to=OTHER)._replace(answer_by=NOW + timedelta(minutes=1))], [act()], NOW)
    for number in (1, 2):
        store.next_seq(THEM)
        store.add_parcel(parcel(number, messages[number - 1 : number], out=True), [message_id(number)], NOW)
    done = (message_id(1), State.ACCEPTED, "")
    store.close_parcel(parcel_id(1), b"receipt", [done], [act()], NOW, head=Head(7, b"7" * 32))
    take_in(store, 20, [21, 22, 23])
    store.refuse(refusal(30))
    store.hold(message_id(21), None, "case 1", NOW)
    store.revoke_token(RevokedToken("token", THEM, NOW + timedelta(days=1)), NOW)
    store.revoke_tokens_of(OTHER, NOW)
    store.keep_chains(dict([chain(1), chain(2)]))
    erased = store.message(message_id(22), outgoing=False)
    assert erased is not None and store.erase([erased.seq], "retention", NOW)


def everything(store: Kept) -> list[object]:
    """What a gateway could ask of a store, bodies in the clear."""
    due = store.take_outgoing(THEM, NOW, count=100, size=10**6)
    return [
        verify(store),
        list(store.entries()),
        [store.messages(Query(outgoing=way)) for way in (True, False)],
        [store.parcel(parcel_id(n), outgoing=way) for n, way in ((1, True), (2, True), (20, False))],
        store.unfinished_parcel(THEM, NOW),
        [row.id for row in due],
        store.refusals(),
        store.counts(),
        store.holds(),
        store.partner_heads(THEM),
        store.revoked_tokens(NOW),
        store.revoked_partners(),
        store.marks([message_id(9)]),
        store.next_partners(NOW),
        [store.chain(chain(n)[0]) for n in (1, 2, 3)],
    ]


@pytest.fixture
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Make:
    """A new empty store of an engine; all share one key file, as stores of one gateway do."""
    opened: list[Kept] = []

    def build(engine: str) -> Kept:
        if engine == "postgres":
            server: Server = request.getfixturevalue("postgres")
            opened.append(postgres_store(server, tmp_path))
        else:
            port = KeyFile(tmp_path / "store.kek")
            opened.append(SqliteStore(tmp_path / f"{len(opened)}.db", port))
        return opened[-1]

    request.addfinalizer(lambda: [one.close() for one in opened])
    return build


@pytest.mark.parametrize(
    ("here", "there"), [("sqlite", "sqlite"), ("sqlite", "postgres"), ("postgres", "sqlite")]
)
def test_all_comes_back_in_either_engine(here: str, there: str, make: Make, tmp_path: Path) -> None:
    first, second = make(here), make(there)
    fill(first)
    file = tmp_path / "backup"
    written = back_up(first, file)
    assert restore(second, file) == written
    assert written.head == first.head() and written.rows["messages"] == 9
    assert everything(second) == everything(first)
    assert file.stat().st_mode & 0o777 == 0o600
    assert not [one for one in tmp_path.iterdir() if ".part" in one.name]


@pytest.mark.parametrize("engine", ["sqlite", "postgres"])
def test_a_restored_store_goes_on(engine: str, make: Make, tmp_path: Path) -> None:
    first = make("sqlite")
    fill(first)
    numbers = {first.next_seq(THEM)}
    back_up(first, tmp_path / "backup")
    second = make(engine)
    restore(second, tmp_path / "backup")
    assert second.next_seq(THEM) not in numbers
    new = [outgoing(50)]
    assert second.add_outgoing(new, queued_entries(new), NOW) == [10]
    take_in(second, 60, [61])
    second.close_parcel(parcel_id(2), b"r", [(message_id(2), State.ACCEPTED, "")], [act()], NOW)
    assert len(second.parcel_entries(parcel_id(20))) == len(first.parcel_entries(parcel_id(20))) > 0
    verify(second, [first.head()])


@pytest.mark.parametrize("engine", ["sqlite", "postgres"])
def test_a_backup_is_of_one_moment_while_writers_go_on(engine: str, make: Make, tmp_path: Path) -> None:
    store, over, wrote = make(engine), threading.Event(), []

    def write() -> None:
        number = 1
        while not over.is_set():
            message = [outgoing(number)]
            store.add_outgoing(message, queued_entries(message), NOW)
            wrote.append(number)
            number += 1

    writer = threading.Thread(target=write)
    writer.start()
    try:
        while len(wrote) < 20:
            over.wait(0.01)
        contents = back_up(store, tmp_path / "backup")
    finally:
        over.set()
        writer.join()
    assert contents.rows["messages"] == contents.rows["journal"] == contents.head.size >= 20
    verify(store, [contents.head])


def test_a_changed_bit_is_found_or_changes_nothing(make: Make, tmp_path: Path) -> None:
    store, file, bad = make("sqlite"), tmp_path / "backup", tmp_path / "bad"
    fill(store)
    want = back_up(store, file)
    raw = file.read_bytes()
    found = 0
    places = [place for place in range(100, len(raw)) if raw[place]]  # what is 0 is mostly free space
    for place in places[:: max(1, len(places) // 150)]:
        bad.write_bytes(raw[:place] + bytes([raw[place] ^ 1]) + raw[place + 1 :])
        target = tmp_path / "target.db"
        with closing(sqlite_store(target)) as other:
            try:
                assert restore(other, bad) == want, place
            except IntertieError:
                found += 1
                assert other.head().size == 0 and not other.counts()
        for one in tmp_path.glob("target.db*"):
            one.unlink()
    assert found > 100


@pytest.mark.parametrize(
    "table", ["chunks", "messages", "parcels", "journal", "refusals", "chains", "partner_heads"]
)
def test_a_row_that_is_gone_is_found(table: str, make: Make, tmp_path: Path) -> None:
    store, file = make("sqlite"), tmp_path / "backup"
    fill(store)
    back_up(store, file)
    with closing(apsw.Connection(str(file))) as db:
        assert db.execute(f"DELETE FROM {table} RETURNING 1").fetchall()
    with pytest.raises((StoreError, EvidenceError)):
        restore(make("sqlite"), file)


def test_what_is_not_empty_is_left_as_it_is(make: Make, tmp_path: Path) -> None:
    store, other = make("sqlite"), make("sqlite")
    fill(store)
    back_up(store, tmp_path / "backup")
    other.note([act("mine")])
    before = list(other.entries())
    with pytest.raises(StoreError, match="not empty"):
        restore(other, tmp_path / "backup")
    assert list(other.entries()) == before


def test_what_is_no_backup_is_refused(make: Make, tmp_path: Path) -> None:
    store, file = make("sqlite"), tmp_path / "file"
    for raw in (b"", b"no database", b"SQLite format 3\0" + b"\0" * 200):
        file.write_bytes(raw)
        with pytest.raises(SettingsError, match="no backup"):
            restore(store, file)
    file.unlink()
    with closing(sqlite3.connect(file)) as foreign:
        foreign.execute("CREATE TABLE t (n)")
    with pytest.raises(SettingsError, match="no backup"):
        restore(store, file)
    assert store.head().size == 0


def test_one_of_a_newer_version_is_refused(make: Make, tmp_path: Path) -> None:
    store, file = make("sqlite"), tmp_path / "backup"
    fill(store)
    back_up(store, file)
    with closing(apsw.Connection(str(file))) as db:
        db.pragma("user_version", 999)
    with pytest.raises(IntertieError):
        restore(make("sqlite"), file)


def test_a_file_that_is_there_is_not_written_over(make: Make, tmp_path: Path) -> None:
    file = tmp_path / "backup"
    file.write_bytes(b"precious")
    with pytest.raises(SettingsError, match="there already"):
        back_up(make("sqlite"), file)
    assert file.read_bytes() == b"precious"


def test_a_place_that_cannot_be_written_is_said(make: Make, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be made"):
        back_up(make("sqlite"), tmp_path / "nowhere" / "backup")


def test_every_table_is_copied(make: Make, tmp_path: Path) -> None:
    make("sqlite").close()
    with closing(apsw.Connection(str(tmp_path / "0.db"))) as db:
        found = {name for (name,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    assert {name for name in found if not name.startswith("sqlite")} == set(TABLES)
