"""The benchmark of two gateways runs: real processes, a receipt for every message, its figures in the form that is compared."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from bench import exchange
from rich.console import Console


def test_rows_have_the_form_that_is_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange, "RESULTS", tmp_path / "results.json")
    with (tmp_path / "shown").open("w") as file:
        exchange.run(Console(file=file, width=140), quick=True)
    said = json.loads((tmp_path / "results.json").read_text())
    assert said["machine"]
    assert [(row["callers"], row["backlog"]) for row in said["rows"]] == [(2, 0), (0, 20)]
    for row in said["rows"]:
        assert (row["system"], row["protection"], row["store"], row["size"]) == (
            *("intertie", "hybrid", "sqlite"),
            2000,
        )
        assert row["msgs_per_s"] > 0 and row["cpu_us_per_msg"] > 0 and row["rss_mb"] > 0
    assert said["rows"][0]["p99_ms"] >= said["rows"][0]["p50_ms"] > 0
    assert "msgs_per_s" in (tmp_path / "shown").read_text()
