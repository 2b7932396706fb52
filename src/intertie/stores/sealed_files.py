"""Keys of sealed offers: encrypted at rest with the gateway's other secrets, in its vault (`keys/sealed/<hash>.key`), one each,
and destroyed when they go. A copy of the folder `keys` has them; files of before, in the folder `sealed`, are moved there."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path

import msgspec

from intertie.gateway.trading.sealed_ports import KeptKey
from intertie.model.errors import SettingsError
from intertie.model.explain import why_unreadable
from intertie.seal.private_files import destroy_file
from intertie.seal.vault import Vault

_NAME = re.compile(r"sealed/[0-9a-f]{32}\.key")


class SealedFiles:
    """gateway.trading.sealed_ports.SealedKeys over a vault. `before` is the folder where they lay unencrypted."""

    def __init__(self, vault: Vault, before: Path) -> None:
        self._vault = vault
        self._before = before

    def keep(self, key: KeptKey) -> None:
        """Write it; SettingsError if it cannot be, or one is there; KeyPortError."""
        with self._vault.lock():
            self._vault.add({_name(key): msgspec.json.encode(key)})

    def all(self) -> Sequence[KeptKey | SettingsError]:
        """All of them, in the order of their names; in the place of one that cannot be read, why not."""
        trouble = self._take_over()
        names = sorted(name for name in self._vault.names() if _NAME.fullmatch(name))
        return [*(self._read(name) for name in names), *trouble]

    def destroy(self, key: KeptKey) -> None:
        """Forget it for good; nothing if it is gone."""
        with self._vault.lock():
            if _name(key) in self._vault.names():
                self._vault.destroy([_name(key)])

    def _read(self, name: str) -> KeptKey | SettingsError:
        path = self._vault.folder / name
        try:
            return msgspec.json.decode(self._vault.read(name), type=KeptKey)
        except SettingsError as error:
            return SettingsError(f"the key file {path} cannot be read: {error.why}", do=error.do)
        except msgspec.MsgspecError as error:
            return _unreadable(path, why_unreadable(error))

    def _take_over(self) -> list[SettingsError]:
        """Files of before, moved into the vault; those that cannot be read."""
        trouble = []
        for path in sorted(self._before.glob("*.json")):
            try:
                key = msgspec.json.decode(path.read_bytes(), type=KeptKey)
            except FileNotFoundError:  # another process was faster
                continue
            except (OSError, msgspec.MsgspecError) as error:
                why = error.strerror or "" if isinstance(error, OSError) else why_unreadable(error)
                trouble.append(_unreadable(path, why))
                continue
            with self._vault.lock():
                if _name(key) not in self._vault.names():
                    self._vault.add({_name(key): msgspec.json.encode(key)})
            destroy_file(path)
        return trouble


def _name(key: KeptKey) -> str:
    """A name that no other has, and that tells nothing: partners choose what may stand in theirs."""
    said = "\n".join((key.partner, key.agreement, key.need, key.offer, str(key.revision)))
    return f"sealed/{hashlib.sha256(said.encode()).hexdigest()[:32]}.key"


def _unreadable(path: Path, why: str) -> SettingsError:
    return SettingsError(
        f"the key file {path} cannot be read: {why}", do="Restore it from a copy, or move it away."
    )
