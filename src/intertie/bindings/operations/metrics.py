"""Counting: what this process did, as Prometheus counters. Labels are partners, flows, codes and directions, all of them
from closed lists: how many series there can be is partners times flows of the catalogue, whatever anybody sends.

With PROMETHEUS_MULTIPROC_DIR set (`intertie serve --workers`) each process counts into files there, and whichever process
is asked adds them up. The library decides that when it is first imported.
"""

from __future__ import annotations

import os
from collections import Counter as Tally
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from tempfile import TemporaryDirectory

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.registry import Collector

from intertie.bindings.operations.telemetry import Tracer
from intertie.catalogue.admit import Catalogue
from intertie.exchange.circuit import Circuit
from intertie.exchange.timeliness import FlowRef, Timeliness
from intertie.gateway.ports import MessageRow, NewMessage
from intertie.gateway.sending.escalate import Escalation
from intertie.model.errors import RULES
from intertie.model.ids import PartyId
from intertie.seal.receipt import Outcome

FILES = "PROMETHEUS_MULTIPROC_DIR"
IN, OUT = "in", "out"
# What a partner wrote as a code, if it is none that we know: its text is no label.
OTHER = "other"
# Codes of the door that are not about a parcel's content, beside those of RULES.
DOOR_CODES = ("busy", "timeout", "disconnected", "unsupported_media_type", "store", "shed")
CIRCUITS = {Circuit.CLOSED: 0, Circuit.HALF_OPEN: 1, Circuit.OPEN: 2}


@contextmanager
def count_files() -> Iterator[dict[str, str]]:
    """The environment of worker processes: they count into files of a folder that is there as long as this lasts."""
    with TemporaryDirectory(prefix="intertie-metrics-") as folder:
        yield {**os.environ, FILES: folder}


def forget_process(environment: Mapping[str, str], pid: int) -> None:
    """A worker died: what it counted stays, what it was busy with does not."""
    mark_process_dead(pid, environment[FILES])  # type: ignore[no-untyped-call]


def needs_of(catalogue: Catalogue) -> dict[FlowRef, float]:
    """Within how many seconds a receipt is needed, by what a message's row knows of its flow: the least, if roles differ."""
    needs: dict[FlowRef, float] = {}
    for flow in catalogue.flows():
        ref = FlowRef(flow.interface, flow.document, flow.mode.value)
        needs[ref] = min(float(flow.latency_seconds), needs.get(ref, float("inf")))
    return needs


class Meter:
    """gateway.observer.Observer that counts. One for a process."""

    def __init__(self, catalogue: Catalogue, tracer: Tracer) -> None:
        self.needs = needs_of(catalogue)
        self.timeliness = Timeliness()
        self.tracer = tracer
        self.registry = CollectorRegistry()
        new = _Family(self.registry)
        self._parcels = new.counter(
            "parcels", "Parcels taken in, and handed to partners", "partner", "direction"
        )
        self._bytes = new.counter("parcel_bytes", "Bytes of these parcels", "partner", "direction")
        self._messages = new.counter(
            "messages", "Messages accepted here, and by partners", "partner", "flow", "direction"
        )
        self._receipts = new.counter("receipts", "Receipts written, and verified", "partner", "direction")
        self._tries = new.counter(
            "tries", "Attempts to deliver a parcel by what came of them", "partner", "outcome"
        )
        self._refusals = new.counter(
            "refusals", "Refusals by us (in) and by partners (out)", "code", "direction"
        )
        self._escalations = new.counter("escalations", "Urgent messages not acknowledged in time", "partner")
        self._circuit = new.gauge(
            "circuit_state", "0 closed, 1 half open, 2 open", "partner", mode="livemostrecent"
        )
        self._connections = new.gauge("connections", "Open connections at the street door", mode="livesum")
        self._held = new.gauge("held_bytes", "Bytes of bodies in memory", mode="livesum")
        self._under_way = new.gauge("parcels_under_way", "Parcels being received", mode="livesum")

    # gateway.observer.Observer

    def span(self, name: str) -> AbstractContextManager[object]:
        """A span of a trace, if traces are configured."""
        return self.tracer.span(name)

    def accepted(self, partner: PartyId, messages: Sequence[NewMessage], outcomes: Sequence[Outcome]) -> None:
        """A parcel was taken."""
        self._receipts.labels(partner, OUT).inc()
        good = {outcome.message for outcome in outcomes if outcome.status == "accepted"}
        flows = Tally(_flow(message) for message in messages if message.id in good)
        for flow, count in flows.items():
            self._messages.labels(partner, self._named(flow), IN).inc(count)
        for code, count in Tally(o.code for o in outcomes if o.status == "refused").items():
            self.refused(code or OTHER, IN, count)

    def receipted(
        self, partner: PartyId, rows: Sequence[MessageRow], outcomes: Sequence[Outcome], now: datetime
    ) -> None:
        """A receipt verified."""
        self._receipts.labels(partner, IN).inc()
        took: dict[FlowRef, list[float]] = {}
        for row, outcome in zip(rows, outcomes, strict=True):
            if outcome.status == "refused":
                self.refused(outcome.code or OTHER, OUT)
            else:
                took.setdefault(_flow(row), []).append((now - row.at).total_seconds())
        for flow, seconds in took.items():
            self._messages.labels(partner, self._named(flow), OUT).inc(len(seconds))
            self.timeliness.add(flow, seconds, self.needs.get(flow), now)

    # The doors and the deliveries

    def parcel(self, partner: PartyId, size: int, direction: str) -> None:
        """A parcel came, or left."""
        self._parcels.labels(partner, direction).inc()
        self._bytes.labels(partner, direction).inc(size)

    def tried(self, partner: PartyId, outcome: str) -> None:
        """An attempt to deliver: answered, refused or unanswered."""
        self._tries.labels(partner, outcome).inc()

    def escalated(self, escalation: Escalation) -> None:
        """An urgent message was not acknowledged in time."""
        self._escalations.labels(escalation.partner).inc()

    def refused(self, code: str, direction: str, count: int = 1) -> None:
        """Something was refused."""
        known = code if code in RULES or code in DOOR_CODES else OTHER
        self._refusals.labels(known, direction).inc(count)

    def circuit(self, partner: PartyId, state: Circuit) -> None:
        """The breaker towards a partner is there now."""
        self._circuit.labels(partner).set(CIRCUITS[state])

    def connections(self, count: int) -> None:
        """So many connections are open at the street door."""
        self._connections.set(count)

    def door(self, held: int, under_way: int) -> None:
        """How busy the street door is now."""
        self._held.set(held)
        self._under_way.set(under_way)

    def text(self, collectors: Iterable[Collector]) -> bytes:
        """All of it in Prometheus's text format: this process's counters, or those of all workers, and what the collectors
        find now."""
        registry = CollectorRegistry()
        if os.environ.get(FILES):
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        else:
            registry.register(self.registry)
        for collector in collectors:
            registry.register(collector)
        return generate_latest(registry)

    def _named(self, flow: FlowRef) -> str:
        return str(flow) if flow in self.needs else OTHER


class _Family:
    """Metrics of one registry, all under one prefix."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    def counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"intertie_{name}", text, labels, registry=self._registry)

    def gauge(self, name: str, text: str, *labels: str, mode: str) -> Gauge:
        return Gauge(
            f"intertie_{name}",
            text,
            labels,
            registry=self._registry,
            multiprocess_mode=mode,  # type: ignore[arg-type]
        )


def _flow(row: NewMessage | MessageRow) -> FlowRef:
    return FlowRef(row.interface, row.document, row.mode)
