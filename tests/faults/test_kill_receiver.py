"""`kill -9` of the receiving gateway, and of the one that sends, at random moments: nothing acknowledged is lost, nothing is
doubled. `INTERTIE_SOAK=1` kills each twenty times."""

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
from tests.command.gateways import wait_for_line
from tests.ports import free_port

from intertie.cli import run as command
from intertie.exchange.outbound import State
from intertie.gateway.gateway import Gateway
from intertie.gateway.ports import Query
from intertie.gateway.proving.verify_journal import verify_journal
from intertie.gateway.sending.send_message import Outgoing, send
from intertie.model.documents import example
from intertie.model.ids import AgreementId, DocumentName, InterfaceCode, MessageId, PartyId
from intertie.model.message import Mode
from intertie.run import open_gateway
from intertie.seal.tree import Frontier

SOAK = bool(os.environ.get("INTERTIE_SOAK"))
KILLS = 20 if SOAK else 5  # of each
MESSAGES = 200 * KILLS
UTILITY, AGGREGATOR = PartyId("utility.example"), PartyId("aggregator.example")


def make_gateways(directory: Path) -> tuple[Path, Path]:
    places = directory / "utility", directory / "aggregator"
    for place, party, role in zip(
        places, (UTILITY, AGGREGATOR), ("distribution_utility", "der_aggregator"), strict=True
    ):
        url = f"https://127.0.0.1:{free_port()}"
        assert command(["init", party, "--role", role, "--dir", str(place), "--url", url]) == 0
        settings = (place / "intertie.toml").read_text()
        settings = settings.replace("# retry_first_seconds = 1.0", "retry_first_seconds = 0.05")
        settings = settings.replace("# retry_ceiling_seconds = 300.0", "retry_ceiling_seconds = 0.3")
        settings = settings.replace("# messages_per_parcel = 4096", "messages_per_parcel = 20")
        (place / "intertie.toml").write_text(settings)
    for ours, theirs in (places, places[::-1]):
        descriptor, root = str(theirs / "descriptor.json"), str(theirs / "trust" / "trial-ca.pem")
        arguments = ["partner", "add", descriptor, "--root", root, "--agreement", "A-1", "--dir", str(ours)]
        assert command(arguments) == 0
    return places


def serve(place: Path) -> subprocess.Popen[bytes]:
    program = str(Path(sys.executable).with_name("intertie"))
    log = (place / "serve.log").open("ab")
    return subprocess.Popen([program, "serve", "--dir", str(place)], stdout=log, stderr=log)


def declare(gateway: Gateway, count: int) -> list[MessageId]:
    _, body = example(DocumentName("availability_declaration"))
    now = datetime.now(UTC)
    outgoing = Outgoing(
        body=body,
        recipient=UTILITY,
        interface=InterfaceCode("DA"),
        mode=Mode.SCHEDULED,
        agreement=AgreementId("A-1"),
        expires=now + timedelta(hours=2),
    )
    return send(gateway, [outgoing] * count, now)


def open_messages(gateway: Gateway) -> int:
    counts = gateway.store.counts()
    return sum(counts.get((True, state.value), 0) for state in (State.QUEUED, State.SENDING))


def kill_and_restart(receiver: subprocess.Popen[bytes], place: Path) -> subprocess.Popen[bytes]:
    os.kill(receiver.pid, signal.SIGKILL)
    receiver.wait(10)
    return serve(place)


def kill_and_wait(process: subprocess.Popen[bytes], place: Path) -> subprocess.Popen[bytes]:
    """The same, and another one is up: the next kill meets it at work, not while it begins."""
    log = place / "serve.log"
    begun = log.stat().st_size
    fresh = kill_and_restart(process, place)
    doorless = '\nlisten = ""' in (place / "intertie.toml").read_text()
    wait_for_line(log, begun, '"serving without a door"' if doorless else '"listening"', fresh)
    return fresh


@pytest.mark.timeout(1800 if SOAK else 300)
def test_kill_nine_of_either(tmp_path: Path) -> None:
    there, here = make_gateways(tmp_path)
    sender = open_gateway(here)
    chance = random.Random(20260115)
    running = {place: serve(place) for place in (there, here)}
    try:
        sent: list[MessageId] = []
        for _ in range(KILLS):
            sent += declare(sender, MESSAGES // KILLS)
            for victim in chance.sample([there, here], 2):
                time.sleep(chance.uniform(0.2, 1.5))
                running[victim] = kill_and_wait(running[victim], victim)
        deadline = time.monotonic() + (600 if SOAK else 120)
        while open_messages(sender) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert open_messages(sender) == 0, (there / "serve.log").read_text()[-2000:]
    finally:
        for process in running.values():
            process.terminate()
            process.wait(20)
    received = open_gateway(there)
    rows = received.store.messages(Query(outgoing=False, limit=MESSAGES * 2))
    assert sorted(row.id for row in rows) == sorted(sent), "each exactly once"
    states = {row.state for row in sender.store.messages(Query(outgoing=True, limit=MESSAGES * 2))}
    assert states <= {State.ACCEPTED, State.DUPLICATE}
    assert verify_journal(received.store).size >= MESSAGES
    assert verify_journal(sender.store).size >= MESSAGES
    heads = {head.size: head.root for head in sender.store.partner_heads(UTILITY)}
    frontier = Frontier()
    for _, _, leaf in received.store.entries(limit=MESSAGES * 5):
        frontier.append(leaf)
        assert heads.pop(frontier.size, frontier.root()) == frontier.root(), (
            "the journal is not what we witnessed"
        )
    assert not heads, "a journal that we are a witness of was cut short"
    received.store.close()
    sender.store.close()
