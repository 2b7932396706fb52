"""What is PostgreSQL's own: its schema, its errors, claims, and several processes at once."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
from store_builders import (
    NOW,
    THEM,
    act,
    message_id,
    outgoing,
    parcel,
    parcel_id,
    postgres_store,
    queued_entries,
    refusal,
    take_in,
    verify,
)
from tests.postgres_server import drop

from intertie.exchange.outbound import State
from intertie.gateway.ports import Query, Search
from intertie.model.errors import SettingsError, StoreError
from intertie.seal.body_cipher import StoreLockedError
from intertie.seal.key_port import KeyFile
from intertie.stores import postgres_out, postgres_schema, postgres_writer
from intertie.stores.postgres import PostgresStore
from intertie.stores.postgres_schema import MARK, Server, connect, get, migrations, open_store, store_error

# What a dead process held is free as soon as the server sees that its connection is gone.
FREE_SECONDS = 10


@pytest.fixture
def db(postgres: Server) -> Iterator[postgres_schema.Db]:
    """A session beside the store's."""
    with closing(connect(postgres, write=True)) as session:
        yield session


@pytest.fixture
def store(postgres: Server, tmp_path: Path) -> Iterator[PostgresStore]:
    with closing(postgres_store(postgres, tmp_path)) as opened:
        yield opened


def picture(db: postgres_schema.Db, server: Server) -> list[tuple[str, str]]:
    """Tables and columns of a schema."""
    sql = """SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = %s
        ORDER BY table_name, ordinal_position"""
    return db.execute(sql, (server.schema,)).fetchall()


# Opening


def test_a_new_schema_has_the_newest_version(store: PostgresStore, db: postgres_schema.Db) -> None:
    assert get(db, f"SELECT version FROM {MARK}") == migrations()[-1].version
    assert store.head().size == 0


def test_many_processes_may_open_a_new_one_at_once(postgres: Server) -> None:
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda _: open_store(postgres), range(6)))
    with closing(connect(postgres, write=True)) as db:
        assert get(db, "SELECT count(*) FROM frontier") == 1


def test_a_schema_that_is_not_ours_is_left_alone(postgres: Server, db: postgres_schema.Db) -> None:
    db.execute(f"CREATE SCHEMA {postgres.schema}")
    db.execute("CREATE TABLE invoices (n int)")
    before = picture(db, postgres)
    with pytest.raises(SettingsError, match="not a store of this program") as caught:
        open_store(postgres)
    assert "schema" in caught.value.do
    assert picture(db, postgres) == before == [("invoices", "n")]


def test_a_table_of_others_with_our_name_is_not_ours(postgres: Server, db: postgres_schema.Db) -> None:
    db.execute(f"CREATE SCHEMA {postgres.schema}")
    db.execute(f"CREATE TABLE {MARK} (colour text)")
    with pytest.raises(SettingsError, match="not a store of this program"):
        open_store(postgres)
    assert picture(db, postgres) == [(MARK, "colour")]


def test_an_empty_schema_that_was_made_for_us_is_used(postgres: Server, db: postgres_schema.Db) -> None:
    db.execute(f"CREATE SCHEMA {postgres.schema}")
    open_store(postgres)
    assert ("frontier", "root") in picture(db, postgres)


def test_a_newer_schema_is_refused_and_left_as_it_is(postgres: Server, db: postgres_schema.Db) -> None:
    open_store(postgres)
    db.execute(f"UPDATE {MARK} SET version = version + 1")
    before = picture(db, postgres)
    with pytest.raises(SettingsError, match="a newer one made it"):
        open_store(postgres)
    assert picture(db, postgres) == before
    assert get(db, f"SELECT version FROM {MARK}") == migrations()[-1].version + 1


def test_migrations_go_on_from_where_a_schema_is(
    postgres: Server, db: postgres_schema.Db, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A later program's migration, run by several of its processes at once: everything is still there."""
    with closing(postgres_store(postgres, tmp_path)) as store:
        take_in(store, 1, [1, 2])
    known = migrations()
    later = postgres_schema.Migration(len(known) + 1, "ALTER TABLE parcels ADD COLUMN colour text")
    monkeypatch.setattr(postgres_schema, "migrations", lambda: [*known, later])
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: open_store(postgres), range(4)))
    assert get(db, f"SELECT version FROM {MARK}") == later.version
    assert ("parcels", "colour") in picture(db, postgres)
    with closing(postgres_store(postgres, tmp_path)) as store:
        assert len(store.messages(Query(outgoing=False))) == 2
        verify(store)


