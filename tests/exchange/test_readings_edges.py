"""Readings at their edges: nothing to read, revisions, days the clocks change on, files that stop in the middle."""

from __future__ import annotations

import hashlib
import io
from datetime import date, timedelta
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.exchange.house import AGGREGATOR, NOW, UTILITY
from tests.exchange.test_readings import DAY, ZONE, Side, deliver, out, pair, said

from intertie.gateway.metering.import_readings import Watched, import_json, imported_tables
from intertie.gateway.metering.readings import Taken, rebuild
from intertie.gateway.metering.readings_block import load_block, meters_of
from intertie.gateway.sending.send_message import send
from intertie.market.reading_days import Fault
from intertie.model.errors import SettingsError
from intertie.model.interval import local_day
from intertie.model.message import MESSAGE_BYTES_MAX
from intertie.model.metering import Channel, MeterReadings, MeterReadingSet

__all__ = ["pair"]  # the fixture


def imported(side: Side, *meters: MeterReadings) -> str:
    body = msgspec.json.encode(MeterReadingSet(meters=meters))
    return import_json(side.gateway, side.readings, body, NOW).source


def test_nothing_to_read_is_nothing_taken(pair: tuple[Side, Side]) -> None:
    for side in pair:
        assert side.take_in() == Taken() and side.rows() == [] and side.faults() == {}
        assert rebuild(side.gateway, side.readings) == Taken()
        assert meters_of(side.readings) == []
        block = load_block(side.readings, ["M1"], DAY, 1)
        assert block.values.shape[0] == 1 and not block.present.any()


def test_what_was_read_is_not_read_again_and_progress_counts_its_bytes(pair: tuple[Side, Side]) -> None:
    utility, aggregator = pair
    send(aggregator.gateway, [out(said()), out(said("M2"))], NOW)
    deliver(aggregator, utility)
    seen: list[int] = []
    from_start = utility.take_in()
    assert (from_start.messages, from_start.rows) == (2, 2)
    assert utility.take_in() == Taken()
    assert rebuild(utility.gateway, utility.readings, seen.append) == from_start
    assert len(seen) == 2 and all(count > 96 for count in seen)


def test_both_sources_of_one_meter_are_kept_apart(pair: tuple[Side, Side]) -> None:
    utility, aggregator = pair
    send(aggregator.gateway, [out(said())], NOW)
    deliver(aggregator, utility)
    source = imported(utility, said())
    taken = utility.take_in()
    assert (taken.messages, taken.imports, taken.rows) == (1, 1, 2)
    assert sorted((row[0], row[4] == source) for row in utility.rows()) == sorted(
        [(AGGREGATOR, False), (UTILITY, True)]
    )
    for party in (UTILITY, AGGREGATOR):
        assert load_block(utility.readings, ["M1"], DAY, 1, parties=[party]).present.all()
    assert not load_block(utility.readings, ["M1"], DAY, 1, parties=[]).present.any()


def test_meters_are_those_of_the_days_asked_for_in_order(pair: tuple[Side, Side]) -> None:
    utility, _ = pair
    before = DAY - timedelta(days=1)
    imported(utility, said("M2"), said("M1"), said("M3", local_day(before, ZONE).start))
    utility.take_in()
    assert meters_of(utility.readings) == ["M1", "M2", "M3"]
    assert meters_of(utility.readings, first=DAY) == ["M1", "M2"]
    assert meters_of(utility.readings, last=before) == ["M3"]
    assert meters_of(utility.readings, DAY + timedelta(days=1)) == []


@pytest.mark.parametrize(
    ("day", "quarters"), [(date(2025, 3, 9), 92), (date(2025, 3, 10), 96), (date(2025, 11, 2), 100)]
)
def test_a_day_has_the_quarters_that_its_clock_gives_it(
    pair: tuple[Side, Side], day: date, quarters: int
) -> None:
    utility, _ = pair
    imported(utility, said("M1", local_day(day, ZONE).start, quarters))
    assert utility.take_in().rows == 1
    ((_, _, kept, _, _, values),) = utility.rows()
    assert kept == day and len(values) == quarters and values[-1] == quarters - 1


def test_another_channel_is_another_block(pair: tuple[Side, Side]) -> None:
    utility, _ = pair
    imported(utility, said(), said("M2", channel=Channel.EXPORT))
    utility.take_in()
    for channel, known in ((Channel.IMPORT, [True, False]), (Channel.EXPORT, [False, True])):
        block = load_block(utility.readings, ["M1", "M2"], DAY, 1, channel=channel)
        assert [bool(block.present[n].all()) for n in range(2)] == known


def test_meters_that_nobody_knows_are_found_and_not_read(tmp_path: Path, pair: tuple[Side, Side]) -> None:
    side = Side(pair[0].gateway, tmp_path / "other", lambda meter: meter == "M1")
    imported(side, said(), said("M9"))
    assert side.take_in().rows == 1 and [row[1] for row in side.rows()] == ["M1"]
    assert side.faults() == {Fault.FOREIGN_METER: 96}


@pytest.mark.parametrize(
    "raw",
    [b"", b"[]", b"null", b'{"meters": 1}', b"\xff\xfe", b"[" * 100_000, b" " * (MESSAGE_BYTES_MAX + 1)],
)
def test_what_is_no_body_of_readings_leaves_nothing(pair: tuple[Side, Side], raw: bytes) -> None:
    utility, _ = pair
    with pytest.raises(SettingsError) as caught:
        import_json(utility.gateway, utility.readings, raw, NOW)
    assert "CSV" in caught.value.do
    assert utility.take_in() == Taken() and list(imported_tables(utility.readings, 1)) == []


def test_imports_are_told_apart_by_number_and_source(pair: tuple[Side, Side]) -> None:
    utility, _ = pair
    body = msgspec.json.encode(MeterReadingSet(meters=(said(),)))
    one, two = (import_json(utility.gateway, utility.readings, body, NOW) for _ in range(2))
    assert two.number == one.number + 1 and one.source != two.source
    assert one.sha256 == two.sha256 == hashlib.sha256(body).hexdigest()
    assert utility.take_in().imports == 2
    assert [len(table) for table in imported_tables(utility.readings, two.number)] == [1]


@given(st.binary(max_size=400), st.lists(st.integers(1, 90), min_size=1, max_size=8))
def test_a_watched_file_is_the_file_its_hash_and_how_far_it_was_read(data: bytes, sizes: list[int]) -> None:
    seen: list[int] = []
    watched = Watched(io.BytesIO(data), seen.append)
    got = b"".join(watched.read(size) or b"" for size in sizes)
    assert got == data[: sum(sizes)] and sum(seen) == len(got)
    assert watched.sha256 == hashlib.sha256(got).hexdigest() and watched.readable()
    rest = io.BufferedReader(watched).read()
    assert got + rest == data and watched.sha256 == hashlib.sha256(data).hexdigest()
