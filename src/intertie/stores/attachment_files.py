"""Attached files as files in a folder. Where a file lies says all about it, and a move is one rename: no index to go wrong.

    out/drafts/MESSAGE/ID      being written for a message that is not queued yet
    out/sending/MESSAGE/ID     to be brought to the partner
    out/sent/MESSAGE/ID        with the partner; our copy, for as long as the message is kept
    in/PARTNER/coming/ID.LENGTH    as far as it has come; no message names it yet
    in/PARTNER/kept/MESSAGE/ID     of a message that was accepted

All are sealed under the key in their message (seal/attachment.py), which the store encrypts: once the message's body is
erased nobody can read them, so that removing needs no overwriting. Times of files are set by the gateway's clock.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from intertie.gateway.attaching.attachment_ports import Coming, OffsetError, Owner
from intertie.model.attachment import AttachmentId
from intertie.model.errors import StoreError
from intertie.model.ids import MessageId, PartyId
from intertie.seal.private_files import sync_folder


class AttachmentFiles:
    """`gateway.attaching.attachment_ports.AttachmentStore` in a folder. Safe to use from any thread and process."""

    def __init__(self, folder: Path) -> None:
        """The folder is made when the first file is."""
        self._folder = folder
        self._drafts, self._sending, self._sent = (folder / "out" / name for name in _OUT)

    # Coming in

    def there(self, coming: Coming) -> int:
        """Bytes of it that are on disk."""
        with _errors():
            try:
                with self._coming(coming).open("rb") as file:
                    os.fsync(file.fileno())
                    return os.fstat(file.fileno()).st_size
            except FileNotFoundError:
                return 0

    def append(self, coming: Coming, offset: int, data: bytes, now: datetime) -> int:
        """Add bytes; the lock is held for this one write, so that a new connection goes on where a lost one ended."""
        path = self._coming(coming)
        with _errors():
            _make_folder(path.parent)
            handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX)
                end = os.fstat(handle).st_size
                if end != offset or end + len(data) > coming.length:
                    raise OffsetError(end)
                _write_all(handle, data, offset)
                _stamp(path, now)
                return offset + len(data)
            finally:
                os.close(handle)

    def sync(self, coming: Coming) -> None:
        """File and folder are on disk."""
        self.there(coming)
        with _errors(), contextlib.suppress(FileNotFoundError):
            sync_folder(self._coming(coming).parent)

    def coming(self, partner: PartyId | None = None) -> list[tuple[Coming, datetime]]:
        """What has come of one partner, or of all."""
        found = []
        with _errors():
            for folder in _entries(self._folder / "in"):
                party = PartyId(folder.name)
                if partner in (None, party):
                    found += [
                        (Coming(party, AttachmentId(path.stem), int(path.suffix[1:])), _time(path))
                        for path in _entries(folder / "coming")
                        if path.suffix[1:].isdecimal()
                    ]
        return found

    def free(self) -> int:
        """Bytes that are free where the folder is, or will be."""
        with _errors():
            place = next(path for path in (self._folder, *self._folder.parents) if path.exists())
            return shutil.disk_usage(place).free

    def received(self, coming: Coming, message: MessageId) -> BinaryIO | None:
        """The file, if it is whole."""
        for path in (self._kept(coming.partner, message) / coming.id, self._coming(coming)):
            file = _open(path)
            if file is None:
                continue
            if os.fstat(file.fileno()).st_size == coming.length:
                return file
            file.close()
        return None

    def keep(self, coming: Coming, message: MessageId, now: datetime) -> None:
        """A rename; no effect if it is there already."""
        source, folder = self._coming(coming), self._kept(coming.partner, message)
        with _errors(), contextlib.suppress(FileNotFoundError):
            if source.exists():
                _make_folder(folder)
                source.replace(folder / coming.id)
                _stamp(folder, now)
                sync_folder(folder)
                sync_folder(source.parent)

    def drop(self, coming: Coming, message: MessageId | None = None) -> None:
        """Remove it."""
        with _errors():
            self._coming(coming).unlink(missing_ok=True)
            if message is not None:
                (self._kept(coming.partner, message) / coming.id).unlink(missing_ok=True)

    # Going out

    @contextlib.contextmanager
    def draft(self, message: MessageId, id: AttachmentId, now: datetime) -> Iterator[BinaryIO]:
        """A new file; whatever ends the context early leaves it to `sweep_drafts`."""
        with _errors():
            folder = self._drafts / message
            _make_folder(folder)
            with os.fdopen(os.open(folder / id, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                _stamp(folder, now)
                yield file
                file.flush()
                os.fsync(file.fileno())

    def queue(self, message: MessageId, now: datetime) -> None:
        """The whole folder moves at once."""
        with _errors():
            _stamp(self._drafts / message, now)
            self._move(message, self._drafts, self._sending)

    def sending(self) -> list[MessageId]:
        """By id, which begins with the time."""
        with _errors():
            return sorted(MessageId(path.name) for path in _entries(self._sending))

    def set_sent(self, message: MessageId) -> None:
        """Moves its folder."""
        with _errors():
            self._move(message, self._sending, self._sent)

    def is_sent(self, message: MessageId) -> bool:
        """Whether its folder was moved."""
        with _errors():
            return (self._sent / message).is_dir()

    def link(self, old: MessageId, new: MessageId, now: datetime) -> None:
        """Hard links."""
        with _errors():
            source = self._out(old)
            if source is None:
                return
            folder = self._drafts / new
            shutil.rmtree(folder, ignore_errors=True)
            _make_folder(folder)
            for path in _entries(source):
                (folder / path.name).hardlink_to(path)
            sync_folder(folder)
        self.queue(new, now)

    # With their message

    def open(self, partner: PartyId | None, message: MessageId, id: AttachmentId) -> BinaryIO | None:
        """The sealed file, if it is here."""
        folder = self._kept(partner, message) if partner is not None else self._out(message)
        return _open(folder / id) if folder is not None else None

    def owners(self) -> Iterator[Owner]:
        """Every folder of a message."""
        with _errors():
            for folder in (self._sending, self._sent):
                for path in _entries(folder):
                    yield Owner(None, MessageId(path.name), _time(path))
            for folder in _entries(self._folder / "in"):
                for path in _entries(folder / "kept"):
                    yield Owner(PartyId(folder.name), MessageId(path.name), _time(path))

    def destroy(self, partner: PartyId | None, message: MessageId) -> None:
        """Remove its folder, wherever it is."""
        with _errors():
            folder = self._kept(partner, message) if partner is not None else self._out(message)
            if folder is not None and folder.exists():
                shutil.rmtree(folder)
                sync_folder(folder.parent)

    def sweep_drafts(self, before: datetime) -> int:
        """By the time its last file was begun."""
        with _errors():
            old = [folder for folder in _entries(self._drafts) if _time(folder) < before]
            for folder in old:
                shutil.rmtree(folder)
        return len(old)

    def _coming(self, coming: Coming) -> Path:
        return self._folder / "in" / coming.partner / "coming" / f"{coming.id}.{coming.length}"

    def _kept(self, partner: PartyId, message: MessageId) -> Path:
        return self._folder / "in" / partner / "kept" / message

    def _out(self, message: MessageId) -> Path | None:
        return next(
            (path / message for path in (self._sent, self._sending) if (path / message).is_dir()), None
        )

    def _move(self, message: MessageId, source: Path, target: Path) -> None:
        with contextlib.suppress(FileNotFoundError):  # another process did it
            sync_folder(source / message)
            _make_folder(target)
            (source / message).rename(target / message)
            sync_folder(target)
            sync_folder(source)


_OUT = ("drafts", "sending", "sent")


@contextlib.contextmanager
def _errors() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreError(
            f"the attachments' folder cannot be used: {error.strerror or error}",
            do="Check its permissions and the space on its disk.",
        ) from error


def _make_folder(folder: Path) -> None:
    """The folder and those above it, for the owner only, on disk."""
    if folder.is_dir():
        return
    _make_folder(folder.parent)
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    sync_folder(folder.parent)


def _entries(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []


def _open(path: Path) -> BinaryIO | None:
    with _errors():
        try:
            return path.open("rb")
        except FileNotFoundError:
            return None


def _write_all(handle: int, data: bytes, offset: int) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(handle, view, offset)
        view, offset = view[written:], offset + written


def _stamp(path: Path, now: datetime) -> None:
    os.utime(path, (now.timestamp(), now.timestamp()))


def _time(path: Path) -> datetime:
    return datetime.fromtimestamp(path.stat().st_mtime, UTC)
