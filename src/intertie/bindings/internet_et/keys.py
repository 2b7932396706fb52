"""Our keys of OpenPGP by number: the newest signs, unless a partner does not know it yet, and all of them open."""

from __future__ import annotations

from collections.abc import Callable

from intertie.seal.pgp import PgpKey


class OwnKeys:
    """Each is read when it is first asked for, and made if it is not there; until the vault opens it is asked again."""

    def __init__(self, newest: int, read: Callable[[int], PgpKey]) -> None:
        self._newest, self._read = newest, read
        self._known: dict[int, PgpKey] = {}

    def signing(self, number: int | None = None) -> PgpKey:
        """The newest, or the one of this number. SettingsError, KeyPortError."""
        wanted = number or self._newest
        if wanted not in self._known:
            self._known[wanted] = self._read(wanted)
        return self._known[wanted]

    def all(self) -> tuple[PgpKey, ...]:
        """The newest first. SettingsError, KeyPortError."""
        return tuple(self.signing(number) for number in range(self._newest, 0, -1))
