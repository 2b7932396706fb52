"""The clock of a gateway: the system's, or a rehearsal's."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from intertie.model.errors import SettingsError
from intertie.model.message import utc

# A rehearsal clock moves many times a second; more often than this nobody could tell.
CLOCK_CHECK_SECONDS = 0.02

Clock = Callable[[], datetime]


def system_clock() -> datetime:
    """Now."""
    return datetime.now(UTC)


class FileClock:
    """A rehearsal's clock: the RFC 3339 time in a file. Whoever plays the season writes the file anew."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._checked = float("-inf")
        self._stamp = (-1, -1)
        self._now: datetime | None = None

    def __call__(self) -> datetime:
        """The time in the file; SettingsError if there never was one."""
        tick = time.monotonic()
        if tick - self._checked >= CLOCK_CHECK_SECONDS or self._now is None:
            self._checked = tick
            self._read()
        if self._now is None:
            raise SettingsError(
                f"{self._path} holds no time",
                do="Write one into it, as 2026-01-15T08:00:00Z, or remove [clock] file.",
            )
        return self._now

    def _read(self) -> None:
        """Take the file's time if it changed; a half-written file changes nothing."""
        try:
            status = self._path.stat()
            stamp = (status.st_mtime_ns, status.st_ino)
            if stamp == self._stamp:
                return
            at = datetime.fromisoformat(self._path.read_text(encoding="ascii").strip())
        except (OSError, ValueError):
            return
        if at.tzinfo is not None:
            self._stamp = stamp
            self._now = utc(at)
