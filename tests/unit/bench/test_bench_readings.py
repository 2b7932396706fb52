"""The benchmark of readings: its row stands beside those of the others, and what it sends is what it says."""

from __future__ import annotations

import json
from pathlib import Path

from bench.readings import DAY, SLOTS, SYSTEM, keep, readings

ROW = {
    "meters": 10,
    "messages": 2,
    "mb": 0.02,
    "accept_s": 0.5,
    "rows_s": 1.5,
    "cpu_us_per_msg": 9.0,
    "readings_per_s": 960.0,
    "rss_mb": 100.0,
}


def test_its_row_replaces_its_own_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    path.write_text(json.dumps({"machine": "one", "rows": [{"system": "floor"}, {"system": SYSTEM}]}))
    keep(ROW, path, "another")
    kept = json.loads(path.read_text())
    assert kept["machine"] == "one" and [row["system"] for row in kept["rows"]] == ["floor", SYSTEM]
    row = kept["rows"][1]
    assert (row["msgs_per_s"], row["size"], row["backlog"]) == (1.0, 10_000, 2)
    assert row["readings_per_s"] == 960.0 and row["p50_ms"] is None


def test_a_first_row_says_what_it_was_measured_on(tmp_path: Path) -> None:
    keep(ROW, tmp_path / "new.json", "a machine")
    assert json.loads((tmp_path / "new.json").read_text())["machine"] == "a machine"


def test_days_are_whole_and_differ() -> None:
    one, other = readings(0, 3), readings(1, 3)
    assert one.meters[0].series.start == DAY and len(one.meters) == 3
    assert all(len(meter.series.values) == SLOTS for meter in (*one.meters, *other.meters))
    assert one.meters[0].series.values != other.meters[0].series.values
