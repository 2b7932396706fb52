"""Whom we trust, as files: the folder `trust/`, read again within a second of a change."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Lock

from intertie.model.errors import SettingsError
from intertie.seal.certificates import TrustStore, load_trust

LOG = logging.getLogger("intertie.trust")
# A revocation works at once for a person; a look at a folder every second costs nothing.
CHECK_SECONDS = 1.0


class TrustFiles:
    """gateway.gateway.TrustBook over a folder. `ticks` is a monotonic clock in seconds.

    While the folder cannot be used (a half-copied file, a damaged list) the trust that was there before stays: a mistake in
    a file must not let anybody in, and must not lock everybody out.
    """

    def __init__(self, folder: Path, ticks: Callable[[], float]) -> None:
        """Read the folder; SettingsError if it cannot be used."""
        self._folder = folder
        self._ticks = ticks
        self._lock = Lock()
        self._stamp = tuple(_stamps(folder))
        self._checked = ticks()
        self._trust = load_trust(folder)

    def present(self) -> TrustStore:
        """Roots and revocations as they are now: the same object as long as nothing changed."""
        with self._lock:
            tick = self._ticks()
            if tick - self._checked >= CHECK_SECONDS:
                self._checked = tick
                self._look()
            return self._trust

    def _look(self) -> None:
        try:
            stamp = tuple(_stamps(self._folder))
            if stamp == self._stamp:
                return
            self._trust = load_trust(self._folder)
            self._stamp = stamp
            LOG.info("trust", extra={"count": len(self._trust.roots)})
        except (SettingsError, OSError) as error:
            why = error.why if isinstance(error, SettingsError) else str(error)
            LOG.error("trust folder cannot be used; what was trusted before stays", extra={"why": why})


def _stamps(folder: Path) -> Iterator[tuple[str, int, int, int]]:
    """Changes whenever a file here, or in a party's folder, is written, added or removed."""
    try:
        with os.scandir(folder) as found:
            entries = sorted(found, key=lambda entry: entry.name)
    except OSError as error:
        raise SettingsError(f"{folder} cannot be read: {error}", do="Check its permissions.") from error
    for entry in entries:
        if entry.is_dir():
            yield from ((f"{entry.name}/{name}", a, b, c) for name, a, b, c in _stamps(Path(entry.path)))
        elif entry.name.endswith((".pem", ".der")):
            status = entry.stat()
            yield entry.name, status.st_mtime_ns, status.st_size, entry.inode()
