"""The fuzzer itself: its targets read what is right, a planted fault is found, and a short run of the real thing ends well."""

from __future__ import annotations

import contextlib
import json
import random
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from fuzz import targets  # noqa: E402
from fuzz.mutate import mutate_json  # noqa: E402

from intertie.model.errors import Code, IntertieError, Refused  # noqa: E402

TARGETS = sorted(targets.TARGETS)


@pytest.mark.parametrize("name", TARGETS)
def test_some_of_the_seeds_are_read_to_the_end(name: str) -> None:
    """Otherwise fuzzing would begin, and stay, at the door."""
    target = targets.TARGETS[name]
    seeds = target.seeds()
    read = 0
    for seed in seeds:
        targets.run(name, seed)
        with contextlib.suppress(IntertieError):
            target.read(seed)
            read += 1
    assert read


@pytest.mark.parametrize("name", TARGETS)
def test_changed_seeds_end_in_named_errors(name: str) -> None:
    rng = random.Random(name)
    for seed in targets.TARGETS[name].seeds():
        for _ in range(20):
            targets.run(name, mutate_json(seed, rng) or seed[: rng.randrange(len(seed) + 1)])


def test_only_the_programs_own_errors_are_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    def named(data: bytes) -> object:
        raise Refused(Code.BAD_FRAME)

    def leaks(data: bytes) -> object:
        raise KeyError("v")

    monkeypatch.setitem(targets.TARGETS, "named", targets.Target(named, list))  # type: ignore[arg-type]
    monkeypatch.setitem(targets.TARGETS, "leaks", targets.Target(leaks, list))  # type: ignore[arg-type]
    targets.run("named", b"")
    with pytest.raises(KeyError):
        targets.run("leaks", b"")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
    max_leaves=12,
)


@given(json_values, st.integers())
def test_a_mutation_is_json_again(value: object, seed: int) -> None:
    changed = mutate_json(json.dumps(value).encode(), random.Random(seed))
    assert changed is not None
    json.loads(changed)


@given(st.binary(max_size=30), st.integers())
def test_what_is_no_json_is_left_to_the_fuzzer(data: bytes, seed: int) -> None:
    changed = mutate_json(data, random.Random(seed))
    assert changed is None or json.loads(data) is not ...


def test_a_short_run(tmp_path: Path) -> None:
    pytest.importorskip("atheris", reason="atheris has no wheel for this Python")
    command = [sys.executable, "-m", "fuzz", "--seconds", "4", "--keep", str(tmp_path), "content", "manifest"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("nothing found") == 2
    assert len(list((tmp_path / "content").iterdir())) > len(targets.TARGETS["content"].seeds())
