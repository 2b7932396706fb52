"""Steps of the grid: feeder models, outages with news and restoration, conditions and switching, DERs out and back."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import rule
from tests.exchange.house import AGGREGATOR, UTILITY
from tests.exchange.walk import HOURS, NEXT, NUMBERS, Walk, known_name
from tests.exchange.walk_registration import AGGREGATIONS
from tests.unit.market.grid_cases import AGG, HEAD, POINTS, at, feeder, kw, window

from intertie.model.feeder import PointPlace, Section
from intertie.model.ids import AggregationId, DerId
from intertie.model.quantity import Kilowatts
from intertie.model.system import (
    AssetOutage,
    AssetOutageCause,
    AssetReturn,
    ConditionKind,
    OutageCause,
    OutageKind,
    OutageNotice,
    OutageStatus,
    OutageUpdate,
    RestorationNotice,
    SwitchAction,
    SwitchingStep,
    SystemCondition,
)

OUTAGES = st.sampled_from(["O1", "O2", "O3", "O4"])
PLACES = st.sampled_from([(HEAD,), POINTS[:1], POINTS[1:], POINTS])
SECTIONS = st.sampled_from([(), ("S2",), ("S3",), ("S8",)])
SOME_DERS = st.sampled_from([("D1",), ("D1", "D2"), ("D2", "D3"), ("D3",), ("D4",)])


class GridSteps(Walk):
    """What the utility says of its grid, and the aggregator of its DERs."""

    @rule(off=NEXT, hours=HOURS, moved=st.booleans())
    def model(self, off: int, hours: int, moved: bool) -> None:
        known = self.see(UTILITY).grid.models.get("F1", ())
        revision = max(1, (known[-1].revision if known else 0) + off)
        body = feeder(revision, effective=at(hours))
        if moved:  # one customer hangs on another section now
            points = (*body.points[:3], PointPlace(point=POINTS[2], section="S2", parent=HEAD))
            body = feeder(revision, effective=at(hours), points=points)
        self.try_(UTILITY, body)

    @rule(section=st.sampled_from(["S3", "S7"]), now=st.sampled_from([False, False, True]))
    def model_besides(self, section: str, now: bool) -> None:
        if not now:
            return
        body = feeder(
            model="F7",
            effective=at(),
            sections=(Section(section=section, feeder="F7"),),
            points=(PointPlace(point="P7", section=section),),  # type: ignore[arg-type]
            ties=(),
        )
        self.try_(UTILITY, body)

    @rule(name=OUTAGES, points=PLACES, sections=SECTIONS, hours=HOURS, known=st.booleans())
    def lose_supply(self, name: str, points: Any, sections: Any, hours: int, known: bool) -> None:
        body = OutageNotice(
            outage=name,
            kind=OutageKind.PLANNED if known else OutageKind.UNPLANNED,
            cause=OutageCause.WEATHER,
            points=points,
            sections=sections,
            starts=at(hours),
            estimated_restoration=at(hours + 4) if known else None,
        )
        self.try_(UTILITY, body)

    @rule(
        number=NUMBERS,
        status=st.sampled_from(OutageStatus),
        points=PLACES,
        more=PLACES,
        hours=HOURS,
        off=NEXT,
    )
    def tell_news(
        self, number: int, status: OutageStatus, points: Any, more: Any, hours: int, off: int
    ) -> None:
        outages = self.see(UTILITY).grid.outages
        name = known_name(outages, number, ["O1"])
        known = outages.get(name)
        if not outages:
            self.lose_supply(name, points, (), hours, known=True)
        partly = status is OutageStatus.PARTLY_RESTORED
        adds = status is OutageStatus.INVESTIGATING
        body = OutageUpdate(
            outage=name,
            revision=max(1, (known.revision if known is not None else 0) + off),
            at=at(hours),
            status=status,
            starts=at(hours + 2) if status is OutageStatus.POSTPONED else None,
            restored_points=points if partly else (),
            added_points=more if adds else (),
        )
        self.try_(UTILITY, body)

    @rule(number=NUMBERS, points=PLACES, sections=SECTIONS, hours=st.integers(20, 48), complete=st.booleans())
    def restore(self, number: int, points: Any, sections: Any, hours: int, complete: bool) -> None:
        outages = self.see(UTILITY).grid.outages
        name = known_name(outages, number, ["O1"])
        if not outages:
            self.lose_supply(name, points, (), hours - 16, known=False)
        body = RestorationNotice(
            outage=name, points=points, sections=sections, restored=at(hours), complete=complete
        )
        self.try_(UTILITY, body)

    @rule(
        name=st.sampled_from(["C1", "C2"]),
        kind=st.sampled_from([ConditionKind.LIMIT, ConditionKind.SWITCHING, ConditionKind.NORMAL]),
        off=NEXT,
        hours=HOURS,
        device=st.sampled_from(["R2", "R3", "T39"]),
    )
    def condition(self, name: str, kind: ConditionKind, off: int, hours: int, device: str) -> None:
        known = self.see(UTILITY).grid.conditions.get(name)
        span = window(hours, hours + 6)
        action = SwitchAction.CLOSE if device == "T39" else SwitchAction.OPEN
        said: dict[ConditionKind, dict[str, Any]] = {
            ConditionKind.LIMIT: {"limit_kw": kw(span, 5, 5, 15, 15, 30, 30)},
            ConditionKind.SWITCHING: {
                "switching": (SwitchingStep(device=device, action=action, at=at(hours + 1)),)
            },
            ConditionKind.NORMAL: {},
        }
        revision = max(1, (known.body.revision if known is not None else 0) + off)
        body = SystemCondition(
            condition=name, kind=kind, points=(HEAD,), window=span, revision=revision, **said[kind]
        )
        self.try_(UTILITY, body)

    @rule(
        name=st.sampled_from(["A1", "A2"]),
        aggregation=AGGREGATIONS,
        ders=SOME_DERS,
        power=st.sampled_from([4, 4, 10, 25]),
        hours=HOURS,
        known=st.booleans(),
        off=NEXT,
    )
    def assets_out(
        self,
        name: str,
        aggregation: AggregationId,
        ders: tuple[str, ...],
        power: int,
        hours: int,
        known: bool,
        off: int,
    ) -> None:
        before = self.see(AGGREGATOR).grid.assets.get(name)
        body = AssetOutage(
            outage=name,
            aggregation=aggregation,
            kind=OutageKind.UNPLANNED,
            ders=tuple(DerId(one) for one in ders),
            starts=at(hours),
            cause=AssetOutageCause.FAILURE,
            unavailable_kw=Kilowatts(Decimal(power)),
            expected_return=at(hours + 5) if known else None,
            revision=max(1, (before.revision if before is not None else 0) + off),
        )
        self.try_(AGGREGATOR, body)

    @rule(
        number=NUMBERS,
        few=st.booleans(),
        hours=st.integers(10, 60),
        complete=st.booleans(),
        power=st.sampled_from([None, 4, 10]),
    )
    def assets_back(self, number: int, few: bool, hours: int, complete: bool, power: int | None) -> None:
        known = self.see(AGGREGATOR).grid.assets
        name = known_name(known, number, ["A1"])
        ders = tuple(known[name].back) if name in known else (DerId("D1"),)
        if not known:
            self.assets_out(name, AGG, ("D1",), 4, hours - 10, known=True, off=1)
        body = AssetReturn(
            outage=name,
            aggregation=known[name].aggregation if name in known else AGG,
            ders=ders[:1] if few else ders,
            returned=at(hours),
            complete=complete,
            available_kw=None if power is None else Kilowatts(Decimal(power)),
        )
        self.try_(AGGREGATOR, body)
