"""What is registered: aggregations with their DERs, each with the versions of its record and what the utility said of it.

A version is offered by the aggregator and counts when the utility accepts it, from the later of both their dates. Time decides
nothing here by itself: whether a version counts, a suspension holds, or a decision is overdue, is asked of (state, time).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple

from intertie.market.event import Rule
from intertie.model.aggregation import DecisionReason, Der, DerState, SuspensionReason
from intertie.model.contract import Service, ServiceHours
from intertie.model.ids import AggregationId, ConnectionPointId, DerId, PartyId

# A registration without an end, or a DER that is there for good, is laid out for so long: both clock changes are in a year.
HORIZON = timedelta(days=366)
# Order 2222 gives a distribution utility at most 60 days for its review (from memory; an election where a contract says less).
REVIEW = timedelta(days=60)


class Standing(StrEnum):
    """What became of one version of a DER's record."""

    OFFERED = "offered"  # waits for the utility's decision
    ACCEPTED = "accepted"
    REFUSED = "refused"
    REPLACED = "replaced"  # a newer record was accepted, or offered before this one was decided
    REMOVED = "removed"  # the DER left, or moved away


class Step(StrEnum):
    """What can happen to one version."""

    ACCEPT = "accept"
    REFUSE = "refuse"
    REPLACE = "replace"
    REMOVE = "remove"


TABLE: dict[tuple[Standing, Step], Standing] = {
    (Standing.OFFERED, Step.ACCEPT): Standing.ACCEPTED,
    (Standing.OFFERED, Step.REFUSE): Standing.REFUSED,
    (Standing.OFFERED, Step.REPLACE): Standing.REPLACED,
    (Standing.OFFERED, Step.REMOVE): Standing.REMOVED,
    # A refusal may be mended on the utility's side: a meter is found after all.
    (Standing.REFUSED, Step.ACCEPT): Standing.ACCEPTED,
    (Standing.REFUSED, Step.REPLACE): Standing.REPLACED,
    (Standing.REFUSED, Step.REMOVE): Standing.REMOVED,
    (Standing.ACCEPTED, Step.REPLACE): Standing.REPLACED,
    (Standing.ACCEPTED, Step.REMOVE): Standing.REMOVED,
}
STARTS = Standing.OFFERED
FINAL = frozenset({Standing.REPLACED, Standing.REMOVED})


class Version(NamedTuple):
    """One record of a DER. It counts from `starts` to `ends`, if it was accepted at all."""

    der: Der
    revision: int
    effective: datetime
    offered: datetime
    standing: Standing = STARTS
    starts: datetime | None = None
    ends: datetime | None = None
    accepted_kw: Decimal | None = None
    reason: DecisionReason | None = None
    detail: str = ""

    @property
    def kw(self) -> Decimal:
        """The kilowatts that were accepted."""
        return self.der.nameplate_kw if self.accepted_kw is None else self.accepted_kw

    def counts(self, at: datetime) -> bool:
        """Whether this version is the one that counts at a time."""
        return self.starts is not None and self.starts <= at and (self.ends is None or at < self.ends)


class Suspended(NamedTuple):
    """DERs that do not take part for a while; no `ders` are all. Only `by` can lift it."""

    name: str
    by: PartyId
    ders: tuple[DerId, ...]
    starts: datetime
    ends: datetime | None
    reason: SuspensionReason

    def holds(self, der: DerId, at: datetime) -> bool:
        """Whether the DER is suspended by this at a time."""
        mine = not self.ders or der in self.ders
        return mine and self.starts <= at and (self.ends is None or at < self.ends)


class Live(NamedTuple):
    """What a DER can do just now, as its aggregator last said."""

    since: datetime
    state: DerState
    kw: Decimal | None


class Noted(NamedTuple):
    """A line of the history: who did what to which DERs, from when on."""

    at: datetime
    by: PartyId
    what: str
    ders: tuple[DerId, ...]
    effective: datetime
    revision: int


class Aggregation(NamedTuple):
    """One aggregation: what it is offered for and when, its DERs by id, who is suspended, and its history."""

    name: AggregationId
    services: tuple[Service, ...]
    revision: int
    effective: datetime
    ends: datetime | None
    hours: tuple[ServiceHours, ...]
    zone: str | None
    ders: Mapping[DerId, tuple[Version, ...]]
    suspensions: Mapping[str, Suspended] = {}
    live: Mapping[DerId, tuple[Live, ...]] = {}
    history: tuple[Noted, ...] = ()

    def bounded(self, version: Version) -> Version:
        """The version, which counts no longer than the aggregation is offered."""
        if self.ends is None or (version.ends is not None and version.ends <= self.ends):
            return version
        return version._replace(ends=self.ends)

    def counting(self, at: datetime) -> dict[DerId, Version]:
        """The DERs that count at a time, suspended ones among them."""
        found: dict[DerId, Version] = {}
        if self.ends is not None and at >= self.ends:
            return found
        for der, versions in self.ders.items():
            for one in versions:
                if one.counts(at):
                    found[der] = one
        return found

    def suspended(self, der: DerId, at: datetime) -> Suspended | None:
        """The first suspension that holds for a DER."""
        return next((one for one in self.suspensions.values() if one.holds(der, at)), None)

    def working_kw(self, der: DerId, version: Version, at: datetime) -> Decimal:
        """What a DER can do at a time by its aggregator's last word, up to what was accepted."""
        said = [one for one in self.live.get(der, ()) if one.since <= at]
        if not said or said[-1].state is DerState.IN_SERVICE:
            return version.kw
        if said[-1].state is DerState.LIMITED and said[-1].kw is not None:
            return min(version.kw, said[-1].kw)
        return Decimal(0)


