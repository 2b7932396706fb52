"""Backups: a store goes into a file and comes out of it again, from each engine into each, while it is written to."""

from __future__ import annotations

import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import apsw
import pytest
from store_builders import (
    NOW,
    OTHER,
    THEM,
    TLS,
    accepted,
    act,
    chain,
    incoming,
    message_id,
    outgoing,
    parcel,
    parcel_id,
    postgres_store,
    queued_entries,
    refusal,
    relayed_row,
    sqlite_store,
    take_in,
    verify,
)
from test_migration import first_version
from tests.postgres_server import fresh_schema

from intertie.exchange.outbound import State
from intertie.exchange.timeliness import FlowRef, Span, span_of
from intertie.gateway.operating.operations_ports import Stop
from intertie.gateway.ports import Query, RevokedToken
from intertie.journal.checkpoint import Head
from intertie.journal.rows import TreeRows
from intertie.model.errors import EvidenceError, SettingsError, StoreError
from intertie.model.ids import AgreementId, DocumentName, InterfaceCode
from intertie.stores.backup import back_up, look_into, restore
from intertie.stores.postgres import PostgresStore
from intertie.stores.postgres_schema import Server, connect, open_store
from intertie.stores.sqlite import SqliteStore
from intertie.stores.tables import TABLES, columns

Engine = SqliteStore | PostgresStore
Make = Callable[[str, str], Engine]


@pytest.fixture
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Make]:
    """A new store of an engine under a name; all of them have one key file."""
    with ExitStack() as stack:

        def new(engine: str, name: str) -> Engine:
            if engine == "sqlite":
                return stack.enter_context(closing(sqlite_store(tmp_path / f"{name}.db")))
            server = stack.enter_context(fresh_schema(request.getfixturevalue("postgres_url")))
            return stack.enter_context(closing(postgres_store(server, tmp_path)))

        yield new


def fill(store: Engine) -> None:
    """A row or more in every table but `unprotected`."""
    for number in (1, 10, 20):
        take_in(store, number, [number, number + 1])
    store.refuse(refusal(4))
    sent = [
        outgoing(31)._replace(answer_by=NOW),
        outgoing(32),
        outgoing(33, to=OTHER, conversation="c", body='{"text":"\u20ac"}'.encode()),
    ]
    store.add_outgoing(sent, queued_entries(sent), NOW)
    store.add_parcel(parcel(7, sent[:1], out=True), [sent[0].id], NOW)
    store.add_parcel(parcel(8, sent[1:2], out=True), [sent[1].id], NOW)
    traded = [incoming([50])[0]._replace(traded=True)]
    store.accept(
        parcel(50, traded)._replace(owes=True),
        traded,
        [],
        accepted(traded),
        lambda outcomes, head: b"receipt",
        NOW,
    )
    store.close_parcel(parcel_id(8), None, [(sent[1].id, State.REFUSED, "why")], [act()], NOW, transport=TLS)
    store.add_outgoing([outgoing(34)._replace(resends=sent[1].id)], [], NOW)
    store.escalate(NOW)
    store.next_seq(THEM)
    store.keep_chains(dict([chain(1)]))
    store.set_announced(OTHER, 3)
    store.keep_checkpoint(THEM, Head(5, b"5" * 32), b"signed", NOW)
    store.add_partner_head(THEM, Head(6, b"6" * 32), NOW)
    store.answer_stamp(store.add_stamp(store.head(), b"request", NOW), b"reply")
    store.revoke_token(RevokedToken("t", THEM, NOW + timedelta(days=1)), NOW)
    store.revoke_tokens_of(OTHER, NOW)
    flow = FlowRef(InterfaceCode("DA"), DocumentName("invoice"), "scheduled")
    store.add_timeliness([Span(span_of(NOW), flow, 2, 3, 1, 0.75)], NOW - timedelta(days=1))
    store.raise_stop(Stop(THEM, True, NOW, NOW + timedelta(hours=1)), [act("stop")])
    store.erase([1], "retention", NOW + timedelta(days=1))
    store.hold(None, AgreementId("base-2026"), "CASE-1", NOW)
    store.take_relayed(relayed_row(70), lambda head: b"hop receipt", NOW)
    store.keep_hops(parcel_id(70), outgoing=True, partner=THEM, statements=[b"hop receipt"], now=NOW)
    store.note([act(f"line {n}") for n in range(300)])
    TreeRows(store).consistency(256, store.head().size)


