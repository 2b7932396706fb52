"""What a cluster is asked, and what its machines do with a stream of rows; the engines themselves are in tests/interop."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from tests.unit.market.many_world import job, names, rows, table, write

from intertie.bindings.spark_connect import cluster as module
from intertie.bindings.spark_connect.cluster import Cluster, connect
from intertie.formats import many_stream
from intertie.formats.many_job import customers_of, programme_of, without_meters
from intertie.formats.many_lines import LINES, Ask, settle_table
from intertie.formats.many_stream import settle_stream, whole_meters
from intertie.gateway.settlement.settle_many import Work, settle_many
from intertie.model.errors import IntertieError, SettingsError
from intertie.stores.many_files import LinesFolder, ReadingsFolder


def ask(count: int) -> Ask:
    asked = job(count)
    return Ask(programme_of(asked), without_meters(asked), customers_of(asked))


class Column:
    """Notes what is asked of it."""

    def __init__(self, asked: list[str]) -> None:
        self.asked = asked

    def __ge__(self, low: str) -> str:
        return f"from {low}"

    def __lt__(self, high: str) -> str:
        return f"to {high}"

    def isin(self, some: list[str]) -> str:
        return f"in {','.join(some)}"


class Rows:
    """A data frame that does what Spark would, on one machine."""

    columns = ("meter", "day", "revision", "values", "message", "other")

    def __init__(self, asked: list[str], found: Any, fails: str = "") -> None:
        self.asked, self.found, self.fails, self.meter = asked, found, fails, Column(asked)

    def select(self, *columns: str) -> Rows:
        self.asked.append(f"select {','.join(columns)}")
        return self

    def filter(self, said: str) -> Rows:
        self.asked.append(said)
        return self

    def repartition(self, tasks: int, column: str) -> Rows:
        self.asked.append(f"{tasks} by {column}")
        return self

    def sortWithinPartitions(self, *columns: str) -> Rows:
        self.found = self.found.sort_by([(name, "ascending") for name in columns])
        return self

    def mapInArrow(self, kernel: Any, columns: str) -> Rows:
        if not self.fails:
            self.found = pa.Table.from_batches(list(kernel(iter(self.found.to_batches(50)))), LINES)
        return self

    def toArrow(self) -> Any:
        if self.fails:
            raise RuntimeError(self.fails)
        return self.found


class Session:
    """An open session: it reads Parquet."""

    def __init__(self, fails: str = "") -> None:
        self.asked: list[str] = []
        self.fails, self.read = fails, self

    def parquet(self, *paths: str) -> Rows:
        self.asked.append(f"{len(paths)} files")
        found = ReadingsFolder(Path(paths[0]).parent).rows("", None, names(100))
        return Rows(self.asked, found, self.fails)


def test_parts_go_in_waves_and_come_back_apart(tmp_path: Path) -> None:
    write(tmp_path / "in", "a", rows(names(7), 2))
    inputs, session = ReadingsFolder(tmp_path / "in"), Session()
    done = settle_many(
        job(7), inputs, LinesFolder(tmp_path / "out"), Cluster(session, inputs, 3, wave=2), part_meters=2
    )
    assert (done.parts, done.settled) == (4, 7)
    wanted = "select meter,day,revision,values,message"
    assert session.asked == [
        *("1 files", wanted, "from ", "to m0004", "in m0000,m0001,m0002,m0003", "3 by meter"),
        *("1 files", wanted, "from m0004", "in m0004,m0005,m0006", "3 by meter"),
    ]


def test_what_a_cluster_says_is_handed_on(tmp_path: Path) -> None:
    write(tmp_path / "in", "a", rows(names(2), 2))
    inputs = ReadingsFolder(tmp_path / "in")
    work = Work(0, "", None, ask(2))
    for said, shown in (("\nno such folder\nat java", "no such folder"), ("", "RuntimeError")):
        session = Session(fails=said or " ")
        with pytest.raises(IntertieError, match=f"could not settle: {shown}"):
            list(Cluster(session, inputs, 1).lines([work]))


def test_without_its_client_and_without_a_server(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingsError, match="not installed"):
        connect("sc://localhost:1")

    class Broken:
        """A client that finds nobody."""

        def __getattr__(self, name: str) -> Any:
            raise RuntimeError("connection refused")

    monkeypatch.setattr(module.importlib, "import_module", lambda name: Broken())
    with pytest.raises(SettingsError, match="no Spark Connect at sc://h:1: connection refused"):
        connect("sc://h:1")


@pytest.mark.parametrize("size", [1, 7, 76, 1000])
def test_a_stream_has_whole_meters_however_it_is_cut(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    made = table(rows(names(5), 4)).sort_by("meter")
    whole = settle_table(made, ask(5))
    for meters in (1, 2, 500):
        monkeypatch.setattr(many_stream, "METERS", meters)
        parts = list(settle_stream(ask(5), iter(made.to_batches(size))))
        assert pa.Table.from_batches(parts, LINES).equals(whole.combine_chunks())
    tables = list(whole_meters(iter(made.to_batches(size)), 2))
    seen = [set(one["meter"].unique().to_pylist()) for one in tables]
    assert sum(map(len, seen)) == 5 and sum(map(len, tables)) == len(made)
    assert list(whole_meters(iter([]), 2)) == []


def test_meters_of_others_make_no_lines() -> None:
    made = table(rows(["a", "m0000", "z"], 4)).sort_by("meter")
    found = pa.Table.from_batches(list(settle_stream(ask(1), iter(made.to_batches()))), LINES)
    assert set(found["meter"].to_pylist()) == {"m0000"}
    assert list(settle_stream(ask(1), iter(made.slice(0, 50).to_batches()))) == []