def test_a_migration_that_fails_leaves_nothing_behind(
    postgres: Server, db: postgres_schema.Db, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_store(postgres)
    before = picture(db, postgres)
    known = migrations()
    bad = postgres_schema.Migration(
        len(known) + 1, "ALTER TABLE parcels ADD COLUMN colour text; SELECT 1 / 0"
    )
    monkeypatch.setattr(postgres_schema, "migrations", lambda: [*known, bad])
    with pytest.raises(StoreError):
        open_store(postgres)
    assert picture(db, postgres) == before
    assert get(db, f"SELECT version FROM {MARK}") == known[-1].version


def test_a_search_is_planned_for_its_own_values(store: PostgresStore) -> None:
    """A plan that is kept for any values would walk through everything to meet what is rare."""
    for _ in range(12):  # psycopg prepares what it was asked five times
        store.search(Search(document="meter_readings", outgoing=True))
    kept = store._readers.ask(
        lambda db: db.execute("SELECT statement FROM pg_prepared_statements").fetchall()
    )
    assert not [said for (said,) in kept if "messages AS m" in said], kept


def test_two_gateways_may_use_one_database(postgres: Server, postgres_url: str, tmp_path: Path) -> None:
    other = Server(postgres_url, f"{postgres.schema[:40]}_b")
    try:
        with (
            closing(postgres_store(postgres, tmp_path)) as one,
            closing(postgres_store(other, tmp_path)) as two,
        ):
            take_in(one, 1, [1])
            assert two.message(message_id(1)) is None and two.head().size == 0
            assert one.claim("x") and two.claim("x"), "claims are of one store"
    finally:
        drop(other)


@pytest.mark.parametrize("encoding", ["LATIN1"])
def test_a_database_of_another_encoding_is_refused(postgres_url: str, encoding: str) -> None:
    name = "intertie_other_encoding"
    with psycopg.connect(postgres_url, autocommit=True) as db:
        db.execute(f"DROP DATABASE IF EXISTS {name}")
        db.execute(f"CREATE DATABASE {name} ENCODING '{encoding}' LOCALE 'C' TEMPLATE template0")
        try:
            with pytest.raises(SettingsError, match="encoding is LATIN1"):
                open_store(Server(postgres_url.replace("/postgres?", f"/{name}?")))
        finally:
            db.execute(f"DROP DATABASE {name}")


# Errors


def test_a_server_that_is_not_there_is_a_named_error(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be reached") as caught:
        PostgresStore(Server(f"postgresql:///intertie?host={tmp_path}"))
    assert "goes on by itself" in caught.value.do


def test_neither_password_nor_address_is_shown(tmp_path: Path) -> None:
    server = Server(f"postgresql://someone@/intertie?host={tmp_path}", password="s3cret-word")
    assert "s3cret" not in repr(server) and "s3cret" not in f"{server}"
    with pytest.raises(StoreError) as caught:
        open_store(server)
    assert "s3cret" not in str(caught.value) + repr(caught.value.__cause__)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (psycopg.errors.DiskFull, "no room to write"),
        (psycopg.errors.LockNotAvailable, "busy"),
        (psycopg.errors.ReadOnlySqlTransaction, "takes no writes"),
        (psycopg.errors.DataCorrupted, "damaged"),
        (psycopg.errors.InvalidPassword, "does not let us in"),
        (psycopg.errors.InsufficientPrivilege, "does not let us in"),
        (psycopg.errors.AdminShutdown, "cannot be reached"),
        (psycopg.errors.TooManyConnections, "cannot be reached"),
        (psycopg.OperationalError, "cannot be reached"),
        (psycopg.errors.UndefinedTable, "cannot be used"),
    ],
)
def test_what_the_server_says_is_named(code: type[psycopg.Error], words: str) -> None:
    said = store_error(code("something"))
    assert words in said.why and said.do and said.retry


def test_the_values_of_a_row_are_in_no_error(store: PostgresStore) -> None:
    """PostgreSQL's detail of a broken rule holds the row."""
    bad = outgoing(1)._replace(priority=77, agreement="TOP-SECRET")
    with pytest.raises(StoreError) as caught:
        store.add_outgoing([bad], [], NOW)
    assert "TOP-SECRET" not in str(caught.value)
    assert store.counts() == {}


