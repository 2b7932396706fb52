"""What a partner may do in its mailbox: write in `in`, read and remove elsewhere, and nothing that leads out of it.

An upload counts when its writer renames it from a name that says that it is not done (NAME.part), or, if that was agreed, when
its writer closes it. Until then it can be gone on with; a name that is being written is nobody else's.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import BinaryIO, NoReturn, Protocol, cast

import asyncssh
from asyncssh import SFTPAttrs, SFTPName

from intertie.bindings.parcel_https.limits import Bucket
from intertie.bindings.sftp.boxes import Box
from intertie.bindings.sftp.names import Folder, Place, is_unfinished, place_of
from intertie.model.errors import StoreError
from intertie.model.ids import PartyId

# One read: what SFTP programs ask for at most.
READ_MAX = 256 * 1024
# Files open at once in one session.
OPEN_MAX = 64
# A burst of uploads that nobody is asked to wait for.
BURST = 60.0

_WRITES = asyncssh.FXF_WRITE | asyncssh.FXF_APPEND | asyncssh.FXF_CREAT | asyncssh.FXF_TRUNC


class Limits(Protocol):
    """What a partner may bring."""

    @property
    def files(self) -> int:
        """That wait, or are being uploaded."""

    @property
    def file_bytes(self) -> int:
        """Of one."""

    @property
    def uploads_per_minute(self) -> float:
        """Begun."""


class Guest:
    """A partner that comes, over all its sessions: its box, what is being written, and how much it wrote."""

    def __init__(self, box: Box, settings: Limits, ticks: Callable[[], float]) -> None:
        self.box = box
        self.settings = settings
        self.writing: set[str] = set()
        self.sessions = 0
        self._ticks = ticks
        self._bucket = Bucket(settings.uploads_per_minute / 60, BURST, ticks())

    def may_upload(self) -> bool:
        """Whether one more file may be begun now; it is counted if so."""
        if self._bucket.wait(1.0, self._ticks()):
            return False
        self._bucket.take(1.0)
        return True


@dataclass
class Open:
    """A file that is open."""

    file: BinaryIO
    place: Place
    writes: bool
    read: list[tuple[int, int]] = field(default_factory=list)  # what was read, from and to

    def note_read(self, begin: int, end: int) -> None:
        """Programs read in pieces, and not in order."""
        merged: list[tuple[int, int]] = []
        for low, high in sorted([*self.read, (begin, end)]):
            if merged and low <= merged[-1][1]:
                merged[-1] = (merged[-1][0], max(high, merged[-1][1]))
            else:
                merged.append((low, high))
        self.read = merged

    def is_read(self) -> bool:
        """Whether all of it was."""
        size = os.fstat(self.file.fileno()).st_size
        return size == 0 or self.read == [(0, size)]


class Told:
    """Who hears of what happens in mailboxes; called in the door's loop, and quick."""

    def __init__(self, arrived: Callable[[PartyId], None], fetched: Callable[[PartyId, str], None]) -> None:
        self.arrived = arrived
        self.fetched = fetched


