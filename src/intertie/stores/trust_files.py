"""Whom we trust, as files: the folder `trust/`, read again within a second of a change."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Lock

from intertie.model.errors import SettingsError
from intertie.model.ids import PartyId
from intertie.seal.certificates import OCSP_FOLDER, TrustStore, load_trust
from intertie.seal.revocation import DEFAULT_RULES, RevocationList, TrustRules, read_list
from intertie.seal.status_sources import superseded
from intertie.stores.partner_files import write_whole

LOG = logging.getLogger("intertie.trust")
# A revocation works at once for a person; a look at a folder every second costs nothing.
CHECK_SECONDS = 1.0


class TrustFiles:
    """gateway.gateway.TrustBook over a folder. `ticks` is a monotonic clock in seconds.

    While the folder cannot be used (a half-copied file, a damaged list) the trust that was there before stays: a mistake in
    a file must not let anybody in, and must not lock everybody out.
    """

    def __init__(self, folder: Path, ticks: Callable[[], float], rules: TrustRules = DEFAULT_RULES) -> None:
        """Read the folder; SettingsError if it cannot be used."""
        self._folder = folder
        self._rules = rules
        self._ticks = ticks
        self._lock = Lock()
        self._stamp = tuple(_stamps(folder))
        self._checked = ticks()
        self._trust = load_trust(folder, rules)

    def present(self) -> TrustStore:
        """Roots and revocations as they are now: the same object as long as nothing changed."""
        with self._lock:
            tick = self._ticks()
            if tick - self._checked >= CHECK_SECONDS:
                self._checked = tick
                self._look()
            return self._trust

    def keep_list(self, url: str, fresh: RevocationList, only: PartyId | None) -> None:
        """Keep a fetched list where the next `present` finds it; SettingsError if it cannot be written.

        The one before is kept too if it names certificates that the new one leaves out: an authority may drop what has
        ended, but a signature from then is still judged by it.
        """
        folder = self._made(self._folder / only if only else self._folder)
        name = f"fetched-{hashlib.sha256(url.encode()).hexdigest()[:16]}"
        path = folder / f"{name}.crl.pem"
        old = _old_list(path)
        if old is not None and not superseded(old, fresh):
            write_whole(folder / f"{name}-{old.number}.crl.pem", old.pem())
        write_whole(path, fresh.pem())
        self._read_anew()

    def keep_answer(self, name: str, der: bytes) -> None:
        """Keep a fetched OCSP answer; `name` is the certificate's thumbprint. SettingsError as `keep_list`."""
        write_whole(self._made(self._folder / OCSP_FOLDER) / f"{name}.der", der)
        self._read_anew()

    @staticmethod
    def _made(folder: Path) -> Path:
        try:
            folder.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise SettingsError(f"{folder} cannot be made: {error.strerror or error}") from error
        return folder

    def _read_anew(self) -> None:
        with self._lock:
            self._look()

    def _look(self) -> None:
        try:
            stamp = tuple(_stamps(self._folder))
            if stamp == self._stamp:
                return
            self._trust = load_trust(self._folder, self._rules)
            self._stamp = stamp
            LOG.info("trust", extra={"count": len(self._trust.roots)})
        except (SettingsError, OSError) as error:
            why = error.why if isinstance(error, SettingsError) else str(error)
            LOG.error("trust folder cannot be used; what was trusted before stays", extra={"why": why})


def _old_list(path: Path) -> RevocationList | None:
    """The list that is there; None also if it cannot be read any more: the new one mends that."""
    try:
        return read_list(path.read_bytes()) if path.exists() else None
    except (OSError, SettingsError):
        return None


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
