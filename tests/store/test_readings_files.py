"""Readings as Parquet files: what is committed is there once, whatever happened before; nothing is overwritten."""

from __future__ import annotations

import shutil
import stat
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.store.readings_cases import DAY, asked, keep, kept, keys_in, row, rows_of, store_in, table

from intertie.formats.reading_table import bucket_of
from intertie.gateway.metering.readings_ports import Cursor, Wanted
from intertie.market.reading_days import Fault, Finding
from intertie.model.errors import StoreError
from intertie.stores import readings_files, readings_merge, readings_parquet
from intertie.stores.readings_files import ReadingsFiles
from intertie.stores.readings_state import Part


def finding(count: int = 1, fault: Fault = Fault.FUTURE) -> Finding:
    return Finding(source="m", party="u.example", fault=fault, count=count, kept=False, refused="a line")


def test_an_empty_folder_has_nothing(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    assert kept(store) == [] and list(store.findings()) == [] and list(store.imports(0)) == []
    summary = store.summary()
    assert (summary.rows, summary.first, summary.faults) == (0, None, {})


def test_what_is_committed_is_there_and_what_is_not_is_not(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    rows = rows_of(5, 3)
    with store.writing() as batch:
        batch.add(table(rows))
        batch.find(finding(3))
        assert kept(store) == []
        batch.commit(Cursor(incoming=7))
        batch.add(table([row("lost")]))
    assert kept(store) == asked(rows)
    assert store_in(tmp_path).summary().faults == {Fault.FUTURE: 3}
    assert list(store.findings()) == [finding(3)]
    with store.writing() as batch:
        assert batch.cursor == Cursor(incoming=7)


def test_months_have_folders_and_days_outside_are_not_opened(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    rows = rows_of(2, 3, date(2026, 10, 30))
    keep(store, table(rows))
    folders = sorted(path.name for path in (tmp_path / "readings" / "months").iterdir())
    assert folders == ["2026-10", "2026-11"]
    november = Wanted(first=date(2026, 11, 1), last=date(2026, 11, 1))
    for path in (tmp_path / "readings" / "months" / "2026-10").iterdir():
        path.write_bytes(b"broken")
    assert kept(store, november) == asked([one for one in rows if one.day.month == 11])
    with pytest.raises(StoreError, match="rebuild"):
        kept(store)


def test_revisions_and_repeats_all_stay(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    rows = [row(), row(), row(value=8), row(revision=2, value=9)]
    keep(store, table(rows))
    assert kept(store) == asked(rows)


def test_what_was_there_before_is_named_and_counted(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    keep(store, table([row(), row("M2")]), table([row("M3"), row("M3", DAY + timedelta(days=1))], "m2"))
    assert store.summary().faults == {}
    keep(store, table([row(), row("M2", value=8), row("M2", revision=2)], "m3"))
    keep(store, table([row("M9"), row("M9"), row("M3", step=1800)], "m4"))
    part = row("M3", value=9)._replace(values=[7, 9, *[None] * 22])
    keep(store, table([part._replace(day=DAY + timedelta(days=1))], "m5"))
    found = [(one.source, one.meter, one.fault, one.count) for one in store.findings()]
    assert sorted(found) == [
        ("m3", "M1", Fault.REPEATED, 24),
        ("m3", "M2", Fault.CONFLICT, 24),
        ("m4", "M3", Fault.CONFLICT, 48),
        ("m4", "M9", Fault.REPEATED, 24),
        ("m5", "M3", Fault.CONFLICT, 1),
        ("m5", "M3", Fault.REPEATED, 1),
    ]
    assert all(one.kept for one in store.findings()) and store.summary().rows == 11


def test_what_is_wanted(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    rows = [*rows_of(30, 2), row("M0001", channel="export", value=1)]
    keep(store, table(rows))
    only = Wanted(meters=["M0001", "M0007", "nobody"], channels=["import"])
    assert kept(store, only) == asked([one for one in rows_of(30, 2) if one.meter in ("M0001", "M0007")])
    assert kept(store, Wanted(parties=["other.example"])) == []


def test_files_are_for_their_owner_only(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    keep(store, table(rows_of(2, 1)))
    for path in (tmp_path / "readings").rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


def test_small_files_become_one_with_the_same_rows(tmp_path: Path) -> None:
    store, rows = store_in(tmp_path), []
    for day in range(20):
        fresh = rows_of(9, 1, DAY - timedelta(days=day % 8))
        rows += fresh
        keep(store, table(fresh))
    before = kept(store)
    assert store.compact() == 20 - store.summary().files
    assert store.summary().files < 8 and kept(store) == before == asked(rows)
    assert store.summary().rows == len(rows) and store.summary().readings == len(rows) * 24
    files = list((tmp_path / "readings" / "months").rglob("*.parquet"))
    assert len(files) == store.summary().files, "merged files are gone"
    assert store.compact() == 0


def test_a_merge_in_small_steps_is_sorted_and_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readings_merge, "ROWS", 10)
    monkeypatch.setattr(readings_parquet, "GROUP_ROWS", 4)
    store, rows = store_in(tmp_path), []
    for day in range(8):
        rows += rows_of(40, 1, DAY + timedelta(days=day))
        keep(store, table(rows_of(40, 1, DAY + timedelta(days=day))))
    store.compact()
    assert store.summary().files == 1 and kept(store) == asked(rows)
    (merged,) = store.tables(Wanted())
    order = list(zip(merged["bucket"].to_pylist(), merged["meter"].to_pylist(), strict=True))
    assert order == sorted(order)
    assert kept(store, Wanted(meters=["M0005"])) == asked([one for one in rows if one.meter == "M0005"])


def test_sizes_decide_what_is_merged() -> None:
    def part(number: int, rows: int) -> Part:
        return Part(name=str(number), month="2026-11", rows=rows, readings=0, first=DAY, last=DAY, size=0)

    small, large = [part(n, 9) for n in range(7)], [part(n, 90_000) for n in range(7)]
    assert readings_merge.to_merge([*small, *large]) == []
    assert readings_merge.to_merge([*small, *large, part(9, 60)]) == [*small, part(9, 60)]


def test_a_large_batch_is_written_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readings_files, "ROWS_AT_ONCE", 10)
    store = store_in(tmp_path)
    rows = rows_of(12, 3)
    keep(store, *(table(rows[start : start + 6]) for start in range(0, len(rows), 6)))
    assert store.summary().files == 3 and kept(store) == asked(rows)


def test_another_zone_needs_a_rebuild(tmp_path: Path) -> None:
    keep(store_in(tmp_path), table(rows_of(1, 1)))
    other = ReadingsFiles(tmp_path / "readings", "America/Chicago", keys_in(tmp_path))
    with pytest.raises(StoreError, match="rebuild"):
        other.summary()
    other.clear()
    assert other.summary().rows == 0


def test_a_state_that_cannot_be_read_says_what_to_do(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    keep(store, table(rows_of(1, 1)))
    (tmp_path / "readings" / "state.json").write_text("{")
    with pytest.raises(StoreError, match="rebuild"):
        store.summary()
    store.clear()
    assert store.summary().rows == 0


def test_imports_outlive_a_clear(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    assert store.keep_import(iter([table(rows_of(2, 1))]), iter([finding()])) == 1
    assert store.keep_import(iter([]), iter([])) == 2
    store.clear()
    one, two = store.imports(0)
    assert (one.number, one.findings, sum(map(len, one.tables))) == (1, [finding()], 2)
    assert (two.number, two.findings, list(two.tables)) == (2, [], [])
    assert [each.number for each in store.imports(1)] == [2]


class Crash(Exception):
    """The power went."""


def work(store: ReadingsFiles) -> None:
    """An import in two months, and a merge; what was done is not done again."""
    with store.writing() as batch:
        if batch.cursor.imported < 1:
            batch.add(table(rows_of(4, 2, date(2026, 10, 31)), "import:2"))
            batch.commit(Cursor(imported=1))
    store.compact()


def crash_at(stop: int, *, after: bool, patch: pytest.MonkeyPatch) -> list[int]:
    """From now on renames are counted, and the power goes before or after this one."""
    replace, count = Path.replace, [0]

    def broken(path: Path, target: Any) -> Any:
        count[0] += 1
        if count[0] == stop and not after:
            raise Crash
        done = replace(path, target)
        if count[0] == stop:
            raise Crash
        return done

    patch.setattr(Path, "replace", broken)
    return count


def test_a_crash_at_any_write_loses_nothing_and_doubles_nothing(tmp_path: Path) -> None:
    """Every rename is a point at which something becomes so: the work is stopped before and after each of them."""
    first = store_in(tmp_path / "base")
    for day in range(15):
        keep(first, table(rows_of(3, 1, DAY - timedelta(days=day % 9)), f"m{day}"))
    base = kept(first)
    with pytest.MonkeyPatch.context() as patch:
        points = crash_at(0, after=False, patch=patch)
        shutil.copytree(tmp_path / "base", tmp_path / "whole")
        work(store_in(tmp_path / "whole"))
    assert points[0] >= 5, "two files and the state, a merged file and the state"
    for stop in range(1, points[0] + 1):
        for after in (False, True):
            here = tmp_path / f"{stop}-{after}"
            shutil.copytree(tmp_path / "base", here)
            with pytest.MonkeyPatch.context() as patch:
                crash_at(stop, after=after, patch=patch)
                with pytest.raises(Crash):
                    work(store_in(here))
            found = kept(store_in(here))
            new = [one for one in found if one[3] == "import:2"]
            assert len(new) in (0, 8) and [one for one in found if one not in new] == base
            work(store_in(here))
            assert kept(store_in(here)) == kept(store_in(tmp_path / "whole"))
            files = list((here / "readings" / "months").rglob("*.*"))
            assert len(files) == store_in(here).summary().files, "what does not count is swept away"


def test_buckets_stay_what_they_are() -> None:
    """Files that were written before are laid out by them."""
    assert [bucket_of(meter) for meter in ("M1", "M-100231", "ä")] == [13, 18, 3]