def test_a_partner_cannot_stop_us_with_a_nul_character(store: PostgresStore) -> None:
    messages = [outgoing(1), outgoing(2)]
    store.add_outgoing(messages, queued_entries(messages), NOW)
    store.add_parcel(parcel(1, messages[:1], out=True), [messages[0].id], NOW)
    store.retry_parcel(parcel_id(1), NOW, "said \0 nothing")
    store.close_parcel(parcel_id(1), None, [(messages[0].id, State.REFUSED, "why\0")], [act()], NOW)
    store.defer([messages[1].id], NOW, "\0")
    store.set_state(messages[1].id, State.FAILED, "a\0b", [], NOW)
    store.refuse(refusal(3)._replace(detail="x\0y"))
    details = [row.detail for row in store.messages(Query(outgoing=True))]
    assert details == ["why\ufffd", "a\ufffdb"]
    assert store.refusals()[0][1].detail == "x\ufffdy"


def test_an_operation_that_fails_takes_no_other_with_it(store: PostgresStore) -> None:
    """Forty at once in groups, every third of them broken."""

    def one(number: int) -> str:
        message = outgoing(number)
        if number % 3 == 0:
            message = message._replace(priority=77)
        try:
            store.add_outgoing([message], queued_entries([message]), NOW)
        except StoreError:
            return "failed"
        return "kept"

    with ThreadPoolExecutor(20) as pool:
        said = list(pool.map(one, range(1, 41)))
    assert said == ["failed" if number % 3 == 0 else "kept" for number in range(1, 41)]
    assert [row.seq for row in store.messages(Query(outgoing=True))] == list(range(1, said.count("kept") + 1))
    verify(store)


