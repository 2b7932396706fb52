"""How much a gateway needs for a day of business: on paper (rates times costs) and by playing the day second by second.

`python -m sim.capacity [utility | utility-quarter-hours | hub] [--set NAME=VALUE ...]`. What is assumed is in `Assumptions` and
`CASES`, what was measured in `Costs`; each can be set otherwise. docs/capacity.md says where the figures come from.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from math import ceil

from rich.console import Console
from rich.table import Table

DAY, HOUR = 86_400, 3_600
DAYS_PER_YEAR = 365
# Cores that are busier than this for an hour have no room for what nobody planned.
BUSY_MOST = 0.6
MICROSECOND, GIGABYTE, MEGABIT = 1e-6, 1e9, 1e6 / 8


@dataclass(frozen=True)
class Costs:
    """Of one side, as measured (docs/capacity.md): of a parcel whatever is in it, and of each message in it."""

    parcel_cpu_us: float = 8_200.0
    message_cpu_us: float = 140.0
    # The database may be another process, or machine; its part is in the figures above with SQLite.
    disk_bytes: float = 3_900.0
    parcel_wire_bytes: float = 14_000.0
    message_wire_bytes: float = 2_050.0
    # A parcel holds so many at most.
    messages_per_parcel: int = 2_000


@dataclass(frozen=True)
class Flow:
    """Messages of one kind: how many a day, when they come, and by when they must be receipted."""

    name: str
    per_day: float
    # Hours of the day in which they come, evenly; a burst is one minute at the beginning.
    start_hour: float
    hours: float
    partners: int
    within_seconds: float
    priority: int

    def rate(self, second: int) -> float:
        """Messages a second then."""
        start = self.start_hour * HOUR
        return self.per_day / (self.hours * HOUR) if start <= second < start + self.hours * HOUR else 0.0


@dataclass(frozen=True)
class Assumptions:
    """What is not measured: the business."""

    ders: int = 1_000_000
    partners: int = 50
    # DERs that are bid, dispatched and settled as one.
    ders_per_aggregation: int = 500
    # 1: a day of quarter hours in one message; 96: each quarter hour by itself.
    readings_per_der_day: int = 1
    # Of a day's readings: when head-end systems send them on.
    readings_start_hour: float = 0.5
    readings_hours: float = 4.0
    availability_per_aggregation_day: int = 96
    dispatches_per_aggregation_day: int = 4
    # All of a day's dispatches and their answers fall into so many hours: the evening peak.
    dispatch_start_hour: float = 17.0
    dispatch_hours: float = 1.0
    registrations_per_day: int = 2_000
    # A statement and an invoice for each DER once a month, all in one night.
    bills_per_der_month: int = 2
    billing_start_hour: float = 20.0
    billing_hours: float = 8.0
    # A storm: notices and updates to each partner, in one hour that is also the evening peak.
    outage_messages_per_partner: int = 500
    # How often a message passes: 1 at a party of the trade, 2 at a hub that takes it in and hands it on.
    passes: int = 1

    def flows(self) -> list[Flow]:
        """What that makes on the worst day: a storm in the evening peak, with the month's billing before midnight."""
        aggregations = ceil(self.ders / self.ders_per_aggregation)
        dispatched = aggregations * self.dispatches_per_aggregation_day * 2
        all_day = self.readings_per_der_day > 1
        reading = (0.0, 24.0) if all_day else (self.readings_start_hour, self.readings_hours)
        # Billing that would go past midnight is played before it: the day has an end.
        billing = (min(self.billing_start_hour, 24.0 - self.billing_hours), self.billing_hours)
        rows = [
            (
                "outages",
                self.partners * self.outage_messages_per_partner,
                self.dispatch_start_hour,
                1.0,
                2,
                0,
            ),
            ("dispatches", dispatched, self.dispatch_start_hour, self.dispatch_hours, 2, 1),
            ("availability", aggregations * self.availability_per_aggregation_day, 0.0, 24.0, 60, 3),
            ("registrations", self.registrations_per_day, 8.0, 9.0, HOUR, 5),
            ("readings", self.ders * self.readings_per_der_day, *reading, HOUR, 6),
            ("billing", self.ders * self.bills_per_der_month, *billing, 6 * HOUR, 7),
        ]
        return [
            Flow(name, count * self.passes, start, hours, self.partners, within, priority)
            for name, count, start, hours, within, priority in rows
        ]

    @property
    def messages_per_year(self) -> float:
        """An ordinary year: billing monthly, and ten days with a storm."""
        days = {"billing": 12, "outages": 10}
        return sum(flow.per_day * days.get(flow.name, DAYS_PER_YEAR) for flow in self.flows())


