"""The benchmark of gateways at work runs: real processes, a receipt for every message, its figures in the form that is compared;
and other people's software beside it, each in its own environment."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from bench import exchange, flood
from bench.peers import environment
from bench.peers.environment import PEERS, Peer, Unavailable, python_of, rows_of
from bench.side_by_side import COLUMNS, best_peer, how, show, table
from rich.console import Console


@pytest.fixture
def shown() -> Iterator[tuple[Console, Callable[[], str]]]:
    file = StringIO()
    yield Console(file=file, width=160), file.getvalue


def a_row(system: str, speed: float, **others: Any) -> dict[str, Any]:
    row = dict.fromkeys(COLUMNS) | {"system": system, "protection": "hybrid", "store": "none"}
    figures = {"size": 2000, "callers": 16, "backlog": 0, "msgs_per_s": speed, "cpu_us_per_msg": 1.0}
    return row | figures | {"rss_mb": 1.0} | others


def test_rows_have_the_form_that_is_compared(tmp_path: Path, shown: Any) -> None:
    console, text = shown
    exchange.run(console, exchange.QUICK, tmp_path / "results.json")
    said = json.loads((tmp_path / "results.json").read_text())
    assert set(said) == {"machine", "rows"} and "cores" in said["machine"]
    found = [tuple(row[name] for name in COLUMNS[:6]) for row in said["rows"]]
    assert found == [
        (system, protection, "sqlite", 2000, callers, backlog)
        for system in ("intertie", "floor")
        for protection in ("hybrid", "classical")
        for callers, backlog in ((2, 0), (0, 20))
    ]
    for row in said["rows"]:
        assert tuple(row) == COLUMNS
        assert row["msgs_per_s"] > 0 and row["rss_mb"] > 0
        if row["callers"]:
            assert row["p99_ms"] >= row["p95_ms"] >= row["p50_ms"] > 0
        else:
            assert row["p50_ms"] is None
    assert "msg/s" in text() and "backlog 20" in text() and "Skipped" not in text()


@pytest.mark.parametrize("peer", PEERS, ids=lambda peer: peer.driver + "".join(peer.flags))
def test_a_peer_answers_every_message(peer: Peer) -> None:
    try:
        python = python_of(peer.name)
    except Unavailable as why:
        pytest.skip(str(why))
    driver = Path("bench/peers") / peer.driver
    loads = ["1000:1", "3000:3"]
    rows = list(rows_of([str(python), str(driver), "run", "0.1", *loads, *peer.flags], peer.name))
    assert [(row["size"], row["callers"]) for row in rows] == [(1000, 1), (3000, 3)]
    for row in rows:
        assert row["count"] >= 20 and row["msgs_per_s"] > 0 and row["cpu_us_per_msg"] > 0


def test_without_an_environment_its_rows_are_skipped_and_the_rest_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shown: Any
) -> None:
    console, text = shown
    monkeypatch.setattr(environment, "HERE", tmp_path)
    monkeypatch.setattr(environment, "ENVIRONMENTS", tmp_path / "environments")
    (tmp_path / "as4.txt").write_text("no-such-package-as-this==1.0 --hash=sha256:" + "0" * 64 + "\n")
    scale = exchange.QUICK._replace(peers=(PEERS[1],), calls={}, stores=())
    exchange.run(console, scale, tmp_path / "results.json")
    assert "Skipped: no environment for as4: ERROR" in text()
    assert {row["system"] for row in json.loads((tmp_path / "results.json").read_text())["rows"]} == {"floor"}


def test_a_driver_that_fails_or_hangs_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Unavailable, match="it failed: ValueError: no"):
        list(rows_of([sys.executable, "-c", "raise ValueError('no')"], "it"))
    monkeypatch.setattr(environment, "PATIENCE_SECONDS", 0.5)
    with pytest.raises(Unavailable, match="it failed: it hung"):
        list(rows_of([sys.executable, "-c", "import time; time.sleep(60)"], "it"))


def test_pins_have_hashes_and_no_addresses() -> None:
    for name in {peer.name for peer in PEERS}:
        pins = (environment.HERE / f"{name}.txt").read_text()
        names = re.findall(r"^([a-z0-9-]+)==\S+ \\\n    --hash=sha256:[0-9a-f]{64}", pins, re.M)
        assert name in names and len(names) == len(re.findall(r"^[a-z]", pins, re.M))
        assert "://" not in pins


def test_every_row_is_held_against_the_fastest_peer_of_its_size(shown: Any) -> None:
    rows = [
        a_row("intertie", 5000, callers=0, backlog=1000),
        a_row("intertie", 50, size=100_000),
        a_row("floor", 1e5),
        a_row("as4", 100),
        a_row("pyas2lib", 50),
        a_row("as4", 10, size=100_000),
    ]
    assert (best_peer(rows, 2000), best_peer(rows, 100_000), best_peer(rows, 7)) == (100, 10, None)
    assert [how(row) for row in rows[:2]] == ["backlog 1,000", "16"]
    assert list(table(rows, "").columns[-1].cells) == ["50.0", "5.00", "1,000", "", "", ""]
    console, text = shown
    show(console, rows, "side by side")
    assert "10,000" in text() and "backlog 1,000" in text()


def test_the_flood_is_over_its_quota_and_the_quiet_partner_is_served(shown: Any) -> None:
    found = flood.measured(seconds=4 * flood.EVERY, pairs=1)
    assert [len(found.turns[name]) for name in flood.LOADS] == [1, 1, 1]
    assert all(len(turn) == 4 and min(turn) > 0 for turns in found.turns.values() for turn in turns)
    assert found.answered[429] > 0
    assert found.answered[200] > 0


def test_the_change_is_had_within_each_pair() -> None:
    quota, flooded = [[10.0], [20.0], [100.0]], [[11.0], [24.0], [90.0]]
    found = flood.Found({flood.AT_QUOTA: quota, flood.FLOODED: flooded}, flood.Counter())
    assert found.changes == pytest.approx([10.0, 20.0, -10.0])
    assert found.change == pytest.approx(10.0)
