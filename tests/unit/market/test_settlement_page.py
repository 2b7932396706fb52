"""The hand cases of docs/settlement.md are read from the page and computed: whoever changes a number there, or a rule here, is
told."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from tests.unit.market.market_world import confirmation

from intertie.market.baseline import Adjustment, baseline_of
from intertie.market.baseline_rule import Rule
from intertie.market.block_events import look, place
from intertie.market.block_payment import deliver
from intertie.market.blocks import Block, Row, empty, fill
from intertie.market.other_methods import Stratum, before_after, generator_output, maximum_base_load, sampled
from intertie.market.payment import EventResult, Line, Terms, month_lines
from intertie.market.presets import PRESETS
from intertie.market.shapes import Shape, earned, grace_and_slope, linear, sliding, threshold
from intertie.market.terms import method_of
from intertie.model.interval import Window, local_day

PAGE = (Path(__file__).parents[3] / "docs" / "settlement.md").read_text(encoding="utf-8").replace("−", "-")
F = Fraction
ZONE = "America/New_York"
DAY = date(2026, 7, 15)  # a Wednesday
HOURS = range(17, 19)


def table(header: str) -> list[list[str]]:
    """The rows of the table that begins with this header."""
    after = PAGE.split(f"| {header} |", 1)[1].split("\n\n", 1)[0]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in after.splitlines()[2:]]


def numbers(text: str) -> list[Fraction]:
    return [F(one) for one in re.findall(r"\d+(?:\.\d+)?", text)]


# --- money ------------------------------------------------------------------------------------------------------------


def money_of(code: str, terms: str, known: str) -> list[Line]:
    """A month of 31 days with what a row says: one event, if it delivered."""
    power = re.search(r"([\d.]+) kW at ([\d.]+)", terms)
    a_kwh = re.search(r"([\d.]+) a kWh", terms)

    def said(pattern: str, text: str, default: str) -> Decimal:
        found = re.search(pattern, text)
        return Decimal(found[1] if found else default)

    rate = Decimal(a_kwh[1]) if a_kwh else Decimal(0)
    made = Terms(
        contracted_kw=Decimal(power[1]) if power else Decimal(1000),
        reservation_per_kw_month=Decimal(power[2]) if power else Decimal(1),
        utilisation_per_kwh=rate if code == "UTL" else Decimal(0),
        penalty_per_kwh=rate if code == "PEN" else Decimal(0),
        grace=said(r"grace ([\d.]+)", terms, "1"),
        threshold=said(r"nothing under ([\d.]+)", terms, "0"),
        penalty_cap=said(r"at most ([\d.]+)", terms, "1"),
    )
    first = date(2026, 7, 1) + timedelta(days=31 - int(said(r"(\d+) of 31 days", known, "31")))
    energy = re.search(r"([\d.]+) asked, ([\d.]+) delivered", known)
    factor = re.search(r"factor ([\d.]+)", known)
    if energy:
        event = EventResult("D", DAY, F(1), Decimal(energy[1]), Decimal(energy[2]), Decimal("0.50"))
        return month_lines([event], made, first, date(2026, 7, 31))
    assert factor
    return month_lines([], made, first, date(2026, 7, 31), Decimal(factor[1]))


@pytest.mark.parametrize("row", table("line | terms | what is known | quantity | amount"), ids=" ".join)
def test_lines_of_the_page(row: Sequence[str]) -> None:
    code, terms, known, quantity, amount = row
    [line] = [one for one in money_of(code, terms, known) if one.code == code]
    assert (line.quantity, line.amount) == (Decimal(quantity), Decimal(amount))


# --- presets ----------------------------------------------------------------------------------------------------------


def history(today: Fraction) -> Block:
    """As the page has it: 100, 101, 102 ... in the event, the further back the higher, 200 in the hours before. The hours before
    the event itself are what a row says."""
    rows, level = [], 100
    for back in range(1, 101):
        day = DAY - timedelta(days=back)
        if day.weekday() < 5:
            load = [0] * 24
            load[12:17], load[17:19] = [200] * 5, [level] * 2
            rows.append(Row("m", day, load))
            level += 1
    load = [0] * 24
    load[12:17] = [int(today)] * 5
    rows.append(Row("m", DAY, load))
    return fill(empty(["m"], DAY - timedelta(days=100), 101, ZONE, 60), rows)


def window(first: int = 17, last: int = 19) -> Window:
    start = local_day(DAY, ZONE).start
    return Window(start=start + timedelta(hours=first), end=start + timedelta(hours=last))


PRESET_ROWS = table("preset | days | adjustment | baseline")


def test_the_page_has_every_preset() -> None:
    assert [row[0].strip("`") for row in PRESET_ROWS] == list(PRESETS)
    for name in PRESETS:  # and a deal can name each
        assert method_of(confirmation(baseline_method=name)).rule.of == PRESETS[name].rule.of


@pytest.mark.parametrize("place_of", range(len(PRESET_ROWS)), ids=lambda place: PRESET_ROWS[place][0])
def test_presets_of_the_page(place_of: int) -> None:
    name, days, adjustment, baseline = PRESET_ROWS[place_of]
    if days.startswith("the same"):
        days = f"{PRESET_ROWS[place_of - 1][1]}{days.removeprefix('the same')}"
    rule = PRESETS[name.strip("`")].rule
    first, *others = baseline.split(";")
    today = numbers(adjustment)[0] if adjustment != "none" else F(999)
    cases = [(today, numbers(first)[0])]
    for other in others:  # "at 300 capped at 1.2: 129.6"
        level, _, value = numbers(other)
        cases.append((level, value))
    for level, expected in cases:
        block = history(level)
        found = look(block, place("d", window(), rule, ZONE, 60), rule, {})
        base = baseline_of(found.expected, found.candidates, 0)
        assert base.values == (expected,) * 2
        assert base.unadjusted == (numbers(days)[-1],) * 2
        used = sorted(int(block.intervals(0, day)[17] or 0) for day in base.days_used)
        span = re.findall(r"(\d+) to (\d+)", days)[0]
        assert used == list(range(int(span[0]), int(span[1]) + 1))
    if "=" in adjustment:
        level, usual, result = numbers(adjustment)
        assert result == (level - usual if "-" in adjustment else level / usual)


# --- the other families -----------------------------------------------------------------------------------------------

FAMILIES = {row[0]: [int(one) if one.denominator == 1 else one for one in numbers(row[2])] for row in table(
    "family (WEQ-015) | baseline | by hand"
)}  # fmt: skip
EVENT = place("d", window(), Rule(adjust_minutes_before=120, adjust_minutes=120), ZONE, 60)


def block_of(*loads: Sequence[int], eve: Sequence[Sequence[int]] = ()) -> Block:
    """The event's day of each meter, 15:00 to 19:00, and the day before it."""
    rows = []
    for back, days in enumerate((loads, eve)):
        for number, hours in enumerate(days):
            load = [0] * 24
            load[15:19] = hours
            rows.append(Row(f"m{number}", DAY - timedelta(days=back), load))
    names = [f"m{number}" for number in range(len(loads))]
    return fill(empty(names, DAY - timedelta(days=1), 2, ZONE, 60), rows)


