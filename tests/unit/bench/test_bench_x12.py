"""The X12 part of the benchmark: it times what its name says, keeps its rows beside others, and does without its peer."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from bench import x12
from bench.measure import OURS, PRIMITIVES, QUICK, Case, Took, measure
from bench.peers.environment import Unavailable


def cases() -> list[Case]:
    found = []
    for job in x12.plan(QUICK):
        with job() as case:
            found.append(case)
    return found


def test_both_sets_both_ways() -> None:
    found = cases()
    assert [(case.subject[:3], case.act) for case in found] == [
        ("867", "read"),
        ("867", "write"),
        ("810", "read"),
        ("810", "write"),
    ]
    for case in found:
        assert {OURS, PRIMITIVES} <= set(case.calls)


def test_what_is_timed_is_the_whole_way() -> None:
    for case, body in zip(
        cases(), (x12.readings(), x12.readings(), x12.invoice(), x12.invoice()), strict=True
    ):
        data = x12.written(body)
        assert case.calls[OURS]() == (body if case.act == "read" else data)
        assert case.calls[PRIMITIVES]() == [row.split("*") for row in data.decode().split("~")]
        if case.act == "write":
            assert case.calls["join"]() == data.decode()
    assert x12.written(x12.readings()).count(b"QTY*") == x12.READINGS
    assert x12.written(x12.invoice()).count(b"IT1*") == x12.LINES


def test_a_peer_that_is_not_to_be_had_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> None:
        raise Unavailable("no registry")

    monkeypatch.setattr(x12, "driver", missing)
    with x12.case("867", "read", True) as case:
        assert set(case.calls) == {OURS, PRIMITIVES}


def test_what_another_process_took_counts_as_it_says() -> None:
    case = Case("a", 1, "b", {OURS: lambda: Took(7.0), PRIMITIVES: lambda: Took(2.0)})
    row = measure("x12", case, QUICK)
    assert row.us.median == 7e6 and row.against[PRIMITIVES].ratio.median == 3.5


def test_rows_are_kept_beside_those_of_the_exchange(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    other = {"system": "intertie", "protection": "hybrid", "store": "sqlite"}
    path.write_text(json.dumps({"machine": "m", "rows": [other]}), encoding="utf-8")
    case = Case(
        "867, 2,976 readings", 1, "read", {OURS: lambda: Took(0.004), PRIMITIVES: lambda: Took(0.002)}
    )
    for _ in range(2):  # again: its own rows are replaced
        x12.keep([measure("x12", case, QUICK)], path)
    kept = json.loads(path.read_bytes())
    assert kept["machine"] == "m" and kept["rows"][0] == other
    assert [(row["system"], row["msgs_per_s"]) for row in kept["rows"][1:]] == [
        ("intertie", 250.0),
        ("bare split", 500.0),
    ]
    assert kept["rows"][1]["protection"] == "X12 867, 2,976 readings, read"
