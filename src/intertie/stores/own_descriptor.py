"""Our own descriptor, as a file that a rotation writes anew."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from threading import Lock

from intertie.gateway.partners.descriptors import Told
from intertie.model.errors import SettingsError
from intertie.seal.descriptor import peek_sequence

# As often as keys are looked for.
CHECK_SECONDS = 0.5


class OwnDescriptor:
    """The file, read again within a second of a change. `ticks` is a monotonic clock in seconds."""

    def __init__(self, path: Path, ticks: Callable[[], float]) -> None:
        self._path = path
        self._ticks = ticks
        self._lock = Lock()
        self._checked = float("-inf")
        self._stamp: object = None
        self._told: Told | None = None

    def present(self) -> Told:
        """What partners are told now; SettingsError if there never was anything to tell."""
        with self._lock:
            tick = self._ticks()
            if self._told is None or tick - self._checked >= CHECK_SECONDS:
                self._checked = tick
                self._look()
            if self._told is None:
                raise SettingsError(f"{self._path} is no descriptor", do="`intertie init` writes it.")
            return self._told

    def raw(self) -> bytes:
        """Its bytes."""
        return self.present().raw

    def _look(self) -> None:
        try:
            status = self._path.stat()
            stamp = (status.st_mtime_ns, status.st_size, status.st_ino)
            if stamp != self._stamp:
                raw = self._path.read_bytes()
                self._told = Told(raw, peek_sequence(raw))
                self._stamp = stamp
        except (OSError, ValueError) as error:
            if self._told is None:
                raise SettingsError(
                    f"{self._path} cannot be read: {error}", do="`intertie init` writes it."
                ) from error
