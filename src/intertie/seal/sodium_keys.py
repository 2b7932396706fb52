"""Our keys to sign with as libsodium does, in the vault: the present one, those of before, and one that is to begin.

A partner verifies us by a key that it was told. So the next key is made, and told, some time before it begins; and for a partner
that is late the old one signs on, as its legacy file says (docs/uftp.md).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from intertie.model.errors import SettingsError
from intertie.seal.sodium_sign import SECRET, SodiumKey, key_of
from intertie.seal.vault import Vault

# The first key has no time in its name; those after it have the time at which they begin.
_LATER = re.compile(r"uftp-ed25519-(\d{8}T\d{6}Z)\.key")
_FORM = "%Y%m%dT%H%M%SZ"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class OwnKey(NamedTuple):
    """A key, and since when it signs."""

    start: datetime
    key: SodiumKey


OwnKeys = Callable[[], Sequence[OwnKey]]


class VaultKeys:
    """`OwnKeys` of a vault. Each is opened once; that there is another one is seen at the next call."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._known: dict[str, OwnKey] = {}

    def __call__(self) -> Sequence[OwnKey]:
        """All of them, the newest first; the first is made when it is first asked for. SettingsError, KeyPortError."""
        if SECRET not in self._known:
            self._known[SECRET] = OwnKey(EPOCH, key_of(self._vault))
        for name in self._vault.names():
            found = _LATER.fullmatch(name)
            if found and name not in self._known:
                start = datetime.strptime(found[1], _FORM).replace(tzinfo=UTC)
                self._known[name] = OwnKey(start, SodiumKey.of_seed(self._vault.read(name)))
        return sorted(self._known.values(), key=lambda one: one.start, reverse=True)


def only(key: SodiumKey) -> OwnKeys:
    """One key, for ever."""
    return lambda: (OwnKey(EPOCH, key),)


def present(keys: Sequence[OwnKey], now: datetime) -> SodiumKey:
    """The newest that has begun."""
    return next(one.key for one in keys if one.start <= now)


def rotate(vault: Vault, start: datetime, now: datetime) -> OwnKey:
    """Make the next key, which signs from a time on. SettingsError if that is over, or another one begins then or later."""
    start = start.astimezone(UTC).replace(microsecond=0)
    if start <= now:
        raise SettingsError(
            "the next key begins after now: partners have to be told of it before", do="Name a time to come."
        )
    with vault.lock():
        later = [name for name in vault.names() if _LATER.fullmatch(name)]
        name = f"uftp-ed25519-{start.strftime(_FORM)}.key"
        if later and max(later) >= name:
            raise SettingsError(
                f"a key that begins at that time or later is there: {max(later)}",
                do="`intertie keys uftp` lists them.",
            )
        key = SodiumKey.generate()
        vault.add({name: key.seed})
    return OwnKey(start, key)
