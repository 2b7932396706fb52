"""`kill -9` on PostgreSQL: sender and receiver are two processes each over one database, and any of them may go at any moment.
Nothing acknowledged is lost, nothing is doubled, the journals verify."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest
from tests.faults.killing import UTILITY, declare, make_gateways, open_messages
from tests.postgres_server import fresh_schema

from intertie.exchange.outbound import State
from intertie.gateway.gateway import Gateway
from intertie.gateway.ports import Query
from intertie.gateway.proving.verify_journal import verify_journal
from intertie.model.ids import MessageId
from intertie.run import open_gateway
from intertie.seal.tree import Frontier
from intertie.stores.postgres import PostgresStore

SOAK = bool(os.environ.get("INTERTIE_SOAK"))
KILLS = 50 if SOAK else 5
MESSAGES_PER_KILL = 200
# A worker that was killed is back, and has what it held, within this.
DONE_SECONDS = 120


@contextmanager
def gateways(url: str, folder: Path) -> Iterator[tuple[Path, Path]]:
    """Two gateways (utility, aggregator), each with a schema of its own and room for small parcels."""
    with ExitStack() as stack:
        made = make_gateways(folder)
        for place in made:
            server = stack.enter_context(fresh_schema(url))
            settings = (place / "intertie.toml").read_text()
            lines = f'[store]\nurl = "{server.url}"\nschema = "{server.schema}"'
            (place / "intertie.toml").write_text(settings.replace("[store]", lines, 1))
            (place / "store.db").unlink()  # `partner add` made it
        yield made


@pytest.fixture
def places(postgres_url: str, tmp_path: Path) -> Iterator[tuple[Path, Path]]:
    with gateways(postgres_url, tmp_path) as made:
        yield made


class Serving:
    """`intertie serve --workers 2` in a directory."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        program = str(Path(sys.executable).with_name("intertie"))
        command = [program, "serve", "--dir", str(self.place), "--workers", "2"]
        with (self.place / "serve.log").open("ab") as log:
            return subprocess.Popen(command, stdout=log, stderr=log)

    def workers(self) -> list[int]:
        """The process ids of the workers there are now."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(pid) for pid in children.read_text().split()]

    def kill_a_worker(self, chance: random.Random) -> None:
        """One of them, in the middle of something; the supervisor starts another."""
        workers = self.workers()
        if workers:
            kill(chance.choice(workers))

    def kill_all(self) -> None:
        """All at one moment, and start again."""
        workers = self.workers()
        kill(self.process.pid)
        for pid in workers:
            kill(pid)
        self.process.wait(10)
        self.process = self._start()

    def end(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.kill_all()
            self.process.kill()

    def log(self) -> str:
        return (self.place / "serve.log").read_text()


def kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def wait_until_done(sender: Gateway, logs: list[Serving]) -> None:
    deadline = time.monotonic() + DONE_SECONDS
    while open_messages(sender) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert open_messages(sender) == 0, "\n".join(one.log()[-2000:] for one in logs)


def check(sender: Gateway, received: Gateway, sent: list[MessageId]) -> None:
    """Each message once on either side, journals whole, and theirs is the one that we are a witness of."""
    rows = received.store.messages(Query(outgoing=False, limit=len(sent) * 2))
    assert sorted(row.id for row in rows) == sorted(sent), "each exactly once"
    states = {row.state for row in sender.store.messages(Query(outgoing=True, limit=len(sent) * 2))}
    assert states <= {State.ACCEPTED, State.DUPLICATE}
    assert verify_journal(received.store).size >= len(sent)
    assert verify_journal(sender.store).size >= len(sent)
    heads = {head.size: head.root for head in sender.store.partner_heads(UTILITY)}
    frontier = Frontier()
    for _, _, leaf in received.store.entries(limit=len(sent) * 5):
        frontier.append(leaf)
        assert heads.pop(frontier.size, frontier.root()) == frontier.root(), "not the journal we witnessed"
    assert not heads, "a journal that we are a witness of was cut short"
    assert {type(gateway.store) for gateway in (sender, received)} == {PostgresStore}


@pytest.mark.timeout(1800 if SOAK else 300)
def test_kill_nine_of_any_process(places: tuple[Path, Path]) -> None:
    there, here = places
    chance = random.Random(20260115)
    sender = open_gateway(here)
    receivers, couriers = Serving(there), Serving(here)
    both = [receivers, couriers]
    sent: list[MessageId] = []
    try:
        for round_ in range(KILLS):
            sent += declare(sender, MESSAGES_PER_KILL)
            time.sleep(chance.uniform(0.2, 1.5))
            if round_ % 5 == 4:
                chance.choice(both).kill_all()
            else:
                both[round_ % 2].kill_a_worker(chance)
        wait_until_done(sender, both)
    finally:
        for one in both:
            one.end()
    received = open_gateway(there)
    check(sender, received, sent)
    received.store.close()
    sender.store.close()


def test_both_processes_of_a_sender_deliver(places: tuple[Path, Path]) -> None:
    """And when one of them is gone, the other takes up what it held."""
    there, here = places
    sender = open_gateway(here)
    receivers, couriers = Serving(there), Serving(here)
    try:
        sent = declare(sender, 50)
        wait_until_done(sender, [receivers, couriers])
        for _ in range(2):  # whichever it was that delivered: the next one does
            before = couriers.workers()
            kill(before[0])
            sent += declare(sender, 50)
            wait_until_done(sender, [receivers, couriers])
    finally:
        receivers.end()
        couriers.end()
    received = open_gateway(there)
    check(sender, received, sent)
    received.store.close()
    sender.store.close()
    assert "Traceback" not in couriers.log() + receivers.log()
