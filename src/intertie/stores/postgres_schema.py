"""Opening a PostgreSQL database: ours or refused, its schema brought up to date by numbered migrations, its sessions durable."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from contextlib import closing
from importlib import resources
from typing import Any, NamedTuple

import psycopg
from psycopg import conninfo

from intertie.model.errors import SettingsError, StoreError
from intertie.seal.tree import Frontier
from intertie.stores.schema import Migration, read_migrations

Db = psycopg.Connection[tuple[Any, ...]]

# The oldest version whose makers still mend it.
SERVER_LEAST = 140000
# Each process holds the journal's lock for one group of operations, milliseconds. Ten seconds is an operator's patience.
LOCK_MILLISECONDS = 10_000
# A process that stops inside a transaction (frozen, its machine cut off) loses it, and with it the journal's lock. Many times
# what the longest group takes.
STUCK_MILLISECONDS = 30_000
# A database that does not answer within this is taken for gone.
CONNECT_SECONDS = 5
# Both ends find out within half a minute that the other's machine is gone; what its session held is free then.
KEEPALIVE = {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3}
# Milliseconds that sent bytes may stay without an answer from the other machine's kernel.
USER_TIMEOUT = 25_000
# The table that says that a schema is ours, and its version.
MARK = "intertie_schema"


class Server(NamedTuple):
    """Where the database is: an address as libpq takes it, the password if it is not in its own places, our schema."""

    url: str
    schema: str = "intertie"
    password: str | None = None

    def __repr__(self) -> str:
        """Without what must not be logged."""
        return f"Server(schema={self.schema!r})"

    def key(self, purpose: str) -> int:
        """The number of an advisory lock: they are of the whole database, so the schema is in it."""
        digest = hashlib.sha256(f"intertie/{self.schema}/{purpose}".encode()).digest()
        return int.from_bytes(digest[:8], "big", signed=True)


def migrations() -> list[Migration]:
    """The migrations of this program in order; SettingsError if a number is missing or twice there."""
    return read_migrations(resources.files("intertie.stores").joinpath("sql/postgres"))


def _first_line(error: psycopg.Error) -> str:
    """What went wrong, without the values of a row: those are in the error's detail."""
    said = error.diag.message_primary or str(error)
    return said.strip().split("\n")[0]


def store_error(error: psycopg.Error) -> StoreError:
    """What PostgreSQL said, as an error that tells what to do."""
    code, said = error.sqlstate or "", _first_line(error)
    if code == "53100":
        return StoreError(f"no room to write: {said}; nothing of this was kept", do="free some disk space")
    if code in ("55P03", "57014", "25P03", "40P01"):
        return StoreError(
            f"the store is busy: {said}", do="look for a process that holds it and does not go on"
        )
    if code in ("25006", "25P02"):
        return StoreError(
            f"the database takes no writes: {said}", do="connect to the primary, not to a standby"
        )
    if code.startswith("XX"):
        return StoreError(
            f"the store is damaged: {said}", do="stop the gateway and ask the database's keeper"
        )
    if code in ("28000", "28P01", "42501", "3D000"):
        return StoreError(
            f"the database does not let us in: {said}", do="check [store] url, the password and grants"
        )
    if not code or code.startswith(("08", "57P")) or code == "53300":
        return StoreError(
            f"the database cannot be reached: {said}", do="start it; the gateway then goes on by itself"
        )
    return StoreError(f"the store cannot be used: {said} ({code})", do="look into the database's log")


def connect(server: Server, *, write: bool) -> Db:
    """A session: durable, in our schema, outside a transaction. Raises psycopg errors."""
    given: dict[str, Any] = conninfo.conninfo_to_dict(server.url)
    settings = {
        "search_path": server.schema,
        "synchronous_commit": "on",  # a commit is on disk when it returns
        "lock_timeout": LOCK_MILLISECONDS,
        "idle_in_transaction_session_timeout": STUCK_MILLISECONDS,
        **{f"tcp_{name}": value for name, value in KEEPALIVE.items()},
    }
    if not write:
        settings["default_transaction_read_only"] = "on"
    options = " ".join(f"-c {name}={value}" for name, value in settings.items())
    defaults = {
        "connect_timeout": CONNECT_SECONDS,
        "tcp_user_timeout": USER_TIMEOUT,
        "application_name": "intertie",
        "target_session_attrs": "primary",
        **KEEPALIVE,
    }
    if _is_far(given) and not _said("sslmode", given):  # over a network its certificate must be the server's
        defaults["sslmode"] = "verify-full"
        if not _said("sslrootcert", given):
            defaults["sslrootcert"] = "system"
    given = {
        **defaults,
        **given,
        "options": f"{given.get('options', '')} {options}".strip(),
        "client_encoding": "UTF8",
    }
    if server.password is not None:
        given["password"] = server.password
    return psycopg.connect(**given, autocommit=True)


