"""The same kernel on distributed engines that we did not write: lines from Sail and from Apache Spark are, byte for byte, those
of one process. They are in an environment of their own: `make peers`."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from bench.peers.environment import installed
from bench.peers.talk import Driver, driver
from tests.unit.market.many_world import EVENTS, job, names, row, rows, write

from intertie.formats.many_job import JobMeter, write_job
from intertie.gateway.settlement.settle_many import settle_many
from intertie.run.many_engines import OneProcess
from intertie.stores.many_files import LinesFolder, ReadingsFolder

pytestmark = pytest.mark.skipif(
    installed("spark") is None, reason="pysail and pyspark are not here: `make peers` installs them"
)
METERS, PART, WAVE = 10, 3, 2
ENGINES = (
    "sail",
    pytest.param(
        "spark", marks=pytest.mark.skipif(shutil.which("java") is None, reason="Apache Spark needs Java 17")
    ),
)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Driver]:
    with driver("spark") as started:
        yield started


def lines(folder: Path) -> dict[str, bytes]:
    return {one.name: one.read_bytes() for one in sorted(folder.glob("*.parquet"))}


@pytest.mark.parametrize("engine", ENGINES)
def test_a_cluster_makes_the_lines_of_one_process(cluster: Driver, tmp_path: Path, engine: str) -> None:
    """Two files with a revision between them, gaps, a meter that joins, one without readings, one that is not of the job; then
    a revision comes, and only its meter is settled again."""
    folder, out = tmp_path / "readings", tmp_path / "cluster"
    made = rows([*names(METERS), "foreign"], 11)
    made[5]["values"][3] = 2**40
    write(folder, "a", made)
    write(folder, "b", [row("m0002", EVENTS[0], [None] * 24, revision=2, message="b")])
    asked = job(METERS)
    meters = (*asked.meters[1:], JobMeter(meter="silent", contracted_kw=asked.meters[0].contracted_kw))
    asked = job(METERS, meters=meters)
    (tmp_path / "job.json").write_bytes(write_job(asked))
    inputs = ReadingsFolder(folder)

    def here(name: str) -> Any:
        return settle_many(asked, inputs, LinesFolder(tmp_path / name), OneProcess(inputs), part_meters=PART)

    def there() -> dict[str, Any]:
        return cluster.ask(
            do="settle",
            engine=engine,
            job=str(tmp_path / "job.json"),
            readings=str(folder),
            out=str(out),
            part_meters=PART,
            wave=WAVE,
        )

    one = here("one")
    assert there() == {**one._asdict(), "foreign": ["foreign", "m0000"], "silent": ["silent"]}
    assert lines(out) == lines(tmp_path / "one") and len(lines(out)) == 4
    write(folder, "c", [row("m0004", EVENTS[1], [0] * 24, revision=3, message="c")])
    again = there()
    assert (again["settled"], again["untouched"]) == (1, 3)
    here("anew")
    assert lines(out) == lines(tmp_path / "anew") != lines(tmp_path / "one")