def picture(store: Engine) -> list[Any]:
    """Everything that can be asked."""
    ids = [message_id(n) for n in range(40)]
    return [
        store.messages(Query(outgoing=True, limit=10**6)),
        store.messages(Query(outgoing=False, limit=10**6)),
        [store.parcel(parcel_id(n), outgoing=out) for n in range(30) for out in (True, False)],
        store.entries(limit=10**6),
        [store.parcel_entries(parcel_id(n)) for n in range(30)],
        store.head(),
        store.counts(),
        store.refusals(),
        store.holds(),
        store.marks(ids),
        store.dead_letters(),
        store.escalated(),
        [store.partner_heads(party) for party in (THEM, OTHER)],
        store.proven_head(THEM),
        store.kept_checkpoint(THEM, Head(5, b"5" * 32)),
        store.stamps(),
        store.chain(chain(1)[0]),
        store.announced(OTHER),
        store.revoked_tokens(NOW),
        store.revoked_partners(),
        store.timeliness(),
        store.stops(),
        store.queues(),
        store.data_keys(),
        store.unfinished_parcel(THEM, NOW),
        store.unprotected(),
        store.shared_messages(THEM, after=0),
        store.relayed(parcel_id(70)),
        store.hops(parcel_id(70), outgoing=True, partner=THEM),
    ]


@pytest.mark.parametrize("here", ["sqlite", "postgres"])
@pytest.mark.parametrize("there", ["sqlite", "postgres"])
def test_everything_comes_back(make: Make, tmp_path: Path, here: str, there: str) -> None:
    store = make(here, "one")
    fill(store)
    contents = back_up(store, tmp_path / "backup")
    rows = {table for table, count in contents.rows.items() if count}
    assert rows >= set(TABLES) - {"unprotected"}
    assert contents.head == store.head()
    again = make(there, "two")
    assert restore(again, tmp_path / "backup") == contents
    assert picture(again) == picture(store)
    verify(again)
    given = again.next_seq(THEM)
    assert given > store.next_seq(THEM) - 64
    for one in (store, again):  # and it goes on
        take_in(one, 50, [50])
        queue = [outgoing(60)]
        one.add_outgoing(queue, queued_entries(queue), NOW)
    assert store.head() == again.head()
    assert again.messages(Query(outgoing=False, after=3))[-1] == store.messages(Query(outgoing=False))[-1]


@pytest.mark.parametrize("engine", ["sqlite", "postgres"])
def test_a_backup_of_a_store_that_is_written_to_is_of_one_moment(
    make: Make, tmp_path: Path, engine: str
) -> None:
    store = make(engine, "one")
    over = threading.Event()

    def write() -> None:
        number = 1
        while not over.is_set():
            take_in(store, number, [number, number + 1])
            number += 10

    writer = threading.Thread(target=write)
    writer.start()
    try:
        taken = [back_up(store, tmp_path / f"backup{n}") for n in range(3)]
    finally:
        over.set()
        writer.join()
    for contents in taken:
        assert contents.rows["journal"] == contents.head.size == 3 * contents.rows["parcels"]
        assert contents.rows["messages"] == 2 * contents.rows["parcels"]
    again = make(engine, "two")
    restore(again, tmp_path / "backup2")
    verify(again)
    assert len(again.messages(Query(outgoing=False, limit=10**6))) == taken[2].rows["messages"]


@pytest.mark.parametrize("engine", ["sqlite", "postgres"])
def test_a_store_that_is_not_empty_is_left_as_it_is(make: Make, tmp_path: Path, engine: str) -> None:
    store = make(engine, "one")
    take_in(store, 1, [1])
    back_up(store, tmp_path / "backup")
    noted, flagged = make(engine, "two"), make(engine, "three")
    noted.note([act()])
    flagged.add_timeliness(
        [Span(span_of(NOW), FlowRef(InterfaceCode("DA"), DocumentName("x"), "scheduled"), 0, 1, 0, 0.1)],
        NOW - timedelta(days=1),
    )
    for other in (store, noted, flagged):
        before = picture(other)
        with pytest.raises(StoreError, match="not empty"):
            restore(other, tmp_path / "backup")
        assert picture(other) == before


@pytest.mark.parametrize("engine", ["sqlite", "postgres"])
def test_a_backup_of_an_early_version_is_brought_up_to_date_and_encrypted(
    make: Make, tmp_path: Path, engine: str
) -> None:
    old = tmp_path / "old.db"
    first_version(old)
    before = old.read_bytes()
    store = make(engine, "one")
    restore(store, old)
    assert old.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []
    bodies = [row.body for out in (True, False) for row in store.messages(Query(outgoing=out))]
    assert store.unprotected() == 2 and all(bodies)
    while store.protect():
        pass
    assert store.unprotected() == 0
    assert bodies == [row.body for out in (True, False) for row in store.messages(Query(outgoing=out))]
    verify(store)


