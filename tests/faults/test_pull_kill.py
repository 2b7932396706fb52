"""`kill -9` of a gateway that comes for its parcels, and of the one that hands them out: each message has one effect, none is
lost, and both journals verify. `INTERTIE_SOAK=1` kills each twenty times."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.faults.killing import kill_in_turn
from tests.ports import free_port

from intertie.cli import run as command
from intertie.exchange.outbound import State
from intertie.gateway.gateway import Gateway
from intertie.gateway.ports import Query
from intertie.gateway.proving.verify_journal import verify_journal
from intertie.gateway.sending.send_message import Outgoing, send
from intertie.journal.entry import Kind
from intertie.model.documents import example
from intertie.model.ids import AgreementId, DocumentName, InterfaceCode, MessageId, PartyId
from intertie.model.message import Mode
from intertie.run import open_gateway

UTILITY, AGGREGATOR = PartyId("utility.example"), PartyId("aggregator.example")
SOAK = bool(os.environ.get("INTERTIE_SOAK"))
KILLS = 20 if SOAK else 4  # of each
MESSAGES = 75 * KILLS

# The aggregator as `serve` runs it, but for one thing: it dies at a moment of our choice.
DYING = """
import asyncio, os, random, signal, sys, time
from pathlib import Path
from intertie.bindings.parcel_https.pull_client import PullLink
from intertie.gateway.receiving.fetch import Fetches
from intertie.run import Opened, street_link

class Dying(PullLink):
    async def next_parcel(self, *given, **more):
        came = await super().next_parcel(*given, **more)
        if sys.argv[2] == "fetched" and came.blob:
            os.kill(os.getpid(), signal.SIGKILL)
        return came

    async def bring_receipt(self, *given):
        if sys.argv[2] == "kept":
            os.kill(os.getpid(), signal.SIGKILL)
        said = await super().bring_receipt(*given)
        os.kill(os.getpid(), signal.SIGKILL)

class Doors:
    may_send = lambda self, party: True
    answered = failed = came = lambda self, *_: None

async def main():
    it = Opened(Path(sys.argv[1]))
    fetches = Fetches(it.gateway, Dying(street_link(it), it.settings), Doors(), it.clock, random.random, print)
    fetches.start()
    await asyncio.sleep(60)

