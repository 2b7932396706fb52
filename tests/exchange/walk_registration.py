"""Steps of registration: DERs come, change, move and leave; each is decided on; either side suspends."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import rule
from tests.exchange.house import AGGREGATOR, UTILITY
from tests.exchange.walk import HOURS, NEXT, NUMBERS, PARTIES, Walk, known_name
from tests.unit.market.grid_cases import (
    AGG,
    EVERY_EVENING,
    POINTS,
    ZONE,
    at,
    change,
    decision,
    der,
    programme,
    registration,
)

from intertie.market.registry import Standing
from intertie.model.aggregation import (
    DecisionReason,
    Der,
    DerChange,
    DerMove,
    DerRemoval,
    DerResumption,
    DerState,
    DerSuspension,
    RemovalReason,
    SuspensionReason,
)
from intertie.model.ids import AggregationId, DerId, MeterId, PartyId
from intertie.model.quantity import Kilowatts

OTHER = AggregationId("AGG-2")
AGGREGATIONS = st.sampled_from([AGG, AGG, OTHER])
NUMBER = st.integers(1, 4)
SOME = st.sets(NUMBER, min_size=1, max_size=3).map(sorted)
SUSPENSIONS = st.sampled_from(["S1", "S2", "S3", "S4"])
# Consent may be missing; another programme may have some or all of it, for a while.
RECORDS = st.sampled_from(
    [
        {},
        {},
        {"consent": None},
        {"other_programmes": (programme(0, 30, 4),)},
        {"other_programmes": (programme(6, 20),)},
        {"other_programmes": (programme(-24, 24 * 400, 3, service_hours=EVERY_EVENING, zone=ZONE),)},
    ]
)


class RegistrationSteps(Walk):
    """What the aggregator registers and the utility decides."""

    def _revision(self, party: PartyId, name: AggregationId, off: int) -> int:
        known = self.see(party).registry.get(name)
        return max(1, (known.revision if known is not None else 0) + off)

    @rule(name=AGGREGATIONS, numbers=SOME, off=NEXT, record=RECORDS, hours=HOURS, evenings=st.booleans())
    def register(
        self,
        name: AggregationId,
        numbers: list[int],
        off: int,
        record: dict[str, Any],
        hours: int,
        evenings: bool,
    ) -> None:
        ders = [der(number, **(record if number == numbers[0] else {})) for number in numbers]
        offered: dict[str, Any] = {"service_hours": EVERY_EVENING, "zone": ZONE} if evenings else {}
        revision = self._revision(AGGREGATOR, name, off)
        body = registration(*ders, revision=revision, name=name, effective=at(hours), **offered)
        self.try_(AGGREGATOR, body)

    @rule(name=AGGREGATIONS, hours=st.integers(-6, 6))
    def accept_all(self, name: AggregationId, hours: int) -> None:
        """Whatever waits for a decision."""
        known = self.see(UTILITY).registry.get(name)
        ders = {} if known is None else known.ders
        waiting = [der for der, those in ders.items() if those[-1].standing is Standing.OFFERED]
        if known is not None and waiting:
            body = decision(*waiting, revision=known.revision, aggregation=name, effective=at(hours))
            self.try_(UTILITY, body)

    @rule(
        number=NUMBER,
        off=NEXT,
        hours=HOURS,
        kind=st.sampled_from(["added", "removed", "replaced", "moved", "changed"]),
        record=RECORDS,
        kw=st.integers(8, 12),
    )
    def change(self, number: int, off: int, hours: int, kind: str, record: dict[str, Any], kw: int) -> None:
        name = DerId(f"D{number}")
        new: dict[str, Any] = {
            "added": der(number, kw, **record),
            "replaced": der(number, kw, **record),
            "removed": DerRemoval(der=name, reason=RemovalReason.CUSTOMER_LEFT),
            "moved": _elsewhere(der(number)),
            "changed": DerChange(der=name, state=DerState.LIMITED, available_kw=Kilowatts(Decimal(kw - 6))),
        }
        revision = self._revision(AGGREGATOR, AGG, off)
        self.try_(AGGREGATOR, change(revision, hours, **{kind: (new[kind],)}))

    @rule(
        name=AGGREGATIONS,
        numbers=SOME,
        refuse=st.sampled_from([False, False, True]),
        back=st.sampled_from([0, 0, 1, -1]),
        hours=HOURS,
        kw=st.sampled_from([None, None, 5, 11]),
    )
    def decide(
        self, name: AggregationId, numbers: list[int], refuse: bool, back: int, hours: int, kw: int | None
    ) -> None:
        accepted_kw = None if kw is None or refuse else Kilowatts(Decimal(kw))
        body = decision(
            *(f"D{number}" for number in numbers),
            revision=self._revision(UTILITY, name, -back),
            refused=DecisionReason.METER_MISSING if refuse else None,
            aggregation=name,
            effective=at(hours),
            accepted_kw=accepted_kw,
        )
        self.try_(UTILITY, body)

    @rule(
        party=PARTIES,
        name=AGGREGATIONS,
        suspension=SUSPENSIONS,
        ders=st.sampled_from([(), ("D1",), ("D2", "D3")]),
        hours=HOURS,
        long=st.sampled_from([None, 3, 30]),
    )
    def suspend(
        self,
        party: PartyId,
        name: AggregationId,
        suspension: str,
        ders: tuple[str, ...],
        hours: int,
        long: int | None,
    ) -> None:
        body = DerSuspension(
            suspension=suspension,
            aggregation=name,
            effective=at(hours),
            reason=SuspensionReason.CONSENT,
            ders=tuple(DerId(one) for one in ders),
            until=None if long is None else at(hours + long),
        )
        self.try_(party, body)

    @rule(party=PARTIES, name=AGGREGATIONS, number=NUMBERS, right=st.booleans(), hours=HOURS)
    def resume(self, party: PartyId, name: AggregationId, number: int, right: bool, hours: int) -> None:
        known = self.see(party).registry.get(name)
        made = {} if known is None else known.suspensions
        suspension = known_name(made, number, ["S1"])
        if right and suspension in made:
            party = made[suspension].by
        elif not made:
            self.suspend(party, name, suspension, (), hours, 30)
        self.try_(party, DerResumption(suspension=suspension, aggregation=name, effective=at(hours)))


def _elsewhere(one: Der) -> DerMove:
    """The same DER behind the next point."""
    place = POINTS[(POINTS.index(one.point) + 1) % len(POINTS)]
    return DerMove(der=one.id, feeder="F1", point=place, meter=MeterId(f"{one.meter}-new"), premises="H9")