class Mailbox(asyncssh.SFTPServer):
    """One session."""

    def __init__(
        self, chan: asyncssh.SSHServerChannel[bytes], guest: Guest, complete: str, told: Told, who: str
    ) -> None:
        super().__init__(chan)
        self._guest, self._complete, self._told, self._who = guest, complete, told, who
        self._open: list[Open] = []

    # Where a path leads

    def _place(self, path: bytes) -> Place:
        found = place_of(path)
        if found is None:
            raise asyncssh.SFTPNoSuchFile(
                "there is no such place in this mailbox: in, out, receipts, refused"
            )
        return found

    def _file(self, path: bytes) -> Place:
        found = self._place(path)
        if not found.name or found.folder is None:
            raise asyncssh.SFTPPermissionDenied("this is a folder")
        return found

    def _path(self, place: Place) -> str:
        box = self._guest.box
        return str(box.root if place.folder is None else box.path(place.folder, place.name))

    def _in(self, path: bytes) -> Place:
        found = self._file(path)
        if found.folder is not Folder.IN:
            raise asyncssh.SFTPPermissionDenied("files are written to the folder `in`")
        return found

    # Files

    def open(self, path: bytes, pflags: int, attrs: SFTPAttrs) -> object:
        """A file to read, or one in `in` to write."""
        writes = bool(pflags & _WRITES)
        place = self._in(path) if writes else self._file(path)
        if len(self._open) >= OPEN_MAX:
            raise asyncssh.SFTPFailure(f"more than {OPEN_MAX} files are open")
        flags = self._flags(place, pflags) if writes else os.O_RDONLY
        try:
            handle = os.open(self._path(place), flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        except FileNotFoundError as error:
            raise asyncssh.SFTPNoSuchFile("there is no such file") from error
        except FileExistsError as error:
            raise asyncssh.SFTPFailure("there is a file of this name") from error
        except OSError as error:
            raise asyncssh.SFTPFailure("it cannot be opened") from error
        found = Open(os.fdopen(handle, "r+b" if writes else "rb", buffering=0), place, writes)
        self._open.append(found)
        if writes:
            self._guest.writing.add(place.name)
        return found

    def _flags(self, place: Place, pflags: int) -> int:
        """Of a file to write: nobody else writes it, and there is room for one more."""
        guest = self._guest
        if place.name in guest.writing:
            raise asyncssh.SFTPFailure("a file of this name is being uploaded")
        new = not guest.box.has(Folder.IN, place.name)
        if new and not pflags & asyncssh.FXF_CREAT:
            raise asyncssh.SFTPNoSuchFile("there is no such file")
        if new and guest.box.waiting() >= guest.settings.files:
            raise asyncssh.SFTPFailure(f"more than {guest.settings.files} files wait here; try later")
        if not guest.may_upload():
            raise asyncssh.SFTPFailure("too many files in a minute; try later")
        flags = os.O_RDWR
        for asked, means in (
            (asyncssh.FXF_CREAT, os.O_CREAT),
            (asyncssh.FXF_TRUNC, os.O_TRUNC),
            (asyncssh.FXF_EXCL, os.O_EXCL),
        ):
            flags |= means if pflags & asked else 0
        return flags

    def open56(self, path: bytes, desired_access: int, flags: int, attrs: SFTPAttrs) -> object:
        """Only version 3 of the protocol is spoken here, as OpenSSH does."""
        raise asyncssh.SFTPOpUnsupported("version 3 is spoken here")

    async def close(self, file_obj: object) -> None:
        """By its reader or writer, or since the connection ended."""
        found = cast(Open, file_obj)
        self._open.remove(found)
        whole = not found.writes and found.place.folder is Folder.OUT and found.is_read()
        found.file.close()
        lost = self.channel.is_closing()
        if found.writes:
            self._guest.writing.discard(found.place.name)
            if self._complete == "closed" and not lost and not is_unfinished(found.place.name):
                await self._arrive(found.place.name, found.place.name)
        elif whole:
            name = found.place.name
            await self._disk(self._guest.box.note_fetched, name, self._who)
            self._told.fetched(self._guest.box.party, name)

    def read(self, file_obj: object, offset: int, size: int) -> bytes:
        """A piece."""
        found = cast(Open, file_obj)
        data = os.pread(found.file.fileno(), min(size, READ_MAX), offset)
        found.note_read(offset, offset + len(data))
        return data

    def write(self, file_obj: object, offset: int, data: bytes) -> int:
        """A piece, up to the size that a file may have."""
        found = cast(Open, file_obj)
        if not found.writes:
            raise asyncssh.SFTPPermissionDenied("it was opened to be read")
        if offset + len(data) > self._guest.settings.file_bytes:
            raise asyncssh.SFTPFailure(f"a file has at most {self._guest.settings.file_bytes} bytes")
        try:
            return os.pwrite(found.file.fileno(), data, offset)
        except OSError as error:
            raise asyncssh.SFTPFailure("it cannot be written") from error

    def fstat(self, file_obj: object) -> os.stat_result:
        """Of a file that is open."""
        return os.fstat(cast(Open, file_obj).file.fileno())

    async def fsync(self, file_obj: object) -> None:
        """Onto the disk."""
        await asyncio.to_thread(os.fsync, cast(Open, file_obj).file.fileno())

    def stat(self, path: bytes) -> os.stat_result:
        """Of a file or folder; nothing here is a link."""
        try:
            return os.lstat(self._path(self._place(path)))
        except OSError as error:
            raise asyncssh.SFTPNoSuchFile("there is no such file") from error

    lstat = stat

    def setstat(self, path: bytes, attrs: SFTPAttrs) -> None:
        """Programs that keep times and rights of files are not disturbed, and change nothing; a length is not set."""
        self._place(path)
        self._no_length(attrs)

    lsetstat = setstat

    def fsetstat(self, file_obj: object, attrs: SFTPAttrs) -> None:
        """The same for a file that is open; what is written may be cut."""
        found = cast(Open, file_obj)
        if attrs.size is None:
            return
        if not found.writes or attrs.size > self._guest.settings.file_bytes:
            raise asyncssh.SFTPPermissionDenied("its length is not set so")
        os.ftruncate(found.file.fileno(), attrs.size)

    def _no_length(self, attrs: SFTPAttrs) -> None:
        if attrs.size is not None:
            raise asyncssh.SFTPPermissionDenied("its length is set by who writes it")

    def remove(self, path: bytes) -> None:
        """What was fetched, or what was begun."""
        place = self._file(path)
        if place.name in self._guest.writing and place.folder is Folder.IN:
            raise asyncssh.SFTPFailure("a file of this name is being uploaded")
        try:
            os.unlink(self._path(place))
        except OSError as error:
            raise asyncssh.SFTPNoSuchFile("there is no such file") from error

    async def rename(self, oldpath: bytes, newpath: bytes) -> None:
        """Within `in`. To a name that says that it is done, the file counts, and is gone from here."""
        old, new = self._in(oldpath), self._in(newpath)
        if {old.name, new.name} & self._guest.writing:
            raise asyncssh.SFTPFailure("a file of this name is being uploaded")
        if not self._guest.box.has(Folder.IN, old.name):
            raise asyncssh.SFTPNoSuchFile("there is no such file")
        if old.name != new.name and self._guest.box.has(Folder.IN, new.name):
            raise asyncssh.SFTPFailure("there is a file of this name")
        if is_unfinished(new.name):
            os.rename(self._path(old), self._path(new))
            return
        await self._arrive(old.name, new.name)

    posix_rename = rename

    async def _arrive(self, name: str, called: str) -> None:
        self._guest.writing.add(name)  # nobody begins it again meanwhile
        try:
            await self._disk(self._guest.box.arrive, name, called)
        finally:
            self._guest.writing.discard(name)
        self._told.arrived(self._guest.box.party)

    async def _disk(self, act: Callable[[str, str], None], one: str, other: str) -> None:
        try:
            await asyncio.to_thread(act, one, other)
        except (StoreError, FileNotFoundError) as error:
            raise asyncssh.SFTPFailure("the disk of this mailbox cannot be used; try later") from error

    # Folders

    async def scandir(self, path: bytes) -> AsyncIterator[SFTPName]:
        """The four folders, or the files in one."""
        place = self._place(path)
        if place.name:
            raise asyncssh.SFTPNoSuchFile("this is a file")
        names = [".", ".."]
        names += sorted(await asyncio.to_thread(os.listdir, self._path(place)))
        for name in names:
            where = self._path(place) if name in (".", "..") else os.path.join(self._path(place), name)
            try:
                found = os.lstat(where)
            except FileNotFoundError:
                continue
            attrs = SFTPAttrs.from_local(found)
            yield SFTPName(name.encode(), attrs=attrs)

    def realpath(self, path: bytes) -> bytes:
        """Without `.` and `..`."""
        place = self._place(path)
        return "/".join(["", *(part for part in (place.folder, place.name) if part)]).encode() or b"/"

    def mkdir(self, path: bytes, attrs: SFTPAttrs) -> None:
        """Never."""
        _never()

    def rmdir(self, path: bytes) -> None:
        """Never."""
        _never()

    def symlink(self, oldpath: bytes, newpath: bytes) -> None:
        """Never."""
        _never()

    def link(self, oldpath: bytes, newpath: bytes) -> None:
        """Never."""
        _never()

    def readlink(self, path: bytes) -> bytes:
        """Never."""
        _never()

    def statvfs(self, path: bytes) -> NoReturn:
        """Never: the disk is nobody's business."""
        _never()

    def fstatvfs(self, file_obj: object) -> NoReturn:
        """Never."""
        _never()

    def exit(self) -> None:
        """The session ends."""

    def format_user(self, uid: int | None) -> str:
        """In listings: nobody here."""
        return "mailbox"

    def format_group(self, gid: int | None) -> str:
        """In listings."""
        return "mailbox"


def _never() -> NoReturn:
    raise asyncssh.SFTPPermissionDenied("a mailbox has four folders, and files in them")
