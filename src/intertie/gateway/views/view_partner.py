"""How the link to each partner stands: what waits, since when, what was refused, and its keys with their ends."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime, timedelta
from typing import NamedTuple

from intertie.gateway.gateway import Gateway, Partner
from intertie.gateway.operating.operations_ports import QueueLine, Stop
from intertie.gateway.ports import MessageRow, Search
from intertie.model.ids import DocumentName, InterfaceCode, PartyId
from intertie.seal.certificates import read_certificate, thumbprint

# Of the newest messages to a partner so many are looked at for how long its receipts took: a page stays fast.
NEWEST = 200
LATELY_SHOWN = 10


class KeyEnd(NamedTuple):
    """A certificate of a partner."""

    alg: str
    sha256: str
    end: datetime
    soon: bool


class Timing(NamedTuple):
    """How long receipts took, of the newest messages of one flow: the median and the slowest, against the need."""

    flow: str
    receipts: int
    median: float
    slowest: float
    need: float | None  # seconds
    late: int


class Link(NamedTuple):
    """One partner's link."""

    party: PartyId
    name: str
    roles: str
    state: str
    queued: int
    sending: int
    oldest: datetime | None
    stops: list[Stop]
    keys: list[KeyEnd]
    timings: list[Timing]
    newest: list[MessageRow]
    first_end: datetime | None


SOON = timedelta(days=30)


def read_links(gateway: Gateway, now: datetime) -> list[Link]:
    """All partners, by name, without what would look into messages."""
    queues = _queues(gateway)
    stops = [stop for stop in gateway.store.stops() if stop.until > now]
    return [
        _link(one, queues.get(one.party, []), stops, now, [], [])
        for one in sorted(gateway.partners.all(), key=lambda partner: partner.party)
    ]


def read_link(gateway: Gateway, partner: Partner, now: datetime) -> Link:
    """One of them, with how fast it answered lately and the newest messages of both directions."""
    stops = [stop for stop in gateway.store.stops() if stop.until > now]
    sent = gateway.store.search(Search(partner=partner.party, outgoing=True, limit=NEWEST)).rows
    newest = gateway.store.search(Search(partner=partner.party, limit=LATELY_SHOWN)).rows
    return _link(
        partner, _queues(gateway).get(partner.party, []), stops, now, _timings(gateway, sent), newest
    )


def _queues(gateway: Gateway) -> dict[PartyId, list[QueueLine]]:
    found: defaultdict[PartyId, list[QueueLine]] = defaultdict(list)
    for line in gateway.store.queues():
        found[line.partner].append(line)
    return found


def _link(
    one: Partner,
    queues: list[QueueLine],
    stops: list[Stop],
    now: datetime,
    timings: list[Timing],
    newest: list[MessageRow],
) -> Link:
    keys = [
        KeyEnd(alg, thumbprint(chain[0]).hex(), end, end < now + SOON)
        for alg, chains in sorted(one.keys.signing.items())
        for chain in chains
        for end in [one.keys.ends.get(thumbprint(chain[0]), read_certificate(chain[0]).not_valid_after_utc)]
    ]
    return Link(
        party=one.party,
        name=one.name,
        roles=", ".join(sorted(role.value.replace("_", " ") for role in one.roles)),
        state="suspended" if one.suspended else "testing" if one.trial is not None else "live",
        queued=sum(line.queued for line in queues),
        sending=sum(line.sending for line in queues),
        oldest=min((line.oldest for line in queues), default=None),
        stops=[stop for stop in stops if stop.partner == one.party],
        keys=keys,
        timings=timings,
        newest=newest,
        first_end=min((key.end for key in keys), default=None),
    )


def _timings(gateway: Gateway, rows: list[MessageRow]) -> list[Timing]:
    """By flow, from the newest messages that have a receipt."""
    took: defaultdict[tuple[InterfaceCode, DocumentName, str], list[float]] = defaultdict(list)
    for row in rows:
        if row.done_at is not None and row.parcel is not None:
            took[(row.interface, row.document, row.mode)].append((row.done_at - row.at).total_seconds())
    found = []
    for (interface, document, mode), seconds in sorted(took.items()):
        need = next(
            (
                float(flow.latency_seconds)
                for flow in gateway.catalogue.find_flows(document, interface)
                if flow.mode.value == mode
            ),
            None,
        )
        seconds.sort()
        found.append(
            Timing(
                flow=f"{interface}/{document}.{mode}",
                receipts=len(seconds),
                median=seconds[len(seconds) // 2],
                slowest=seconds[-1],
                need=need,
                late=sum(need is not None and one > need for one in seconds),
            )
        )
    return found
