"""What only a running gateway knows, asked at its operations door: readiness, circuits, refusals at the door."""

from __future__ import annotations

from typing import Any

import httpx
import msgspec
from prometheus_client.parser import text_string_to_metric_families

# The door is on this machine; if it takes longer, that is what there is to say.
SECONDS = 2.0
CIRCUITS = {0: "closed", 1: "half open", 2: "open"}


class Live(msgspec.Struct, frozen=True):
    """How a serving gateway says that it is."""

    answers: bool = False
    ready: bool = False
    reasons: tuple[str, ...] = ()
    connections: int = 0
    circuits: dict[str, str] = msgspec.field(default_factory=dict)  # partners whose breaker is not closed
    refused: dict[str, int] = msgspec.field(default_factory=dict)  # by us since the start, by code
    tries_unanswered: dict[str, int] = msgspec.field(default_factory=dict)


def ask_live(url: str) -> Live:
    """What the door at this address says; an empty answer if there is none."""
    if not url:
        return Live()
    try:
        with httpx.Client(base_url=url, timeout=SECONDS, trust_env=False) as client:
            ready: dict[str, Any] = client.get("/readyz").json()
            text = client.get("/metrics").text
        return _read(ready, text)
    except (httpx.HTTPError, ValueError, KeyError):
        return Live()


def _read(ready: dict[str, Any], text: str) -> Live:
    found: dict[str, list[tuple[dict[str, str], float]]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, []).append((sample.labels, sample.value))
    circuits = {
        labels["partner"]: CIRCUITS[int(value)]
        for labels, value in found.get("intertie_circuit_state", [])
        if value
    }
    return Live(
        answers=True,
        ready=bool(ready["ready"]),
        reasons=tuple(f"{reason['code']}: {reason['why']}" for reason in ready["reasons"]),
        connections=int(sum(value for _, value in found.get("intertie_connections", []))),
        circuits=circuits,
        refused={
            labels["code"]: int(value)
            for labels, value in found.get("intertie_refusals_total", [])
            if labels["direction"] == "in" and value
        },
        tries_unanswered={
            labels["partner"]: int(value)
            for labels, value in found.get("intertie_tries_total", [])
            if labels["outcome"] == "unanswered" and value
        },
    )
