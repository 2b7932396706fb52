"""Two gateways as processes over SQLite files, and how they are killed: `kill -9` at a random moment, and another begins."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.command.gateways import wait_for_line
from tests.ports import free_port

from intertie.cli import run as command
from intertie.exchange.outbound import State
from intertie.gateway.gateway import Gateway
from intertie.gateway.sending.send_message import Outgoing, send
from intertie.model.documents import example
from intertie.model.ids import AgreementId, DocumentName, InterfaceCode, MessageId, PartyId
from intertie.model.message import Mode

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


def kill_and_wait(process: subprocess.Popen[bytes], place: Path) -> subprocess.Popen[bytes]:
    """Kill a gateway, and start another one in its place that is up: the next kill meets it at work, not while it begins."""
    log = place / "serve.log"
    begun = log.stat().st_size
    process.kill()
    process.wait(10)
    fresh = serve(place)
    doorless = '\nlisten = ""' in (place / "intertie.toml").read_text()
    wait_for_line(log, begun, '"serving without a door"' if doorless else '"listening"', fresh)
    return fresh


def kill_in_turn(
    running: dict[Path, subprocess.Popen[bytes]],
    victims: Iterable[Path],
    chance: random.Random,
    most: float,
    least: float = 0.2,
) -> None:
    """Each of these, after so many seconds of work by chance."""
    for victim in victims:
        time.sleep(chance.uniform(least, most))
        running[victim] = kill_and_wait(running[victim], victim)
