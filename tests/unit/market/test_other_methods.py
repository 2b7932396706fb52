"""The other families of WEQ-015 and the named presets, by hand. Hours; the event is 17:00 to 19:00, 15:00 to 17:00 before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from fractions import Fraction

import pytest

from intertie.market.baseline import Baseline, baseline_of
from intertie.market.baseline_rule import Adjustment, NoBaseline, Rule, day_type
from intertie.market.block_events import BlockEvent, look, place
from intertie.market.block_payment import deliver
from intertie.market.blocks import Block, Row, empty, fill
from intertie.market.other_methods import (
    Stratum,
    before_after,
    generator_history,
    generator_output,
    maximum_base_load,
    sampled,
)
from intertie.market.presets import PRESETS
from intertie.model.interval import Window, local_day

F = Fraction
DAY = date(2026, 7, 15)  # a Wednesday
ZONE = "America/New_York"
RULE = Rule(highest=1, of=1, minimum_days=1, adjustment=Adjustment.NONE)
NEAR = Rule(adjust_minutes_before=120, adjust_minutes=120)


def event_of(rule: Rule = NEAR, day: date = DAY) -> BlockEvent:
    start = local_day(day, ZONE).start
    return place(
        "d", Window(start=start + timedelta(hours=17), end=start + timedelta(hours=19)), rule, ZONE, 60
    )


def block_of(*meters: Mapping[date, Sequence[int | None]], last: date = DAY) -> Block:
    names = [f"m{i}" for i in range(len(meters))]
    rows = [Row(n, day, load) for n, mine in zip(names, meters, strict=True) for day, load in mine.items()]
    return fill(empty(names, last - timedelta(days=100), 101, ZONE, 60), rows)


def load(level: int, event: Sequence[int | None], before: Sequence[int | None] = ()) -> list[int | None]:
    made: list[int | None] = [level] * 24
    made[17:19] = event
    if before:
        made[15:17] = before
    return made


def test_maximum_base_load_by_hand() -> None:
    # Level 500, asked 200 an hour. 450 is under it: 200 delivered. 620 is 120 over: 200 - 120 = 80. Of 400: 280, 0.70.
    block = block_of({DAY: load(900, [450, 620])}, {DAY: load(900, [701, None])})
    found = maximum_base_load(block, event_of(), F(500), (F(200), F(200)))
    paid = deliver(found, (F(200), F(200)), F(1), 60)
    assert paid.energy.tolist() == [280, 0]
    assert paid.factor.tolist() == [70, 0]
    assert paid.missing.tolist() == [0, 1]


def test_a_level_that_is_no_whole_number() -> None:
    block = block_of({DAY: load(900, [500, 501])})
    found = maximum_base_load(block, event_of(), F(1001, 2), (F(200), F(200)))
    # 500 is under 500.5; 501 is half over: 200 + 199.5 = 399.5, half up 400.
    assert deliver(found, (F(200), F(200)), F(1), 60).energy.tolist() == [400]


def test_meter_before_meter_after_by_hand() -> None:
    # Before: (300 + 500) / 2 = 400. After: 100 and 450. Delivered 300 and nothing.
    block = block_of({DAY: load(0, [100, 450], [300, 500])}, {DAY: load(0, [100, 450], [None, 500])})
    found = before_after(block, event_of())
    paid = deliver(found, (F(350), F(350)), F(1), 60)
    assert paid.energy.tolist() == [300, 0]
    assert paid.settled.tolist() == [True, False]  # a gap before: no baseline, and it says so


def test_a_sample_stands_for_its_strata_by_hand() -> None:
    # Yesterday is the baseline. Stratum one: 2 of 10 meters save 10 + 30 = 40 an hour: 40 x 10 / 2 = 200.
    # Stratum two: 1 of 3 saves 5: 15. Together 215 an hour, 430 Wh.
    eve = DAY - timedelta(days=1)
    block = block_of(
        *({eve: load(0, [100, 100]), DAY: load(0, [100 - saved, 100 - saved])} for saved in (10, 30, 5))
    )
    strata = [Stratum((0, 1), 10), Stratum((2,), 3)]
    found = sampled(block, event_of(RULE), RULE, {}, strata)
    paid = deliver(found, (F(400), F(400)), F(1), 60)
    assert (paid.energy.tolist(), paid.factor.tolist()) == ([430], [54])


def test_a_meter_without_readings_leaves_the_sample() -> None:
    eve = DAY - timedelta(days=1)
    block = block_of(
        {eve: load(0, [100, 100]), DAY: load(0, [90, 90])}, {eve: load(0, [9, 9]), DAY: load(0, [None, 9])}
    )
    found = sampled(block, event_of(RULE), RULE, {}, [Stratum((0, 1), 3)])
    assert deliver(found, (F(400), F(400)), F(1), 60).energy.tolist() == [60]  # 10 x 3 / 1, twice
    with pytest.raises(NoBaseline, match="stratum 0: 0 meters"):
        sampled(block, event_of(RULE), RULE, {}, [Stratum((1,), 3)])


def test_generator_output_by_hand() -> None:
    # Makes 80 and 20; would have made 30 anyway: 50 delivered, and nothing.
    block = block_of({DAY: load(0, [80, 20])})
    found = generator_output(block, event_of(), (F(30), F(30)))
    assert deliver(found, (F(60), F(60)), F(1), 60).energy.tolist() == [50]
    eve = DAY - timedelta(days=1)
    block = block_of({eve: load(0, [30, 5]), DAY: load(0, [80, 20])})
    found = generator_history(block, event_of(RULE), RULE, {})
    assert deliver(found, (F(60), F(60)), F(1), 60).energy.tolist() == [65]  # 50 + 15


# --- presets ----------------------------------------------------------------------------------------------------------


def history(day: date, today: Sequence[int | None]) -> dict[date, list[int | None]]:
    """Days of the past are 100, 101, 102 ... at the event, the further back the higher, and 200 before it."""
    made: dict[date, list[int | None]] = {}
    counts: dict[object, int] = {}
    for back in range(1, 101):
        one = day - timedelta(days=back)
        kind = "end" if one.weekday() > 4 else "day"
        made[one] = load(0, [100 + counts.get(kind, 0)] * 2)
        made[one][12:17] = [200] * 5
        counts[kind] = counts.get(kind, 0) + 1
    made[day] = load(0, [0, 0])
    made[day][12:17] = today
    return made


def result(name: str, today: Sequence[int | None], day: date = DAY) -> Baseline:
    rule = PRESETS[name].rule
    found = look(block_of(history(day, today), last=day), event_of(rule, day), rule, {})
    return baseline_of(found.expected, found.candidates, 0)


def test_nyiso_without_weather() -> None:
    # Yesterday (100) is too near: 101 to 110 remain, the five highest are 106 to 110, their mean 108.
    found = result("nyiso-high-5-of-10", [999] * 5)
    assert found.values == (108, 108)
    assert len(found.days_used) == 5


def test_nyiso_with_weather() -> None:
    # 13:00 to 15:00: 220 today, 200 before: 1.1; 108 x 1.1 = 118.8. With 300: 1.5, capped at 1.2: 129.6.
    assert result("nyiso-high-5-of-10-weather", [0, 220, 220, 0, 0]).values == (F(1188, 10),) * 2
    found = result("nyiso-high-5-of-10-weather", [0, 300, 300, 0, 0])
    assert (found.values, found.measured, found.cap_hit) == ((F(1296, 10),) * 2, F(3, 2), True)


def test_caiso_ten_in_ten() -> None:
    # 100 to 109: 104.5. 13:00 to 16:00: 170, 180, 190 today are 180 / 200 = 0.9: 94.05.
    assert result("caiso-10-in-10", [0, 170, 180, 190, 0]).values == (F(9405, 100),) * 2
    # half of it: capped at 0.8: 83.6
    assert result("caiso-10-in-10", [0, 100, 100, 100, 0]).values == (F(836, 10),) * 2


def test_iso_ne_mean_of_ten() -> None:
    # The window of 150 minutes before is cut to whole hours: 15:00 to 17:00. 204.5 + (260 - 200) - 100 = 164.5.
    found = result("iso-ne-10-of-10", [0, 0, 0, 250, 270])
    assert (found.values, found.adjustment) == ((F(1645, 10),) * 2, 60)


def test_pjm_high_four_of_five() -> None:
    # 100 to 104, the four highest 101 to 104: 102.5. 13:00 to 16:00: 230 - 200 = 30 more: 132.5; no cap.
    found = result("pjm-high-4-of-5-saa", [0, 230, 230, 230, 0])
    assert (found.values, found.adjustment, found.cap_hit) == ((F(1325, 10),) * 2, 30, False)


def test_ercot_middle_eight_of_ten() -> None:
    # 100 to 109 without both ends: 101 to 108, 104.5. 14:00 to 16:00 equal: factor 1.
    found = result("ercot-middle-8-of-10", [0, 0, 200, 200, 0])
    assert (found.values, len(found.days_used)) == ((F(1045, 10),) * 2, 8)


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_says_what_is_unsure_and_works_on_weekends(name: str) -> None:
    preset = PRESETS[name]
    assert preset.unsure
    assert preset.title
    sunday = date(2026, 7, 19)
    found = result(name, [200] * 5, sunday)
    used = [day_type(day, frozenset(), preset.rule.day_types) for day in found.days_used]
    assert set(used) == {day_type(sunday, frozenset(), preset.rule.day_types)}
    pick = preset.rule.weekend
    assert pick is not None
    assert len(found.days_used) == pick.highest
