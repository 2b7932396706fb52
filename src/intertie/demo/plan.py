"""What happens when in the season, worked out from the load data: the portfolio, the limit, the peak evenings, outages.

Pure: the same feeder gives the same plan. Forecasts are the real load with a margin of two percent; a forecast of
one's own making would prove nothing about the exchange.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import date
from enum import StrEnum
from typing import NamedTuple

from intertie.demo.feeder import Element, Feeder, Watts
from intertie.model.errors import SettingsError

# The evening in which the limit holds: 17:00 to 22:00.
EVENING = range(68, 88)
# Peak evenings above the limit that the season should have.
PEAKS = 7
# The utility asks for what the forecast exceeds the limit by, and ten kilowatts more, in steps of five.
ROOM_KW, STEP_KW = 10, 5
FORECAST_MARGIN = 1.02
# An hour around a peak counts from three kilowatts below the limit.
NEAR_KW = 3
# The deal begins with the second week; baselines ask for ten days of the same type before an event.
DEAL_STARTS, FIRST_EVENT, DAYS_BEFORE = 7, 14, 10
# How many heat pumps and chargers join, besides all batteries, and how many of the PV beside them.
HEAT_PUMPS, CHARGERS, PV = 13, 8, 4
TECHNOLOGIES = {"storage": "battery", "heat_pump": "heat_pump", "charger": "ev_charger", "pv": "pv"}


class Fate(StrEnum):
    """What becomes of a dispatch."""

    ACCEPTED = "accepted"
    PARTIAL = "partial"
    REFUSED = "refused"
    CANCELLED = "cancelled"


class PlannedEvent(NamedTuple):
    """A dispatch: quarter-hours `first` up to `last` of day number `day`."""

    day: int
    first: int
    last: int
    asked_kw: int
    fate: Fate


class PlannedOutage(NamedTuple):
    """Nodes without supply: quarter-hours `first` up to `last` of day number `day`."""

    name: str
    planned: bool
    day: int
    first: int
    last: int
    nodes: tuple[str, ...]


class Plan(NamedTuple):
    """The season. `offered` is what the aggregator registers; `committed` of them is in another programme already."""

    offered: tuple[Element, ...]
    rivals: tuple[Element, ...]  # what the other aggregator registers
    committed: Element
    limit_kw: int
    events: tuple[PlannedEvent, ...]
    outages: tuple[PlannedOutage, ...]
    repairs: tuple[Element, ...]  # batteries out of service around the dispatch that is followed in part

    def event_on(self, day: int) -> PlannedEvent | None:
        """The dispatch of a day."""
        return next((event for event in self.events if event.day == day), None)


def make_plan(feeder: Feeder) -> Plan:
    """The plan for a feeder; SettingsError if its season is too short or too flat for one."""
    offered = choose_portfolio(feeder)
    limit, events = choose_events(feeder.days, feeder.net())
    batteries = sorted((e for e in offered if e.kind == "storage"), key=lambda e: (-e.rated_w, e.name))
    committed = next(e for e in reversed(offered) if e.kind == "charger")
    nodes = sorted({e.node for e in offered if e != committed})
    others = (*feeder.of_kind("heat_pump"), *feeder.of_kind("charger"))
    rivals = tuple(e for e in others if e not in offered and e.node not in {o.node for o in offered})
    return Plan(offered, rivals, committed, limit, events, choose_outages(nodes), tuple(batteries[:5]))


def choose_portfolio(feeder: Feeder) -> tuple[Element, ...]:
    """All batteries, most heat pumps and chargers, and the PV that stands beside one of these."""
    loads = [*feeder.of_kind("heat_pump")[:HEAT_PUMPS], *feeder.of_kind("charger")[:CHARGERS]]
    beside = {load.node for load in loads}
    pv = [e for e in feeder.of_kind("pv") if e.node in beside][:PV]
    return (*feeder.of_kind("storage"), *pv, *loads)


def choose_events(days: Sequence[date], net: Watts) -> tuple[int, tuple[PlannedEvent, ...]]:
    """The limit in kW that `PEAKS` evenings exceed, and a dispatch for each; one more is called and taken back."""
    peaks = [int(row[EVENING.start : EVENING.stop].max()) for row in net]
    possible = [i for i in range(FIRST_EVENT, len(days)) if _same_type_before(days, i) >= DAYS_BEFORE]
    ranked = sorted(possible, key=lambda i: (-peaks[i], i))
    if len(ranked) <= PEAKS:
        raise SettingsError(
            f"{len(days)} days hold {len(ranked)} evenings with a baseline", do="Use a longer season."
        )
    limit = peaks[ranked[PEAKS - 1]] // 1000
    above = sorted(i for i in ranked if peaks[i] > limit * 1000)
    taken_back = next(i for i in ranked if peaks[i] <= limit * 1000)
    fates = {above[len(above) // 2]: Fate.PARTIAL, above[-2]: Fate.REFUSED, taken_back: Fate.CANCELLED}
    events = [_event(i, net[i], limit, fates.get(i, Fate.ACCEPTED)) for i in sorted([*above, taken_back])]
    return limit, tuple(events)


def forecast_kw(row: Watts) -> list[int]:
    """The forecast of a day: the load to come, two percent on top, in whole kilowatts."""
    return [math.ceil(int(watts) * FORECAST_MARGIN / 1000) for watts in row]


def choose_outages(nodes: Sequence[str]) -> tuple[PlannedOutage, ...]:
    """Work on a cable, announced a week before, and a fault in the early morning; neither on an event day."""
    return (
        PlannedOutage("fault-0205", False, 31, 25, 34, tuple(nodes[2:5])),
        PlannedOutage("work-0211", True, 37, 36, 46, tuple(nodes[8:12])),
    )


def offer_watts(feeder: Feeder, elements: Sequence[Element], day: int) -> list[int]:
    """What the portfolio can take away in each quarter-hour of a day: batteries over two hours, and half of what heat
    pumps and chargers took at that time on average over the seven days before (on the first day: the day itself)."""
    batteries = sum(min(e.rated_w, (e.rated_wh or 0) * 9 // 20) for e in elements if e.kind == "storage")
    flexible = [e.name for e in elements if e.kind in ("heat_pump", "charger")]
    rows = feeder.net_of(flexible)[max(0, day - 7) : max(1, day)]
    return [batteries + int(watts) // 2 for watts in rows.sum(axis=0) // len(rows)]


def _event(day: int, row: Watts, limit: int, fate: Fate) -> PlannedEvent:
    forecast = forecast_kw(row)
    near = [i for i in EVENING if int(row[i]) > (limit - NEAR_KW) * 1000]
    first, last = near[0] // 4 * 4, -(-(near[-1] + 1) // 4) * 4
    over = max(forecast[first:last]) - limit + ROOM_KW
    return PlannedEvent(day, first, last, -(-over // STEP_KW) * STEP_KW, fate)


def _same_type_before(days: Sequence[date], i: int) -> int:
    return sum((days[j].weekday() >= 5) == (days[i].weekday() >= 5) for j in range(i))
