"""DERs that their aggregator reports out of service, and back: how many kilowatts are missing at a time."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import ROUND_UP, Decimal
from enum import StrEnum
from typing import NamedTuple

from intertie.market.event import Broken, Event, Rule
from intertie.market.registry import Aggregation, Registry
from intertie.model.ids import AggregationId, DerId, MessageId
from intertie.model.system import AssetOutage, AssetOutageCause, AssetReturn


class State(StrEnum):
    """How an outage of DERs stands."""

    OUT = "out"
    PARTLY_BACK = "partly_back"
    BACK = "back"


class Step(StrEnum):
    """What can be said of it."""

    NEWS = "news"
    RETURN_PART = "return_part"
    RETURN = "return"


TABLE: dict[tuple[State, Step], State] = {
    (State.OUT, Step.NEWS): State.OUT,
    (State.OUT, Step.RETURN_PART): State.PARTLY_BACK,
    (State.OUT, Step.RETURN): State.BACK,
    (State.PARTLY_BACK, Step.NEWS): State.PARTLY_BACK,
    (State.PARTLY_BACK, Step.RETURN_PART): State.PARTLY_BACK,
    (State.PARTLY_BACK, Step.RETURN): State.BACK,
}
STARTS = State.OUT
FINAL = frozenset({State.BACK})

STALE = Rule(
    "asset_outage.revision",
    "An outage of DERs that is told again has a higher revision, and is of the same aggregation.",
    "001 item 2, paragraph 4: real-time messages on an aggregation",
)
UNKNOWN = Rule(
    "asset_outage.unknown",
    "What returns is an outage of DERs that was told.",
    "000 Discussed Categories, System/Outage Information",
)
UNKNOWN_DER = Rule(
    "asset_outage.unknown_der",
    "DERs that are out are in the aggregation.",
    "000 Discussed Categories, Aggregation Information",
)
NOT_OUT = Rule(
    "asset_outage.not_out",
    "A DER returns from an outage that it is in, and not before it began.",
    "001 item 2, paragraph 3: accuracy of content goes first",
)
TOO_MUCH = Rule(
    "asset_outage.too_much",
    "No more power is missing than the DERs that are out have.",
    "IEEE 2030.5 DERCapability rtgW: the rating bounds what can be missing",
)
OVER = Rule(
    "asset_outage.over",
    "DERs that are all back are not out any more: it takes another outage.",
    "State table of an outage of DERs (docs/states.md)",
)
RULES: tuple[Rule, ...] = (STALE, UNKNOWN, UNKNOWN_DER, NOT_OUT, TOO_MUCH, OVER)


Order = tuple[datetime, MessageId]
WATT = Decimal("0.001")


class AssetsOut(NamedTuple):
    """DERs that are out, with the time from which each is back; of their `of_kw` `missing_kw` are missing, from each in
    proportion. `told`: the place of the newest word on it among all messages."""

    name: str
    aggregation: AggregationId
    starts: datetime
    expected: datetime | None
    cause: AssetOutageCause
    of_kw: Decimal
    back: Mapping[DerId, datetime | None]
    missing_kw: Decimal
    told: Order
    revision: int = 1
    state: State = STARTS

    def out(self, der: DerId, at: datetime, now: datetime) -> bool:
        """Whether a DER is out at a time, as far as is known at `now`: past its expected return it is out until it is back."""
        if der not in self.back or at < self.starts:
            return False
        back = self.back[der]
        if back is None and self.expected is not None and self.expected > now:
            back = self.expected
        return back is None or at < back

    def lost(self, kw: Decimal) -> Decimal:
        """What is missing of a DER of so many kilowatts, rounded up to the watt: what cannot be told is not counted on."""
        return min(kw, (kw * self.missing_kw / self.of_kw).quantize(WATT, ROUND_UP))


AssetOutages = Mapping[str, AssetsOut]


def apply(outages: AssetOutages, event: Event, registry: Registry) -> AssetOutages:
    """The outages of DERs after a message. Raises Broken."""
    match event.body:
        case AssetOutage() as body:
            after = _out(outages.get(body.outage), body, event.order, registry)
        case AssetReturn() as body:
            after = _return(outages.get(body.outage), body)
        case _:
            return outages
    return {**outages, after.name: after}


def _out(before: AssetsOut | None, body: AssetOutage, told: Order, registry: Registry) -> AssetsOut:
    state, back = STARTS, dict[DerId, datetime | None]()
    if before is not None:
        if body.revision <= before.revision or body.aggregation != before.aggregation:
            raise Broken(STALE, f"{before.name} is at revision {before.revision} of {before.aggregation}")
        state = _step(before, Step.NEWS)
        back = dict(before.back)
    total = Decimal(0)
    aggregation = registry.get(body.aggregation)
    for der in body.ders:
        total += _nameplate(aggregation, der, body)
    if body.unavailable_kw > total:
        raise Broken(TOO_MUCH, f"the DERs have {total.normalize():f} kW")
    return AssetsOut(
        body.outage,
        body.aggregation,
        body.starts,
        body.expected_return,
        body.cause,
        total,
        {der: back.get(der) for der in sorted(body.ders)},
        body.unavailable_kw,
        told,
        body.revision,
        state,
    )


def _nameplate(aggregation: Aggregation | None, der: DerId, body: AssetOutage) -> Decimal:
    if aggregation is None or der not in aggregation.ders:
        raise Broken(UNKNOWN_DER, f"there is no {der} in {body.aggregation}")
    return aggregation.ders[der][-1].der.nameplate_kw


def _return(before: AssetsOut | None, body: AssetReturn) -> AssetsOut:
    if before is None or before.aggregation != body.aggregation:
        raise Broken(UNKNOWN, f"there is no {body.outage} of {body.aggregation}")
    back = dict(before.back)
    for der in body.ders:
        if der not in back or body.returned < before.starts:
            raise Broken(NOT_OUT, f"{der} is not out by {before.name} at that time")
        back[der] = body.returned
    if body.complete:
        back = {der: body.returned if at is None else at for der, at in back.items()}
    whole = all(at is not None for at in back.values())
    return before._replace(back=back, state=_step(before, Step.RETURN if whole else Step.RETURN_PART))


def _step(before: AssetsOut, step: Step) -> State:
    after = TABLE.get((before.state, step))
    if after is None:
        raise Broken(OVER, f"{before.name} is {before.state}")
    return after
