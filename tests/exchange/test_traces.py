"""Traces across two gateways, with the SDK's exporter in memory: one trace from sealing to commit, and nothing secret in it."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from tests.exchange.https_world import (
    AGGREGATOR,
    UTILITY,
    House,
    a_parcel,
    caller,
    make_ca,
    make_house,
    now,
    open_door,
    post,
    queue_one,
)

from intertie.bindings.operations import traces
from intertie.bindings.operations.metrics import Meter
from intertie.bindings.operations.telemetry import Tracer, open_tracer
from intertie.bindings.operations.traces import OpenTelemetry, provider_of
from intertie.bindings.parcel_https.client import HttpsLink
from intertie.gateway.configuration.settings import Delivery, Telemetry
from intertie.gateway.ports import Query
from intertie.gateway.sending.deliver import deliver_once
from intertie.model.errors import SettingsError

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def pair(tmp_path: Path) -> tuple[House, House]:
    ca = make_ca()
    utility, aggregator = (make_house(tmp_path / name, ca, name) for name in (UTILITY, AGGREGATOR))
    utility.knows(aggregator)
    aggregator.knows(utility)
    return utility, aggregator


def traced(house: House) -> tuple[House, InMemorySpanExporter, OpenTelemetry]:
    """The same house with traces."""
    exporter = InMemorySpanExporter()
    tracer = OpenTelemetry(provider_of(house.gateway.party.id, SimpleSpanProcessor(exporter)))
    gateway = replace(house.gateway, observer=Meter(house.gateway.catalogue, tracer))
    return House(house.directory, gateway, house.book), exporter, tracer


def names(spans: Any) -> list[str]:
    return [span.name for span in spans]


def test_one_trace_from_seal_to_commit(pair: tuple[House, House]) -> None:
    utility, sent, tracer = traced(pair[0])
    aggregator, taken, there = traced(pair[1])
    queue_one(utility, aggregator)

    async def deliver(url: str) -> None:
        utility.knows(aggregator, url)
        link = HttpsLink(utility.tls(), Delivery(), UTILITY, tracer)
        try:
            with tracer.span("deliver", partner=AGGREGATOR):
                delivery = await deliver_once(utility.gateway, link, AGGREGATOR, now, lambda: 0.5)
        finally:
            await link.aclose()
        assert delivery is not None and delivery.receipted, delivery

    with open_door(aggregator) as door:
        door.app._meter.tracer = there
        asyncio.run(deliver(door.url))
    ours, theirs = sent.get_finished_spans(), taken.get_finished_spans()
    assert names(ours) == ["seal", "post", "receipt", "deliver"]
    assert names(theirs) == ["frame", "repeat", "open", "verify", "messages", "commit", "accept"]
    assert len({span.context.trace_id for span in (*ours, *theirs)}) == 1
    posting, accepting = ours[1], theirs[-1]
    assert accepting.parent.span_id == posting.context.span_id
    assert {span.parent.span_id for span in theirs[:-1]} == {accepting.context.span_id}
    assert accepting.attributes["intertie.partner"] == UTILITY
    assert accepting.resource.attributes["intertie.party"] == AGGREGATOR
    (row,) = utility.gateway.store.messages(Query(outgoing=True))
    said = "".join(span.to_json() for span in (*ours, *theirs))
    for value in json.loads(row.body)["body"].values():
        assert not isinstance(value, str) or value not in said


@pytest.mark.parametrize("given", ["", "rubbish", PARENT.upper(), PARENT + "-more", "ff" + PARENT[2:]])
def test_a_traceparent_that_is_none_begins_a_trace_of_its_own(pair: tuple[House, House], given: str) -> None:
    utility, (aggregator, taken, there) = pair[0], traced(pair[1])
    with open_door(aggregator) as door, caller(utility, aggregator) as client:
        door.app._meter.tracer = there
        post(
            client, door.url, a_parcel(utility, aggregator).blob, **({"traceparent": given} if given else {})
        )
        post(client, door.url, b"rubbish", traceparent=PARENT)
    alone, *_, led = [span for span in taken.get_finished_spans() if span.name == "accept"]
    assert alone.parent is None
    assert f"{led.parent.span_id:016x}" == PARENT.split("-")[2]
    (frame,) = [span for span in taken.get_finished_spans() if not span.status.is_ok and span.name == "frame"]
    assert frame.status.description == "Refused" and not frame.events


def test_without_settings_nothing_is_traced() -> None:
    tracer = open_tracer(Telemetry(), UTILITY)
    assert type(tracer) is Tracer and tracer.headers() == {}
    with tracer.span("x"), tracer.entering("y", {"traceparent": PARENT}):
        assert tracer.headers() == {}
    tracer.close()


def test_what_is_asked_for_and_not_installed_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traces, "EXPORTER", False)
    with pytest.raises(SettingsError, match="OpenTelemetry is not installed") as caught:
        open_tracer(Telemetry(otlp_endpoint="http://127.0.0.1:4318/v1/traces"), UTILITY)
    assert "opentelemetry-sdk" in caught.value.do