def energy(found: object, asked: int) -> list[int]:
    return deliver(found, (F(asked),) * 2, F(1), 60).energy.tolist()  # type: ignore[arg-type,no-any-return]


def test_maximum_base_load_of_the_page() -> None:
    level, asked, under, delivers, beyond, over, rest = FAMILIES["Maximum Base Load"]
    block = block_of([0, 0, under, under], [0, 0, beyond, beyond])
    found = maximum_base_load(block, EVENT, F(level), (F(asked),) * 2)
    assert energy(found, asked) == [2 * delivers, 2 * rest]
    assert over == beyond - level and rest == asked - over


def test_meter_before_meter_after_of_the_page() -> None:
    left, right, halves, mean, after, delivered = FAMILIES["Meter Before / Meter After"]
    assert (left + right) / halves == mean
    assert energy(before_after(block_of([left, right, after, after]), EVENT), 999) == [2 * delivered]


def test_a_sample_of_the_page() -> None:
    n, many, saved, _, _, _, first, one, three, each, second, both = FAMILIES["Baseline Type II"]
    loads = [[0, 0, 100 - saved // 4, 100 - saved // 4], [0, 0, 100 - saved * 3 // 4, 100 - saved * 3 // 4]]
    block = block_of(*loads, [0, 0, 100 - each, 100 - each], eve=[[0, 0, 100, 100]] * 3)
    rule = Rule(highest=1, of=1, minimum_days=1, adjustment=Adjustment.NONE)
    strata = [Stratum((0, 1), many), Stratum((2,), three)]
    found = sampled(block, place("d", window(), rule, ZONE, 60), rule, {}, strata)
    assert energy(found, 999) == [2 * both]
    assert (
        (n, one) == (2, 1) and first == saved * many / n and second == each * three and both == first + second
    )


def test_generator_output_of_the_page() -> None:
    made, anyway, delivered = FAMILIES["Metering Generator Output"]
    assert energy(generator_output(block_of([0, 0, made, made]), EVENT, (F(anyway),) * 2), 999) == [
        2 * delivered
    ]


def test_shapes_of_the_page() -> None:
    [said] = re.findall(r"What share of the pay.*?\n\n", PAGE, re.S)
    text = " ".join(said.split())

    def pays(shape: Shape, factor: str) -> Decimal:
        return Decimal(int(earned(np.array([int(Decimal(factor) * 100)]), shape)[0])).scaleb(-4)

    at, share = re.findall(r"linear ([\d.]+) earns ([\d.]+);", text)[0]
    assert pays(linear(), at) == Decimal(share)
    least, under = re.findall(r"threshold ([\d.]+) nothing at ([\d.]+);", text)[0]
    assert pays(threshold(F(least)), under) == 0 < pays(threshold(F(least)), least)
    low, high, share, at = re.findall(r"scale from ([\d.]+) to ([\d.]+) earns ([\d.]+) at ([\d.]+);", text)[0]
    assert pays(sliding(F(low), F(high)), at) == Decimal(share)
    grace, slope, share, at, none = re.findall(
        r"grace of (\d+) % with slope (\d+) earns .* = ([\d.]+) at ([\d.]+) and nothing at ([\d.]+)\.", text
    )[0]
    shape = grace_and_slope(F(int(grace), 100), F(slope))
    assert (pays(shape, at), pays(shape, none)) == (Decimal(share), 0)
