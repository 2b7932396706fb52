"""Many meters under one deal: each gets what a statement of it alone says, from the day on which it joins."""

from __future__ import annotations

from collections import defaultdict
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Any

import msgspec
import pyarrow as pa
import pytest
from tests.unit.market.many_world import EVENTS, FIRST, HOUR, LAST, ZONE, call, job, names, row, rows, table

from intertie.formats.many_job import (
    Job,
    JobMeter,
    customers_of,
    programme_of,
    read_job,
    without_meters,
    write_job,
)
from intertie.formats.many_lines import LINES, Ask, settle_table
from intertie.market.baseline import NoBaseline
from intertie.market.many import places, shares_of
from intertie.market.payment import Line
from intertie.market.statement import Book, Call, settle
from intertie.market.terms import rule_of, terms_of
from intertie.model.errors import IntertieError, SettingsError
from intertie.model.interval import IntervalSeries


def lines_of(asked: Job, made: list[dict[str, Any]], known: dict[str, str] | None = None) -> Any:
    ask = Ask(programme_of(asked), without_meters(asked), customers_of(asked), known or {})
    return settle_table(table(made), ask)


def of(lines: Any, meter: str) -> list[tuple[str, str | None, int, int]]:
    return [
        (one["code"], one["dispatch"], one["quantity"], one["amount"])
        for one in lines.to_pylist()
        if one["meter"] == meter
    ]


def alone(asked: Job, made: list[dict[str, Any]], meter: JobMeter) -> list[Line]:
    """The statement of one meter, by the acts that settle a deal: the call is what is asked of it."""
    share = meter.contracted_kw / asked.deal.contracted_kw
    deal = msgspec.structs.replace(asked.deal, contracted_kw=meter.contracted_kw)
    days = {one["day"]: one["values"] for one in made if one["meter"] == meter.meter}
    calls = []
    for one in asked.calls:
        watts = tuple(int((v or 0) * 1000 * share) for v in one.target_kw.values)
        mine = msgspec.structs.replace(one.target_kw, power_of_ten=-3, values=watts)
        calls.append(Call(msgspec.structs.replace(one, target_kw=mine), one.dispatch in asked.refused))
    barred = {one.day: one.reason for one in asked.not_usable}
    book = Book(rule_of(deal, frozenset(asked.holidays)), terms_of(deal), ZONE, {meter.meter: days}, barred)
    return settle(book, deal, calls, FIRST, LAST, "S")[1]


@pytest.mark.parametrize("seed", range(4))
def test_each_meter_gets_the_lines_of_its_own_statement(seed: int) -> None:
    asked = job(8, refused=("D2",) if seed == 3 else ())
    made = rows(names(8), seed)
    found = lines_of(asked, made)
    assert found.schema == LINES
    for meter in asked.meters:
        expected = [
            (one.code, one.dispatch, int(one.quantity * 1000), int(one.amount * 100))
            for one in alone(asked, made, meter)
        ]
        assert of(found, meter.meter) == expected


def flat(meter: str, during: int = 600, level: int = 1000) -> list[dict[str, Any]]:
    made = []
    for one in rows([meter], gaps=0):
        values = [level] * len(one["values"])
        if one["day"] in EVENTS:
            values[17:19] = [during] * 2
        made.append({**one, "values": values})
    return made


def test_by_hand() -> None:
    # 1 kW of the deal's 4, so a call for 2 kW asks for 0.5 kW. Baseline 1000, metered 600: 400 of 500 Wh an hour, 0.80.
    # RES 1 kW x 0.80 x 10.00; UTL 0.8 kWh x 0.50 for each event; PEN 0.2 kWh x 2.00 for each, within half of 10.00.
    found = lines_of(job(1), flat("m0000"))
    assert of(found, "m0000") == [
        ("RES", None, 800, 800),
        ("UTL", "D1", 800, 40),
        ("PEN", "D1", -200, -40),
        ("UTL", "D2", 800, 40),
        ("PEN", "D2", -200, -40),
    ]
    assert found["line"].to_pylist() == [1, 2, 3, 4, 5]
    assert found["unit"].to_pylist() == ["kW month", "kWh", "kWh", "kWh", "kWh"]
    assert found["rate"].to_pylist() == ["10.00", "0.50", "2.00", "0.50", "2.00"]
    # ten days of look-back reach into June only for the event of 17 July
    first = found.to_pylist()[1]["sources"]
    assert first == ["msg-m0000-07"]