def test_a_lock_that_is_held_too_long_is_a_named_error(
    store: PostgresStore,
    db: postgres_schema.Db,
    postgres: Server,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(postgres_schema, "LOCK_MILLISECONDS", 100)
    with closing(postgres_store(postgres, tmp_path)) as hurried:
        db.execute("BEGIN")
        db.execute("SELECT pg_advisory_xact_lock(%s)", (postgres.key("journal"),))
        with pytest.raises(StoreError, match="busy"):
            hurried.note([act()])
        db.execute("ROLLBACK")
        assert hurried.note([act()]).size == 1


def test_a_process_that_stands_still_loses_the_journal(
    store: PostgresStore, postgres: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_schema, "STUCK_MILLISECONDS", 200)
    with closing(connect(postgres, write=True)) as stuck:
        stuck.execute("BEGIN")
        stuck.execute("SELECT pg_advisory_xact_lock(%s)", (postgres.key("journal"),))
        assert store.note([act()]).size == 1
        with pytest.raises(psycopg.Error):
            stuck.execute("COMMIT")


def test_sessions_are_durable_whatever_the_role_says(postgres: Server) -> None:
    with closing(connect(postgres, write=True)) as db:
        assert get(db, "SHOW synchronous_commit") == "on"
        assert get(db, "SHOW search_path") == postgres.schema
    with closing(connect(postgres, write=False)) as db, pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        db.execute("CREATE TABLE t (n int)")


@pytest.mark.parametrize(
    ("url", "environment", "mode", "root"),
    [
        ("postgresql://db.example/x", {}, "verify-full", "system"),
        ("postgresql://db.example,10.0.0.7/x", {}, "verify-full", "system"),
        ("postgresql://127.0.0.1,10.0.0.7/x", {}, "verify-full", "system"),
        ("postgresql:///x", {"PGHOST": "db.example"}, "verify-full", "system"),
        ("postgresql:///x?service=store", {}, "verify-full", "system"),
        ("postgresql://db.example/x?sslrootcert=/ca.pem", {}, "verify-full", "/ca.pem"),
        ("postgresql://db.example/x", {"PGSSLROOTCERT": "/ca.pem"}, "verify-full", None),
        ("postgresql://db.example/x?sslmode=require", {}, "require", None),
        ("postgresql://db.example/x", {"PGSSLMODE": "verify-ca"}, None, None),
        ("postgresql://127.0.0.1/x", {}, None, None),
        ("postgresql:///x?host=/run/postgresql", {}, None, None),
    ],
)
def test_over_a_network_the_servers_certificate_counts(
    monkeypatch: pytest.MonkeyPatch, url: str, environment: dict[str, str], mode: str | None, root: str | None
) -> None:
    asked: dict[str, object] = {}
    for name in ("PGHOST", "PGHOSTADDR", "PGSERVICE", "PGSSLMODE", "PGSSLROOTCERT"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(psycopg, "connect", lambda **given: asked.update(given))
    connect(Server(url), write=True)
    assert (asked.get("sslmode"), asked.get("sslrootcert")) == (mode, root)


# Keys


def test_without_the_right_key_the_index_is_there_and_bodies_stay_closed(
    store: PostgresStore, postgres: Server, tmp_path: Path
) -> None:
    take_in(store, 1, [1])
    for port in (None, KeyFile(tmp_path / "other.kek")):
        with closing(PostgresStore(postgres, port)) as locked:
            assert locked.message(message_id(1), body=False) is not None
            for ask in (locked.unlock, lambda locked=locked: locked.message(message_id(1))):
                with pytest.raises(StoreLockedError):
                    ask()
            with pytest.raises(StoreLockedError):
                take_in(locked, 2, [2])
            verify(locked)


def test_no_body_is_in_the_tables(store: PostgresStore, db: postgres_schema.Db) -> None:
    mark = b"only the two of us know"
    message = outgoing(1, body=b'{"text":"' + mark + b'"}')
    store.add_outgoing([message], [], NOW)
    for table in {name for name, _ in picture(db, store.server)}:
        with db.cursor() as cursor, cursor.copy(f"COPY {table} TO STDOUT (FORMAT binary)") as copy:
            assert mark not in b"".join(bytes(part) for part in copy), table


def test_what_is_erased_is_in_no_live_row(store: PostgresStore, db: postgres_schema.Db) -> None:
    take_in(store, 1, [1, 2])
    row = store.message(message_id(1))
    other = store.message(message_id(2))
    assert row is not None
    sealed = get(db, "SELECT substring(data FOR 40) FROM chunks WHERE chunk = 1")
    assert store.erase([row.seq], "retention", NOW + timedelta(days=1)) == [row.seq]
    assert get(db, "SELECT substring(data FOR 40) FROM chunks WHERE chunk = 1") == bytes(40) != sealed
    assert store.message(message_id(2)) == other
    assert store.data_keys()[0].live == 1
    store.erase([2], "retention", NOW + timedelta(days=1))
    key = store.data_keys()[0]
    assert key.live == 0 and key.destroyed_at
    assert get(db, "SELECT wrapped FROM data_keys") is None
    assert get(db, "SELECT length(data) FROM chunks WHERE chunk = 1") == 0


def test_rewrapping_leaves_bodies_and_retires_the_old_key(
    store: PostgresStore, postgres: Server, tmp_path: Path
) -> None:
    take_in(store, 1, [1])
    new = KeyFile(tmp_path / "new.kek")
    assert store.rewrap(new, NOW) == 1
    assert store.message(message_id(1)) is not None
    with closing(postgres_store(postgres, tmp_path)) as old, pytest.raises(StoreLockedError):
        old.unlock()
    with closing(PostgresStore(postgres, new)) as again:
        again.unlock()
        take_in(again, 2, [2])
        verify(again)


# Claims


def test_one_process_at_a_time(store: PostgresStore, postgres: Server, tmp_path: Path) -> None:
    with closing(postgres_store(postgres, tmp_path)) as other:
        assert store.claim(THEM) and store.claim(THEM)
        assert not other.claim(THEM)
        assert other.claim("another.example")
        store.unclaim(THEM)
        store.unclaim(THEM)
        assert other.claim(THEM) and not store.claim(THEM)
    assert store.claim(THEM), "who closes the store lets go of everything"


def test_a_claim_ends_with_its_process(store: PostgresStore, postgres: Server) -> None:
    code = (
        "import sys, time; from intertie.stores.postgres_claims import Claims;"
        "from intertie.stores.postgres_schema import Server;"
        "held = Claims(Server(*sys.argv[1:])); print(held.claim('x'), flush=True); time.sleep(600)"
    )
    command = [sys.executable, "-c", code, postgres.url, postgres.schema]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said, free = process.stdout.readline(), store.claim("x")
        process.kill()
    assert (said, free) == ("True\n", False)
    wait_until(lambda: store.claim("x"))


def test_a_claim_whose_session_is_gone_is_asked_for_again(
    store: PostgresStore, db: postgres_schema.Db, postgres: Server, tmp_path: Path
) -> None:
    assert store.claim("x") and store.claim("y")
    end_sessions(db)
    with closing(postgres_store(postgres, tmp_path)) as other:
        wait_until(lambda: other.claim("x"))
        assert not store.claim("x"), "it knows that it has lost it"
        assert store.claim("y")
        store.unclaim("x")
        assert not store.claim("x")


def wait_until(true: object) -> None:
    deadline = time.monotonic() + FREE_SECONDS
    while not true():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.02)


# Lost connections


def end_sessions(db: postgres_schema.Db) -> None:
    """As an operator, a restart or a firewall would; of this test only, and not our own."""
    db.execute(
        """SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()
        AND application_name = current_setting('application_name')"""
    )


def test_sessions_that_died_while_idle_are_replaced_unseen(
    store: PostgresStore, db: postgres_schema.Db
) -> None:
    take_in(store, 1, [1])
    for number in (2, 3):
        end_sessions(db)
        time.sleep(0.05)
        assert store.message(message_id(1)) is not None
        take_in(store, number, [number])
        assert store.changed() > 0
    verify(store)


def test_a_session_that_dies_in_the_middle_loses_nothing_and_doubles_nothing(
    store: PostgresStore, db: postgres_schema.Db
) -> None:
    """Ended again and again while six threads write: what was said to be kept is there, once."""
    over = threading.Event()

    def end() -> None:
        while not over.wait(0.03):
            end_sessions(db)

    def write(number: int) -> bool:
        try:
            take_in(store, number, [number, number + 1])
        except StoreError:
            return False
        return True

    ender = threading.Thread(target=end)
    ender.start()
    try:
        with ThreadPoolExecutor(6) as pool:
            kept = dict(zip(range(10, 1010, 10), pool.map(write, range(10, 1010, 10)), strict=True))
    finally:
        over.set()
        ender.join()
    for number, said in kept.items():
        assert take_in(store, number, [number, number + 1])
        assert store.message(message_id(number)) is not None or not said
    assert len(store.messages(Query(outgoing=False, limit=10_000))) == 200
    assert sum(kept.values()) > 0
    verify(store)


def test_the_outcome_of_a_commit_that_was_asked_for_too_late_is_named(
    store: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database does not come back in time: whoever asked must look, and nothing is written a second time."""
    monkeypatch.setattr(postgres_writer, "DOUBT_ATTEMPTS", 2)
    monkeypatch.setattr(postgres_writer, "DOUBT_SECONDS", 0.01)
    writer = store._writer
    monkeypatch.setattr(
        postgres_writer, "connect", lambda *_, **__: (_ for _ in ()).throw(psycopg.OperationalError())
    )
    real = writer._db.execute

    def lose(sql: str, *arguments: object, **more: object) -> object:
        if sql == "COMMIT":
            real(sql)
            writer._db.close()
            raise psycopg.OperationalError("gone")
        return real(sql, *arguments, **more)

    monkeypatch.setattr(writer._db, "execute", lose)
    with pytest.raises(StoreError, match="whether it did is not known"):
        store.note([act()])
    monkeypatch.undo()
    assert store.head().size == 1
    assert store.note([act()]).size == 2


# Many rows


def test_a_parcel_is_filled_from_behind_what_is_blocked(store: PostgresStore) -> None:
    """More blocked messages than are read at once."""
    blocked = [outgoing(n, conversation="c", priority=1) for n in range(1, 301)]
    free = [outgoing(n, priority=2) for n in range(1001, 1004)]
    store.add_outgoing([*blocked, *free], [], NOW)
    store.add_parcel(parcel(1, blocked[:1], out=True), [blocked[0].id], NOW)
    taken = store.take_outgoing(THEM, NOW, count=2, size=10**6)
    assert [row.id for row in taken] == [message.id for message in free[:2]]


@pytest.mark.parametrize("statistics", [False, True])
def test_questions_of_every_moment_do_not_read_the_backlog(
    store: PostgresStore, db: postgres_schema.Db, statistics: bool
) -> None:
    """By what the server read, with statistics of the tables and, as in a burst, without."""
    out = [
        outgoing(n, priority=n % 9, conversation=f"c{n % 50}" if n % 3 else None, body=b"{}")
        for n in range(1, 6001)
    ]
    store.add_outgoing(out, [], NOW)
    if statistics:
        db.execute("ANALYZE")
    times = postgres_out._times(NOW)
    page = {"partner": THEM, "limit": 100, **times}
    db.execute("BEGIN")
    db.execute(postgres_out._BY_INDEX)
    for sql, values, most in (
        (postgres_out._PARTNERS, times, 50),
        (postgres_out._UNFINISHED, {"partner": THEM, "without": [], **times}, 50),
        (postgres_out.FIRST_PAGE, page, 1000),
        (postgres_out.HAS_EXPIRED, (0,), 50),
    ):
        plan = get(db, f"EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) {sql}", values)
        blocks = plan[0]["Plan"]["Shared Hit Blocks"] + plan[0]["Plan"]["Shared Read Blocks"]
        assert blocks <= most, (sql, blocks)
