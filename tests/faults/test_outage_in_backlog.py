"""An outage notice to every partner while billing is under way: real gateways, each with its door; a tenth of the acceptance's
counts, all of them with INTERTIE_SOAK=1. When receipts come is printed and never asserted: machines differ. In what order
things go is."""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import pytest

from intertie.exchange.outbound import State
from intertie.model.ids import MessageId, ParcelId, PartyId

ROOT = Path(__file__).parent.parent.parent
sys.path.insert(0, str(ROOT))

from bench import outage  # noqa: E402
from rich.console import Console  # noqa: E402

SOAK = os.environ.get("INTERTIE_SOAK") == "1"
SCALE = outage.FULL if SOAK else outage.TENTH


@pytest.mark.slow
@pytest.mark.timeout(3600 if SOAK else 900)
def test_no_notice_waits_for_billing(tmp_path: Path) -> None:
    found = outage.measured(tmp_path, SCALE)
    outage.show(Console(), SCALE, found)
    assert len(found.rounds) == 3
    for one in found.rounds:
        assert len(one.seconds) == SCALE.partners, one.name
    assert found.billed == 2 * SCALE.messages
    idle, over_connections, without = found.rounds
    assert idle.waiting_before == 0
    assert over_connections.waiting_before > 0 and without.waiting_before > 0
    late = [take for take in found.takes if take.notice_waited and not take.notice_first]
    assert not late, f"{len(late)} parcels of billing were begun while a notice waited: {late[:3]}"


class _Row(NamedTuple):
    document: str


class _Store:
    """Gives what it is told to; keeps nothing."""

    def __init__(self, *documents: str) -> None:
        self.rows = [_Row(document) for document in documents]

    def take_outgoing(self, partner: PartyId) -> list[_Row]:
        return self.rows

    def add_parcel(self, parcel: object, messages: list[MessageId], now: datetime) -> None:
        """Nothing."""

    def close_parcel(self, parcel: ParcelId, receipt: bytes, outcomes: list[object]) -> None:
        """Nothing."""


def test_the_watch_sees_billing_that_goes_before_a_notice() -> None:
    store, here, there = _Store(outage.BILL, outage.NOTICE), PartyId("a.example"), PartyId("b.example")
    watch = outage.Watch(store)
    store.take_outgoing(here)  # nothing waits yet
    watch.expect({MessageId("m-1"): here})
    store.take_outgoing(here)  # it may be in the queue or not
    watch.queued()
    store.take_outgoing(there)
    store.take_outgoing(here)
    store.rows.reverse()
    store.take_outgoing(here)
    store.add_parcel(None, [MessageId("m-1")], datetime.now(UTC))
    store.rows.reverse()
    store.take_outgoing(here)
    assert watch.takes == [
        outage.Take(here, False, False),
        outage.Take(here, False, False),
        outage.Take(there, False, False),
        outage.Take(here, True, False),  # this is the one
        outage.Take(here, True, True),
        outage.Take(here, False, False),
    ]


def test_a_notice_that_was_sealed_while_it_was_queued_does_not_wait() -> None:
    store, here = _Store(outage.BILL), PartyId("a.example")
    watch = outage.Watch(store)
    watch.expect({MessageId("m-1"): here})
    store.add_parcel(None, [MessageId("m-1")], datetime.now(UTC))
    watch.queued()
    store.take_outgoing(here)
    assert watch.takes == [outage.Take(here, False, False)]


def test_receipts_are_told_apart() -> None:
    store, here = _Store(), PartyId("a.example")
    watch = outage.Watch(store)
    watch.bill(2)
    watch.expect({MessageId("m-1"): here})
    accepted = State.ACCEPTED
    store.close_parcel(ParcelId("p-1"), b"", [(MessageId("bill-1"), accepted, "")])
    assert watch.begun.is_set() and not watch.noticed.is_set() and not watch.ended.is_set()
    store.close_parcel(ParcelId("p-2"), b"", [(MessageId("m-1"), accepted, "")])
    assert watch.noticed.is_set() and set(watch.receipted) == {here} and watch.billed_at_last_notice == 1
    store.close_parcel(ParcelId("p-3"), b"", [(MessageId("bill-2"), accepted, "")])
    assert watch.ended.is_set() and watch.billed == 2
    with pytest.raises(SystemExit, match="bill-3 ended as"):
        store.close_parcel(ParcelId("p-4"), b"", [(MessageId("bill-3"), State.REFUSED, "no")])
