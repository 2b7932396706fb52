"""API keys as one file, `office/keys.json`, for its owner only; read again when it changes, so a revocation counts at once."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

import msgspec

from intertie.gateway.office.api_keys import ApiKey
from intertie.model.errors import SettingsError
from intertie.seal.private_files import locked, replace_private

_FILE = "keys.json"
_DECODER = msgspec.json.Decoder(list[ApiKey])


class ApiKeyFiles:
    """gateway.office.api_keys.KeyBook over a folder, made when first written to. Safe to use from any thread."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = folder / _FILE
        self._lock = threading.Lock()
        self._stamp: object = ()
        self._keys: dict[str, ApiKey] = {}

    def all(self) -> Sequence[ApiKey]:
        """All keys by name; SettingsError if the file cannot be read."""
        return sorted(self._read().values(), key=lambda key: (key.name, key.made))

    def find(self, id: str) -> ApiKey | None:
        """The key with this id."""
        return self._read().get(id)

    def put(self, key: ApiKey) -> None:
        """Keep it; a reader finds the file from before or from after."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with locked(self._folder / "keys.lock"):
            keys = {**self._read(), key.id: key}
            replace_private(self._path, msgspec.json.encode(list(keys.values())))

    def _read(self) -> dict[str, ApiKey]:
        with self._lock:
            try:
                look = self._path.stat()
                stamp = look.st_mtime_ns, look.st_ino, look.st_size
                if stamp != self._stamp:
                    self._keys = {key.id: key for key in _DECODER.decode(self._path.read_bytes())}
                    self._stamp = stamp
            except FileNotFoundError:
                self._keys, self._stamp = {}, ()
            except (OSError, msgspec.MsgspecError) as error:
                raise SettingsError(
                    f"{self._path} cannot be read: {type(error).__name__}",
                    do="Restore it, or remove it and make keys anew.",
                ) from error
            return self._keys