CASES = {
    "utility": Assumptions(),
    "utility-quarter-hours": Assumptions(readings_per_der_day=96),
    "hub": Assumptions(
        ders=20_000_000, partners=600, registrations_per_day=40_000, readings_per_der_day=1, passes=2
    ),
}


@dataclass
class Played:
    """What a day was like: the busiest hour's share of the cores, and of each flow the longest wait and what was left."""

    busiest_hour: float = 0.0
    busy_seconds: float = 0.0
    waits: dict[str, float] = field(default_factory=dict)
    left: dict[str, float] = field(default_factory=dict)
    wire_peak: float = 0.0  # bytes a second, over a minute

    def keeps(self, flows: Sequence[Flow]) -> bool:
        """Whether everything was in time, with room left."""
        return self.busiest_hour <= BUSY_MOST and all(
            self.waits[flow.name] <= flow.within_seconds and self.left[flow.name] < 1 for flow in flows
        )


def parcels(messages: float, partners: int, costs: Costs) -> float:
    """How many they make when they go within one second: each partner's share together, as under load they do."""
    return max(min(messages, partners), messages / costs.messages_per_parcel)


def cpu(messages: float, partners: int, costs: Costs) -> float:
    """Seconds of one core."""
    count = parcels(messages, partners, costs)
    return (count * costs.parcel_cpu_us + messages * costs.message_cpu_us) * MICROSECOND


def on_paper(flows: Sequence[Flow], costs: Costs) -> float:
    """Cores for the busiest hour's rates, with the room that is asked for. Queues are not seen by it."""
    hours = [range(hour * HOUR, (hour + 1) * HOUR, 60) for hour in range(24)]
    loads = [
        max(sum(cpu(flow.rate(second), flow.partners, costs) for flow in flows) for second in hour)
        for hour in hours
    ]
    return max(loads) / BUSY_MOST


def play(flows: Sequence[Flow], costs: Costs, cores: float, seed: int = 1) -> Played:
    """A day of seconds: what comes is drawn, the urgent goes first, and a second's cores do what they can."""
    draw = random.Random(seed)
    order = sorted(flows, key=lambda flow: flow.priority)
    waiting = {flow.name: 0.0 for flow in order}
    done = Played(waits=dict.fromkeys(waiting, 0.0), left=waiting)
    busy = wire = 0.0
    for second in range(DAY):
        if second % HOUR == 0:
            busy = 0.0
        if second % 60 == 0:
            wire = 0.0
        room = cores
        for flow in order:
            come = _drawn(draw, flow.rate(second))
            there = waiting[flow.name] + come
            if not there:
                continue
            served = _served(there, flow.partners, costs, room)
            used = cpu(served, flow.partners, costs)
            room -= used
            busy += used
            done.busy_seconds += used
            waiting[flow.name] = there - served
            wire += served * costs.message_wire_bytes
            wire += parcels(served, flow.partners, costs) * costs.parcel_wire_bytes
            if served:  # by Little: what is left waits as long as it takes to serve it at this pace
                wait = waiting[flow.name] / served
                done.waits[flow.name] = max(done.waits[flow.name], wait)
            elif there >= 1:
                done.waits[flow.name] = max(done.waits[flow.name], float(DAY))
        done.busiest_hour = max(done.busiest_hour, busy / (cores * HOUR))
        done.wire_peak = max(done.wire_peak, wire / 60)
    return done


