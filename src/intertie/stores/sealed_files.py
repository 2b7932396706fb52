"""Keys of sealed offers as files: `sealed/<hash>.json`, one each, for their owner only, overwritten when they go."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import msgspec

from intertie.gateway.sealed_ports import KeptKey
from intertie.model.errors import SettingsError
from intertie.model.explain import why_unreadable
from intertie.seal.private_files import destroy_file, sync_folder, write_private


class SealedFiles:
    """gateway.sealed_ports.SealedKeys over a folder, made when first needed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def keep(self, key: KeptKey) -> None:
        """Write it; SettingsError if it cannot be, or one is there."""
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            write_private(self._path(key), msgspec.json.encode(key))
            sync_folder(self._folder)
        except OSError as error:
            raise SettingsError(
                f"{self._folder} cannot be written: {error.strerror}", do="Check permissions and space."
            ) from error

    def all(self) -> Sequence[KeptKey | SettingsError]:
        """All of them, in the order of their names; in the place of one that cannot be read, why not."""
        return [_read(path) for path in sorted(self._folder.glob("*.json"))]

    def destroy(self, key: KeptKey) -> None:
        """Overwrite and remove it; nothing if it is gone."""
        try:
            destroy_file(self._path(key))
        except OSError as error:
            raise SettingsError(f"{self._folder}: {error.strerror}", do="Check permissions.") from error

    def _path(self, key: KeptKey) -> Path:
        """A name that no other has, and that tells nothing: partners choose what may stand in theirs."""
        said = "\n".join((key.partner, key.agreement, key.need, key.offer, str(key.revision)))
        return self._folder / f"{hashlib.sha256(said.encode()).hexdigest()[:32]}.json"


def _read(path: Path) -> KeptKey | SettingsError:
    try:
        return msgspec.json.decode(path.read_bytes(), type=KeptKey)
    except (OSError, msgspec.MsgspecError) as error:
        why = error.strerror if isinstance(error, OSError) else why_unreadable(error)
        return SettingsError(
            f"the key file {path} cannot be read: {why}", do="Restore it from a copy, or move it away."
        )
