"""Many meters from a folder of Parquet: the same bytes in one process, in a pool and in other parts; killed, it goes on; and
what changed is settled again, nothing else."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pyarrow.parquet as pq
import pytest
from tests.unit.market.many_world import EVENTS, call, job, names, row, rows, table, write

from intertie.formats.many_job import Job, JobMeter
from intertie.gateway.settlement.settle_many import Done, Progress, Work, settle_many
from intertie.market.baseline_rule import NoBaseline
from intertie.model.errors import IntertieError, StoreError
from intertie.run import many_engines
from intertie.run.many_engines import OneProcess, Pool
from intertie.stores.many_files import LinesFolder, ReadingsFolder
from intertie.stores.many_work import settled_bytes

METERS = 12


class Watched:
    """An engine that is watched, and that may die after so many parts."""

    def __init__(self, folder: ReadingsFolder, parts: int = 1000) -> None:
        self.engine, self.parts, self.asked = OneProcess(folder), parts, []  # type: ignore[var-annotated]

    def lines(self, works: Iterable[Work]) -> Iterator[tuple[Work, Any]]:
        for number, (work, lines) in enumerate(self.engine.lines(works)):
            if number == self.parts:
                raise KeyboardInterrupt
            self.asked += [one.meter for one in work.ask.customers]
            yield work, lines


class World:
    """A folder of readings, one of lines, and a run of a job between them."""

    def __init__(self, folder: Path) -> None:
        self.readings, self.folder = ReadingsFolder(folder / "readings"), folder
        self.job = job(METERS)
        write(folder / "readings", "all", rows(names(METERS), 3))

    def run(self, out: str = "lines", parts: int = 1000, part_meters: int = 5, **changes: Any) -> Done:
        self.engine = Watched(self.readings, parts)
        asked: Job = msgspec.structs.replace(self.job, **changes)
        return settle_many(asked, self.readings, self.lines(out), self.engine, part_meters=part_meters)

    def lines(self, out: str = "lines") -> LinesFolder:
        return LinesFolder(self.folder / out)

    def bytes(self, out: str = "lines") -> dict[str, bytes]:
        return {one.name: one.read_bytes() for one in sorted((self.folder / out).glob("*.parquet"))}

    def all(self, out: str = "lines") -> list[dict[str, Any]]:
        return [
            one
            for path in sorted((self.folder / out).glob("*.parquet"))
            for one in pq.read_table(path).to_pylist()
        ]


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_a_run_settles_all_meters_once(world: World) -> None:
    seen: list[Progress] = []
    done = settle_many(
        world.job, world.readings, world.lines(), Watched(world.readings), seen.append, part_meters=5
    )
    assert (done.parts, done.untouched, done.settled, done.same) == (3, 0, METERS, 0)
    assert (done.foreign, done.silent) == ((), ())
    lines = world.all()
    assert (done.lines, done.cents) == (len(lines), sum(one["amount"] for one in lines))
    assert [one["meter"] for one in lines] == sorted(one["meter"] for one in lines)
    assert {one["meter"] for one in lines} == set(names(METERS))
    assert [(one.done, one.parts, one.meters) for one in seen] == [
        (0, 3, 0),
        (1, 3, 5),
        (2, 3, 10),
        (3, 3, 12),
    ]


def test_two_runs_do_not_write_to_one_folder(world: World) -> None:
    with world.lines().alone():
        with pytest.raises(StoreError, match="another run is writing"):
            world.run()
        assert not world.all() and world.run("elsewhere").settled == METERS
    assert world.run().settled == METERS


def test_a_pool_writes_the_same_bytes(world: World) -> None:
    world.run("one")
    pool = Pool(world.readings, 2)
    done = settle_many(world.job, world.readings, world.lines("pool"), pool, part_meters=5)
    assert world.bytes("pool") == world.bytes("one")
    assert done.sha256 == world.run("one").sha256


def test_parts_of_another_size_have_the_same_lines(world: World) -> None:
    world.run("five")
    world.run("two", part_meters=2)
    assert world.all("two") == world.all("five")
    assert len(world.bytes("two")) == 6


@pytest.mark.parametrize("parts", [0, 1, 2])
def test_a_run_that_was_killed_goes_on(world: World, parts: int) -> None:
    world.run("whole")
    with pytest.raises(KeyboardInterrupt):
        world.run(parts=parts)
    done = world.run()
    assert done.untouched == parts and len(world.engine.asked) == METERS - 5 * parts
    assert world.bytes() == world.bytes("whole")


def test_a_second_run_looks_at_nothing(world: World) -> None:
    first = world.run()
    again = world.run()
    assert world.engine.asked == []
    assert again == first._replace(untouched=3, settled=0)


def test_a_revised_reading_settles_its_meter_again(world: World) -> None:
    before = world.run()
    old = world.all()
    write(world.readings.folder, "late", [row("m0007", EVENTS[0], [0] * 24, revision=2, message="late")])
    after = world.run()
    assert world.engine.asked == ["m0007"]
    assert (after.settled, after.same, after.untouched) == (1, 0, 2)
    assert after.sha256 != before.sha256
    new = world.all()
    assert [one for one in new if one["meter"] != "m0007"] == [one for one in old if one["meter"] != "m0007"]
    [line] = [one for one in new if (one["meter"], one["code"], one["dispatch"]) == ("m0007", "UTL", "D1")]
    assert "late" in line["sources"]
    # and whoever starts anew gets the same
    world.run("anew")
    assert world.bytes("anew") == world.bytes()


def test_files_that_were_rewritten_settle_only_what_changed(world: World) -> None:
    world.run()
    old = world.bytes()
    made = rows(names(METERS), 3)
    write(world.readings.folder, "all", list(reversed(made)), group=77)
    done = world.run()
    assert (done.settled, done.same, done.untouched) == (0, METERS, 0)
    assert world.bytes() == old
    revised = [{**one, "revision": 2} if one["meter"] == "m0003" else one for one in made]
    write(world.readings.folder, "all", revised)
    assert (world.run().settled, world.run().untouched) == (1, 3)


def test_a_reading_of_a_day_that_no_line_rests_on_changes_nothing(world: World) -> None:
    world.run()
    old = world.bytes()
    write(world.readings.folder, "early", [row("m0007", date(2024, 1, 1), [5] * 24)])
    done = world.run()
    assert (done.settled, done.same, done.untouched) == (0, 1, 2)
    assert world.bytes() == old


def test_a_meter_that_comes_or_changes_is_settled_and_one_that_leaves_is_gone(world: World) -> None:
    world.run()
    meters = [one for one in world.job.meters if one.meter != "m0001"]
    meters[3] = msgspec.structs.replace(meters[3], contracted_kw=Decimal("2.5"))
    meters.append(JobMeter(meter="m0005x", contracted_kw=Decimal(1)))
    write(world.readings.folder, "new", rows(["m0005x"], 9))
    done = world.run(meters=tuple(meters))
    assert (done.settled, done.parts) == (2, 3)
    there = {one["meter"] for one in world.all()}
    assert there == {*names(METERS), "m0005x"} - {"m0001"}
    world.run("anew", meters=tuple(meters))
    assert sorted(map(str, world.all())) == sorted(map(str, world.all("anew")))


def test_other_terms_settle_everything_again(world: World) -> None:
    world.run()
    deal = msgspec.structs.replace(world.job.deal, utilisation_rate_per_kwh=Decimal("0.75"))
    assert world.run(deal=deal).settled == METERS


def test_a_part_that_is_harmed_is_made_again(world: World) -> None:
    world.run()
    old = world.bytes()
    lines = world.lines()
    lines.part(1).write_bytes(b"PAR1")
    pq.write_table(pq.read_table(lines.part(2)).slice(1), lines.part(2))
    lines.part(0).with_suffix(".json").write_text("{")
    assert world.run().untouched == 0
    assert world.bytes() == old


def test_meters_without_readings_and_readings_without_meters_are_named(world: World) -> None:
    write(world.readings.folder, "foreign", rows(["other"], 1))
    meters = (*world.job.meters, JobMeter(meter="silent", contracted_kw=Decimal(1)))
    done = world.run(meters=meters)
    assert (done.foreign, done.silent) == (("other",), ("silent",))
    lines = [one for one in world.all() if one["meter"] == "silent"]
    assert [(one["code"], one["amount"]) for one in lines] == [
        ("RES", 0), ("UTL", 0), ("PEN", -200), ("UTL", 0), ("PEN", -200),
    ]  # fmt: skip
    assert {one["note"] for one in lines} == {"", "no baseline"}


def test_what_cannot_be_settled_is_said_before_the_first_part(world: World) -> None:
    with pytest.raises(NoBaseline, match="over midnight"):
        world.run(calls=(call(EVENTS[0], "D1", hours=9),))
    assert world.bytes() == {}


def test_folders_that_are_none(world: World, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no Parquet files"):
        ReadingsFolder(tmp_path / "lines").files()
    (tmp_path / "wrong").mkdir()
    pq.write_table(table([]).drop_columns(["values"]), tmp_path / "wrong" / "a.parquet")
    with pytest.raises(IntertieError, match="no column values"):
        ReadingsFolder(tmp_path / "wrong").files()
    (world.readings.folder / "broken.parquet").write_bytes(b"not Parquet")
    with pytest.raises(StoreError, match="cannot be used"):
        world.run()


def test_only_row_groups_that_may_have_the_meters_are_read(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = world.readings.rows("m0003", "m0005", names(METERS) * 10)
    assert set(found["meter"].to_pylist()) == {"m0003", "m0004"}
    assert set(world.readings.rows("", None, ["m0011"])["meter"].to_pylist()) == {"m0011"}


def die(folder: Path, work: Work) -> bytes:
    """What a process does that runs out of memory at its second part."""
    if work.number:
        os._exit(9)
    return settled_bytes(folder, work)


def test_a_pool_whose_process_dies_says_so_and_another_run_goes_on(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.run("whole")
    with monkeypatch.context() as patched:
        patched.setattr(many_engines, "settled_bytes", die)
        with pytest.raises(IntertieError, match="a process of the pool died"):
            settle_many(world.job, world.readings, world.lines(), Pool(world.readings, 1), part_meters=5)
    kept = len(world.bytes())
    assert kept in (0, 1), "what was handed over before is kept"
    done = world.run()
    assert (done.untouched, done.settled) == (kept, METERS - 5 * kept)
    assert world.bytes() == world.bytes("whole")