def test_a_meter_that_joins_is_settled_from_its_day_on() -> None:
    meter = JobMeter(meter="m0000", contracted_kw=Decimal(1), since=date(2024, 7, 18))
    found = lines_of(job(1, meters=(meter,)), flat("m0000"))
    # 14 of 31 days x 0.80 = 0.361 kW month x 10.00 = 3.61; the event of the 17th was before it
    assert of(found, "m0000") == [("RES", None, 361, 361), ("UTL", "D2", 800, 40), ("PEN", "D2", -200, -40)]
    # the day before: both events, 15 of 31 days
    earlier = msgspec.structs.replace(meter, since=date(2024, 7, 17))
    assert [one[:2] for one in of(lines_of(job(1, meters=(earlier,)), flat("m0000")), "m0000")] == [
        ("RES", None), ("UTL", "D1"), ("PEN", "D1"), ("UTL", "D2"), ("PEN", "D2"),
    ]  # fmt: skip


def test_a_meter_that_leaves_is_settled_to_its_last_day() -> None:
    meter = JobMeter(meter="m0000", contracted_kw=Decimal(1), until=date(2024, 7, 17))
    assert of(lines_of(job(1, meters=(meter,)), flat("m0000")), "m0000") == [
        ("RES", None, 439, 439),  # 17 of 31 days x 0.80 = 0.4387
        ("UTL", "D1", 800, 40),
        ("PEN", "D1", -200, -40),
    ]
    gone = msgspec.structs.replace(meter, until=date(2024, 6, 30))
    assert of(lines_of(job(1, meters=(gone,)), flat("m0000")), "m0000") == [("RES", None, 0, 0)]


def test_a_penalty_stops_at_the_cap_of_the_days_in_which_the_meter_takes_part() -> None:
    # nothing delivered: 1 kWh x 2.00 an event; half of 10.00 x 3 / 31 is 0.48
    meter = JobMeter(
        meter="m0000", contracted_kw=Decimal(1), since=date(2024, 7, 22), until=date(2024, 7, 24)
    )
    found = lines_of(job(1, meters=(meter,)), flat("m0000", during=1000))
    assert of(found, "m0000") == [("RES", None, 0, 0), ("UTL", "D2", 0, 0), ("PEN", "D2", -240, -48)]
    assert found["note"].to_pylist() == ["", "", "up to the month's cap"]


def test_what_is_missing_is_said() -> None:
    made = [one for one in flat("m0000") if one["day"] > date(2024, 7, 10)]
    found = lines_of(job(1), made)
    notes = {(one["code"], one["dispatch"]): one["note"] for one in found.to_pylist()}
    assert notes["UTL", "D1"] == "no baseline" and notes["RES", None] == ""
    gap = [
        {**one, "values": [*one["values"][:18], None, *one["values"][19:]]}
        if one["day"] == EVENTS[0]
        else one
        for one in flat("m0000")
    ]
    found = lines_of(job(1), gap)
    assert of(found, "m0000")[1] == ("UTL", "D1", 400, 20)
    assert found["note"].to_pylist()[1] == "1 intervals without a reading"


def test_lines_do_not_depend_on_who_is_beside_whom() -> None:
    asked, made = job(9), rows(names(9), 5)
    whole = lines_of(asked, made).to_pylist()
    apart = []
    for meter in reversed(asked.meters):
        mine = [one for one in reversed(made) if one["meter"] == meter.meter]
        apart.append(lines_of(msgspec.structs.replace(asked, meters=(meter,)), mine).to_pylist())
    assert [one for part in reversed(apart) for one in part] == whole


def test_the_hash_of_inputs_changes_with_each_of_them_and_with_nothing_else() -> None:
    made = rows(names(3), 7)

    def inputs(asked: Job, given: list[dict[str, Any]]) -> dict[str, str]:
        lines = lines_of(asked, given)
        return dict(zip(lines["meter"].to_pylist(), lines["inputs"].to_pylist(), strict=True))

    plain = inputs(job(3), made)
    assert inputs(job(3), list(reversed(made))) == plain
    revised = [{**one, "revision": 2} if one["meter"] == "m0001" else one for one in made]
    changed = {meter for meter, said in inputs(job(3), revised).items() if plain[meter] != said}
    assert changed == {"m0001"}
    other = msgspec.structs.replace(job(3).meters[2], contracted_kw=Decimal("3.5"))
    moved = inputs(job(3, meters=(*job(3).meters[:2], other)), made)
    assert {meter for meter in plain if plain[meter] != moved[meter]} == {"m0002"}
    elsewhere = inputs(job(3, holidays=()), made)
    assert not set(elsewhere.values()) & set(plain.values())


