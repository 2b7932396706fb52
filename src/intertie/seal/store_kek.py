"""The key that wraps the store's data keys: 32 bytes in the vault of the gateway's keys. So nothing in the store opens without
whatever opens the vault, and another passphrase or token leaves the store as it is."""

from __future__ import annotations

import os
import re
from threading import Lock

from intertie.model.errors import SettingsError
from intertie.seal.key_port import KEY_BYTES, KekOf, KeyPortError
from intertie.seal.vault import Vault

# How often in a row a renewal may come between listing the keys and reading them: once is rare.
RENEWALS_MAX = 10
_NAME = re.compile(r"store-([0-9]{4})\.kek")


class StoreKeks:
    """A key port over the vault's store keys. Wraps by the newest; unwraps by whichever it was, so that the data keys can be
    wrapped anew while both are there."""

    name = "keys"

    def __init__(self, vault: Vault) -> None:
        """Nothing is read or opened yet."""
        self._vault = vault
        self._lock = Lock()
        self._open: dict[str, KekOf] = {}

    def __repr__(self) -> str:
        return f"StoreKeks({self._vault!r})"

    def wrap(self, key: bytes, context: bytes) -> bytes:
        """The key, wrapped; KeyPortError if there is no store key, or the vault does not open."""
        return self._newest_first()[0].wrap(key, context)

    def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        """The key again; KeyPortError if none of the store keys wrapped it for this context."""
        for kek in self._newest_first():
            try:
                return kek.unwrap(wrapped, context)
            except KeyPortError:
                continue
        raise KeyPortError(
            f"no store key in {self._vault.folder} unwraps this data key",
            do="Restore the keys folder that belongs to this store from its backup.",
        )

    def _newest_first(self) -> list[KekOf]:
        """As the vault is now: another process may have made a newer one."""
        for _ in range(RENEWALS_MAX):
            names = store_kek_names(self._vault)
            if not names:
                raise KeyPortError(
                    f"{self._vault.folder} holds no store key: the store stays closed",
                    do="Restore the keys folder that belongs to this store from its backup.",
                )
            with self._lock:
                found = [self._opened(name) for name in names]
            if None not in found:
                return [kek for kek in found if kek is not None]
        raise KeyPortError(f"the store key in {self._vault.folder} changes all the time", do="Try again.")

    def _opened(self, name: str) -> KekOf | None:
        """One of them; None if another process has destroyed it since it was listed: a newer one is there then."""
        if name not in self._open:
            try:
                self._open[name] = KekOf(self._vault.read(name))
            except SettingsError:
                if name in self._vault.names():
                    raise
                return None
        return self._open[name]


def store_kek_names(vault: Vault) -> list[str]:
    """The store keys of a vault, newest first."""
    return sorted((name for name in vault.names() if _NAME.fullmatch(name)), reverse=True)


def add_store_kek(vault: Vault) -> str:
    """A fresh store key beside those that are there, from now on the newest; its name. The caller holds the vault's lock.
    SettingsError, KeyPortError."""
    newest = next(iter(store_kek_names(vault)), "store-0000.kek")
    found = _NAME.fullmatch(newest)
    name = f"store-{int(found[1]) + 1 if found else 1:04d}.kek"
    vault.add({name: os.urandom(KEY_BYTES)})
    return name
