"""Codes that were handed out to customers, and their sessions: a file each, in folders of the custodian's.

customers/codes/DIGEST.json      an invitation; what was used stays until it is over, so that it does not count again
customers/sessions/DIGEST.json   a session
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeVar

import msgspec

from intertie.gateway.espi.espi_customers import CustomerSession, Invitation
from intertie.model.errors import IntertieError, SettingsError
from intertie.model.record import Record
from intertie.seal.private_files import locked, replace_private

_Of = TypeVar("_Of", bound=Record)
_DIGEST = re.compile(r"[0-9a-f]{64}")
# Sessions that are over are looked for when one is put, at most so often and so many at a time.
SWEPT_MAX = 200
KEPT_AFTER = timedelta(hours=1)


class CustomerFiles:
    """`gateway.espi.espi_customers.CustomerBook` over a folder, made when first written to; for any thread and process."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "customers"

    def invitation(self, digest: str) -> Invitation | None:
        """One."""
        return _read(self._folder / "codes", digest, Invitation)

    def put_invitation(self, one: Invitation) -> None:
        """In place of that with the same digest."""
        self._put(self._folder / "codes", one.digest, one)

    def session(self, digest: str) -> CustomerSession | None:
        """One."""
        return _read(self._folder / "sessions", digest, CustomerSession)

    def put_session(self, one: CustomerSession, now: datetime) -> None:
        """In place of that with the same digest; old ones go."""
        folder = self._folder / "sessions"
        self._put(folder, one.digest, one)
        for path, _ in zip(folder.glob("*.json"), range(SWEPT_MAX), strict=False):
            known = _read(folder, path.stem, CustomerSession)
            if known is not None and now > known.expires + KEPT_AFTER:
                path.unlink(missing_ok=True)

    def forget_session(self, digest: str) -> None:
        """It is over."""
        if _DIGEST.fullmatch(digest):
            (self._folder / "sessions" / f"{digest}.json").unlink(missing_ok=True)

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """While it is entered nobody else, in any process, changes anything."""
        _make(self._folder)
        with locked(self._folder / "lock"):
            yield

    @staticmethod
    def _put(folder: Path, digest: str, one: Record) -> None:
        _make(folder)
        path = folder / f"{digest}.json"
        try:
            replace_private(path, msgspec.json.encode(one))
        except OSError as error:
            raise SettingsError(f"{path}: {error.strerror}", do="Check permissions and space.") from error


def _make(folder: Path) -> None:
    try:
        for one in reversed([each for each in (folder, *folder.parents) if not each.exists()]):
            one.mkdir(mode=0o700, exist_ok=True)  # each for its owner: `parents` would open those between
    except OSError as error:
        raise SettingsError(f"{folder}: {error.strerror}", do="Check permissions and space.") from error


def _read(folder: Path, digest: str, kind: type[_Of]) -> _Of | None:
    if not _DIGEST.fullmatch(digest):
        return None
    path = folder / f"{digest}.json"
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, IntertieError) as error:
        raise SettingsError(
            f"{path} cannot be read: {type(error).__name__}", do="Restore it from a backup."
        ) from error
