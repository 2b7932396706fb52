"""`kill -9` of a gateway that takes AS2 messages, and of the one that sends them, at random moments: what was receipted is there,
once, and no receipt is another one. `INTERTIE_SOAK=1` kills each twenty times."""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path

import pytest
from tests.command.as2_houses import AGGREGATOR, UTILITY, make_houses, notices
from tests.faults.killing import kill_in_turn, open_messages, serve

from intertie.bindings.as2.kept import KeptAnswers, KeptMessage, KeptReceipt, read_kept
from intertie.bindings.as2.translator import pinned
from intertie.exchange.outbound import State
from intertie.formats.as2 import mime
from intertie.formats.as2.receipt import is_receipt, read_receipt
from intertie.formats.as2.terms import Quirk
from intertie.gateway.ports import Query
from intertie.gateway.proving.verify_journal import verify_journal
from intertie.gateway.translating.accept_translated import original_of
from intertie.run import Opened
from intertie.seal.cms import digest_of

ROUNDS = 20 if os.environ.get("INTERTIE_SOAK") else 1
MESSAGES = 12  # in a round
# Until all has gone, on a machine that does other things too: a message is signed and encrypted on either side.
SECONDS = 120 if ROUNDS < 20 else 1200


@pytest.mark.timeout(300 if ROUNDS < 20 else 1800)
@pytest.mark.parametrize("receipt", ["sync", "async"])
def test_nothing_is_lost_and_nothing_doubled(tmp_path: Path, receipt: str) -> None:
    houses = make_houses(tmp_path, receipt)
    here, there = houses.places[UTILITY], houses.places[AGGREGATOR]
    chance = random.Random(5)
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
        signed = [mime.entity(original_of(row.body) or b"").body for row in came]
        assert len(came) == len(sent) and len(set(signed)) == len(sent), "each exactly once"
        assert other.as2 is not None
        taken: set[bytes] = set()
        for row in sent:
            kept = read_kept(original_of(row.body) or b"")
            assert (
                isinstance(kept, KeptMessage)
                and mime.entity(kept.signed).body in signed
                and row.parcel is not None
            )
            back = it.store.parcel(row.parcel, outgoing=True)
            assert back is not None and back.receipt is not None
            said = mime.entity(back.receipt)
            if is_receipt(said):
                fields = read_receipt(said, _pinned(it), frozenset(Quirk)).fields
                assert fields.accepted and fields.mic == digest_of(kept.over, kept.digest)
                taken.add(said.body)
            else:  # its receipt was lost with the connection, and its 824 said more
                assert said.kind.startswith("multipart/signed") or said.kind.startswith("application/")
        given = {_given(_receipt(other, row.parcel)).post.body for row in came}
        assert taken and taken <= given, "each receipt that went is the one that was kept"
        for one in (it, other):
            verify_journal(one.store)
    finally:
        other.close()


def _receipt(it: Opened, parcel: object) -> bytes:
    row = it.store.parcel(parcel, outgoing=False)  # type: ignore[arg-type]
    assert row is not None and row.receipt is not None
    return row.receipt


def _given(raw: bytes) -> KeptReceipt:
    """Our receipt, alone or with what the file's format answers."""
    kept = read_kept(raw)
    receipt = kept.receipt if isinstance(kept, KeptAnswers) else kept
    assert isinstance(receipt, KeptReceipt)
    return receipt


def _pinned(it: Opened) -> tuple:  # type: ignore[type-arg]
    partner = it.partners.find(AGGREGATOR)
    assert partner is not None and partner.foreign is not None
    return pinned(partner.foreign.as2, it.clock())