Registry = Mapping[AggregationId, Aggregation]
EMPTY: Registry = {}


class Waiting(NamedTuple):
    """A DER that waits for its decision, and until when the utility has time."""

    aggregation: AggregationId
    der: DerId
    offered: datetime
    due: datetime
    overdue: bool


def waiting(registry: Registry, now: datetime, review: timedelta = REVIEW) -> list[Waiting]:
    """The review clock: what the utility has not decided yet. Nothing is accepted by silence: an overdue DER still waits."""
    return [
        Waiting(name, der, one.offered, one.offered + review, now >= one.offered + review)
        for name, aggregation in registry.items()
        for der, versions in aggregation.ders.items()
        for one in versions
        if one.standing is Standing.OFFERED
    ]


def at_points(
    registry: Registry, points: Iterable[ConnectionPointId], aggregation: AggregationId | None, at: datetime
) -> list[tuple[Aggregation, DerId, Version]]:
    """The DERs that count at a time at these points, of one aggregation or of all."""
    wanted = frozenset(points)
    return [
        (one, der, version)
        for name, one in registry.items()
        if aggregation in (None, name)
        for der, version in one.counting(at).items()
        if version.der.point in wanted
    ]


NEW = Rule(
    "registration.revision",
    "A registration or change has a higher revision than the one before it.",
    "NAESB base contract practice: owner-written documents have revisions; the first is 1 (uncertain)",
)
UNKNOWN_AGGREGATION = Rule(
    "registration.unknown_aggregation",
    "A change, decision or suspension is about an aggregation that was registered.",
    "000 Discussed Categories, Aggregation Information",
)
UNKNOWN_DER = Rule(
    "registration.unknown_der",
    "A DER that is changed, moved, removed, suspended or decided on is in the aggregation.",
    "000 Discussed Categories, Aggregation Information",
)
DER_THERE = Rule(
    "registration.der_there",
    "A DER is added once; another record of it is a replacement.",
    "000 Discussed Categories, Aggregation Information",
)
UNKNOWN_REVISION = Rule(
    "registration.unknown_revision",
    "A decision names a revision that was registered.",
    "The decision says which revision it answers (docs/grid.md)",
)
DECIDED = Rule(
    "registration.decided",
    "What was accepted is not decided again: to take it out, suspend it.",
    "State table of a DER's record (docs/states.md)",
)
ABOVE_NAMEPLATE = Rule(
    "registration.above_nameplate",
    "A DER is accepted with at most its nameplate.",
    "IEEE 2030.5 DERCapability rtgW: the rating bounds what it can give",
)
CONSENT = Rule(
    "registration.consent",
    "A DER is accepted only with a reference to its customer's consent.",
    "ET17; NARUC Playbook: customer data is bound to consent (uncertain)",
)
COUNTED_ONCE = Rule(
    "registration.counted_once",
    "A DER counts in one aggregation at a time.",
    "FERC Order 2222: no double counting, narrowly designed",
)
DOUBLE = Rule(
    "registration.double_commitment",
    "In no interval in which a DER is offered do other programmes and the accepted kilowatts exceed its nameplate.",
    "FERC Order 2222 (dual participation, no double counting)",
)
HOURS = Rule(
    "registration.hours",
    "Hours of the week are in a zone that exists, over at most ten years.",
    "Both sides must lay out the same intervals (docs/grid.md)",
)
SUSPENSION_NAME = Rule(
    "registration.suspension_name",
    "A suspension has a name that no other suspension of the aggregation has.",
    "Suspension by either side (docs/grid.md)",
)
UNKNOWN_SUSPENSION = Rule(
    "registration.unknown_suspension",
    "What is lifted is a suspension that still holds or is to come.",
    "Suspension by either side (docs/grid.md)",
)
NOT_ITS_AUTHOR = Rule(
    "registration.not_its_author",
    "A suspension is lifted by the side that made it.",
    "Suspension by either side: neither can undo what the other had reason for (docs/grid.md)",
)
RULES: tuple[Rule, ...] = (
    *(NEW, UNKNOWN_AGGREGATION, UNKNOWN_DER, DER_THERE, UNKNOWN_REVISION, DECIDED, ABOVE_NAMEPLATE, CONSENT),
    *(COUNTED_ONCE, DOUBLE, HOURS, SUSPENSION_NAME, UNKNOWN_SUSPENSION, NOT_ITS_AUTHOR),
)
