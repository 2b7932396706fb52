"""Simulated worlds: no seed breaks a rule, a seed replays a run, and every rule that is broken on purpose is found."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from sim.broken import MISTAKES, broken  # noqa: E402
from sim.disk import WRITES, Strike  # noqa: E402
from sim.seeds import Total, run_seed, run_seeds  # noqa: E402

from intertie.model.ids import PartyId  # noqa: E402
from intertie.seal.key_port import KeyFile  # noqa: E402
from intertie.stores.sqlite import SqliteStore  # noqa: E402

# A tenth of what `make sim` runs, unless it is said otherwise.
SEEDS = int(os.environ.get("INTERTIE_SIM_SEEDS", "100"))
# A mistake that takes longer than this to show would slip through.
SOON = 120


@pytest.fixture(scope="module")
def total() -> Total:
    return run_seeds(range(SEEDS))


def test_no_seed_breaks_a_rule(total: Total) -> None:
    for verdict in total.bad:
        seed = verdict.result.seed
        print(f"replay: python -m sim --seed {seed}", *verdict.result.trace, *verdict.broken, sep="\n")
    assert not total.bad
    assert total.steps > 200 * SEEDS, "something happens in each"


def test_everything_happens_in_some_seed(total: Total) -> None:
    assert set(total.states) == {"accepted", "cancelled", "expired", "refused"}, (
        "nothing is on its way, all ends occur"
    )
    # Parcels are refused whole, and cannot be sealed, too seldom for all four ways.
    often = WRITES - {"refuse", "defer", "set_state"}
    assert not {(write, strike) for write in often for strike in Strike if not total.struck[write, strike]}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_rule_that_is_broken_is_found(name: str) -> None:
    mistake = MISTAKES[name]
    for seed in range(SOON):
        with broken(mistake):
            found = run_seed(seed).broken
        if found:
            assert any(re.search(mistake.found, line) for line in found), found
            assert not run_seed(seed).broken, "it is the mistake that was found"
            return
    pytest.fail(f"{SOON} seeds did not show that {name}")


def test_a_seed_replays_a_run_in_another_process() -> None:
    said = [
        subprocess.run(
            [sys.executable, "-m", "sim", "--seed", "7", "--trace"],
            cwd=ROOT,
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert said[0] == said[1] and "heals" in said[0] and "receipted" in said[0]


def test_a_run_is_cut_short_where_it_is_said() -> None:
    whole, part = run_seed(7).result, run_seed(7, 100).result
    assert part.steps == 100 < whole.steps and whole.trace[: len(part.trace)] == part.trace


@pytest.mark.parametrize("seed", [3, 4, 5])
def test_on_sqlite_the_same_happens(tmp_path: Path, seed: int) -> None:
    stores: list[SqliteStore] = []

    def make(party: PartyId) -> SqliteStore:
        stores.append(SqliteStore(tmp_path / f"{party}.db", KeyFile(tmp_path / f"{party}.kek")))
        return stores[-1]

    try:
        verdict = run_seed(seed, make_store=make)
        assert not verdict.broken
        assert verdict.result.trace == run_seed(seed).result.trace
    finally:
        for store in stores:
            store.close()


@pytest.mark.parametrize("seed", [1, 11])
def test_with_real_keys_the_same_happens(seed: int) -> None:
    verdict = run_seed(seed, real_keys=True)
    assert not verdict.broken
    assert verdict.result.trace == run_seed(seed).result.trace
