"""`kill -9` of a relay at the moments that matter, and of it and both ends at random ones: each message has one effect, none is
lost, each relay's journal has each step once, and all journals verify. `INTERTIE_SOAK=1` kills each of the three twenty times."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.command.relaying import HOME, Three, make_three, wait_for
from tests.faults.killing import kill_in_turn

from intertie.exchange.outbound import State
from intertie.exchange.relaying import Back, Passage
from intertie.gateway.gateway import Gateway
from intertie.gateway.ports import Query
from intertie.gateway.proving.verify_journal import verify_journal
from intertie.gateway.sending.send_message import Outgoing, send
from intertie.journal.entry import read_entry
from intertie.model.documents import example
from intertie.model.ids import DocumentName, InterfaceCode, MessageId, PartyId
from intertie.model.message import Mode
from intertie.run import open_gateway

SOAK = bool(os.environ.get("INTERTIE_SOAK"))
KILLS = 20 if SOAK else 3  # of each
MESSAGES = 15 * KILLS
QUICK = (
    ("retry_first_seconds", "1.0", "0.05"),
    ("retry_ceiling_seconds", "300.0", "0.3"),
    ("messages_per_parcel", "4096", "10"),
    ("again_seconds", "15.0", "0.5"),
)

# The relay as `serve` runs it, but for one thing: it dies at a moment of our choice.
DYING = """
import os, signal, sys
from intertie.stores.sqlite import SqliteStore
from intertie.cli import main

name, when = sys.argv[1].split()
real = getattr(SqliteStore, name)

def dying(self, *given, **more):
    if when == "after":
        real(self, *given, **more)
    os.kill(os.getpid(), signal.SIGKILL)

setattr(SqliteStore, name, dying)
sys.argv[1:] = ["serve", "--dir", sys.argv[2]]
main()
"""
MOMENTS = [
    "take_relayed before",  # nothing was kept, and nobody was answered
    "take_relayed after",  # it is kept, and its sender was not answered
    "move_relayed before",  # the recipient has it, and its receipt is not kept here
    "move_relayed after",
    "tell_relayed before",  # the sender has the receipt, and its confirmation is not kept here
    "tell_relayed after",
]


def quick_three(base: Path, *, home_has_door: bool) -> Three:
    three = make_three(base, home_has_door=home_has_door)
    for directory in three:
        quicken(directory)
    return three


def quicken(directory: Path) -> None:
    file = directory / "intertie.toml"
    settings = file.read_text()
    for name, old, new in QUICK:
        assert f"# {name} = {old}" in settings
        settings = settings.replace(f"# {name} = {old}", f"{name} = {new}")
    file.write_text(settings)


def serve(place: Path) -> subprocess.Popen[bytes]:
    program = str(Path(sys.executable).with_name("intertie"))
    with (place / "serve.log").open("ab") as log:
        return subprocess.Popen([program, "serve", "--dir", str(place)], stdout=log, stderr=log)


def stop(*processes: subprocess.Popen[bytes]) -> None:
    for process in processes:
        process.terminate()
        process.wait(30)


def command(gateway: Gateway, count: int) -> list[MessageId]:
    _, body = example(DocumentName("charging_command"))
    now = datetime.now(UTC)
    outgoing = Outgoing(
        body=body,
        recipient=PartyId(HOME),
        interface=InterfaceCode("ET8"),
        mode=Mode.REAL_TIME,
        expires=now + timedelta(hours=2),
    )
    return send(gateway, [outgoing] * count, now)


def is_delivered(gateway: Gateway) -> bool:
    counts = gateway.store.counts()
    return not any(counts.get((True, state.value), 0) for state in (State.QUEUED, State.SENDING))


def check_all(three: Three, sent: list[MessageId]) -> None:
    sender, hub, home = (open_gateway(directory) for directory in three)
    rows = home.store.messages(Query(outgoing=False, limit=10 * MESSAGES))
    assert sorted(row.id for row in rows) == sorted(sent), "each exactly once"
    states = {row.state for row in sender.store.messages(Query(outgoing=True, limit=10 * MESSAGES))}
    assert states == {State.ACCEPTED}, "a repeat gets its first receipt, not that of a duplicate"
    relayed = hub.store.relayed_rows(waiting=False, limit=10_000)
    assert {(row.passage, row.back) for row in relayed} == {(Passage.RECEIPTED, Back.GIVEN)}
    steps = Counter(
        (entry.parcel, entry.note)
        for _, raw, _ in hub.store.entries(limit=100_000)
        if (entry := read_entry(raw)).note.startswith("relay: ")
    )
    assert set(steps.values()) == {1} and len(steps) == 4 * len(relayed)
    for gateway in (sender, hub, home):
        verify_journal(gateway.store)
        gateway.store.close()


@pytest.mark.parametrize("moment", MOMENTS)
def test_the_relay_is_killed(tmp_path: Path, moment: str) -> None:
    three = quick_three(tmp_path, home_has_door=False)
    sender = open_gateway(three.aggregator)
    sent = command(sender, 1)
    ends = [serve(three.aggregator), serve(three.home)]
    try:
        dying = [sys.executable, "-c", DYING, moment, str(three.hub)]
        with (three.hub / "serve.log").open("ab") as log:
            dead = subprocess.run(dying, timeout=60, check=False, stdout=log, stderr=log)
        assert dead.returncode == -signal.SIGKILL
        hub = serve(three.hub)
        try:
            wait_for(lambda: is_delivered(sender))
            gateway = open_gateway(three.hub)
            wait_for(lambda: not gateway.store.relayed_rows(waiting=True, limit=1))
            gateway.store.close()
        finally:
            stop(hub)
    finally:
        stop(*ends)
    sender.store.close()
    check_all(three, sent)


@pytest.mark.timeout(1800 if SOAK else 300)
def test_kill_nine_of_any_of_the_three_at_random_moments(tmp_path: Path) -> None:
    three = quick_three(tmp_path, home_has_door=True)
    sender, hub = open_gateway(three.aggregator), open_gateway(three.hub)
    chance = random.Random(20261127)
    running = {directory: serve(directory) for directory in three}
    try:
        sent: list[MessageId] = []
        for _ in range(KILLS):
            sent += command(sender, MESSAGES // KILLS)
            kill_in_turn(running, chance.sample(three, 3), chance, 1.5)
        wait_for(lambda: is_delivered(sender), 600 if SOAK else 120)
        wait_for(lambda: not hub.store.relayed_rows(waiting=True, limit=1))
    finally:
        stop(*running.values())
    sender.store.close()
    hub.store.close()
    check_all(three, sent)
