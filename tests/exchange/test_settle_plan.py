"""A deal's month written down as a job, with its readings, and settled meter by meter at the command line."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pyarrow.parquet as pq
import pytest
from tests.exchange.house import AGGREGATOR, UTILITY
from tests.exchange.test_settle import EVENT_DAY, METERS, ZONE, Settling, read, stage
from tests.exchange.trade_stage import HOUR, NWS, P7

from intertie.cli import run
from intertie.formats.many_job import Job, read_job, write_job
from intertie.gateway.settlement.settle_inputs import find_deal, period_of
from intertie.gateway.settlement.settle_plan import job_of, members_of
from intertie.model.errors import SettingsError
from intertie.model.ids import PartyId
from intertie.model.interval import local_day

__all__ = ["stage"]  # the fixture
DAY = timedelta(days=1)


@pytest.fixture
def one_point(stage: Settling) -> Settling:
    """The deal of one point, whose two meters every call is on."""
    book = stage.utility.book
    known = book.deals[NWS]
    terms = msgspec.structs.replace(known.terms, points=(P7,))
    stage.terms = terms  # type: ignore[attr-defined]
    return stage


def test_what_is_contracted_is_split_to_the_watt(one_point: Settling) -> None:
    deal = one_point.terms  # type: ignore[attr-defined]
    job = job_of(one_point.utility, deal, period_of(deal, "2026-01"), 15)
    assert [one.meter for one in job.meters] == METERS[:2]
    assert sum(one.contracted_kw for one in job.meters) == deal.contracted_kw
    thirds = msgspec.structs.replace(deal, contracted_kw=Decimal("0.003"))
    split = job_of(one_point.utility, thirds, period_of(deal, "2026-01"), 15)
    assert [one.contracted_kw for one in split.meters] == [Decimal("0.002"), Decimal("0.001")], (
        "a watt is left"
    )
    assert [one.dispatch for one in job.calls] and EVENT_DAY in {one.day for one in job.not_usable}
    assert job.first == EVENT_DAY and {(one.since, one.until) for one in job.meters} == {(None, None)}


def test_a_meter_takes_part_from_the_day_its_der_joins_to_the_day_it_leaves(one_point: Settling) -> None:
    deal, book = one_point.terms, one_point.utility.book  # type: ignore[attr-defined]
    [(name, aggregation)] = book.registry.items()
    first, second = list(aggregation.ders)[:2]
    midnight = local_day(EVENT_DAY, ZONE).start
    joins = aggregation.ders[first][-1]._replace(starts=midnight + 4 * DAY + HOUR)
    leaves = aggregation.ders[second][-1]._replace(ends=midnight + 9 * DAY)
    ders = {**aggregation.ders, first: (joins,), second: (leaves,)}
    book = book._replace(registry={name: aggregation._replace(ders=ders)})
    found = {one.meter: (one.since, one.until) for one in members_of(book, deal, period_of(deal, "2026-01"))}
    last = date(2026, 1, 31)
    assert found == {METERS[0]: (EVENT_DAY + 4 * DAY, last), METERS[1]: (EVENT_DAY, EVENT_DAY + 8 * DAY)}


def test_a_call_on_one_point_of_several_is_no_job(stage: Settling) -> None:
    deal = find_deal(stage.utility, NWS)
    assert len(deal.points) > 1
    with pytest.raises(SettingsError, match="one point of several"):
        job_of(stage.utility, deal, period_of(deal, "2026-01"), 15)
    far = msgspec.structs.replace(deal, aggregation="AGG-NONE")
    with pytest.raises(SettingsError, match="no DER"):
        job_of(stage.utility, far, period_of(deal, "2026-01"), 15)


def aligned(job: Job) -> Job:
    """The stage's call begins at some second; a call that is settled by intervals begins with one."""
    [call] = job.calls
    start = call.window.start.replace(minute=0, second=0, microsecond=0)
    series = msgspec.structs.replace(call.target_kw, start=start)
    window = msgspec.structs.replace(call.window, start=start, end=series.end)
    return msgspec.structs.replace(
        job, calls=(msgspec.structs.replace(call, window=window, target_kw=series),)
    )


def test_plan_and_many_at_the_command_line(
    one_point: Settling, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    stage, deal = one_point, one_point.terms  # type: ignore[attr-defined]

    @contextlib.contextmanager
    def opened(dir: Path, partner: PartyId, agreement: Any = None) -> Iterator[Any]:
        yield SimpleNamespace(desk=stage.utility, readings=read(stage, UTILITY))

    monkeypatch.setattr("intertie.cli.settle_plan.settling", opened)
    monkeypatch.setattr("intertie.cli.settle_plan.find_deal", lambda *_: deal)
    out = tmp_path / "january"

    def said(*arguments: str | Path) -> str:
        capsys.readouterr()
        code = run(["settle", *map(str, arguments)])
        found = capsys.readouterr()
        assert code == 0, found.err
        return str(found.out)

    def refused(*arguments: str | Path) -> str:
        assert run(["settle", *map(str, arguments)]) != 0
        return " ".join(capsys.readouterr().err.split())

    assert "2 meters, 1 calls, 50 meter days" in said("plan", AGGREGATOR, NWS, "2026-01", out)
    job = read_job((out / "job.json").read_bytes())
    assert (out / "job.json").stat().st_mode & 0o77 == 0 and out.stat().st_mode & 0o77 == 0
    assert "begin and end with an interval" in refused(
        "many", out / "job.json", out / "readings", out / "lines"
    )
    (out / "job.json").write_bytes(write_job(aligned(job)))
    first = json.loads(
        said("many", out / "job.json", out / "readings", out / "lines", "--processes", "1", "--json")
    )
    assert (first["settled"], first["foreign"], first["silent"]) == (2, [], [])
    again = said("many", out / "job.json", out / "readings", out / "lines", "--processes", "1")
    assert "0 meters settled" in again and first["sha256"] in again
    lines = pq.read_table(out / "lines" / "lines-00000.parquet").to_pylist()
    energy = {one["meter"]: one["quantity"] for one in lines if one["code"] == "UTL"}
    # 400 Wh less in each of two quarters, less the step between days, up to what is asked of it: half an hour of its share
    for meter in job.meters:
        asked = int(meter.contracted_kw * 5 / deal.contracted_kw * 500)
        assert 0 < energy[meter.meter] <= min(asked, 2 * 410)
    assert all(one["sources"] for one in lines)
    assert Decimal(first["cents"]).scaleb(-2) == sum(Decimal(one["amount"]).scaleb(-2) for one in lines)
    for arguments, why in (
        (("plan", AGGREGATOR, NWS, "2026-01", out), "cannot be written"),
        (("many", tmp_path / "none.json", out / "readings", out / "lines"), "cannot be read"),
        (("many", out / "job.json", out / "lines" / "none", out / "lines"), "no Parquet files"),
        (("many", out / "job.json", out / "readings", out / "lines", "--spark", "sc://x"), "not installed"),
    ):
        assert why in refused(*arguments)
