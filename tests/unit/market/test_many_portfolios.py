"""From rows of readings to lines, against paper: plain loops over the wall clock and fractions, one meter at a time. Days of 23
or 25 hours, gaps, revisions in any order, import and export, refused calls, meters that join and leave, caps and thresholds.

`INTERTIE_SOAK=1` runs 10,000 random portfolios.
"""

from __future__ import annotations

import os
import random
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any, NamedTuple

import pyarrow as pa
import pytest
from tests.unit.market.plain_payment import measure, month_lines
from tests.unit.market.test_block_events import ZONE, Clock, Loads, Paper, clock, rule_of

from intertie.formats.many_lines import Ask, settle_table
from intertie.market.baseline_rule import Adjustment, Reason
from intertie.market.many import Call, Customer, Programme
from intertie.market.payment import EventResult, Line, Terms
from intertie.model.interval import Window, local_day

F = Fraction
PORTFOLIOS = 10_000 if os.environ.get("INTERTIE_SOAK") else 40
# Months in which the clock turns in Berlin, on the 29th and on the 25th, and one in which it does not.
MONTHS = (date(2026, 3, 1), date(2026, 10, 1), date(2026, 6, 1))
METERS = 3
RATES = ("0", "0.01", "0.357", "1", "2.5", "19.99")
Channels = dict[str, list[int | None]]


class World(NamedTuple):
    """A programme, its customers, what they metered by channel, and all of it as rows."""

    programme: Programme
    customers: list[Customer]
    loads: dict[str, Loads]
    rows: list[dict[str, Any]]


def programme_of(chance: random.Random) -> Programme:
    first = chance.choice(MONTHS)
    last = (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)
    rule = rule_of(chance)
    rates = [Decimal(chance.choice(RATES)) for _ in range(3)]
    terms = Terms(
        Decimal(0),
        *rates,
        grace=Decimal(chance.choice(["0.5", "0.9", "1"])),
        threshold=Decimal(chance.choice(["0", "0.5"])),
        penalty_cap=Decimal(chance.choice(["0", "0.25", "1"])),
    )
    days = sorted(chance.sample(range(1, last.day + 1), chance.randint(0, 3)))
    if chance.random() < 0.5:
        days = sorted({*days, 29 if first.month == 3 else 25})
    calls = tuple(call_of(chance, first.replace(day=day), f"D{day}") for day in days)
    barred = {day_of(one) for one in calls}
    barred |= {first + timedelta(days=chance.randint(-30, 27)) for _ in range(2)}
    return Programme(
        rule=rule,
        terms=terms,
        zone=ZONE,
        step_minutes=60,
        first=first,
        last=last,
        calls=calls,
        not_usable=dict.fromkeys(barred, Reason.EVENT_DAY),
        delivered_cap=F(chance.choice(["1", "1.1", "2"])),
    )


def call_of(chance: random.Random, day: date, name: str) -> Call:
    hours = clock(day, 60)
    first = chance.randrange(len(hours))
    last = min(len(hours), first + chance.randint(1, 4))
    start = local_day(day, ZONE).start
    window = Window(start=start + timedelta(hours=first), end=start + timedelta(hours=last))
    shares = tuple(F(chance.randint(0, 4), chance.choice([1, 3, 4])) for _ in range(last - first))
    return Call(name, window, shares, refused=chance.random() < 0.1)


def world_of(chance: random.Random) -> World:
    programme = programme_of(chance)
    customers, loads, rows = [], {}, []
    for number in range(METERS):
        name = f"m{number}"
        since = programme.first + timedelta(days=chance.randint(-5, 27)) if chance.random() < 0.3 else None
        until = (since or programme.first) + timedelta(days=chance.randint(0, 30))
        kw = Decimal(chance.choice(["0.001", "0.5", "3", "7.125"]))
        customers.append(Customer(name, kw, since, until if chance.random() < 0.3 else None))
        loads[name], made = metered(chance, name, programme)
        rows += made
    chance.shuffle(rows)
    return World(programme, customers, loads, rows)


def metered(chance: random.Random, name: str, programme: Programme) -> tuple[Loads, list[dict[str, Any]]]:
    """The net load of a meter as it counts, and the rows that say so; some came before with other values."""
    channels = chance.choice([("import",), ("import",), ("net",), ("import", "export")])
    low, spread = chance.choice([(0, 3), (1, 2), (900, 400), (100, 0), (2**40, 99)])
    gap, missing = chance.choice([0.0, 0.01, 0.03]), chance.choice([0.0, 0.05])
    loads: Loads = {}
    rows: list[dict[str, Any]] = []
    for number in range(programme.days):
        day = programme.begins + timedelta(days=number)
        if chance.random() < missing:
            continue
        hours = clock(day, 60)
        quality = [8 if chance.random() < gap else 0 for _ in hours]
        said: Channels = {}
        for channel in channels:
            said[channel] = [
                None if chance.random() < gap else chance.randint(low, low + spread) for _ in hours
            ]
            revision = chance.randint(1, 3)
            rows.append(row(name, day, channel, said[channel], quality, revision))
            if chance.random() < 0.1 and revision > 1:
                rows.append(row(name, day, channel, [7] * len(hours), quality, revision - 1))
        loads[day] = {one: (net(said, place), quality[place]) for place, one in enumerate(hours)}
    return loads, rows


