"""What is to be fetched from custodians, as files: it is there after a crash, and goes once it was taken in."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from intertie.model.errors import SettingsError
from intertie.model.ids import PartyId
from intertie.model.interval import Instant
from intertie.model.record import Record
from intertie.seal.private_files import locked, replace_private

# Of one custodian: one that says more is told by its next batch, which has all of it.
WANTED_MAX = 1000
Address = Annotated[str, Meta(max_length=2000)]


class Wanted(Record, frozen=True, kw_only=True):
    """Addresses to be fetched, the oldest first, and when each batch was last begun without being asked."""

    addresses: Annotated[tuple[Address, ...], Meta(max_length=WANTED_MAX)] = ()
    polled: dict[str, Instant] = msgspec.field(default_factory=dict)


class WantedFiles:
    """`PARTY.json` in a folder, made when first written to. Safe to use from any thread and process."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def of(self, party: PartyId) -> Wanted:
        """Of one custodian. SettingsError if it cannot be read."""
        path = self._path(party)
        try:
            return msgspec.json.decode(path.read_bytes(), type=Wanted)
        except FileNotFoundError:
            return Wanted()
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise SettingsError(
                f"{path} cannot be read", do="Remove it: what it names is polled again."
            ) from error

    def add(self, party: PartyId, addresses: Iterable[str]) -> int:
        """Fetch these too; how many are new. Beyond WANTED_MAX none is kept."""
        with self._alone():
            known = self.of(party)
            fresh = [one for one in dict.fromkeys(addresses) if one not in known.addresses]
            kept = (*known.addresses, *fresh)[:WANTED_MAX]
            self._put(party, Wanted(addresses=kept, polled=known.polled))
        return len(kept) - len(known.addresses)

    def done(self, party: PartyId, address: str) -> None:
        """It was taken in, or never will be."""
        with self._alone():
            known = self.of(party)
            left = tuple(one for one in known.addresses if one != address)
            self._put(party, Wanted(addresses=left, polled=known.polled))

    def polled(self, party: PartyId, batch: str, at: datetime) -> None:
        """A batch was asked for at this time."""
        with self._alone():
            known = self.of(party)
            self._put(party, Wanted(addresses=known.addresses, polled={**known.polled, batch: at}))

    def file(self, party: PartyId) -> Path:
        """Where what is being fetched lies meanwhile."""
        self._make()
        return self._folder / f"{party}.part"

    def _alone(self) -> AbstractContextManager[None]:
        self._make()
        return locked(self._folder / "lock")

    def _put(self, party: PartyId, wanted: Wanted) -> None:
        try:
            replace_private(self._path(party), msgspec.json.encode(wanted))
        except OSError as error:
            raise SettingsError(
                f"{self._folder}: {error.strerror}", do="Check permissions and space."
            ) from error

    def _path(self, party: PartyId) -> Path:
        return self._folder / f"{party}.json"

    def _make(self) -> None:
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise SettingsError(
                f"{self._folder}: {error.strerror}", do="Check permissions and space."
            ) from error
