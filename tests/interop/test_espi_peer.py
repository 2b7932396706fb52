"""ESPI with software we did not write: greenbutton-objects reads what we write and finds the same readings; and we read the feeds
that it reads. It is in an environment of its own: `make peers`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from bench.peers.environment import installed
from bench.peers.talk import Driver, driver
from tests.unit.formats.espi_world import (
    START,
    T0,
    block,
    feed,
    meter_reading,
    point,
    read,
    reading,
    reading_type,
    series,
    written,
)

from intertie.model.metering import ESPI_QUALITY, Channel, MeterReadings, Quality

pytestmark = pytest.mark.skipif(
    installed("espi") is None, reason="greenbutton-objects is not here: `make peers` installs it"
)


@pytest.fixture(scope="module")
def peer() -> Iterator[Driver]:
    with driver("espi") as started:
        yield started


def test_it_reads_what_we_write(peer: Driver, tmp_path: Path) -> None:
    values = [7, None, 0, 5000]
    said = [
        series(values, meter="M1"),
        MeterReadings(
            meter="M1", channel=Channel.EXPORT, quality=Quality.ESTIMATED, series=series([9, 9]).series
        ),
        series([1], meter="M2"),
    ]
    file = tmp_path / "feed.xml"
    file.write_bytes(written(*said))
    found = peer.ask(do="read", file=str(file))["series"]
    assert {one["service"] for one in found} == {"electricity"} and len(found) == 3
    at = [int(START.timestamp()) + 900 * place for place in range(4)]
    validated, estimated = [ESPI_QUALITY[Quality.VALIDATED]], [ESPI_QUALITY[Quality.ESTIMATED]]
    by_flow = {(one["flow"], len(one["readings"])): one["readings"] for one in found}
    assert by_flow["forward", 3] == [
        [at[place], 900, value, validated] for place, value in enumerate(values) if value is not None
    ]
    assert by_flow["reverse", 2] == [[at[0], 900, 9, estimated], [at[1], 900, 9, estimated]]
    assert by_flow["forward", 1] == [[at[0], 900, 1, validated]]


def test_both_read_the_same_in_a_feed_of_others(peer: Driver, tmp_path: Path) -> None:
    raw = feed(
        point(),
        meter_reading(),
        reading_type(),
        block(*[reading(place, 37 * place % 3000, quality=(8,), cost=True) for place in range(96)]),
    )
    file = tmp_path / "feed.xml"
    file.write_bytes(raw)
    [theirs] = peer.ask(do="read", file=str(file))["series"]
    [ours], _ = read(raw)
    assert theirs["readings"] == [
        [T0 + 900 * place, 900, value, [ESPI_QUALITY[ours.quality_of(place)]]]
        for place, value in enumerate(ours.series.values)
    ]


def test_a_broken_feed_is_broken_for_both(peer: Driver, tmp_path: Path) -> None:
    raw = feed(point(), meter_reading(), reading_type(), block(reading(0, 1)))
    file = tmp_path / "feed.xml"
    file.write_bytes(raw[:-20])
    with pytest.raises(RuntimeError, match="ParseError"):
        peer.ask(do="read", file=str(file))
