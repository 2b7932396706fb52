"""Where files of our own people lie while they come, and until somebody says what to do with them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple, Protocol

from intertie.model.errors import IntertieError

# A file is read into memory whole, a few times over. A month of readings of 10,000 meters as CSV comes in parts of this.
FILE_BYTES_MAX = 64 * 2**20
# What one request carries; a lost connection costs no more than that.
PIECE_BYTES_MAX = 4 * 2**20
# Files of one person that wait at once.
FILES_MAX = 20
# Bytes of all people that wait at once: what is kept for good is in the store, not here.
ALL_BYTES_MAX = 2 * 2**30
# Whoever has not said by then what to do with a file brings it again.
KEPT = timedelta(days=2)


class Coming(NamedTuple):
    """A file: who brings it, what it is called there, how long it is, and how much of it is here."""

    id: str
    owner: str
    name: str
    size: int
    there: int
    begun: datetime
    done: bool = False  # somebody said what to do, and what came of it is kept in place of the file

    @property
    def whole(self) -> bool:
        """Whether all of it is here."""
        return self.there == self.size and not self.done


class UploadError(IntertieError):
    """A file, or a piece of one, that is not taken."""


class WrongOffset(UploadError):
    """The piece does not begin where the file ends; `there` is where that is."""

    def __init__(self, there: int) -> None:
        super().__init__(f"{there} bytes of the file are here", do="Go on from there.")
        self.there = there


class NoSuchUpload(UploadError):
    """It is not here: taken away, forgotten after some days, or somebody else's."""


class UploadStore(Protocol):
    """Safe to use from any thread and process. Each method raises StoreError when the disk fails; what a returned call wrote is
    on disk, encrypted."""

    def begin(self, owner: str, name: str, size: int, now: datetime) -> Coming:
        """A new file. UploadError if it is empty, too large, or too many wait."""

    def add(self, owner: str, id: str, offset: int, piece: bytes) -> Coming:
        """The next piece. WrongOffset, NoSuchUpload, UploadError for one beyond the end."""

    def find(self, owner: str, id: str) -> Coming:
        """One file. NoSuchUpload."""

    def mine(self, owner: str) -> Sequence[Coming]:
        """One person's, the newest first."""

    def content(self, owner: str, id: str) -> bytes:
        """All of it. NoSuchUpload; UploadError while it is not whole."""

    def end(self, owner: str, id: str, result: bytes) -> None:
        """Keep what came of it in place of the file. NoSuchUpload."""

    def result(self, owner: str, id: str) -> bytes:
        """What came of it. NoSuchUpload if nothing did yet."""

    def drop(self, owner: str, id: str) -> None:
        """Forget it; no effect if it is gone."""

    def sweep(self, now: datetime) -> int:
        """Forget what nobody said anything about for so long; how many that was."""
