"""`kill -9` of a gateway that takes AS4 messages, and of the one that sends them, at random moments: what was receipted is there,
once, and no receipt is another one. `INTERTIE_SOAK=1` kills each twenty times."""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path

import pytest
from tests.command.as2_houses import AGGREGATOR, UTILITY, notices
from tests.command.as4_houses import make_houses
from tests.faults.killing import kill_in_turn, open_messages, serve

from intertie.bindings.as4.kept import KeptAnswers, KeptMessage, KeptSignal, read_kept
from intertie.bindings.as4.proof import As4Verifier
from intertie.exchange.outbound import State
from intertie.gateway.ports import Query
from intertie.gateway.proving.verify_journal import verify_journal
from intertie.gateway.translating.accept_translated import original_of
from intertie.run import Opened

ROUNDS = 20 if os.environ.get("INTERTIE_SOAK") else 2
MESSAGES = 8  # in a round
# Until all has gone, on a machine that does other things too: a message is signed and encrypted on either side.
SECONDS = 120 if ROUNDS < 20 else 1200


@pytest.mark.timeout(300 if ROUNDS < 20 else 1800)
def test_nothing_is_lost_and_nothing_doubled(tmp_path: Path) -> None:
    houses = make_houses(tmp_path)
    here, there = houses.places[UTILITY], houses.places[AGGREGATOR]
    chance = random.Random(7)
    it = Opened(here)
    running = {place: serve(place) for place in (here, there)}
    try:
        for count in range(ROUNDS):
            notices(it, MESSAGES, count * MESSAGES)
            kill_in_turn(running, chance.sample([here, there], 2), chance, 1.0)
        deadline = time.monotonic() + SECONDS
        while open_messages(it.gateway) and time.monotonic() < deadline:
            time.sleep(0.1)
    finally:
        for process in running.values():
            process.send_signal(signal.SIGTERM)
            process.wait(30)
    try:
        _check(it, there)
    finally:
        it.close()


def _check(it: Opened, there: Path) -> None:
    other = Opened(there)
    try:
        sent = list(it.store.messages(Query(outgoing=True, limit=1000)))
        came = list(other.store.messages(Query(outgoing=False, limit=1000)))
        assert {row.state for row in sent} == {State.ACCEPTED} and len(sent) == ROUNDS * MESSAGES
        ours, theirs = ([_file(row.body) for row in rows] for rows in (sent, came))
        assert sorted(ours) == sorted(theirs) and len(set(theirs)) == len(sent), "each exactly once"
        given = {_signal(other, row.parcel, outgoing=False).raw for row in came}
        taken = [_signal(it, row.parcel, outgoing=True, whole=True) for row in sent]
        receipts = [one.raw for one in taken if isinstance(one, KeptSignal)]
        # Of some the receipt was lost with its connection, and the 824 said more.
        assert receipts and set(receipts) <= given, "each receipt that went is the one that was kept"
        assert other.as4 is not None
        for row in came:
            parcel = other.store.parcel(row.parcel, outgoing=False)  # type: ignore[arg-type]
            facts = As4Verifier().check(parcel.receipt or b"", other.as4.certificate().decode())  # type: ignore[union-attr]
            assert set(facts.answers) & {one.id for one in sent} and facts.result == "received"
        for one in (it, other):
            verify_journal(one.store)
    finally:
        other.close()


def _file(body: bytes) -> bytes:
    kept = read_kept(original_of(body) or b"")
    assert isinstance(kept, KeptMessage)
    return kept.attached.content


def _signal(it: Opened, parcel: object, *, outgoing: bool, whole: bool = False) -> object:
    row = it.store.parcel(parcel, outgoing=outgoing)  # type: ignore[arg-type]
    assert row is not None and row.receipt is not None
    kept = read_kept(row.receipt)
    if isinstance(kept, KeptAnswers):
        kept = kept.receipt
    assert whole or isinstance(kept, KeptSignal)
    return kept