def _said(name: str, given: dict[str, Any]) -> bool:
    """Whether the address or libpq's environment says it."""
    return name in given or f"PG{name.upper()}" in os.environ


def _is_far(given: dict[str, Any]) -> bool:
    """Whether a connection leaves this machine. Of a service file we do not know: it may."""
    if "service" in given or "PGSERVICE" in os.environ:
        return True
    named = (
        given.get("host") or given.get("hostaddr") or os.environ.get("PGHOST") or os.environ.get("PGHOSTADDR")
    )
    hosts = str(named or "/").split(",")
    return not all(
        host in ("", "localhost", "127.0.0.1", "::1") or host.startswith(("/", "@")) for host in hosts
    )


def open_store(server: Server) -> None:
    """Make our schema, or check that it is ours and bring it up to date.

    Raises SettingsError for a schema that is not this program's or is of a newer one (it is left as it is), and StoreError
    if the database cannot be used.
    """
    try:
        with closing(connect(server, write=True)) as db:
            _check_server(db)
            known = migrations()
            if _version(db, server, known[-1].version) == known[-1].version:
                return
            db.execute("BEGIN")
            db.execute("SELECT pg_advisory_xact_lock(%s)", (server.key("schema"),))
            _migrate(db, server, known)
            db.execute("COMMIT")
    except psycopg.Error as error:
        raise store_error(error) from error


def _check_server(db: Db) -> None:
    if db.info.server_version < SERVER_LEAST:
        raise SettingsError(
            f"PostgreSQL {db.info.server_version // 10000} is too old", do="use 14 or a newer one"
        )
    encoding = db.info.parameter_status("server_encoding")
    if encoding != "UTF8":
        raise SettingsError(f"the database's encoding is {encoding}", do="make one with ENCODING 'UTF8'")


def _version(db: Db, server: Server, newest: int) -> int:
    """The schema's version, 0 if there is nothing yet; SettingsError for what is not ours, before anything is written."""
    tables = _tables(db, server)
    if not tables:
        return 0
    if MARK not in tables:
        raise _foreign(server)
    try:
        version = int(get(db, f"SELECT version FROM {server.schema}.{MARK}"))  # noqa: S608 - names of ours
    except (psycopg.Error, TypeError) as error:
        raise _foreign(server) from error
    if version > newest:
        raise SettingsError(
            f"schema {server.schema} has version {version}, this program knows up to {newest}: a newer one made it",
            do="run that version or a newer one, or restore a backup made before the upgrade",
        )
    return version


def _tables(db: Db, server: Server) -> set[str]:
    sql = """SELECT c.relname FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
        WHERE n.nspname = %s AND c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f')"""
    return {name for (name,) in db.execute(sql, (server.schema,))}


def _foreign(server: Server) -> SettingsError:
    return SettingsError(
        f"schema {server.schema} of this database is not a store of this program; it is left as it is",
        do="name another with [store] schema",
    )


def _migrate(db: Db, server: Server, known: list[Migration]) -> None:
    """All missing migrations; another process may have been faster."""
    version = _version(db, server, known[-1].version)
    if version == 0 and get(db, "SELECT to_regnamespace(%s)", (server.schema,)) is None:
        db.execute(f"CREATE SCHEMA {server.schema}")
    for migration in known[version:]:
        db.execute(migration.sql, prepare=False)
    if version == 0:
        empty = Frontier()
        db.execute("INSERT INTO frontier VALUES (1, 0, %s, %s)", (empty.root(), empty.to_bytes()))
        db.execute(f"CREATE TABLE {MARK} (one smallint PRIMARY KEY CHECK (one = 1), version bigint NOT NULL)")
        db.execute(f"INSERT INTO {MARK} VALUES (1, 0)")  # noqa: S608 - a constant
    db.execute(f"UPDATE {MARK} SET version = %s", (known[-1].version,))  # noqa: S608 - a constant


def is_lost(db: Db, error: psycopg.Error) -> bool:
    """Whether the session is of no more use: the server closed it, or what went wrong did not come from the server."""
    return db.closed or error.sqlstate is None


def get(db: Db, sql: str, values: Sequence[Any] | dict[str, Any] | None = None) -> Any:
    """The first column of the first row; None if there is none."""
    found = db.execute(sql, values, binary=True).fetchone()
    return None if found is None else found[0]
