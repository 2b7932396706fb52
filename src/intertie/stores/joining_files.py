"""Joinings as files: `joining/<invitation>.json`, one each, readable by the owner only; and what a confirmation writes."""

from __future__ import annotations

import contextlib
import fcntl
import shutil
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path

import msgspec

from intertie.gateway.configuration.settings import Places
from intertie.gateway.gateway import Agreement
from intertie.gateway.partners.join_partner import Joining, Other
from intertie.model.errors import SettingsError
from intertie.model.ids import PartyId
from intertie.stores.partner_files import Standing, write_partner, write_whole

_DECODER = msgspec.json.Decoder(Joining)
ROOTS_FILE = "roots.pem"
DOOR_FILE = "door.pem"


class JoiningFiles:
    """gateway.partners.join_partner.JoiningBook over a folder, made when first needed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def find(self, invitation: str) -> Joining | None:
        """The joining with this id, or None."""
        path = self._folder / f"{invitation}.json"
        return _read(path) if path.exists() else None

    def all(self) -> Sequence[Joining]:
        """All joinings, oldest first."""
        return sorted(map(_read, self._folder.glob("*.json")), key=lambda joining: (joining.made, joining.id))

    def put(self, joining: Joining) -> None:
        """Keep it, whole or not at all."""
        self._make()
        write_whole(self._folder / f"{joining.id}.json", msgspec.json.encode(joining))

    def door_file(self, make: Callable[[], bytes]) -> Path:
        """The file with key and certificate of the joining door, made when there is none."""
        path = self._folder / DOOR_FILE
        with self.alone():
            if not path.exists():
                write_whole(path, make())
        return path

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """While it is entered nobody else, in any process, changes a joining. The lock ends with the process."""
        self._make()
        try:
            lock = (self._folder / "lock").open("w")
        except OSError as error:
            raise SettingsError(f"{self._folder}: {error}", do="Check permissions and space.") from error
        with lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _make(self) -> None:
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise SettingsError(f"{self._folder}: {error}", do="Check permissions and space.") from error


def admit_partner(places: Places, joining: Joining, other: Other, now: datetime) -> Standing:
    """Make the other side a partner that is not live: its roots, confined to it, its descriptor, and its standing. Each
    file is whole or not there, and all can be written again. SettingsError if they cannot be."""
    terms = joining.terms
    agreement = (
        Agreement(id=terms.agreement, start=terms.start, end=terms.until)
        if terms.agreement is not None and terms.start is not None
        else None
    )
    standing = Standing(
        added=now,
        state="proving",
        joining=joining.id,
        words=other.words,
        covers=other.covers,
        agreements=(agreement,) if agreement else (),
    )
    roots = places.trust / other.party
    roots.mkdir(mode=0o700, exist_ok=True)
    write_whole(roots / ROOTS_FILE, other.roots.encode())
    write_partner(places.partners, other.party, other.descriptor.encode(), standing)
    return standing


def drop_partner(places: Places, party: PartyId) -> None:
    """Undo `admit_partner`: nothing of the party is trusted any more."""
    for suffix in (".json", ".toml"):
        (places.partners / f"{party}{suffix}").unlink(missing_ok=True)
    shutil.rmtree(places.trust / party, ignore_errors=True)


def _read(path: Path) -> Joining:
    try:
        return _DECODER.decode(path.read_bytes())
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise SettingsError(
            f"{path} cannot be read: {error}", do="Remove it, and invite or join again."
        ) from error