def _drawn(draw: random.Random, rate: float) -> float:
    """So many come in this second: a whole number whose mean is the rate, and its spread that of chance."""
    if not rate:
        return 0.0
    return float(max(0, round(draw.gauss(rate, rate**0.5)))) if rate > 20 else _few(draw, rate)


def _few(draw: random.Random, rate: float) -> float:
    """The same for a few: by the gaps between them."""
    count, at = 0, draw.expovariate(rate)
    while at < 1.0:
        count, at = count + 1, at + draw.expovariate(rate)
    return float(count)


def _served(messages: float, partners: int, costs: Costs, room: float) -> float:
    """How many of them a room of so many core seconds has time for."""
    if cpu(messages, partners, costs) <= room:
        return messages
    if room <= 0:
        return 0.0
    low, high = 0.0, messages
    for _ in range(30):
        middle = (low + high) / 2
        low, high = (middle, high) if cpu(middle, partners, costs) <= room else (low, middle)
    return low


def least_cores(flows: Sequence[Flow], costs: Costs) -> tuple[int, Played]:
    """The fewest whole cores with which the day keeps everything, and that day."""
    cores = max(1, ceil(sum(cpu(flow.per_day / DAY, flow.partners, costs) for flow in flows)))
    while not (day := play(flows, costs, cores)).keeps(flows):
        cores += 1
    return cores, day


def show(console: Console, name: str, assumed: Assumptions, costs: Costs) -> None:
    """What is assumed, what it makes, and what it needs."""
    flows = assumed.flows()
    cores, day = least_cores(flows, costs)
    table = Table(title=f"{name}: {assumed.ders:,} DERs, {assumed.partners} partners", title_justify="left")
    for heading in ("flow", "a day", "a second, at most", "within s", "waited s"):
        table.add_column(heading, justify="left" if heading == "flow" else "right")
    for flow in flows:
        most = flow.per_day / (flow.hours * HOUR)
        table.add_row(
            flow.name,
            f"{flow.per_day:,.0f}",
            f"{most:,.1f}",
            f"{flow.within_seconds:,g}",
            f"{day.waits[flow.name]:.2f}",
        )
    console.print(table)
    for line in _needs(assumed, costs, flows, cores, day):
        console.print(line, highlight=False)


def _needs(
    assumed: Assumptions, costs: Costs, flows: Sequence[Flow], cores: int, day: Played
) -> Iterator[str]:
    yield f"cores: {on_paper(flows, costs):.2f} on paper, {cores} by the day played"
    yield f"busiest hour: {day.busiest_hour:.0%} of them; over the day {day.busy_seconds / DAY / cores:.0%}"
    disk = assumed.messages_per_year * costs.disk_bytes / GIGABYTE
    yield f"disk: {disk:,.0f} GB a year for {assumed.messages_per_year:,.0f} messages, nothing erased"
    yield f"network: {day.wire_peak / MEGABIT:,.1f} Mbit/s in the busiest minute"


def with_settings(assumed: Assumptions, costs: Costs, settings: Sequence[str]) -> tuple[Assumptions, Costs]:
    """The same with some values set otherwise. SystemExit for a name that neither has."""
    for setting in settings:
        name, _, value = setting.partition("=")
        kinds = {one.name: one.type for one in (*fields(Assumptions), *fields(Costs))}
        if name not in kinds:
            raise SystemExit(f"{name}: none of {', '.join(kinds)}")
        number = float(value) if kinds[name] == "float" else int(value)
        if name in {one.name for one in fields(Assumptions)}:
            assumed = replace(assumed, **{name: number})
        else:
            costs = replace(costs, **{name: number})
    return assumed, costs


def main(arguments: Sequence[str] | None = None) -> int:
    """Print one case, or all."""
    parser = argparse.ArgumentParser(prog="sim.capacity", description=__doc__)
    parser.add_argument("case", nargs="*", choices=[[], *CASES], help="these only")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a value of yours")
    given = parser.parse_args(arguments)
    for name in given.case or CASES:
        show(Console(), name, *with_settings(CASES[name], Costs(), given.set))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
