"""Mailboxes on disk: one folder a partner, with what it sees (`box/`) and what it does not.

    sftp/PARTY/box/in         uploads, until they count
                   out        our files and answers, until they are fetched and removed
                   receipts   what became of each file
                   refused    files that were refused as a whole, and why
    sftp/PARTY/arrived        files that count, in their order, until the store has them
               gone           by name, what the partner fetched of `out`
               put            by name, what we put at its server

A file moves by renaming only, and the folder is synced after it: it is in one place or in the other, whatever happens.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from intertie.bindings.sftp.names import Folder, is_file_name
from intertie.model.errors import StoreError
from intertie.model.ids import PartyId

# A number that rises, and the name that the partner gave.
_ARRIVED = re.compile(r"(\d{20})-(.+)")


class Arrived(NamedTuple):
    """A file that counts."""

    path: Path
    name: str  # as its writer called it


class Box:
    """One partner's. Its methods block for the disk; they raise StoreError where that fails."""

    def __init__(self, root: Path, party: PartyId) -> None:
        self.party = party
        self.root = root / party / "box"
        self._arrived = root / party / "arrived"
        self._gone = root / party / "gone"
        self._put = root / party / "put"

    def make(self) -> None:
        """The folders, if they are not there."""
        with _disk():
            for folder in (self._arrived, self._gone, self._put, *(self.root / name for name in Folder)):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def path(self, folder: Folder, name: str = "") -> Path:
        """Where it is."""
        return self.root / folder / name if name else self.root / folder

    # In

    def arrive(self, name: str, called: str) -> None:
        """A file in `in` counts from now on, under this name."""
        with _disk():
            target = self._arrived / f"{time.time_ns():020}-{called}"
            source = self.path(Folder.IN, name)
            _sync(source)
            source.rename(target)
            _sync(self._arrived)
            _sync(self.path(Folder.IN))

    def keep(self, name: str, content: bytes) -> None:
        """A file that was fetched counts from now on, whole or not at all."""
        with _disk():
            beside = self._gone / f".{name}.new"
            with beside.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            beside.rename(self._arrived / f"{time.time_ns():020}-{name}")
            _sync(self._arrived)

    def arrived(self) -> list[Arrived]:
        """What waits to be taken in, the oldest first."""
        with _disk():
            if not self._arrived.is_dir():
                return []
            names = sorted(os.listdir(self._arrived))
        found = [(name, _ARRIVED.fullmatch(name)) for name in names]
        return [Arrived(self._arrived / name, match[2]) for name, match in found if match]

    def read(self, one: Arrived, limit: int) -> bytes:
        """Its bytes, one more than the limit at most."""
        with _disk(), one.path.open("rb") as file:
            return file.read(limit + 1)

    def done(self, one: Arrived) -> None:
        """The store has it."""
        with _disk():
            one.path.unlink(missing_ok=True)

    def waiting(self) -> int:
        """Files in `in`, and those that were not taken in yet."""
        with _disk():
            return sum(len(os.listdir(folder)) for folder in (self.path(Folder.IN), self._arrived))

    # Out

    def put(self, folder: Folder, name: str, content: bytes) -> None:
        """A file that the partner finds, whole or not at all. The same again is harmless."""
        with _disk():
            self.make()
            target = self.path(folder, name)
            beside = self._gone / f".{name}.new"  # not where the partner looks
            with beside.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            beside.replace(target)
            _sync(self.path(folder))

    def has(self, folder: Folder, name: str) -> bool:
        """Whether it lies there."""
        return self.path(folder, name).exists()

    def note_fetched(self, name: str, said: str) -> None:
        """The partner read a file of `out` to its end."""
        with _disk():
            beside = self._gone / f".{name}.said"
            beside.write_text(said)
            beside.replace(self._gone / name)
            _sync(self._gone)

    def fetched(self, name: str) -> str | None:
        """What was noted of it."""
        with contextlib.suppress(FileNotFoundError), _disk():
            return (self._gone / name).read_text()
        return None

    def note_put(self, name: str) -> None:
        """It lies at the partner's server."""
        with _disk():
            self.make()
            (self._put / name).touch()
            _sync(self._put)

    def was_put(self, name: str) -> bool:
        """Whether it was, and is not known to be gone."""
        return (self._put / name).exists()

    def put_names(self) -> list[str]:
        """What was put there, and is not known to be gone."""
        with _disk():
            return sorted(os.listdir(self._put)) if self._put.is_dir() else []

    def forget_put(self, name: str) -> None:
        """It is gone from there."""
        with _disk():
            (self._put / name).unlink(missing_ok=True)

    # Housekeeping

    def sweep(self, now: float, *, unfinished: float, keep: float) -> list[str]:
        """Put aside uploads that were given up (seconds ago), remove what was kept long enough; the names of the former."""
        aside = []
        with _disk():
            for path in self._older(Folder.IN, now - unfinished):
                name = f"{path.name.lstrip('.')}.{int(now)}"
                try:
                    os.replace(path, self.path(Folder.REFUSED, name))
                except FileNotFoundError:  # its writer was quicker
                    continue
                aside.append(path.name)
                reason = "This upload was begun and never finished: it counts once it is renamed from NAME.part to NAME.\n"
                self.path(Folder.REFUSED, f"{name}.reason.txt").write_text(reason)
            for folder in (Folder.RECEIPTS, Folder.REFUSED):
                for path in self._older(folder, now - keep):
                    path.unlink(missing_ok=True)
            for path in self._older(Folder.OUT, now - keep):
                if self.fetched(path.name) is not None:
                    path.unlink(missing_ok=True)
            for path in _files(self._gone):
                if _is_older(path, now - 2 * keep):
                    path.unlink(missing_ok=True)
        return aside

    def _older(self, folder: Folder, than: float) -> Iterator[Path]:
        return (path for path in _files(self.path(folder)) if _is_older(path, than))


def receipt_name(name: str, content: bytes) -> str:
    """How the receipt for a file is called: by its name and its content, since names come again."""
    return f"{plain(name)}.{hashlib.sha256(content).hexdigest()[:12]}.txt"


def plain(name: str) -> str:
    """A partner's name for a file as the beginning of a name of ours: letters, digits, and one dot; no device's."""
    stem, _, suffix = name.rpartition(".")
    made = [
        re.sub(r"[^A-Za-z0-9_-]+", "_", part).strip("_-") for part in (stem or suffix, suffix if stem else "")
    ]
    found = ".".join(part for part in (made[0][:60] or "file", made[1][:20]) if part)
    return found if is_file_name(found) else f"file-{found}"


def _files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return [Path(entry.path) for entry in os.scandir(folder) if entry.is_file(follow_symlinks=False)]


def _is_older(path: Path, than: float) -> bool:
    """Also of one that was moved since it was listed: partners come while we look."""
    try:
        return path.stat().st_mtime < than
    except FileNotFoundError:
        return False


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextlib.contextmanager
def _disk() -> Iterator[None]:
    """What the disk says, as an error of ours; that a file is not there, as it is."""
    try:
        yield
    except FileNotFoundError:
        raise
    except OSError as error:
        raise StoreError(
            f"a mailbox cannot be used: {error.strerror}", do="Look at the disk and its rights."
        ) from error
