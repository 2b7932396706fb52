"""What running a gateway asks of every store: queues, timeliness, stop flags, a probe."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import apsw
import pytest
from store_builders import (
    NOW,
    OTHER,
    THEM,
    accepted,
    act,
    incoming,
    outgoing,
    parcel,
    queued_entries,
    refusal,
    sqlite_store,
    verify,
    write_receipt,
)

from intertie.exchange.outbound import State
from intertie.exchange.timeliness import BEFORE, FlowRef, Span, span_of
from intertie.gateway.operating.operations_ports import QueueLine, Stop
from intertie.gateway.ports import Store
from intertie.model.errors import StoreError
from intertie.model.ids import DocumentName, InterfaceCode
from intertie.stores import sqlite_operations

SECOND = timedelta(seconds=1)
FLOW = FlowRef(InterfaceCode("DA"), DocumentName("outage_notice"), "real_time")
SLOW = FlowRef(InterfaceCode("DA"), DocumentName("invoice"), "scheduled")


def queue(store: Store, number: int, age: int, **changes: object) -> None:
    message = outgoing(number, **changes)  # type: ignore[arg-type]
    store.add_outgoing([message], queued_entries([message]), NOW - age * SECOND)


def test_nothing_waits_in_an_empty_store(store: Store) -> None:
    assert store.queues() == [] and store.waiting_parcels() == {}


def test_queues_by_partner_and_priority_with_their_oldest(store: Store) -> None:
    queue(store, 1, 90, priority=5)
    queue(store, 2, 60, priority=5)
    queue(store, 3, 30, priority=0)
    queue(store, 4, 10, to=OTHER, priority=5)
    store.set_state(outgoing(1).id, State.CANCELLED, "", [], NOW)
    assert store.queues() == [
        QueueLine(THEM, 0, 1, 0, NOW - 30 * SECOND),
        QueueLine(THEM, 5, 1, 0, NOW - 60 * SECOND),
        QueueLine(OTHER, 5, 1, 0, NOW - 10 * SECOND),
    ]


def test_what_is_sealed_still_waits_until_its_receipt(store: Store) -> None:
    queue(store, 1, 90)
    queue(store, 2, 60)
    sealed = parcel(1, [outgoing(1)], out=True)
    store.add_parcel(sealed, [outgoing(1).id], NOW)
    assert store.queues() == [QueueLine(THEM, 5, 1, 1, NOW - 90 * SECOND)]
    assert store.waiting_parcels() == {THEM: 1}
    store.close_parcel(sealed.id, b"receipt", [(outgoing(1).id, State.ACCEPTED, "")], [], NOW)
    assert store.queues() == [QueueLine(THEM, 5, 1, 0, NOW - 60 * SECOND)]
    assert store.waiting_parcels() == {}


def test_what_comes_in_is_in_no_queue(store: Store) -> None:
    messages = incoming([1])
    store.accept(parcel(1, messages), messages, [], accepted(messages), write_receipt, NOW)
    assert store.queues() == []


def test_refusals_of_a_time_by_code(store: Store) -> None:
    for number, (code, age) in enumerate([("schema", 4000), ("schema", 50), ("expired", 40), ("schema", 30)]):
        store.refuse(refusal(number, code)._replace(at=NOW - age * SECOND))
    hour = NOW - timedelta(hours=1)
    assert store.refused_since(hour, limit=100) == {"expired": 1, "schema": 2}
    assert store.refused_since(hour, limit=1) == {"schema": 1}
    assert store.refused_since(NOW, limit=100) == {}


def test_timeliness_adds_up(store: Store) -> None:
    now = span_of(NOW)
    store.add_timeliness([Span(now, FLOW, 3, 5, 1, 0.25), Span(now, SLOW, 3, 1, 0, 0.1)], BEFORE)
    store.add_timeliness([Span(now, FLOW, 3, 2, 0, 0.5)], BEFORE)
    store.add_timeliness([], BEFORE)
    kept = {(span.flow, span.place): span for span in store.timeliness()}
    assert kept == {(FLOW, 3): Span(now, FLOW, 3, 7, 1, 0.75), (SLOW, 3): Span(now, SLOW, 3, 1, 0, 0.1)}


def test_old_spans_are_summed_up_and_none_is_lost(store: Store) -> None:
    old = [span_of(NOW - timedelta(hours=hours)) for hours in (40, 30, 1)]
    for start in old:
        store.add_timeliness([Span(start, FLOW, 2, 3, 1, 0.5)], BEFORE)
    for _ in range(2):
        store.add_timeliness([], NOW - timedelta(hours=24))
    assert store.timeliness() == [Span(BEFORE, FLOW, 2, 6, 2, 1.0), Span(old[2], FLOW, 2, 3, 1, 0.5)]
    assert store.timeliness(NOW - timedelta(hours=2)) == [Span(old[2], FLOW, 2, 3, 1, 0.5)]


def test_a_stop_flag_goes_up_and_down_and_the_journal_says_so(store: Store) -> None:
    stop = Stop(THEM, False, NOW, NOW + timedelta(hours=1))
    store.raise_stop(stop, [act("stop")])
    longer = stop._replace(until=NOW + timedelta(hours=2))
    store.raise_stop(longer, [act("again")])
    ours = Stop(THEM, True, NOW, NOW + timedelta(hours=1))
    store.raise_stop(ours, [act("ours")])
    assert store.stops() == [longer, ours]
    assert store.lower_stop(THEM, ours=False, entries=[act("resume")])
    assert not store.lower_stop(THEM, ours=False, entries=[act("resume")])
    assert store.stops() == [ours]
    assert store.head().size == 4
    verify(store)


def test_a_probe_changes_nothing(store: Store) -> None:
    store.note([act()])
    before = store.head()
    store.probe()
    assert store.head() == before
    assert store.size_bytes() >= 0


def test_a_probe_of_a_store_that_is_closed_fails(tmp_path: Path) -> None:
    store = sqlite_store(tmp_path / "store.db")
    store.probe()
    size = store.size_bytes()
    assert size > 4096
    store.close()
    with pytest.raises(StoreError):
        store.probe()


@pytest.mark.parametrize("sql", ["_QUEUED", "_SENDING", "_PARCELS"])
def test_no_question_looks_at_what_is_done(tmp_path: Path, sql: str) -> None:
    """The plan walks the partial indexes, which hold only what waits."""
    sqlite_store(tmp_path / "store.db").close()
    db = apsw.Connection(str(tmp_path / "store.db"))
    steps = [row[3] for row in db.execute(f"EXPLAIN QUERY PLAN {getattr(sqlite_operations, sql)}")]
    for step in steps:
        if step.startswith("SCAN"):
            assert "INDEX messages_queued" in step or "INDEX parcels_waiting" in step or step == "SCAN q", (
                step
            )
    assert any("messages_queued" in step or "parcels_waiting" in step for step in steps)
