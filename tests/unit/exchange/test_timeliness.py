"""Receipts against their need: counts by flow, span and bin."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intertie.catalogue.load import load_catalogue
from intertie.exchange.timeliness import BOUNDS, SPAN_SECONDS, FlowRef, Timeliness, span_of, sums
from intertie.model.ids import DocumentName, InterfaceCode

NOW = datetime(2026, 7, 1, 12, 3, 20, tzinfo=UTC)
FLOW = FlowRef(InterfaceCode("DA"), DocumentName("outage_notice"), "real_time")
OTHER = FlowRef(InterfaceCode("DA"), DocumentName("invoice"), "scheduled")


def test_late_is_later_than_the_need() -> None:
    counts = Timeliness()
    assert counts.add(FLOW, [0.2, 4.0, 4.001, 30.0], 4.0, NOW) == 2
    assert counts.add(OTHER, [99.0], None, NOW) == 0
    found = sums(counts.drain())
    assert (found[FLOW].receipts, found[FLOW].late, found[FLOW].seconds) == (4, 2, pytest.approx(38.201))
    assert (found[OTHER].receipts, found[OTHER].late) == (1, 0)
    assert counts.drain() == []


def test_the_needs_of_the_catalogue_are_bounds() -> None:
    """So that the share in time can be read off the histogram."""
    needs = {flow.latency_seconds for flow in load_catalogue().flows()}
    assert needs <= set(BOUNDS)


def test_a_span_begins_at_a_round_time() -> None:
    assert span_of(NOW) == datetime(2026, 7, 1, 12, 0, tzinfo=UTC)
    assert span_of(NOW + timedelta(seconds=SPAN_SECONDS)) == datetime(2026, 7, 1, 12, 5, tzinfo=UTC)


def test_a_flow_has_a_name_for_people() -> None:
    assert str(FLOW) == "DA/outage_notice.real_time"


@given(st.lists(st.floats(0, 200_000), max_size=50), st.sampled_from([None, 4.0, 60.0, 86_400.0]))
def test_every_message_is_in_one_bin(took: list[float], need: float | None) -> None:
    counts = Timeliness()
    late = counts.add(FLOW, took, need, NOW)
    found = sums(counts.drain()).get(FLOW)
    if not took:
        assert found is None
        return
    assert found is not None and found.receipts == len(took) and found.late == late
    assert found.seconds == pytest.approx(sum(took))
    for place, bound in enumerate(BOUNDS):
        assert sum(found.bins[: place + 1]) == sum(seconds <= bound for seconds in took)
    if need is not None:
        assert late == found.receipts - sum(found.bins[: BOUNDS.index(need) + 1])
