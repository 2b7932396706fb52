"""Who serves a gateway directory: a lock that ends with the process, and a file beside it that says since when, with which
workers, and where the operations door is."""

from __future__ import annotations

import fcntl
import os
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

import msgspec

from intertie.bindings.parcel_https.serving import url_of
from intertie.model.errors import SettingsError

LOCK, STATE = "serve.lock", "serve.json"


class WorkerState(msgspec.Struct, frozen=True):
    """One worker process. `starts`: how often its place was filled."""

    number: int
    pid: int
    since: datetime
    starts: int = 1


class Serving(msgspec.Struct, frozen=True):
    """A serving gateway, as it says of itself."""

    pid: int
    since: datetime
    workers: tuple[WorkerState, ...] = ()
    operations: str = ""  # where the operations door is; empty: it is closed


@contextmanager
def only_one(directory: Path) -> Iterator[None]:
    """Two serving processes of one directory would send everything twice. The lock ends with the process."""
    path = directory / LOCK
    try:
        lock = path.open("a")
    except OSError as error:
        raise SettingsError(
            f"{path}: {error.strerror or error}", do="Check permissions and space."
        ) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise SettingsError(
                f"{directory} is served by another process already", do="Stop that one first."
            ) from error
        yield


class ServeState:
    """Writes the file while a gateway serves; the lock is held by the caller."""

    def __init__(
        self, directory: Path, operations: socket.socket | None, clock: Callable[[], datetime]
    ) -> None:
        self._path = directory / STATE
        self._clock = clock
        url = url_of(operations) if operations is not None else ""
        self._state = Serving(os.getpid(), clock(), (), url)

    def __enter__(self) -> ServeState:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._path.unlink()

    def write(self, workers: Sequence[tuple[int, int, int]]) -> None:
        """The workers as they are now: number, pid, starts. One that is as before keeps its time."""
        known = {(w.number, w.pid): w for w in self._state.workers}
        now = self._clock()
        self._state = msgspec.structs.replace(
            self._state,
            workers=tuple(
                known.get((number, pid), WorkerState(number, pid, now, starts))
                for number, pid, starts in workers
            ),
        )
        fresh = self._path.with_suffix(".new")
        with suppress(OSError):  # on a full disk the gateway serves on, and status says less
            fresh.write_bytes(msgspec.json.encode(self._state))
            fresh.replace(self._path)


def who_serves(directory: Path) -> Serving | None:
    """The gateway that serves this directory now, or None. What a crash left is nobody."""
    try:
        with (directory / LOCK).open("r") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except OSError:
                return msgspec.json.decode((directory / STATE).read_bytes(), type=Serving)
    except (OSError, msgspec.MsgspecError):
        return None
    return None
