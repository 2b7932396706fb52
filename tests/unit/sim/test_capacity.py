"""The day that is played for docs/capacity.md: what comes goes, the urgent first, and what it needs follows from the costs."""

from __future__ import annotations

import re
import shlex
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sim import capacity
from sim.capacity import CASES, DAY, HOUR, Assumptions, Costs, Flow, cpu, on_paper, parcels, play

COSTS = Costs(parcel_cpu_us=1000.0, message_cpu_us=100.0, messages_per_parcel=100)


def a_flow(name: str = "readings", **others: float) -> Flow:
    given = {"per_day": 3600.0, "start_hour": 1.0, "hours": 1.0, "partners": 4}
    return Flow(name, **(given | {"within_seconds": 10.0, "priority": 5} | others))  # type: ignore[arg-type]


def test_messages_of_a_second_share_parcels() -> None:
    assert [parcels(n, 4, COSTS) for n in (0.0, 1.0, 3.0, 4.0, 300.0)] == [0.0, 1.0, 3.0, 4.0, 4.0]
    assert parcels(1000.0, 4, COSTS) == 10.0
    assert cpu(300.0, 4, COSTS) == pytest.approx(4 * 0.001 + 300 * 0.0001)


@given(st.floats(0.1, 5000), st.integers(1, 500))
def test_more_messages_never_cost_less(messages: float, partners: int) -> None:
    assert cpu(messages * 1.1, partners, COSTS) >= cpu(messages, partners, COSTS)
    assert cpu(messages, partners, COSTS) <= cpu(messages, partners + 1, COSTS)


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 1000))
def test_with_room_everything_goes_at_once(seed: int) -> None:
    day = play([a_flow()], COSTS, 1.0, seed)
    assert day.waits == {"readings": 0.0} and day.left == {"readings": 0.0}
    # 3,600 messages, one a second on the mean: each pays for a parcel, or shares one.
    assert 3.3 < day.busy_seconds < 4.5
    assert day.busiest_hour == pytest.approx(day.busy_seconds / HOUR)


def test_without_room_what_is_urgent_goes_first() -> None:
    load = {"per_day": 3600.0 * 400, "hours": 1.0}
    flows = [a_flow("bills", priority=7, **load), a_flow("outages", priority=0, per_day=3600.0 * 50)]
    day = play(flows, COSTS, 0.03)
    assert day.waits["outages"] == 0.0
    assert day.waits["bills"] > 10 and not day.keeps(flows)
    assert day.busiest_hour > 0.9


def test_paper_and_day_agree_where_nothing_queues() -> None:
    flows = [a_flow(per_day=3600.0 * 200)]
    needed = on_paper(flows, COSTS)
    assert needed == pytest.approx(cpu(200.0, 4, COSTS) / capacity.BUSY_MOST)
    assert play(flows, COSTS, needed).busiest_hour == pytest.approx(capacity.BUSY_MOST, rel=0.05)


def test_the_fewest_cores_keep_the_day_and_one_fewer_does_not() -> None:
    flows = [a_flow(per_day=3600.0 * 12_000)]
    cores, day = capacity.least_cores(flows, COSTS)
    assert day.keeps(flows) and cores > 1
    assert not play(flows, COSTS, cores - 1).keeps(flows)


def test_the_cases_are_what_their_names_say() -> None:
    flows = {flow.name: flow for flow in CASES["utility"].flows()}
    assert flows["readings"].per_day == 1_000_000 and flows["billing"].per_day == 2_000_000
    assert flows["outages"].per_day == 50 * 500 and flows["outages"].within_seconds == 2
    quarter = {flow.name: flow for flow in CASES["utility-quarter-hours"].flows()}
    assert quarter["readings"].rate(0) == pytest.approx(1_000_000 / 900)
    hub = {flow.name: flow for flow in CASES["hub"].flows()}
    assert hub["readings"].per_day == 2 * 20_000_000
    for flow in (*flows.values(), *quarter.values(), *hub.values()):
        played = sum(flow.rate(second) for second in range(DAY))
        assert played == pytest.approx(flow.per_day, rel=1e-3), flow.name


def test_a_year_has_twelve_nights_of_billing() -> None:
    no_bills = replace(CASES["utility"], bills_per_der_month=0)
    more = CASES["utility"].messages_per_year - no_bills.messages_per_year
    assert more == 12 * 2_000_000


def test_what_is_assumed_and_what_was_measured_can_be_set(capsys: pytest.CaptureFixture[str]) -> None:
    assumed, costs = capacity.with_settings(Assumptions(), Costs(), ["ders=500", "message_cpu_us=7"])
    assert (assumed.ders, costs.message_cpu_us) == (500, 7.0)
    with pytest.raises(SystemExit, match="none of ders"):
        capacity.with_settings(Assumptions(), Costs(), ["nothing=1"])
    small = ["--set", "ders=1000", "--set", "partners=2", "--set", "registrations_per_day=10"]
    assert capacity.main(["utility", *small]) == 0
    said = capsys.readouterr().out
    assert "1,000 DERs, 2 partners" in said and "GB a year" in said and "Mbit/s" in said


def test_the_command_of_the_page(capsys: pytest.CaptureFixture[str]) -> None:
    page = (Path(__file__).parents[3] / "docs" / "capacity.md").read_text(encoding="utf-8")
    (command,) = re.findall(r"^python -m sim\.capacity (.+)$", page, re.M)
    assert capacity.main(shlex.split(command)) == 0
    assert "250,000 DERs, 12 partners" in capsys.readouterr().out


def test_the_page_has_the_costs_that_are_played() -> None:
    page = (Path(__file__).parents[3] / "docs" / "capacity.md").read_text(encoding="utf-8")
    costs = Costs()
    for said in (costs.parcel_cpu_us / 1e3, costs.message_cpu_us / 1e3, costs.disk_bytes / 1e3):
        assert f"| {said:g} " in page or f" {said:g} ms" in page or f" {said:g} kB" in page
