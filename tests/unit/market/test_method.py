"""A deal names its baseline: a preset, or one of the other families of WEQ-015, and its statement comes out by it. By hand."""

from __future__ import annotations

import random
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from tests.unit.market.many_world import EVENTS as CALLED
from tests.unit.market.many_world import job, names, rows, table
from tests.unit.market.market_world import EVENT_DAY, TEN_DAYS, ZONE, confirmation, flat, instruction, shaped

from intertie.formats.many_job import customers_of, programme_of, without_meters
from intertie.formats.many_lines import Ask, settle_table
from intertie.market.baseline_rule import Adjustment, NoBaseline, Reason
from intertie.market.explain_line import explain_line
from intertie.market.method import Family
from intertie.market.payment import Line
from intertie.market.performance import measure
from intertie.market.presets import PRESETS
from intertie.market.statement import Book, Call, settle
from intertie.market.terms import method_of, rule_of, terms_of
from intertie.model.errors import SettingsError
from intertie.model.pay_shape import PayShape, PayShapeKind
from intertie.model.settlement import PerformanceStatement

F = Fraction
FIRST, LAST = date(2024, 7, 1), date(2024, 7, 31)
Loads = dict[str, dict[date, list[int | None]]]


def statement(
    method: str, readings: Loads, kilowatts: int = 2, **changes: Any
) -> tuple[PerformanceStatement, list[Line], Book]:
    """A call for 2 kW from 17:00 to 18:00: 500 Wh a quarter."""
    deal = confirmation(baseline_method=method, **changes)
    found = method_of(deal)
    barred = {EVENT_DAY: Reason.EVENT_DAY}
    book = Book(found.rule, terms_of(deal), ZONE, readings, barred, method=found)
    made, lines = settle(book, deal, [Call(instruction([kilowatts] * 4))], FIRST, LAST, "S")
    return made, lines, book


def energies(series: Any) -> list[Decimal | None]:
    return [
        None if one is None else one * 1000 for one in (series.quantity(i) for i in range(len(series.values)))
    ]


def test_maximum_base_load() -> None:
    # 6 kW is 1500 Wh a quarter. 1200 and 200 together 1400: under it, all 500 delivered. Level + asked is 2000.
    readings: Loads = {"A": {EVENT_DAY: shaped(0, 1200)}, "B": {EVENT_DAY: shaped(0, 200)}}
    readings["A"][EVENT_DAY][69] = 1620  # 1820: 320 over, 180 delivered
    readings["A"][EVENT_DAY][70] = None
    made, lines, _ = statement("maximum-base-load-6kw", readings)
    [event] = made.events
    assert energies(event.baseline_kwh) == [2000] * 4
    assert energies(event.actual_kwh) == [1400, 1820, None, 1400]
    assert energies(event.delivered_kwh) == [500, 180, 0, 500]
    assert event.performance_factor == Decimal("0.59")
    assert (event.days_used, event.adjustment_factor) == ((), None)
    assert [energies(one.baseline_kwh) for one in event.meters] == [[1000] * 4] * 2
    assert lines[1].quantity == Decimal("1.180")
    assert made.text == "at or under a base load of 6 kW"


def test_meter_before_meter_after() -> None:
    # The hour before: 300, 500, 300, 500 and 100 of the other: 400 + 100. During: 150 and 50: 300 delivered a quarter.
    before: list[int | None] = shaped(0, 150)
    before[64:68] = [300, 500, 300, 500]
    readings: Loads = {"A": {EVENT_DAY: before}, "B": {EVENT_DAY: shaped(0, 50, rest=100)}}
    made, _, _ = statement("meter-before-after-60min", readings)
    [event] = made.events
    assert energies(event.baseline_kwh) == [500] * 4
    assert energies(event.delivered_kwh) == [300] * 4
    assert [energies(one.baseline_kwh) for one in event.meters] == [[400] * 4, [100] * 4]
    half, _, _ = statement("meter-before-after-30min", readings)
    assert energies(half.events[0].baseline_kwh) == [500] * 4
    quarter, _, _ = statement("meter-before-after-15min", readings)
    assert energies(quarter.events[0].baseline_kwh) == [600] * 4
    before[65] = None
    with pytest.raises(NoBaseline, match="60 minutes before"):
        statement("meter-before-after-60min", readings)
    with pytest.raises(NoBaseline):
        statement("meter-before-after-1200min", readings)  # it would begin the day before


