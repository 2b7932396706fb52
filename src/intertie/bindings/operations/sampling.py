"""What is read off at the moment somebody asks for metrics: queues, timeliness, flags, keys. Each from an index or a file's
status; nothing here walks through what is done."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from pathlib import Path

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from intertie.exchange.timeliness import BOUNDS, FlowRef, sums
from intertie.gateway.gateway import Gateway
from intertie.gateway.operating.key_ages import key_ages
from intertie.gateway.operating.readiness import certificate_ends
from intertie.model.errors import IntertieError

Gauge = GaugeMetricFamily


class Samples(Collector):
    """Prometheus's view of the store, the keys and the flags. What cannot be read is left out: /readyz says why."""

    def __init__(
        self, gateway: Gateway, keys: Path, needs: Mapping[FlowRef, float], clock: Callable[[], datetime]
    ) -> None:
        self._gateway = gateway
        self._keys = keys
        self._needs = needs
        self._clock = clock

    def collect(self) -> Iterator[Metric]:
        """Everything, as of now."""
        now = self._clock()
        for part in (
            self._queues,
            self._timeliness,
            self._store,
            self._stops,
            self._certificates,
            self._ages,
        ):
            try:
                yield from list(part(now))
            except IntertieError:
                continue

    def _queues(self, now: datetime) -> Iterator[Metric]:
        depth = Gauge(
            "intertie_queue_messages", "Messages without a receipt", labels=("partner", "priority", "state")
        )
        oldest = Gauge(
            "intertie_queue_oldest_seconds", "Age of the oldest of them", labels=("partner", "priority")
        )
        for line in self._gateway.store.queues():
            name = (line.partner, str(line.priority))
            depth.add_metric((*name, "queued"), line.queued)
            depth.add_metric((*name, "sending"), line.sending)
            oldest.add_metric(name, max((now - line.oldest).total_seconds(), 0.0))
        waiting = Gauge("intertie_parcels_waiting", "Sealed parcels without a receipt", labels=("partner",))
        for partner, count in self._gateway.store.waiting_parcels().items():
            waiting.add_metric((partner,), count)
        yield from (depth, oldest, waiting)

    def _timeliness(self, now: datetime) -> Iterator[Metric]:
        took = HistogramMetricFamily(
            "intertie_receipt_seconds", "From the outbox to the verified receipt", labels=("flow",)
        )
        late = CounterMetricFamily(
            "intertie_receipts_late", "Receipts later than the flow's need", labels=("flow",)
        )
        need = Gauge("intertie_flow_need_seconds", "Within how long a receipt is needed", labels=("flow",))
        for flow, total in sorted(sums(self._gateway.store.timeliness()).items()):
            if flow not in self._needs:
                continue
            buckets, so_far = [], 0
            for bound, count in zip((*map(str, BOUNDS), "+Inf"), total.bins, strict=True):
                so_far += count
                buckets.append((bound, float(so_far)))
            took.add_metric((str(flow),), buckets, total.seconds)
            late.add_metric((str(flow),), total.late)
            need.add_metric((str(flow),), self._needs[flow])
        yield from (took, late, need)

    def _store(self, now: datetime) -> Iterator[Metric]:
        store = self._gateway.store
        yield Gauge("intertie_journal_entries", "Entries of the journal", value=store.head().size)
        yield Gauge("intertie_store_bytes", "Room that the store takes", value=store.size_bytes())

    def _stops(self, now: datetime) -> Iterator[Metric]:
        flags = Gauge("intertie_stop", "Stop flags that are up", labels=("partner", "direction"))
        for stop in self._gateway.store.stops():
            if stop.until > now:
                flags.add_metric((stop.partner, "in" if stop.ours else "out"), 1)
        yield flags

    def _certificates(self, now: datetime) -> Iterator[Metric]:
        left = Gauge("intertie_certificate_days_left", "Until our certificate ends", labels=("use",))
        for use, end in certificate_ends(self._gateway):
            left.add_metric((use,), (end - now).total_seconds() / 86_400)
        yield left

    def _ages(self, now: datetime) -> Iterator[Metric]:
        over = sum(age.over for age in key_ages(self._keys, self._gateway.policy.key_days, now))
        yield Gauge("intertie_keys_past_period", "Keys in use past their cryptoperiod", value=over)
