"""What only the utility sees: a DER that counts for one of its partners cannot count for another in the same time.

The book of two parties knows nothing of a third, so this is not asked in the fold: the utility's gateway asks it before it
accepts a DER or a deal, and when a deal arrives. What was said before is not undone by it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import NamedTuple

from intertie.market.event import Broken, Rule
from intertie.market.feeder import Tree
from intertie.market.registry import HORIZON, Registry, Version
from intertie.model.aggregation import RegistrationDecision
from intertie.model.contract import Confirmation
from intertie.model.ids import AggregationId, DerId, PartyId
from intertie.model.interval import Window

ELSEWHERE = Rule(
    "elsewhere.counted",
    "A DER that counts for one partner of the utility is neither accepted nor sold for another in the same time.",
    "FERC Order 2222 (no double counting); only the utility can see it",
)
RULES: tuple[Rule, ...] = (ELSEWHERE,)

Others = Mapping[PartyId, Registry]


class Found(NamedTuple):
    """Where a DER counts: for which partner, in which of its aggregations, and from when in the time that was asked about."""

    partner: PartyId
    aggregation: AggregationId
    start: datetime


def counted_elsewhere(der: DerId, within: Window, others: Others) -> Found | None:
    """The first other partner for which a DER counts at any time of a window."""
    for partner, registry in sorted(others.items()):
        for name, aggregation in sorted(registry.items()):
            for version in aggregation.ders.get(der, ()):
                span = _span(aggregation.bounded(version), within)
                if span is not None:
                    return Found(partner, name, span.start)
    return None


def check_decision(decision: RegistrationDecision, registry: Registry, others: Others) -> None:
    """Whether the DERs that a decision accepts are free; `registry` is as it makes it. Raises Broken."""
    aggregation = registry[decision.aggregation]
    for one in decision.decisions:
        if one.accepted:
            versions = (aggregation.bounded(version) for version in aggregation.ders.get(one.der, ()))
            _check(one.der, versions, None, others)


def check_deal(deal: Confirmation, registry: Registry, tree: Tree, others: Others) -> None:
    """Whether the DERs that a deal draws on are free in its term. Raises Broken."""
    points = tree.under(deal.points)
    for name, aggregation in registry.items():
        if deal.aggregation not in (None, name):
            continue
        for der, versions in aggregation.ders.items():
            here = (aggregation.bounded(one) for one in versions if one.der.point in points)
            _check(der, here, deal.term, others)


def _check(der: DerId, versions: Iterable[Version], term: Window | None, others: Others) -> None:
    for version in versions:
        span = _span(version, term)
        found = None if span is None else counted_elsewhere(der, span, others)
        if found is not None:
            where = f"{found.aggregation} of {found.partner}"
            raise Broken(ELSEWHERE, f"{der} counts in {where} from {found.start.isoformat()}")


def _span(version: Version, within: Window | None) -> Window | None:
    """The part of a window in which a version counts; without a window, from its start for HORIZON at most."""
    if version.starts is None:
        return None
    start, end = version.starts, version.ends or version.starts + HORIZON
    if within is not None:
        start, end = max(start, within.start), min(version.ends or within.end, within.end)
    return Window(start=start, end=end) if start < end else None