def row(
    name: str, day: date, channel: str, values: list[int | None], quality: list[int], revision: int
) -> dict[str, Any]:
    return {
        "meter": name,
        "day": day,
        "channel": channel,
        "revision": revision,
        "values": values,
        "quality": quality,
        "message": f"{name}/{day}/{channel}/{revision}",
    }


def net(said: Channels, place: int) -> int | None:
    """What a meter took, on paper: its net channel, or what came in less what went out."""
    if "net" in said:
        return said["net"][place]
    taken = said["import"][place]
    given = said["export"][place] if "export" in said else 0
    return None if taken is None or given is None else taken - given


def paper(world: World, customer: Customer) -> list[Line]:
    """The month of one meter."""
    programme = world.programme
    first = max(customer.since or programme.first, programme.first)
    last = min(customer.until or programme.last, programme.last)
    terms = programme.terms._replace(contracted_kw=customer.contracted_kw)
    results = [
        event_on_paper(world, customer, call) for call in programme.calls if first <= day_of(call) <= last
    ]
    if last < first:  # no day of this month
        last = first - timedelta(days=1)
    return month_lines(results, terms, first, last)


def day_of(call: Call) -> date:
    return next(
        day
        for back in range(2)
        if local_day(day := call.window.start.date() + timedelta(days=1 - back), ZONE).start
        <= call.window.start
    )


def event_on_paper(world: World, customer: Customer, call: Call) -> EventResult:
    programme, loads = world.programme, world.loads[customer.meter]
    rule, day = programme.rule, day_of(call)
    hours = clock(day, 60)
    first = int((call.window.start - local_day(day, ZONE).start) / timedelta(hours=1))
    count = len(call.shares)
    left = first - rule.adjust_minutes_before // 60
    before: list[Clock] = hours[left : left + rule.adjust_minutes // 60] if left >= 0 else []
    before = [] if rule.adjustment is Adjustment.NONE else before
    mine = hours[first : first + count]
    found = Paper(loads, rule, day, mine, before).result(set(programme.not_usable))
    asked = [share * F(customer.contracted_kw) * 1000 for share in call.shares]
    taken = [loads.get(day, {}).get(one, (None, 0))[0] for one in mine]
    if found is None:  # nothing counts as delivered
        found, taken = ([F(0)] * count, []), [None] * count
    made = measure(found[0], taken, asked, programme.delivered_cap)
    delivered, factor = made.delivered_kwh, made.factor
    if call.refused or not found[1]:
        delivered, factor = Decimal(0), Decimal(0)
    return EventResult(call.name, day, F(count), made.asked_kwh, delivered, factor)


def settled(world: World) -> dict[str, list[tuple[str, str | None, int, int]]]:
    schema = pa.schema(
        [
            ("meter", pa.string()),
            ("day", pa.date32()),
            ("channel", pa.string()),
            ("revision", pa.int32()),
            ("values", pa.list_(pa.int64())),
            ("quality", pa.list_(pa.uint8())),
            ("message", pa.string()),
        ]
    )
    lines = settle_table(pa.Table.from_pylist(world.rows, schema), Ask(world.programme, b"", world.customers))
    found: dict[str, list[tuple[str, str | None, int, int]]] = {one.meter: [] for one in world.customers}
    for one in lines.to_pylist():
        found[one["meter"]].append((one["code"], one["dispatch"], one["quantity"], one["amount"]))
    return found


@pytest.mark.parametrize("tenth", range(10))
def test_lines_and_paper_agree(tenth: int) -> None:
    for seed in range(tenth * PORTFOLIOS // 10, (tenth + 1) * PORTFOLIOS // 10):
        world = world_of(random.Random(seed))
        found = settled(world)
        for customer in world.customers:
            expected = [
                (one.code, one.dispatch, int(one.quantity * 1000), int(one.amount * 100))
                for one in paper(world, customer)
            ]
            assert found[customer.meter] == expected, (seed, customer)


def test_the_worlds_have_what_they_should_show() -> None:
    """A comparison of nothing but zeros would agree as well."""
    codes: dict[str, int] = {}
    amounts = paid = 0
    for seed in range(40):
        world = world_of(random.Random(seed))
        for lines in settled(world).values():
            for code, _, _, cents in lines:
                codes[code] = codes.get(code, 0) + 1
                amounts += cents != 0
                paid += code == "UTL" and cents > 0
    assert min(codes.values()) > 30 and amounts > 100 and paid > 20
