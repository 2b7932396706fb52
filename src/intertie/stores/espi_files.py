"""A custodian's applications, consents and askings as files of their own, for their owner only (gateway/espi/espi_ports.py).

    espi/APPLICATION/application.json       espi/APPLICATION/consents/CONSENT.json       espi/asking/ID.json

One file for each, so that a token that is renewed costs one small write, however many consents there are.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import msgspec

from intertie.gateway.espi.espi_ports import ID_CHARACTERS, Application, Asking, Consent
from intertie.model.errors import IntertieError, SettingsError
from intertie.model.record import Record
from intertie.seal.private_files import locked, replace_private

_Of = TypeVar("_Of", bound=Record)
_HEX = frozenset("0123456789abcdef")
NAME = "application.json"


class EspiFiles:
    """`gateway.espi.espi_ports.GrantBook` over a folder, made when first written to. Safe to use from any thread and process."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def applications(self) -> Sequence[Application]:
        """All, by name."""
        found = [_read(path, Application) for path in self._folder.glob(f"*/{NAME}")]
        return sorted((one for one in found if one is not None), key=lambda one: (one.name, one.made))

    def application(self, id: str) -> Application | None:
        """One."""
        return _read(self._folder / id / NAME, Application) if is_id(id) else None

    def put_application(self, one: Application) -> None:
        """In place of that with the same id."""
        self._put(self._folder / one.id / NAME, one)

    def consents(self, application: str) -> Iterator[Consent]:
        """Of one application, by id."""
        for path in (
            sorted((self._folder / application / "consents").glob("*.json")) if is_id(application) else ()
        ):
            one = _read(path, Consent)
            if one is not None:
                yield one

    def consents_of(self, customer: str) -> Iterator[Consent]:
        """Of one customer, by any application."""
        for path in sorted(self._of(customer).glob("*-*")):
            one = self.consent(*path.name.split("-", 1))
            if one is not None and one.customer == customer:
                yield one

    def consent(self, application: str, id: str) -> Consent | None:
        """One."""
        if not is_id(application) or not is_id(id):
            return None
        return _read(self._folder / application / "consents" / f"{id}.json", Consent)

    def put_consent(self, one: Consent) -> None:
        """In place of that with the same id."""
        mark = self._of(one.customer) / f"{one.application}-{one.id}"
        if not mark.exists():  # before the consent: a mark without one is passed over
            self._make(mark.parent)
            mark.touch(mode=0o600)
        self._put(self._folder / one.application / "consents" / f"{one.id}.json", one)

    def askings(self) -> Sequence[Asking]:
        """Who waits, or waited lately; the oldest first."""
        found = [_read(path, Asking) for path in (self._folder / "asking").glob("*.json")]
        return sorted((one for one in found if one is not None), key=lambda one: (one.asked, one.id))

    def asking(self, id: str) -> Asking | None:
        """One."""
        return _read(self._folder / "asking" / f"{id}.json", Asking) if is_id(id) else None

    def put_asking(self, one: Asking) -> None:
        """In place of that with the same id."""
        self._put(self._folder / "asking" / f"{one.id}.json", one)

    def forget_asking(self, id: str) -> None:
        """It is over."""
        if is_id(id):
            (self._folder / "asking" / f"{id}.json").unlink(missing_ok=True)

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """While it is entered nobody else, in any process, changes anything."""
        self._make(self._folder)
        with locked(self._folder / "lock"):
            yield

    def _of(self, customer: str) -> Path:
        """Marks of a customer's consents: whose they are is found without reading those of all others."""
        return self._folder / "customers" / "of" / hashlib.sha256(customer.encode()).hexdigest()

    def _put(self, path: Path, one: Record) -> None:
        self._make(path.parent)
        try:
            replace_private(path, msgspec.json.encode(one))
        except OSError as error:
            raise SettingsError(f"{path}: {error.strerror}", do="Check permissions and space.") from error

    def _make(self, folder: Path) -> None:
        try:
            for one in reversed([each for each in (folder, *folder.parents) if not each.exists()]):
                one.mkdir(mode=0o700, exist_ok=True)  # each for its owner: `parents` would open those between
        except OSError as error:
            raise SettingsError(f"{folder}: {error.strerror}", do="Check permissions and space.") from error


def is_id(text: str) -> bool:
    """Whether a text is an id of ours: it leads nowhere else."""
    return len(text) == ID_CHARACTERS and set(text) <= _HEX


def _read(path: Path, kind: type[_Of]) -> _Of | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, IntertieError) as error:
        raise SettingsError(
            f"{path} cannot be read: {type(error).__name__}", do="Restore it from a backup."
        ) from error