def test_metering_generator_output() -> None:
    # Net readings: out is below zero. 800 and 100 out, 120 in: 780 made. Over 1.2 kW, which is 300 a quarter: 480.
    readings: Loads = {
        "A": {EVENT_DAY: shaped(0, -800)},
        "B": {EVENT_DAY: shaped(0, -100)},
        "C": {EVENT_DAY: shaped(0, 120)},
    }
    readings["A"][EVENT_DAY][71] = -100  # 80 made: under it
    made, _, _ = statement("generator-output-over-1.2kw", readings)
    [event] = made.events
    assert energies(event.baseline_kwh) == [-300] * 4
    assert energies(event.actual_kwh) == [-780, -780, -780, -80]
    assert energies(event.delivered_kwh) == [480, 480, 480, 0]
    assert energies(event.meters[2].baseline_kwh) == [-100] * 4


def test_a_sample_stands_for_all() -> None:
    # Each by high 5 of 10 without adjustment: 400 and 600. During: 390 and 570: 10 + 30 saved by 2 of 10: 40 x 5 = 200.
    readings: Loads = {"A": {day: flat(400) for day in TEN_DAYS}, "B": {day: flat(600) for day in TEN_DAYS}}
    readings["A"][EVENT_DAY], readings["B"][EVENT_DAY] = shaped(0, 390), shaped(0, 570)
    made, _, _ = statement("sample-of-10-by-high-5-of-10", readings)
    [event] = made.events
    assert energies(event.baseline_kwh) == [5000] * 4
    assert energies(event.actual_kwh) == [4800] * 4
    assert energies(event.delivered_kwh) == [200] * 4
    assert [energies(one.baseline_kwh) for one in event.meters] == [[400] * 4, [600] * 4]
    # one leaves the sample with a gap: 10 x 10 / 1
    readings["B"][EVENT_DAY][70] = None
    made, _, _ = statement("sample-of-10-by-high-5-of-10", readings)
    assert energies(made.events[0].delivered_kwh) == [100] * 4
    assert [one.meter for one in made.events[0].meters] == ["A"]
    # thirds: 7 stand behind 3 with savings of 10, 30 and 5: 105 a quarter, 7 / 3 x 45
    readings["B"][EVENT_DAY][70] = 570
    readings["C"] = {day: flat(9) for day in TEN_DAYS} | {EVENT_DAY: shaped(0, 4)}
    made, _, _ = statement("sample-of-7-by-high-5-of-10", readings)
    assert energies(made.events[0].delivered_kwh) == [105] * 4
    readings["A"][EVENT_DAY][68:72] = [391] * 4  # 44 x 7 / 3 = 102.666...
    made, lines, _ = statement("sample-of-7-by-high-5-of-10", readings)
    assert made.events[0].delivered_kwh.values == (102667,) * 4
    assert lines[1].quantity == Decimal("0.411")
    with pytest.raises(NoBaseline, match="3 meters with readings for 2"):
        statement("sample-of-2-by-high-5-of-10", readings)


def test_a_sample_may_go_by_a_preset() -> None:
    found = method_of(confirmation(baseline_method="sample-of-120-by-caiso-10-in-10"))
    assert (found.family, found.population, found.rule.highest) == (Family.TYPE_TWO, 120, 10)
    assert "stands for 120 meters" in found.text() and "high 10 of 10" in found.text()


@pytest.mark.parametrize("name", PRESETS)
def test_a_deal_names_its_preset(name: str) -> None:
    holiday = frozenset({date(2024, 7, 4)})
    deal = confirmation(baseline_method=name, adjustment_cap_fraction=Decimal("0.15"))
    rule, preset = rule_of(deal, holiday), PRESETS[name].rule
    assert rule.cap == (None if preset.cap is None else F(3, 20)), "the cap is the deal's, where there is one"
    assert rule._replace(cap=None, holidays=frozenset()) == preset._replace(cap=None)
    assert rule.holidays == holiday
    assert method_of(deal, holiday) == (Family.TYPE_ONE, rule, 0, 0, 0)
    # and a statement comes out by it: sixty weekdays at 400, and 600 in the hours before the event
    days = [EVENT_DAY - timedelta(days=back) for back in range(1, 61)]
    readings: Loads = {"A": {day: shaped(400, 400, rest=400) for day in days}}
    readings["A"][EVENT_DAY] = shaped(600, 100, rest=600)
    made, _, _ = statement(name, readings, adjustment_cap_fraction=Decimal("0.15"))
    expected = {
        Adjustment.NONE: 400,
        Adjustment.MULTIPLICATIVE: 460,  # 600 / 400 = 1.5, at most 1.15
        Adjustment.ADDITIVE: 600,
    }[preset.adjustment]
    assert energies(made.events[0].baseline_kwh) == [expected] * 4


