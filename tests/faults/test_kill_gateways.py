"""`kill -9` of the sending gateway, of the receiving one, or of both, at random moments: nothing acknowledged is lost, nothing is
doubled, and the journals are those that were witnessed. `INTERTIE_SOAK=1` does two hundred rounds instead of twenty."""

from __future__ import annotations

import os
import random
import time
from pathlib import Path

import pytest
from tests.faults.killing import UTILITY, declare, kill_in_turn, make_gateways, open_messages, serve

from intertie.exchange.outbound import State
from intertie.gateway.ports import Query
from intertie.gateway.proving.verify_journal import verify_journal
from intertie.model.ids import MessageId
from intertie.run import open_gateway
from intertie.seal.tree import Frontier

SOAK = bool(os.environ.get("INTERTIE_SOAK"))
ROUNDS = 200 if SOAK else 20
EACH = 50  # messages of a round
MESSAGES = EACH * ROUNDS
VICTIMS = (
    lambda receiver, sender: [receiver],
    lambda receiver, sender: [sender],
    lambda receiver, sender: [receiver, sender],
)


@pytest.mark.timeout(3600 if SOAK else 300)
def test_kill_nine_of_sender_receiver_or_both(tmp_path: Path) -> None:
    there, here = make_gateways(tmp_path)
    sender = open_gateway(here)
    chance = random.Random(20260115)
    running = {place: serve(place) for place in (there, here)}
    try:
        sent: list[MessageId] = []
        for _ in range(ROUNDS):
            sent += declare(sender, EACH)
            kill_in_turn(running, chance.choice(VICTIMS)(there, here), chance, 1.5)
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
