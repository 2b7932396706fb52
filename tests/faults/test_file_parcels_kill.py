"""`kill -9` of two gateways whose parcels are files, at random moments: of the one that has the mailbox, and of the one that goes
there, by SFTP, by FTP over TLS and without it, while parcels and receipts go both ways. Each message has one effect, none is
lost, and both journals verify. `INTERTIE_SOAK=1` kills each twenty times."""

from __future__ import annotations

import os
import random
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.command.relaying import AGGREGATOR, HOME, Three, wait_for
from tests.faults.killing import kill_in_turn
from tests.faults.test_relay_kill import is_delivered, quicken, serve, stop
from tests.interop.parcels_house import two_by_ftp
from tests.interop.test_sftp_parcels import two_by_sftp

from intertie.exchange.outbound import State
from intertie.gateway.gateway import Gateway
from intertie.gateway.ports import Query
from intertie.gateway.proving.verify_journal import verify_journal
from intertie.gateway.sending.send_message import Outgoing, send
from intertie.model.documents import example
from intertie.model.ids import DocumentName, InterfaceCode, MessageId, PartyId
from intertie.model.message import Mode
from intertie.run import open_gateway

SOAK = bool(os.environ.get("INTERTIE_SOAK"))
ROUNDS = 20 if SOAK else 2
MESSAGES = 20  # each way, in a round
LIMITS = "uploads_per_minute = 100000.0\nconnections_per_address = 100\n"


def pair(base: Path, way: str) -> Three:
    three = two_by_sftp(base)[0] if way == "sftp" else two_by_ftp(base, plain=way == "ftp", more=LIMITS)
    legacy = three.home / "partners" / f"{AGGREGATOR}.legacy"
    legacy.write_text(legacy.read_text().replace("poll_seconds = 1", "poll_seconds = 0.2"))
    for directory in (three.aggregator, three.home):
        quicken(directory)
    return three


def say(gateway: Gateway, to: str, document: str) -> list[MessageId]:
    _, body = example(DocumentName(document))
    now = datetime.now(UTC)
    outgoing = Outgoing(
        body=body,
        recipient=PartyId(to),
        interface=InterfaceCode("ET8"),
        mode=Mode.REAL_TIME,
        expires=now + timedelta(hours=2),
    )
    return send(gateway, [outgoing] * MESSAGES, now)


@pytest.mark.timeout(1800 if SOAK else 300)
@pytest.mark.parametrize("way", ["sftp", "ftps", "ftp"])
def test_nothing_is_lost_and_nothing_doubled(way: str, tmp_path: Path) -> None:
    three = pair(tmp_path, way)
    places = (three.aggregator, three.home)
    ends = [open_gateway(place) for place in places]
    said: list[list[MessageId]] = [[], []]
    chance = random.Random(23)
    running = {place: serve(place) for place in places}
    try:
        for _ in range(ROUNDS):
            said[0] += say(ends[0], HOME, "charging_command")
            said[1] += say(ends[1], AGGREGATOR, "charging_status")
            kill_in_turn(running, chance.sample(places, 2), chance, 2.5)
        wait_for(lambda: all(map(is_delivered, ends)), 600 if SOAK else 120)
        time.sleep(1)  # what would be doubled comes now
    finally:
        stop(*running.values())
    for here, there, sent in ((ends[0], ends[1], said[0]), (ends[1], ends[0], said[1])):
        came = there.store.messages(Query(outgoing=False, limit=10_000))
        assert sorted(row.id for row in came) == sorted(sent), "each exactly once"
        states = {row.state for row in here.store.messages(Query(outgoing=True, limit=10_000))}
        assert states == {State.ACCEPTED}, "a repeat gets its first receipt, not that of a duplicate"
    for gateway in ends:
        verify_journal(gateway.store)
        gateway.store.close()
