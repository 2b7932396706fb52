"""The ESPI part of the benchmark: it times what its name says, and does without its peer."""

from __future__ import annotations

import pytest
from bench import espi
from bench.measure import OURS, PRIMITIVES, QUICK, Scale
from bench.peers.environment import Unavailable


def test_both_ways_and_the_whole_of_it() -> None:
    said = espi.readings(7)
    data = espi.written(said)
    for job, act in zip(espi.plan(QUICK), ("read", "write"), strict=True):
        with job() as case:
            assert case.act == act and case.messages == 7 * espi.A_DAY and case.cpu
            assert case.calls[OURS]() == (said if act == "read" else data)
            taken = case.calls[PRIMITIVES]()
            assert isinstance(taken, list) and len(taken) == 7 * espi.A_DAY
            assert taken[1] == (int(espi.START.timestamp()) + 900, 900, 37)


def test_a_year_unless_quick() -> None:
    assert espi.plan(Scale())[0].args == ("read", 365, True)  # type: ignore[attr-defined]


def test_a_peer_that_is_not_to_be_had_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise Unavailable("no registry")

    monkeypatch.setattr(espi, "driver", missing)
    with espi.case("read", 1, True) as case:
        assert set(case.calls) == {OURS, PRIMITIVES}
