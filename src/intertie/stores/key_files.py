"""Our keys, as files: the folder `keys/`, read again within a second of a rotation."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from threading import Lock

from intertie.model.errors import IntertieError, SettingsError
from intertie.model.party import Party
from intertie.seal.generations import GENERATION_FILE
from intertie.seal.key_ring import OpenRing, open_ring
from intertie.seal.keys import PrivateKeys
from intertie.seal.vault import BOOK_FILE, Vault

LOG = logging.getLogger("intertie.keys")
# A rotation is taken up within a second; a look at a few files twice a second costs nothing.
CHECK_SECONDS = 0.5


class KeyFiles:
    """gateway.gateway.KeyRing over a folder. `ticks` is a monotonic clock in seconds; `clock` is the gateway's.

    Nothing is read or decrypted before it is asked for. While the folder cannot be used (it is being written, the token is
    away) the keys that were there before stay.
    """

    def __init__(
        self, vault: Vault, party: Party, clock: Callable[[], datetime], ticks: Callable[[], float]
    ) -> None:
        self._vault = vault
        self._party = party
        self._clock = clock
        self._ticks = ticks
        self._lock = Lock()
        self._stamp: object = None
        self._checked = float("-inf")
        self._ring: OpenRing | None = None
        # Composed keys stay the same objects while nothing changes: by the sequence asked for, None for the present ones.
        self._composed: dict[int | None, PrivateKeys] = {}
        self._valid_until: datetime | None = None

    @property
    def vault(self) -> Vault:
        """Where the keys lie."""
        return self._vault

    def present(self) -> PrivateKeys:
        """The newest keys; SettingsError or KeyPortError if there never were any that could be used."""
        return self._compose(None)

    def known_at(self, sequence: int) -> PrivateKeys:
        """The newest keys that a partner knows who has our descriptor of this sequence number."""
        return self._compose(sequence)

    def sequence(self) -> int:
        """Of the descriptor that announces the newest keys."""
        with self._lock:
            return self._look(self._clock()).sequence

    def _compose(self, sequence: int | None) -> PrivateKeys:
        with self._lock:
            now = self._clock()
            ring = self._look(now)
            if self._valid_until is not None and now >= self._valid_until:
                self._forget(ring, now)
            if sequence not in self._composed:
                self._composed[sequence] = (
                    ring.present(now) if sequence is None else ring.known_at(sequence, now)
                )
            return self._composed[sequence]

    def _look(self, now: datetime) -> OpenRing:
        tick = self._ticks()
        if self._ring is None or tick - self._checked >= CHECK_SECONDS:
            self._checked = tick
            try:
                stamp = tuple(_stamps(self._vault.folder))
                if self._ring is None or stamp != self._stamp:
                    ring = open_ring(self._vault, self._party, now)
                    ring.present(now)  # it is complete
                    if self._ring is not None:
                        LOG.info("keys read again", extra={"count": len(ring.generations)})
                    self._ring, self._stamp = ring, stamp
                    self._forget(ring, now)
            except IntertieError as error:
                if self._ring is None:
                    raise
                LOG.error("new keys cannot be used; those from before stay", extra={"why": error.why})
        return self._ring

    def _forget(self, ring: OpenRing, now: datetime) -> None:
        self._composed.clear()
        self._valid_until = ring.next_change(now)


def _stamps(folder: Path) -> Iterator[tuple[str, int, int, int]]:
    """Changes whenever a generation is written, or the protection."""
    try:
        for path in (folder / BOOK_FILE, *sorted(folder.glob(f"*/{GENERATION_FILE}"))):
            status = path.stat()
            yield str(path), status.st_mtime_ns, status.st_size, status.st_ino
    except OSError as error:
        raise SettingsError(f"{folder} cannot be read: {error}", do="Check its permissions.") from error