asyncio.run(main())
"""


def make_gateways(base: Path) -> tuple[Path, Path]:
    utility, aggregator = base / "utility", base / "aggregator"
    url = f"https://127.0.0.1:{free_port()}"
    init = ["init", UTILITY, "--role", "distribution_utility", "--dir", str(utility), "--url", url]
    assert command(init) == 0
    init = ["init", AGGREGATOR, "--role", "der_aggregator", "--dir", str(aggregator), "--no-door"]
    assert command(init) == 0
    for place in (utility, aggregator):
        settings = (place / "intertie.toml").read_text()
        for name, old, new in (
            ("retry_first_seconds", "1.0", "0.05"),
            ("retry_ceiling_seconds", "300.0", "0.3"),
            ("messages_per_parcel", "4096", "20"),
            ("again_seconds", "15.0", "0.5"),
        ):
            assert f"# {name} = {old}" in settings
            settings = settings.replace(f"# {name} = {old}", f"{name} = {new}")
        (place / "intertie.toml").write_text(settings)
    for ours, theirs in ((utility, aggregator), (aggregator, utility)):
        descriptor, root = str(theirs / "descriptor.json"), str(theirs / "trust" / "trial-ca.pem")
        add = ["partner", "add", descriptor, "--root", root, "--agreement", "A-1", "--dir", str(ours)]
        assert command(add) == 0
    return utility, aggregator


def serve(place: Path) -> subprocess.Popen[bytes]:
    program = str(Path(sys.executable).with_name("intertie"))
    with (place / "serve.log").open("ab") as log:
        return subprocess.Popen([program, "serve", "--dir", str(place)], stdout=log, stderr=log)


def tell(gateway: Gateway, count: int) -> list[MessageId]:
    _, body = example(DocumentName("outage_notice"))
    now = datetime.now(UTC)
    outgoing = Outgoing(
        body=body,
        recipient=AGGREGATOR,
        interface=InterfaceCode("DA"),
        mode=Mode.SCHEDULED,
        agreement=AgreementId("A-1"),
        expires=now + timedelta(hours=2),
    )
    return send(gateway, [outgoing] * count, now)


def wait_delivered(gateway: Gateway, log: Path) -> None:
    deadline = time.monotonic() + (600 if SOAK else 120)
    while time.monotonic() < deadline:
        counts = gateway.store.counts()
        if not any(counts.get((True, state.value), 0) for state in (State.QUEUED, State.SENDING)):
            return
        time.sleep(0.1)
    raise AssertionError(log.read_text()[-2000:])


def check_both(utility: Path, aggregator: Path, sent: list[MessageId]) -> None:
    sender, receiver = open_gateway(utility), open_gateway(aggregator)
    rows = receiver.store.messages(Query(outgoing=False, limit=2 * MESSAGES))
    assert sorted(row.id for row in rows) == sorted(sent), "each exactly once"
    states = {row.state for row in sender.store.messages(Query(outgoing=True, limit=2 * MESSAGES))}
    assert states == {State.ACCEPTED}, "a repeat of a parcel gets its first receipt, not that of a duplicate"
    for gateway in (sender, receiver):
        assert verify_journal(gateway.store).size >= len(sent)
        gateway.store.close()


def stop(*processes: subprocess.Popen[bytes]) -> None:
    for process in processes:
        process.terminate()
        process.wait(30)


@pytest.mark.parametrize("moment", ["fetched", "kept", "confirmed"])
def test_killed_between_fetching_and_confirming(tmp_path: Path, moment: str) -> None:
    """Before anything was kept; kept and not confirmed; confirmed, and dead before the answer was read."""
    utility, aggregator = make_gateways(tmp_path)
    sender = open_gateway(utility)
    sent = tell(sender, 1)
    door = serve(utility)
    try:
        dead = subprocess.run([sys.executable, "-c", DYING, str(aggregator), moment], timeout=60, check=False)
        assert dead.returncode == -signal.SIGKILL
        receiver = open_gateway(aggregator)
        kept = len(receiver.store.messages(Query(outgoing=False)))
        receiver.store.close()
        assert kept == (0 if moment == "fetched" else 1)
        state = State.ACCEPTED if moment == "confirmed" else State.SENDING
        (row,) = sender.store.messages(Query(outgoing=True))
        assert row.state is state
        fetcher = serve(aggregator)
        try:
            wait_delivered(sender, aggregator / "serve.log")
        finally:
            stop(fetcher)
    finally:
        stop(door)
    receiver = open_gateway(aggregator)
    receipts = [raw for _, raw, _ in receiver.store.entries() if Kind.RECEIPT_OUT.value.encode() in raw]
    receiver.store.close()
    assert len(receipts) == 1
    sender.store.close()
    check_both(utility, aggregator, sent)


@pytest.mark.timeout(1800 if SOAK else 300)
def test_kill_nine_of_either_at_random_moments(tmp_path: Path) -> None:
    utility, aggregator = make_gateways(tmp_path)
    sender = open_gateway(utility)
    chance = random.Random(20261126)
    running = {utility: serve(utility), aggregator: serve(aggregator)}
    try:
        sent: list[MessageId] = []
        for _ in range(KILLS):
            sent += tell(sender, MESSAGES // KILLS)
            kill_in_turn(running, chance.sample([utility, aggregator], 2), chance, 1.5)
        wait_delivered(sender, aggregator / "serve.log")
    finally:
        stop(*running.values())
    sender.store.close()
    check_both(utility, aggregator, sent)
