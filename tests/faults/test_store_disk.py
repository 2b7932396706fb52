"""A disk that fails: each statement, each write and each flush of an operation in turn, and a disk that is full."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import apsw
import pytest

STORE_TESTS = Path(__file__).parents[1] / "store"
sys.path.insert(0, str(STORE_TESTS))

from store_builders import (  # noqa: E402
    NOW,
    accepted,
    act,
    incoming,
    message_id,
    outgoing,
    parcel,
    parcel_id,
    queued_entries,
    refusal,
    sqlite_store,
    take_in,
    verify,
    write_receipt,
)

from intertie.exchange.outbound import State  # noqa: E402
from intertie.gateway.ports import Query  # noqa: E402
from intertie.model.errors import StoreError  # noqa: E402
from intertie.seal.receipt import Outcome  # noqa: E402
from intertie.stores.schema import connect, open_store  # noqa: E402
from intertie.stores.sqlite import SqliteStore  # noqa: E402

# The disk below the faulty one.
SOUND = apsw.vfs_names()[0]

Operation = Callable[[SqliteStore], Any]
OUT = [outgoing(11), outgoing(12), outgoing(13)]


def prepare(store: SqliteStore) -> None:
    """What the operations build on."""
    take_in(store, 1, [1, 2])
    store.add_outgoing(OUT, queued_entries(OUT), NOW)
    store.add_parcel(parcel(11, OUT[:2], out=True), [m.id for m in OUT[:2]], NOW)


def accept(store: SqliteStore) -> bytes:
    messages = incoming([2, 3, 4])  # 2 is a duplicate
    refused = Outcome(message=None, leaf="0" * 64, status="refused", code="schema")
    outcomes = [*accepted(messages), refused]
    return store.accept(parcel(2, messages), messages, [refusal(9)], outcomes, write_receipt, NOW)


def close(store: SqliteStore) -> None:
    outcomes = [(OUT[0].id, State.ACCEPTED, ""), (OUT[1].id, State.REFUSED, "schema")]
    store.close_parcel(parcel_id(11), b"receipt", outcomes, [act("receipt")], NOW)


OPERATIONS: dict[str, Operation] = {
    "accept": accept,
    "queue": lambda store: store.add_outgoing([outgoing(21)], queued_entries([outgoing(21)]), NOW),
    "seal": lambda store: store.add_parcel(parcel(12, OUT[2:], out=True), [OUT[2].id], NOW),
    "close": close,
    "refuse": lambda store: store.refuse(refusal(5)),
    "note": lambda store: store.note([act("a"), act("b")]),
}


def picture(store: SqliteStore) -> tuple[Any, ...]:
    """All that the store holds, as far as an operation could have changed it; and it must hold together."""
    verify(store)
    parcels = [store.parcel(parcel_id(n), outgoing=out) for n in (1, 2, 11, 12) for out in (True, False)]
    rows = [*store.messages(Query(outgoing=False)), *store.messages(Query(outgoing=True))]
    return rows, parcels, store.refusals(), store.counts(), store.head()


def before_and_after(folder: Path, operation: Operation) -> tuple[Any, Any]:
    """The pictures between which there must be nothing."""
    store = sqlite_store(folder / "model.db")
    prepare(store)
    before = picture(store)
    operation(store)
    after = picture(store)
    store.close()
    assert before != after
    return before, after


# Each statement of each operation fails once.


@pytest.mark.parametrize("name", sorted(OPERATIONS))
def test_each_statement_fails(tmp_path: Path, name: str) -> None:
    operation = OPERATIONS[name]
    before, after = before_and_after(tmp_path, operation)
    fault = 0
    while True:
        store = sqlite_store(tmp_path / f"{fault}.db")
        prepare(store)
        left = iter(range(fault, -1, -1))

        def trace(cursor: object, sql: str, bindings: object, left: Iterator[int] = left) -> bool:
            if next(left, None) == 0:
                raise apsw.IOError(f"injected at {sql[:40]}")
            return True

        store._writer._db.exec_trace = trace
        try:
            operation(store)
            reached = True
        except StoreError as error:
            assert "injected" in str(error)
            assert picture(store) == before
            reached = False
            operation(store)  # and the store goes on
        assert picture(store) == after
        store.close()
        if reached:
            break
        fault += 1
    assert fault >= 5  # BEGIN, SAVEPOINT, the work, RELEASE, COMMIT


# Each write and each flush that reaches the disk fails once, or is the last; it is lost, or it is kept.


class Faults:
    """Counts the writes and flushes of all files, and lets one fail."""

    def __init__(self) -> None:
        self.count = 0
        self.at = -1
        self.kept = False
        self.for_good = False

    def arm(self, at: int, *, kept: bool, for_good: bool) -> None:
        self.count, self.at, self.kept, self.for_good = 0, at, kept, for_good

    def meet(self, work: Callable[[], None]) -> None:
        number, self.count = self.count, self.count + 1
        hit = self.at >= 0 and (number >= self.at if self.for_good else number == self.at)
        if not hit or (self.kept and number == self.at):
            work()
        if hit:
            raise apsw.IOError(f"injected at write {number}")


class FaultyFile(apsw.VFSFile):
    def __init__(self, faults: Faults, name: Any, flags: list[int]) -> None:
        super().__init__(SOUND, name, flags)
        self.faults = faults

    def xWrite(self, data: bytes, offset: int) -> None:
        self.faults.meet(lambda: super(FaultyFile, self).xWrite(data, offset))

    def xSync(self, flags: int) -> None:
        self.faults.meet(lambda: super(FaultyFile, self).xSync(flags))

    def xTruncate(self, size: int) -> None:
        self.faults.meet(lambda: super(FaultyFile, self).xTruncate(size))


class FaultyDisk(apsw.VFS):
    def __init__(self, faults: Faults) -> None:
        self.faults = faults
        super().__init__("faulty", SOUND, makedefault=True)

    def xOpen(self, name: Any, flags: list[int]) -> FaultyFile:
        return FaultyFile(self.faults, name, flags)


@contextmanager
def faulty_disk() -> Iterator[Faults]:
    faults = Faults()
    disk = FaultyDisk(faults)
    try:
        yield faults
    finally:
        disk.unregister()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("for_good", [False, True], ids=["once", "dead"])
@pytest.mark.parametrize("kept", [False, True], ids=["lost", "kept"])
@pytest.mark.parametrize("name", ["accept", "close"])
def test_each_write_fails(tmp_path: Path, name: str, kept: bool, for_good: bool) -> None:
    operation = OPERATIONS[name]
    before, after = before_and_after(tmp_path, operation)
    fault, failed = 0, True
    while failed:
        path = tmp_path / f"{fault}.db"
        with faulty_disk() as faults:
            store = sqlite_store(path)
            prepare(store)
            faults.arm(fault, kept=kept, for_good=for_good)
            try:
                operation(store)
                failed = False
            except StoreError:
                failed = True
            if not for_good:
                faults.arm(-1, kept=False, for_good=False)
                if failed:
                    operation(store)
                assert picture(store) == after
            store.close()
        store = sqlite_store(path)  # after the crash, on a sound disk
        found = picture(store)
        assert found == after or (failed and for_good and found == before)
        if found == before:
            operation(store)
        elif name == "accept":
            operation(store)  # the partner repeats the parcel: nothing changes
        assert picture(store) == after
        store.close()
        fault += 1
    assert fault > 5


# A full disk.


def limit_pages(store: SqliteStore, more: int) -> None:
    db = store._writer._db
    db.pragma("max_page_count", db.pragma("page_count") + more)


def test_full_disk_says_so_and_the_store_goes_on_when_there_is_room(tmp_path: Path) -> None:
    store = sqlite_store(tmp_path / "store.db")
    take_in(store, 1, [1])
    before = picture(store)
    limit_pages(store, 2)
    with pytest.raises(StoreError, match=r"no room.*free some disk space") as caught:
        take_in(store, 2, range(10, 200))
    assert caught.value.retry
    assert picture(store) == before
    assert take_in(store, 1, [1])  # repeats are answered, and reading goes on
    limit_pages(store, 10_000)
    take_in(store, 2, range(10, 200))
    assert store.counts() == {(False, "accepted"): 191}
    verify(store)
    store.close()


def test_full_disk_takes_down_only_what_does_not_fit(tmp_path: Path) -> None:
    store = sqlite_store(tmp_path / "store.db")
    take_in(store, 1, [1])
    limit_pages(store, 40)

    def call(number: int) -> bool:
        large = number % 4 == 0
        try:
            take_in(store, number, range(number * 1000, number * 1000 + (900 if large else 1)))
        except StoreError as error:
            assert "no room" in str(error)
            return False
        return True

    numbers = range(4, 36)
    with ThreadPoolExecutor(8) as pool:
        kept = dict(zip(numbers, pool.map(call, numbers), strict=True))
    assert any(kept.values())
    assert not all(kept.values())
    for number, is_kept in kept.items():
        assert (store.parcel(parcel_id(number), outgoing=False) is not None) == is_kept
        assert (store.message(message_id(number * 1000)) is not None) == is_kept
    verify(store)
    store.close()


LIMITED = """
import resource, signal, sys
from pathlib import Path
from intertie.model.errors import StoreError
from store_builders import sqlite_store, take_in, verify
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
store = sqlite_store(Path(sys.argv[1]))
hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
resource.setrlimit(resource.RLIMIT_FSIZE, (600_000, hard))
done = 0
try:
    for done in range(1, 10_000):
        take_in(store, done, range(done * 50, done * 50 + 50))
except StoreError as error:
    print("refused", error)
resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
assert store.parcel is not None
take_in(store, done, range(done * 50, done * 50 + 50))
assert store.counts() == {(False, "accepted"): 50 * done}, store.counts()
verify(store)
store.close()
print("went on after", done)
"""


def test_file_that_may_not_grow(tmp_path: Path) -> None:
    """The operating system refuses to let the log grow, in the middle of a transaction."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(STORE_TESTS), *sys.path])}
    command = [sys.executable, "-c", LIMITED, str(tmp_path / "store.db")]
    ran = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120, check=False)
    assert ran.returncode == 0, ran.stderr
    assert "refused" in ran.stdout
    assert "went on after" in ran.stdout


def test_file_that_cannot_be_written_is_a_named_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "store.db"
    open_store(path)
    db = connect(path, write=True)
    db.pragma("query_only", 1)
    monkeypatch.setattr(
        "intertie.stores.sqlite.connect", lambda path, write: db if write else connect(path, write=False)
    )
    store = sqlite_store(path)
    with pytest.raises(StoreError, match="check the disk"):
        store.note([act()])
    store.close()
