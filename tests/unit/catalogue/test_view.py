"""The catalogue for a reader: durations as the files spell them, parts of roles, plain data."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intertie.catalogue.flow import Direction, Level
from intertie.catalogue.load import load_catalogue
from intertie.catalogue.view import (
    actor,
    duration,
    flow_data,
    interface_data,
    latency,
    matrix_data,
    part,
    protect_for,
)
from intertie.model.ids import InterfaceCode
from intertie.model.party import Role

CATALOGUE = load_catalogue()
SECONDS = {
    "s": 1,
    "min": 60,
    "h": 3600,
    "day": 86400,
    "days": 86400,
    "year": 366 * 86400,
    "years": 366 * 86400,
}


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (1, "1 s"),
        (4, "4 s"),
        (60, "1 min"),
        (90, "90 s"),
        (900, "15 min"),
        (3600, "1 h"),
        (86400, "1 day"),
        (2 * 86400, "2 days"),
        (366 * 86400, "1 year"),
        (7 * 366 * 86400, "7 years"),
        (365 * 86400, "365 days"),
    ],
)
def test_durations_are_said_in_the_largest_whole_unit(seconds: int, text: str) -> None:
    assert duration(seconds) == text


@given(st.integers(min_value=1, max_value=200 * 366 * 86400))
def test_a_duration_says_the_number_it_was_made_from(seconds: int) -> None:
    count, unit = duration(seconds).split()
    assert int(count) * SECONDS[unit] == seconds


def test_parts() -> None:
    da, et10 = CATALOGUE.interfaces[InterfaceCode("DA")], CATALOGUE.interfaces[InterfaceCode("ET10")]
    assert part(da, Role.DER_AGGREGATOR) == "both"
    assert part(et10, Role.EVSE_PEV) == "sends"
    assert part(et10, Role.SUBMETER_EUMD) == "receives"
    assert part(da, Role.METER) == ""
    assert actor((Role.METER, Role.AGENCY)) == "meter or agency"


def test_a_flow_says_every_need_even_those_that_are_no() -> None:
    for flow in CATALOGUE.flows():
        data = flow_data(flow)
        assert data["key"] == flow.key
        assert set(data) == {"key", *flow.__struct_encode_fields__}
        assert data["from"] == flow.sender
        assert latency(flow) == duration(data["latency_seconds"])
        assert protect_for(flow) == duration(data["protect_for_days"] * 86400)


def test_an_interface_says_everything_even_what_is_empty() -> None:
    data = json.loads(json.dumps(interface_data(CATALOGUE.interfaces[InterfaceCode("ET17")])))
    assert data["media"] == []
    assert data["same_as"] is None
    assert data["flows"][0]["key"].startswith("ET17.")


def test_the_matrix_is_whole_and_plain() -> None:
    data = matrix_data(CATALOGUE)
    assert json.loads(json.dumps(data)) == data
    assert (len(data["interfaces"]), len(data["roles"])) == (18, 14)
    assert [flow["key"] for flow in data["flows"]] == [flow.key for flow in CATALOGUE.flows()]


def test_levels_are_ordered() -> None:
    assert [level.rank for level in (Level.LOW, Level.MODERATE, Level.HIGH)] == [0, 1, 2]
    assert set(Direction) == {"two_way", "one_way"}
