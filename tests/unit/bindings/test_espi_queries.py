"""What is asked for of a feed, on entries made up: times are bounds, pages are cuts, and a batch keeps what blocks hang on."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intertie.bindings.espi.queries import KNOWN, BadQuery, Query, read_query, under, within_batch
from intertie.formats.espi.nodes import Node, Place, Said, element_of, kind_of, nodes_of
from intertie.formats.espi.write import once
from intertie.model.ids import MeterId
from intertie.model.interval import IntervalSeries
from intertie.model.metering import Channel, MeterReadings, Quality
from intertie.model.quantity import Unit

T0 = datetime(2026, 7, 1, tzinfo=UTC)
ROOT = "/espi/1_1/resource/Subscription/abc"
PLACE = Place("America/New_York", "https://h.example", ROOT, summaries=True)

hours = st.integers(0, 100).map(lambda hour: T0 + timedelta(hours=hour))


def said(day: int, published: datetime, updated: datetime, channel: Channel = Channel.IMPORT) -> Said:
    series = IntervalSeries(
        start=T0 + timedelta(days=day),
        step_seconds=3600,
        unit=Unit.KWH,
        power_of_ten=-3,
        values=(day, None, 2),
    )
    readings = MeterReadings(meter=MeterId("M1"), channel=channel, quality=Quality.VALID, series=series)
    return Said(readings, published, updated)


days = st.lists(
    st.tuples(
        st.integers(0, 50), hours, st.integers(0, 40), st.sampled_from([Channel.IMPORT, Channel.EXPORT])
    ),
    max_size=8,
    unique_by=lambda one: (one[0], one[3]),
).map(lambda some: [said(day, at, at + timedelta(hours=later), channel) for day, at, later, channel in some])
bounds = st.one_of(st.none(), hours)
queries = st.builds(Query, bounds, bounds, bounds, bounds)


def nodes(some: Sequence[Said]) -> list[Node]:
    return list(once(nodes_of("M1", some, PLACE, T0)))


@given(days, queries)
def test_a_batch_has_the_blocks_asked_for_and_what_they_hang_on(some: list[Said], query: Query) -> None:
    everything = nodes(some)
    found = list(within_batch(everything, query))
    if not query.is_bounded:
        assert found == everything
        return
    blocks = {one.path for one in found if one.name == "IntervalBlock"}
    assert blocks == {one.path for one in everything if one.name == "IntervalBlock" and query.takes(one)}
    paths = {one.path for one in found}
    for block in blocks:
        reading = block.rsplit("/", 2)[0]
        point = reading.rsplit("/", 2)[0]
        assert {reading, point} <= paths
        kind = reading.rpartition("/")[2]
        assert f"/espi/1_1/resource/ReadingType/{kind}" in paths
    readings = {one.path for one in found if one.name == "MeterReading"}
    assert readings == {block.rsplit("/", 2)[0] for block in blocks}, "and none that nothing hangs on"
    if not any(query.takes(one) for one in everything if one.name in ("IntervalBlock", "UsageSummary")):
        assert found == []
    order = [everything.index(one) for one in found]
    assert order == sorted(order)


@given(days, st.integers(1, 12), st.integers(1, 5))
def test_pages_are_cuts(some: list[Said], start: int, most: int) -> None:
    everything = nodes(some)
    assert list(Query(start=start, most=most).page(everything)) == everything[start - 1 : start - 1 + most]
    pages = [list(Query(start=at, most=most).page(everything)) for at in range(1, len(everything) + 1, most)]
    assert [one for page in pages for one in page] == everything


@given(days, st.integers(0, 3))
def test_under_a_path_so_many_levels(some: list[Said], depth: int) -> None:
    everything = nodes(some)
    point = f"{ROOT}/UsagePoint/M1"
    found = list(under(everything, f"{ROOT}/UsagePoint", depth))
    assert [one.name for one in found if one.level == 0] == ["UsagePoint"]
    assert max(one.level for one in found) <= depth
    if depth >= 2:
        assert found == everything
    readings = list(under(everything, f"{point}/MeterReading", 0))
    assert {one.name for one in readings} <= {"MeterReading"}
    assert len(readings) == len({kind_of(one.readings) for one in some})
    assert list(under(everything, f"{ROOT}/UsagePoint/M2", depth)) == []


@given(days)
def test_the_times_of_an_entry_are_those_of_what_is_in_it(some: list[Said]) -> None:
    everything = nodes(some)
    point = everything[0]
    if not some:
        assert (point.published, point.updated) == (T0, T0)
        return
    assert point.published == min(one.published for one in some)
    assert point.updated == max(one.updated for one in some)
    for node in everything:
        assert point.published <= node.published <= node.updated <= point.updated
        assert element_of(node, PLACE.host)[0].text == element_of(node, PLACE.host)[0].text


@given(days)
def test_a_summary_is_the_sum_of_what_was_delivered(some: list[Said]) -> None:
    total = sum(
        value or 0
        for one in some
        if one.readings.channel is Channel.IMPORT
        for value in one.readings.series.values
    )
    found = [one.content() for one in nodes(some) if one.name == "UsageSummary"]
    tag = "{http://naesb.org/espi}overallConsumptionLastPeriod/{http://naesb.org/espi}value"
    assert sum(int(one.findtext(tag)) for one in found) == total


@pytest.mark.parametrize(
    ("said", "query"),
    [
        ({}, Query()),
        ({"published-min": "2026-07-01T00:00:00Z"}, Query(published_min=T0)),
        ({"published-max": "2026-07-01T02:00:00 02:00"}, Query(published_max=T0)),
        ({"updated-min": "2026-06-30T20:00:00-04:00", "depth": "2"}, Query(updated_min=T0, depth=2)),
        ({"updated-max": "", "start-index": "3", "max-results": "5"}, Query(start=3, most=5)),
    ],
)
def test_what_a_query_says(said: dict[str, str], query: Query) -> None:
    assert read_query(said, len(said)) == query


@given(
    st.dictionaries(
        st.one_of(st.sampled_from(sorted(KNOWN)), st.text(max_size=8)), st.text(max_size=25), max_size=4
    )
)
def test_any_query(said: dict[str, str]) -> None:
    try:
        found = read_query(said, len(said))
    except BadQuery as error:
        assert (
            error.why and error.do and not any(text in error.why for text in said.values() if len(text) > 8)
        )
        return
    assert found.start >= 1 and set(said) <= KNOWN