def test_the_tables_are_those_of_both_schemas(postgres: Server, tmp_path: Path) -> None:
    sqlite_store(tmp_path / "s.db").close()
    open_store(postgres)
    with closing(apsw.Connection(str(tmp_path / "s.db"))) as db:
        found = {name for (name,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
        here = {table: set(columns(db, table)) for table in TABLES}
    assert found == set(TABLES)
    with closing(connect(postgres, write=True)) as pg:
        sql = "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = %s"
        there: dict[str, set[str]] = {}
        for table, column in pg.execute(sql, (postgres.schema,)):
            there.setdefault(table, set()).add(column)
    assert set(there) == {*TABLES, "pulse", "intertie_schema"}
    there["journal"].remove("parcel")
    assert {table: there[table] for table in TABLES} == here


# The file


def test_it_is_its_owners_and_no_other_file_is_left(tmp_path: Path) -> None:
    with closing(sqlite_store(tmp_path / "s.db")) as store:
        take_in(store, 1, [1])
        folder = tmp_path / "kept"
        folder.mkdir()
        back_up(store, folder / "backup")
        assert [path.name for path in folder.iterdir()] == ["backup"]
        assert stat.S_IMODE((folder / "backup").stat().st_mode) == 0o600
        look_into(folder / "backup")
        restore(sqlite_store(tmp_path / "t.db"), folder / "backup")
        assert [path.name for path in folder.iterdir()] == ["backup"]


def test_a_file_that_is_there_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "backup").write_text("precious")
    with (
        closing(sqlite_store(tmp_path / "s.db")) as store,
        pytest.raises(SettingsError, match="there already"),
    ):
        back_up(store, tmp_path / "backup")
    assert (tmp_path / "backup").read_text() == "precious"


def test_a_backup_that_cannot_be_finished_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(sqlite_store(tmp_path / "s.db")) as store:
        with pytest.raises(StoreError, match="cannot be made"):
            back_up(store, tmp_path / "nowhere" / "backup")
        take_in(store, 1, [1])
        monkeypatch.setattr(store, "copy_out", lambda part: dict.fromkeys(TABLES, 1))
        with pytest.raises(StoreError):
            back_up(store, tmp_path / "backup")
        monkeypatch.undo()
        real = store.copy_out
        monkeypatch.setattr(store, "copy_out", lambda part: {**real(part), "messages": 2})
        with pytest.raises(StoreError, match="messages 1 of 2"):
            back_up(store, tmp_path / "backup")
    assert not [path for path in tmp_path.iterdir() if "backup" in path.name]


def test_a_journal_that_does_not_hold_together_is_not_backed_up_as_sound(tmp_path: Path) -> None:
    with closing(sqlite_store(tmp_path / "s.db")) as store:
        take_in(store, 1, [1])
        with closing(apsw.Connection(str(tmp_path / "s.db"))) as db:
            db.execute("UPDATE journal SET entry = ? WHERE idx = 0", (b"no json",))
        with pytest.raises(EvidenceError):
            back_up(store, tmp_path / "backup")
    assert not (tmp_path / "backup").exists()


@pytest.mark.parametrize("engine", ["sqlite", "postgres"])
def test_what_is_no_backup_or_a_damaged_one_is_refused(make: Make, tmp_path: Path, engine: str) -> None:
    store = make(engine, "one")
    take_in(store, 1, list(range(1, 200)))
    back_up(store, tmp_path / "backup")
    sound = (tmp_path / "backup").read_bytes()
    place = sound.find(b'"kind"', len(sound) // 4)
    damaged = bytearray(sound)
    damaged[place : place + 3] = b"\xff\xff\xff"
    with closing(apsw.Connection(str(tmp_path / "other.db"))) as db:
        db.execute("CREATE TABLE t (n)")
    newer = tmp_path / "newer"
    newer.write_bytes(sound)
    with closing(apsw.Connection(str(newer))) as db:
        db.pragma("user_version", 999)
    (tmp_path / "damaged").write_bytes(damaged)
    (tmp_path / "text").write_text("no database " * 1000)
    target = make(engine, "two")
    before = picture(target)
    for name, error in (
        ("missing", SettingsError),
        ("text", SettingsError),
        ("other.db", SettingsError),
        ("newer", SettingsError),
        ("damaged", (EvidenceError, StoreError)),
    ):
        with pytest.raises(error):
            restore(target, tmp_path / name)
        assert picture(target) == before, name