@pytest.mark.parametrize(
    "name",
    [
        "maximum-base-load",
        "maximum-base-load-kw",
        "maximum-base-load-6.0001kw",
        "meter-before-after-0min",
        "generator-output-over--1kw",
        "sample-of-0-by-high-5-of-10",
        "sample-of-9-by-maximum-base-load-6kw",
        "sample-of-9-by-sample-of-9-by-high-5-of-10",
        "nyiso",
    ],
)
def test_what_is_no_method_is_refused(name: str) -> None:
    with pytest.raises(SettingsError, match="no baseline method"):
        method_of(confirmation(baseline_method=name))


def test_a_line_of_any_method_is_explained() -> None:
    readings: Loads = {"A": {EVENT_DAY: shaped(0, 1200)}}
    made, lines, book = statement("maximum-base-load-6kw", readings)
    said = [explain_line(made, place, book, confirmation()) for place in range(len(lines))]
    text = str(said[1].parts)
    assert "base load of 6 kW" in text and "no days" in text


def test_shares_of_the_pay_and_a_grace_are_explained_as_they_are_paid() -> None:
    # Delivered 1.18 of 2 kWh: 0.59. From 0.1 to 1: (0.59 - 0.1) / 0.9 = 0.5444. Capacity 4 x 0.5444 = 2.178, energy 1.18 x 0.5444
    # = 0.642. Nine tenths of 2 cost nothing: 1.8 - 1.18 = 0.62 is short.
    readings: Loads = {"A": {EVENT_DAY: shaped(0, 1400)}}
    readings["A"][EVENT_DAY][69:71] = [1820, None]
    scale = PayShape(kind=PayShapeKind.SLIDING, low_fraction=Decimal("0.1"), high_fraction=Decimal(1))
    terms: dict[str, Any] = {
        "reservation_pay": scale,
        "utilisation_pay": scale,
        "penalty_grace_fraction": Decimal("0.9"),
    }
    made, lines, book = statement("maximum-base-load-6kw", readings, **terms)
    assert [line.quantity for line in lines] == [Decimal("2.178"), Decimal("0.642"), Decimal("-0.620")]
    deal = confirmation(baseline_method="maximum-base-load-6kw", **terms)
    steps = [dict(explain_line(made, place, book, deal).parts[-1][1]) for place in range(3)]
    assert steps[0]["quantity"] == "4 × 31/31 × 0.5444 = 2.178 kW month" and "sliding" in steps[0]["pays"]
    assert steps[1]["quantity"] == "1.180 × 0.5444 = 0.642 kWh" and "factor 0.59" in steps[1]["pays"]
    assert steps[2]["short"] == "grace: 0.9 of asked 2.000 − delivered 1.180 = 0.620 kWh"


def test_the_difference_is_exact_where_a_load_is_no_whole_number() -> None:
    chance = random.Random(1)
    for _ in range(50):
        count = chance.randint(1, 4)
        base = [F(chance.randint(0, 900), chance.randint(1, 7)) for _ in range(count)]
        taken = [
            None if chance.random() < 0.2 else F(chance.randint(0, 900), chance.randint(1, 7)) for _ in base
        ]
        asked = [F(chance.randint(1, 400)) for _ in base]
        found = measure(base, taken, asked)
        assert found.delivered == tuple(
            F(0) if t is None else max(F(0), min(b - t, a))
            for b, t, a in zip(base, taken, asked, strict=True)
        )


def test_many_meters_go_by_the_meter_before_and_by_nothing_of_a_whole() -> None:
    deal = confirmation(baseline_method="meter-before-after-120min")
    asked, made = job(3, deal=deal), rows(names(3), 3, gaps=0)
    lines = settle_table(
        table(made), Ask(programme_of(asked), without_meters(asked), customers_of(asked))
    ).to_pylist()
    for meter in asked.meters:
        [load] = [one["values"] for one in made if (one["meter"], one["day"]) == (meter.meter, CALLED[0])]
        level = F(sum(load[15:17]), 2)
        want = F(meter.contracted_kw) * 500
        delivered = sum(max(F(0), min(level - one, want)) for one in load[17:19])
        [line] = [
            one for one in lines if (one["meter"], one["code"], one["dispatch"]) == (meter.meter, "UTL", "D1")
        ]
        assert line["quantity"] == int(delivered + F(1, 2))
        assert line["sources"] == [f"msg-{meter.meter}-07"]
    for name in ("maximum-base-load-6kw", "generator-output-over-1kw", "sample-of-9-by-high-5-of-10"):
        with pytest.raises(SettingsError, match="whole portfolio"):
            programme_of(job(3, deal=confirmation(baseline_method=name)))
