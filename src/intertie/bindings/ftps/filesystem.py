"""A mailbox as pyftpdlib asks for a file system: four folders and files in them, by the same rules as over SFTP."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pyftpdlib.filesystems import AbstractedFS, FilesystemError

from intertie.bindings.sftp.mailbox import Guest
from intertie.bindings.sftp.names import Folder, Place, is_unfinished, place_of
from intertie.gateway.receiving.accept_carried import BEGINNINGS
from intertie.gateway.translating.in_clear import SEALED_ONLY
from intertie.model.errors import Code, Refused, StoreError

# The longest of the beginnings.
_BEGIN = max(map(len, BEGINNINGS))


class Limited(io.FileIO):
    """A file that is being uploaded, up to the size that it may have."""

    def __init__(self, path: str, flags: int, guest: Guest, name: str, *, sealed: bool) -> None:
        super().__init__(path, "r+", opener=lambda path, _: os.open(path, flags, 0o600))
        self._guest, self._name, self._most = guest, name, guest.settings.file_bytes
        self._sealed, self._begun = sealed, b""
        self.refused: Refused | None = None  # why it was cut off, where only what is sealed may come

    def write(self, data: Any) -> int:
        """OSError beyond the limit; where only what is sealed may come, also for what begins otherwise, before the rest of it is
        said in the clear."""
        if self.tell() + len(data) > self._most:
            raise OSError(f"a file has at most {self._most} bytes")
        if self._sealed and self.tell() == len(self._begun) < _BEGIN:
            self._begun += bytes(data[:_BEGIN])
            if not any(one.startswith(self._begun[: len(one)]) for one in BEGINNINGS):
                self.refused = Refused(Code.PROTECTION_TOO_WEAK, SEALED_ONLY, partner=self._guest.box.party)
                raise OSError(SEALED_ONLY)
        return super().write(data)

    def close(self) -> None:
        """Others may write the name again."""
        self._guest.writing.discard(self._name)
        super().close()


class BoxFs(AbstractedFS):  # type: ignore[misc]
    """One session's."""

    def __init__(self, root: str, cmd_channel: Any) -> None:
        super().__init__(root, cmd_channel)
        self._guest: Guest = cmd_channel.guest
        self._arrived: Callable[[str], None] = cmd_channel.arrived
        self._fetched: Callable[[str], None] = cmd_channel.fetched
        self._session = cmd_channel

    # Where a path leads

    def ftp2fs(self, ftppath: str) -> str:
        """The file or folder; what leads nowhere leads out, and `validpath` refuses it."""
        place = place_of(self.ftpnorm(ftppath).encode("utf-8", "surrogateescape"))
        if place is None:
            return os.path.join(os.path.dirname(self.root), "nowhere")
        return str(self._path(place))

    def fs2ftp(self, fspath: str) -> str:
        """Back; the top for what leads nowhere."""
        place = place_of(os.path.relpath(fspath, self._guest.box.root).encode()) or Place()
        return "/" + "/".join(part for part in (place.folder, place.name) if part)

    def _path(self, place: Place) -> Path:
        box = self._guest.box
        return box.root if place.folder is None else box.path(place.folder, place.name)

    def _place(self, fspath: str) -> Place:
        found = place_of(os.path.relpath(fspath, self._guest.box.root).encode())
        if found is None:
            raise FilesystemError("there is no such place in this mailbox")
        return found

    def _in(self, fspath: str) -> Place:
        place = self._place(fspath)
        if place.folder is not Folder.IN or not place.name:
            raise FilesystemError("files are written to the folder `in`")
        return place

    # What may be done

    def open(self, filename: str, mode: str) -> Any:
        """A file to read, or one in `in` to write."""
        if mode == "rb":
            if not self._place(filename).name:
                raise FilesystemError("this is a folder")
            self._only_sealed(filename)
            return open(filename, "rb", opener=lambda path, flags: os.open(path, flags | os.O_NOFOLLOW))
        place, guest = self._in(filename), self._guest
        if place.name in guest.writing:
            raise FilesystemError("a file of this name is being uploaded")
        if not guest.box.has(Folder.IN, place.name) and guest.box.waiting() >= guest.settings.files:
            raise FilesystemError(f"more than {guest.settings.files} files wait here; try later")
        if not guest.may_upload():
            raise FilesystemError("too many files in a minute; try later")
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | (os.O_TRUNC if mode.startswith("w") else 0)
        file = Limited(filename, flags, guest, place.name, sealed=not self._session.is_protected)
        if mode.startswith("a"):
            file.seek(0, os.SEEK_END)
        guest.writing.add(place.name)
        return file

    def mkstemp(self, suffix: str = "", prefix: str = "", dir: str | None = None, mode: str = "wb") -> Any:
        """Never: whoever writes says the name."""
        raise FilesystemError("a file is written under the name that its writer gives it")

    def rename(self, src: str, dst: str) -> None:
        """Within `in`. To a name that says that it is done, the file counts, and is gone from here."""
        old, new = self._in(src), self._in(dst)
        if {old.name, new.name} & self._guest.writing:
            raise FilesystemError("a file of this name is being uploaded")
        if not self._guest.box.has(Folder.IN, old.name):
            raise FilesystemError("there is no such file")
        if old.name != new.name and self._guest.box.has(Folder.IN, new.name):
            raise FilesystemError("there is a file of this name")
        if is_unfinished(new.name):
            os.rename(src, dst)
            return
        self._only_sealed(src)
        try:
            self._guest.box.arrive(old.name, new.name)
        except StoreError as error:
            raise FilesystemError("the disk of this mailbox cannot be used; try later") from error
        self._arrived(new.name)

    def _only_sealed(self, path: str) -> None:
        """FilesystemError for a file that may not go in the clear, where it would."""
        if self._session.is_protected:
            return
        with open(path, "rb", opener=lambda path, flags: os.open(path, flags | os.O_NOFOLLOW)) as file:
            self._session.check_sealed(file.read(self._guest.settings.file_bytes + 1))

    def remove(self, path: str) -> None:
        """What was fetched, or what was begun."""
        place = self._place(path)
        if not place.name or (place.folder is Folder.IN and place.name in self._guest.writing):
            raise FilesystemError("it is not removed now")
        if place.folder is Folder.OUT and self._guest.box.has(Folder.OUT, place.name):
            try:
                self._fetched(place.name)
            except StoreError as error:
                raise FilesystemError("the disk of this mailbox cannot be used; try later") from error
        os.unlink(path)

    def chdir(self, path: str) -> None:
        """For this session: pyftpdlib would take all of the process there."""
        if not os.path.isdir(path):
            raise FilesystemError("there is no such folder")
        self.cwd = self.fs2ftp(path)

    def mkdir(self, path: str) -> None:
        """Never."""
        raise FilesystemError("a mailbox has four folders")

    def rmdir(self, path: str) -> None:
        """Never."""
        raise FilesystemError("a mailbox has four folders")

    def chmod(self, path: str, mode: int) -> None:
        """Never."""
        raise FilesystemError("rights are not set here")

    def utime(self, path: str, timeval: Any) -> None:
        """Not disturbed, and nothing changed."""

    def get_user_by_uid(self, uid: int) -> str:
        """In listings."""
        return "mailbox"

    def get_group_by_gid(self, gid: int) -> str:
        """In listings."""
        return "mailbox"
