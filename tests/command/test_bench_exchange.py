"""The benchmark of two gateways runs: real processes, a receipt for every message, its figures in the form that is compared."""

from __future__ import annotations

import json
from pathlib import Path

from bench import exchange
from rich.console import Console


def test_rows_have_the_form_that_is_compared(tmp_path: Path) -> None:
    with (tmp_path / "shown").open("w") as file:
        exchange.run(
            Console(file=file, width=140), exchange.QUICK._replace(peers=()), tmp_path / "results.json"
        )
    said = json.loads((tmp_path / "results.json").read_text())
    assert said["machine"]
    ours = [row for row in said["rows"] if row["system"] == "intertie" and row["protection"] == "hybrid"]
    assert [(row["callers"], row["backlog"]) for row in ours] == [(2, 0), (0, 20)]
    assert {row["system"] for row in said["rows"]} == {"intertie", "floor"}
    assert {row["protection"] for row in said["rows"]} >= {"hybrid", "classical"}
    assert ours[0]["cpu_us_per_msg"] > 0, "others may be done within one tick of the clock"
    for row in said["rows"]:
        assert row["size"] == 2000 and row["store"]
        assert row["msgs_per_s"] > 0 and row["cpu_us_per_msg"] >= 0 and row["rss_mb"] > 0
    assert ours[0]["p99_ms"] >= ours[0]["p50_ms"] > 0
    shown = (tmp_path / "shown").read_text()
    assert "exchange: medians of 1 runs" in shown and "floor" in shown
