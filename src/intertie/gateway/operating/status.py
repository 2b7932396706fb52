"""How a gateway stands, from its store and its keys: what `intertie status` shows, whether or not it is serving."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import msgspec

from intertie.exchange.timeliness import sums
from intertie.gateway.gateway import Gateway
from intertie.gateway.operating.key_ages import KeyAge, key_ages
from intertie.gateway.operating.operations_ports import QueueLine, Stop
from intertie.gateway.operating.readiness import certificate_ends
from intertie.model.errors import IntertieError
from intertie.model.ids import PartyId

# Receipts and refusals are looked at over this.
LATELY = timedelta(hours=1)
# Of the newest refusals at most so many are counted; whoever sees that number knows enough.
REFUSALS_MAX = 10_000


class FlowLine(msgspec.Struct, frozen=True):
    """Receipts of one flow lately."""

    flow: str
    receipts: int
    late: int
    seconds: float  # on average


class Certificate(msgspec.Struct, frozen=True):
    """One certificate of ours."""

    use: str
    end: datetime
    days_left: int


class Status(msgspec.Struct, frozen=True):
    """All of it. `problems` says what could not be read."""

    at: datetime
    queues: list[QueueLine]
    waiting_parcels: dict[PartyId, int]
    flows: list[FlowLine]
    refusals: dict[str, int]
    stops: list[Stop]
    certificates: list[Certificate]
    keys_past_period: list[KeyAge]
    journal_entries: int
    store_bytes: int
    problems: list[str]


def read_status(gateway: Gateway, keys: Path, now: datetime) -> Status:
    """The status now; StoreError if the store cannot be read. Keys that do not open are a problem in it."""
    store, problems = gateway.store, []
    certificates: list[Certificate] = []
    ages: list[KeyAge] = []
    try:
        certificates = [Certificate(use, end, (end - now).days) for use, end in certificate_ends(gateway)]
        ages = [age for age in key_ages(keys, gateway.policy.key_days, now) if age.over]
    except IntertieError as error:
        problems.append(error.why)
    lately = sums(store.timeliness(now - LATELY))
    return Status(
        at=now,
        queues=store.queues(),
        waiting_parcels=store.waiting_parcels(),
        flows=[
            FlowLine(str(flow), one.receipts, one.late, round(one.seconds / one.receipts, 3))
            for flow, one in sorted(lately.items())
            if one.receipts
        ],
        refusals=store.refused_since(now - LATELY, limit=REFUSALS_MAX),
        stops=[stop for stop in store.stops() if stop.until > now],
        certificates=certificates,
        keys_past_period=ages,
        journal_entries=store.head().size,
        store_bytes=store.size_bytes(),
        problems=problems,
    )
