"""kill -9 at any moment: what was acknowledged is there, once, and the journal holds together."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

STORE_TESTS = Path(__file__).parents[1] / "store"
sys.path.insert(0, str(STORE_TESTS))

from store_builders import message_id, outgoing, parcel_id, sqlite_store, take_in, verify  # noqa: E402

from intertie.gateway.ports import Query  # noqa: E402
from intertie.journal.checkpoint import Head  # noqa: E402
from intertie.journal.entry import Kind, read_entry  # noqa: E402
from intertie.seal.tree import leaf_hash  # noqa: E402
from intertie.stores.sqlite import SqliteStore  # noqa: E402

# Apart enough that no two writers use one number, small enough for an id.
NUMBERS = 1_000_000


def start(path: Path, first: int) -> subprocess.Popen[str]:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(STORE_TESTS), *sys.path])}
    command = [sys.executable, str(STORE_TESTS / "acknowledge.py"), str(path), str(first)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)


def run_and_kill(path: Path, firsts: list[int], seconds: float) -> list[str]:
    """What the writers acknowledged until they were killed, each in the middle of something."""
    running = [start(path, first) for first in firsts]
    said = []
    for process in running:
        assert process.stdout is not None
        said.append(process.stdout.readline())  # they are at work
    time.sleep(seconds)
    for process in running:
        process.kill()
    for process in running:
        assert process.stdout is not None
        said += [line for line in process.stdout if line.endswith("\n")]
        assert process.wait(30) == -9
    return [line.strip() for line in said]


def check(store: SqliteStore, acknowledged: list[str], witnesses: list[Head]) -> Head:
    """All that was promised is kept, nothing half, nothing twice, and the tree grew from what it was."""
    head = verify(store, witnesses)
    rows_in = store.messages(Query(outgoing=False, limit=10**6))
    rows_out = store.messages(Query(outgoing=True, limit=10**6))
    ids_in, ids_out = {row.id for row in rows_in}, {row.id for row in rows_out}
    assert (len(ids_in), len(ids_out)) == (len(rows_in), len(rows_out))
    for line in acknowledged:
        direction, number = line.split()
        if direction == "in":
            assert {message_id(int(number) + n) for n in range(3)} <= ids_in
            kept = store.parcel(parcel_id(int(number)), outgoing=False)
            assert kept is not None
            assert kept.receipt
        else:
            assert {message_id(int(number) + n) for n in range(2)} <= ids_out
    assert all(row.leaf == leaf_hash(row.body) for row in rows_in + rows_out)
    assert len(rows_in) % 3 == len(rows_out) % 2 == 0
    entries = [read_entry(raw) for _, raw, _ in store.entries(limit=10**7)]
    journaled = Counter((entry.kind, entry.message) for entry in entries if entry.message)
    expected = [(Kind.MESSAGE_IN, i) for i in ids_in] + [(Kind.MESSAGE_OUT, i) for i in ids_out]
    assert journaled == Counter(expected)
    assert sum(entry.kind is Kind.RECEIPT_OUT for entry in entries) == len(rows_in) // 3
    assert store.counts() == {(False, "accepted"): len(rows_in), (True, "queued"): len(rows_out)}
    return head


@pytest.mark.parametrize("writers", [1, 2])
def test_killed_again_and_again(tmp_path: Path, writers: int) -> None:
    path = tmp_path / "store.db"
    moments = random.Random(writers)
    acknowledged: list[str] = []
    heads: list[Head] = []
    for round_ in range(4):
        firsts = [(round_ * writers + n) * NUMBERS for n in range(writers)]
        said = run_and_kill(path, firsts, moments.uniform(0.02, 0.3))
        assert len(said) >= writers
        acknowledged += said
        store = sqlite_store(path)
        heads.append(check(store, acknowledged, heads))
        store.close()


def test_a_killed_writer_does_not_stop_the_others(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    store = sqlite_store(path)
    moments = random.Random(7)
    for round_ in range(4):
        victim = start(path, round_ * NUMBERS)
        assert victim.stdout is not None
        victim.stdout.readline()
        time.sleep(moments.uniform(0, 0.05))
        victim.kill()
        victim.wait(30)
        victim.stdout.close()
        number = 90 * NUMBERS + round_ * 10
        first = take_in(store, number, [number, number + 1, number + 2])
        assert take_in(store, number, [number, number + 1, number + 2]) == first
    check(store, [f"in {90 * NUMBERS + n * 10}" for n in range(4)], [])
    store.close()


def test_what_was_repeated_after_a_crash_is_kept_once(tmp_path: Path) -> None:
    """The sender that got no answer sends the same again; the store answers as it did, or keeps it now."""
    path = tmp_path / "store.db"
    said = run_and_kill(path, [0], 0.1)
    last = max(int(line.split()[1]) for line in said if line.startswith("in"))
    store = sqlite_store(path)
    for number in range(0, last + 20, 10):
        known = store.parcel(parcel_id(number), outgoing=False)
        receipt = take_in(store, number, [number, number + 1, number + 2])
        assert known is None or receipt == known.receipt
        again = [outgoing(number + 3), outgoing(number + 4)]
        assert len(store.add_outgoing(again, [], again[0].created)) == 2
    rows = store.messages(Query(outgoing=False, limit=10**6))
    assert len(rows) == 3 * (last // 10 + 2)
    verify(store)
    store.close()
