"""The database goes and comes back, and answers get lost: named errors, nothing that was acknowledged is missing, nothing is
there twice, and all goes on by itself."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator, Sized
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path

import pytest

STORE_TESTS = Path(__file__).parents[1] / "store"
sys.path.insert(0, str(STORE_TESTS))

from store_builders import act, message_id, parcel_id, postgres_store, take_in, verify  # noqa: E402
from tests import postgres_server  # noqa: E402
from tests.faults.killing import declare  # noqa: E402
from tests.faults.test_postgres_kill import Serving, gateways, wait_until_done  # noqa: E402
from tests.faults.test_postgres_kill import check as check_delivered  # noqa: E402

from intertie.gateway.ports import Query  # noqa: E402
from intertie.model.errors import StoreError  # noqa: E402
from intertie.run import open_gateway  # noqa: E402
from intertie.stores.postgres import PostgresStore  # noqa: E402
from intertie.stores.postgres_schema import Server  # noqa: E402

ROUNDS = 10 if os.environ.get("INTERTIE_SOAK") else 2
# A server that crashed reads its log again before it answers.
BACK_SECONDS = 30


@pytest.fixture(scope="module")
def database() -> Iterator[postgres_server.LocalServer]:
    """A server of this module's own, which it may stop."""
    with postgres_server.own_server() as server:
        yield server


@pytest.fixture
def store(database: postgres_server.LocalServer, tmp_path: Path) -> Iterator[PostgresStore]:
    with (
        postgres_server.fresh_schema(database.url) as server,
        closing(postgres_store(server, tmp_path)) as it,
    ):
        yield it


def check(store: PostgresStore, acknowledged: list[int]) -> None:
    """What was acknowledged is there, once; nothing is there by half."""
    verify(store)
    rows = store.messages(Query(outgoing=False, limit=10**6))
    assert len({row.id for row in rows}) == len(rows)
    assert {message_id(number + n) for number in acknowledged for n in range(2)} <= {row.id for row in rows}
    parcels = {row.parcel for row in rows}
    assert len(rows) == 2 * len(parcels)
    entries = store.entries(limit=10**6)
    assert len(entries) == 3 * len(parcels), "two messages and a receipt each, journaled once"


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT], ids=["stopped", "crashed"])
def test_the_database_goes_and_comes_back(
    database: postgres_server.LocalServer, store: PostgresStore, how: signal.Signals
) -> None:
    acknowledged: list[int] = []
    errors: list[str] = []
    over = threading.Event()

    def write(first: int) -> None:
        number = first
        while not over.is_set():
            try:
                take_in(store, number, [number, number + 1])
                acknowledged.append(number)
            except StoreError as error:
                errors.append(error.why)
                time.sleep(0.05)
                continue  # a sender repeats what was not acknowledged
            number += 10

    writers = [threading.Thread(target=write, args=(10**6 * n + 10,)) for n in range(3)]
    for writer in writers:
        writer.start()
    try:
        for _ in range(ROUNDS):
            wait_for_more(acknowledged, 20)
            database.stop(how)
            with pytest.raises(StoreError, match="cannot be reached"):
                store.head()
            with pytest.raises(StoreError):
                store.changed()
            wait_for_more(errors, 3)
            database.start()
            wait_for_more(acknowledged, 20)
    finally:
        over.set()
        for writer in writers:
            writer.join()
    check(store, acknowledged)
    assert not [why for why in errors if "cannot be reached" not in why and "not known" not in why]


def test_claims_are_had_again(database: postgres_server.LocalServer, store: PostgresStore) -> None:
    assert store.claim("x")
    database.stop()
    with pytest.raises(StoreError, match="cannot be reached"):
        store.claim("x")
    store.unclaim("x")
    database.start()
    assert store.claim("x")