def test_known_meters_make_no_lines() -> None:
    made = rows(names(3), 7)
    lines = lines_of(job(3), made)
    known = dict(zip(lines["meter"].to_pylist(), lines["inputs"].to_pylist(), strict=True))
    assert lines_of(job(3), made, known).num_rows == 0
    some = lines_of(job(3), made, {**known, "m0001": "another"})
    assert set(some["meter"].to_pylist()) == {"m0001"}
    assert of(some, "m0001") == of(lines, "m0001")


def test_import_and_export_are_netted() -> None:
    both = []
    for one in flat("m0000"):
        both.append({**one, "channel": "import"})
        both.append({**one, "channel": "export", "values": [100] * len(one["values"])})
    ask = Ask(programme_of(job(1)), b"", customers_of(job(1)))
    net = settle_table(pa.Table.from_pylist(both), ask)
    # baseline 900, metered 500: the same 400
    assert of(net, "m0000") == of(lines_of(job(1), flat("m0000")), "m0000")


def test_revisions_and_days_of_others_are_as_in_any_block() -> None:
    made = flat("m0000")
    wrong = [row(one["meter"], one["day"], [7] * len(one["values"]), 0) for one in made]
    foreign = [row("other", FIRST, [1] * 24)]
    assert of(lines_of(job(1), [*made, *wrong, *foreign]), "m0000") == of(lines_of(job(1), made), "m0000")


def test_a_call_that_no_meter_can_be_settled_on_stops_the_run() -> None:
    over_midnight = call(date(2024, 7, 17), "D1", hours=9)
    with pytest.raises(NoBaseline, match="over midnight"):
        places(programme_of(job(1, calls=(over_midnight,))))


def test_shares_of_a_call() -> None:
    series = IntervalSeries(
        start=call(EVENTS[0], "D").window.start, step_seconds=1800, unit="kW", power_of_ten=-1, values=(5, 20)
    )
    assert shares_of(series, Decimal(4), 15) == (Fraction(1, 8),) * 2 + (Fraction(1, 2),) * 2
    with pytest.raises(IntertieError, match="no whole number of 60"):
        shares_of(series, Decimal(4), 60)


def test_a_job_is_read_as_it_was_written() -> None:
    asked = job(3, refused=("D1",))
    assert read_job(write_job(asked)) == asked
    for change, why in (
        ({"first": "2024-06-30"}, "one month"),
        ({"refused": ["D9"]}, "no call"),
        ({"meters": [{"meter": "a", "contracted_kw": "1"}] * 2}, "meters"),
        ({"meters": [{"meter": "a", "contracted_kw": "0"}]}, "above zero"),
        (
            {"meters": [{"meter": "a", "contracted_kw": "1", "since": "2024-07-02", "until": "2024-07-01"}]},
            "until",
        ),
        ({"meters": []}, "length"),
        ({"other": 1}, "other"),
    ):
        raw = msgspec.json.encode({**msgspec.json.decode(write_job(asked)), **change})
        with pytest.raises(SettingsError, match=why):
            read_job(raw)
    with pytest.raises(SettingsError, match="no job"):
        read_job(b"\xff")


def test_sources_are_the_messages_of_the_days_used_and_of_the_event() -> None:
    made = []
    for one in flat("m0000"):
        made.append({**one, "message": f"msg-{one['day']}"})
    found = lines_of(job(1), made).to_pylist()
    by_line = defaultdict(list, {(one["code"], one["dispatch"]): one["sources"] for one in found})
    first = by_line["UTL", "D1"]
    # equal days: the later ones count as higher, and 17 July is the event
    assert first == [f"msg-2024-07-{day:02}" for day in (10, 11, 12, 15, 16, 17)]
    assert by_line["PEN", "D1"] == first
    assert by_line["RES", None] == sorted({*first, *by_line["UTL", "D2"]})
    assert HOUR == 60