class Cutter:
    """A door before the database that loses what goes through it when told to: the statement COMMIT before it arrives, or the
    answer to it."""

    def __init__(self, database: postgres_server.LocalServer) -> None:
        self._socket = next(database.folder.glob(".s.PGSQL.*[0-9]"))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.cut: str | None = None
        self.cuts = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.socket(socket.AF_UNIX)
                server.connect(str(self._socket))
                threading.Thread(target=self._pass, args=(client, server), daemon=True).start()
                threading.Thread(target=self._back, args=(server, client), daemon=True).start()

    def _pass(self, client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError):
            while data := client.recv(65536):
                if b"COMMIT" in data and self.cut:
                    how, self.cut = self.cut, None
                    self.cuts += 1
                    if how == "kept":
                        client.shutdown(socket.SHUT_RDWR)  # the answer finds nobody
                        server.sendall(data)
                        time.sleep(0.2)
                    break
                server.sendall(data)
        self._end(client, server)

    def _back(self, server: socket.socket, client: socket.socket) -> None:
        with suppress(OSError):
            while data := server.recv(65536):
                client.sendall(data)
        self._end(client, server)

    def _end(self, *ends: socket.socket) -> None:
        for end in ends:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def cutter(database: postgres_server.LocalServer) -> Iterator[Cutter]:
    with closing(Cutter(database)) as it:
        yield it


@pytest.mark.parametrize("how", ["lost", "kept"])
def test_the_answer_to_a_commit_is_lost(
    database: postgres_server.LocalServer, cutter: Cutter, store: PostgresStore, tmp_path: Path, how: str
) -> None:
    """Kept or not, the store finds out, and the caller gets what it asked for, once."""
    far = Server(f"postgresql://postgres@127.0.0.1:{cutter.port}/postgres", store.server.schema)
    with closing(postgres_store(far, tmp_path)) as cut:
        take_in(cut, 10, [10, 11])
        for number in range(20, 60, 10):
            cutter.cut = how
            receipt = take_in(cut, number, [number, number + 1])
            kept = store.parcel(parcel_id(number), outgoing=False)
            assert kept is not None and kept.receipt == receipt
        cutter.cut = how
        size = store.head().size
        assert cut.note([act("once")]).size == size + 1 == store.head().size
        assert cutter.cuts == 5


def test_many_in_one_group_when_the_answer_is_lost(
    cutter: Cutter, store: PostgresStore, tmp_path: Path
) -> None:
    far = Server(f"postgresql://postgres@127.0.0.1:{cutter.port}/postgres", store.server.schema)
    with closing(postgres_store(far, tmp_path)) as cut, ThreadPoolExecutor(12) as pool:
        for round_, how in enumerate(["kept", "lost", "kept", "lost"]):
            cutter.cut = how
            numbers = [1000 * round_ + 10 * n + 10 for n in range(24)]
            list(pool.map(lambda number: take_in(cut, number, [number, number + 1]), numbers))
        assert cutter.cuts == 4
    check(store, [1000 * round_ + 10 * n + 10 for round_ in range(4) for n in range(24)])


def test_gateways_go_on_by_themselves(database: postgres_server.LocalServer, tmp_path: Path) -> None:
    """Both gateways serve while their database is away: what was queued before arrives after, once."""
    with gateways(database.url, tmp_path) as (there, here):
        sender = open_gateway(here)
        serving = [Serving(there), Serving(here)]
        try:
            sent = declare(sender, 40)
            wait_until_done(sender, serving)
            sent += declare(sender, 300)
            database.stop(signal.SIGQUIT)
            time.sleep(1)
            database.start()
            sent += declare(sender, 40)
            wait_until_done(sender, serving)
        finally:
            for one in serving:
                one.end()
        received = open_gateway(there)
        check_delivered(sender, received, sent)
        received.store.close()
        sender.store.close()
        logs = serving[0].log() + serving[1].log()
        assert "cannot be reached" in logs and "Traceback" not in logs


def wait_for_more(said: Sized, more: int) -> None:
    """Until so many more are in it."""
    least, deadline = len(said) + more, time.monotonic() + BACK_SECONDS
    while len(said) < least:
        assert time.monotonic() < deadline
        time.sleep(0.01)
