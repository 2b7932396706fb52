"""Files of our own people as folders of encrypted pieces, one folder a file:

    ID/about.json     whose it is, its name and length, and its key, wrapped by the key port
    ID/OFFSET.piece   nonce, AES-256-GCM and tag; bound to file and offset
    ID/result.sealed  the same, in place of the pieces: what came of the file

What is here is on its way: it goes once somebody said what to do with it, or after some days.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path

import msgspec

from intertie.gateway.office.uploaded_ports import (
    ALL_BYTES_MAX,
    FILE_BYTES_MAX,
    FILES_MAX,
    KEPT,
    PIECE_BYTES_MAX,
    Coming,
    NoSuchUpload,
    UploadError,
    WrongOffset,
)
from intertie.model.errors import StoreError
from intertie.model.ids import UUID7, MessageId, new_uuid7
from intertie.seal.body_cipher import OVERHEAD, BodyCipher, BodyName
from intertie.seal.key_port import KEY_BYTES, KeyPort
from intertie.seal.private_files import sync_folder

_ID = re.compile(UUID7)
_PIECE = re.compile(r"[0-9]{12}\.piece")
_ABOUT, _RESULT = "about.json", "result.sealed"
# No piece begins there.
_RESULT_AT = 2**62
# What a file is called is shown again; a name on a disk has no more.
NAME_MAX = 200


class _About(msgspec.Struct, frozen=True):
    owner: str
    name: str
    size: int
    begun: datetime
    key: str


class UploadedFiles:
    """`gateway.office.uploaded_ports.UploadStore` in a folder, which is made when the first file is."""

    def __init__(self, folder: Path, port: KeyPort) -> None:
        self._folder, self._port = folder, port

    def begin(self, owner: str, name: str, size: int, now: datetime) -> Coming:
        """A new file."""
        if not 0 < size <= FILE_BYTES_MAX:
            why = "the file is empty" if size < 1 else f"the file has {size} bytes, at most {FILE_BYTES_MAX}"
            raise UploadError(why, do="Bring it in parts." if size > 0 else "Choose another file.")
        with _errors():
            all_known = list(self._all())
            if sum(one.owner == owner for one in all_known) >= FILES_MAX:
                raise UploadError(
                    f"{FILES_MAX} files of yours wait", do="Say what to do with them, or drop some."
                )
            if sum(one.size for one in all_known) + size > ALL_BYTES_MAX:
                raise UploadError("no more files fit here now", do="Let others finish with theirs.")
            id, key = new_uuid7(now), os.urandom(KEY_BYTES)
            wrapped = base64.b64encode(self._port.wrap(key, _context(id))).decode()
            folder = self._folder / id
            folder.mkdir(mode=0o700, parents=True)
            about = _About(owner, _plain(name), size, now, wrapped)
            _write(folder / _ABOUT, msgspec.json.encode(about))
            sync_folder(self._folder)
        return Coming(id, owner, about.name, size, 0, now)

    def add(self, owner: str, id: str, offset: int, piece: bytes) -> Coming:
        """The next piece."""
        if not 0 < len(piece) <= PIECE_BYTES_MAX:
            raise UploadError(f"a piece has 1 to {PIECE_BYTES_MAX} bytes", do="Send smaller pieces.")
        about = self._about(owner, id)
        with _errors(), self._lock(id):
            there = self._there(id)
            if self._done(id):
                raise UploadError("something was done with this file already", do="Bring it as a new one.")
            if offset != there:
                raise WrongOffset(there)
            if there + len(piece) > about.size:
                raise UploadError("more bytes than the file was said to have", do="Begin it again.")
            sealed = self._cipher(id, about).seal([(_name(id, offset), piece)])
            _write(self._folder / id / f"{offset:012d}.piece", sealed)
        return _coming(id, about, there + len(piece))

    def find(self, owner: str, id: str) -> Coming:
        """One file."""
        about = self._about(owner, id)
        with _errors():
            return _coming(id, about, self._there(id), done=self._done(id))

    def mine(self, owner: str) -> Sequence[Coming]:
        """One person's, the newest first."""
        with _errors():
            found = [one for one in self._all() if one.owner == owner]
        return sorted(found, key=lambda one: one.id, reverse=True)

    def content(self, owner: str, id: str) -> bytes:
        """All of it."""
        about = self._about(owner, id)
        with _errors():
            cipher, parts = self._cipher(id, about), []
            for path in self._pieces(id):
                parts.append(cipher.open(_name(id, int(path.stem)), path.read_bytes()))
        whole = b"".join(parts)
        if len(whole) != about.size:
            raise UploadError(f"{len(whole)} of {about.size} bytes are here", do="Go on with it first.")
        return whole

    def end(self, owner: str, id: str, result: bytes) -> None:
        """What came of it, in place of the file."""
        about = self._about(owner, id)
        with _errors(), self._lock(id):
            sealed = self._cipher(id, about).seal([(_name(id, _RESULT_AT), result)])
            _write(self._folder / id / _RESULT, sealed)
            for path in self._pieces(id):
                path.unlink()

    def result(self, owner: str, id: str) -> bytes:
        """What came of it."""
        about = self._about(owner, id)
        with _errors():
            try:
                sealed = (self._folder / id / _RESULT).read_bytes()
            except FileNotFoundError as error:
                raise NoSuchUpload(
                    "nothing was done with this file yet", do="Say what to do with it."
                ) from error
            return self._cipher(id, about).open(_name(id, _RESULT_AT), sealed)

    def drop(self, owner: str, id: str) -> None:
        """Forget it."""
        with contextlib.suppress(NoSuchUpload), _errors():
            self._about(owner, id)
            shutil.rmtree(self._folder / id, ignore_errors=True)

    def sweep(self, now: datetime) -> int:
        """Forget what is old."""
        with _errors():
            old = [one for one in self._all() if one.begun + KEPT < now]
            for one in old:
                shutil.rmtree(self._folder / one.id, ignore_errors=True)
        return len(old)

    def _all(self) -> Iterator[Coming]:
        if not self._folder.is_dir():
            return
        for path in sorted(self._folder.iterdir()):
            if _ID.search(path.name):
                with contextlib.suppress(FileNotFoundError, msgspec.MsgspecError):
                    about = msgspec.json.decode((path / _ABOUT).read_bytes(), type=_About)
                    yield _coming(path.name, about, self._there(path.name), done=self._done(path.name))

    def _about(self, owner: str, id: str) -> _About:
        gone = NoSuchUpload(
            "this file is not here", do="It was taken, or dropped, or is old: bring it again."
        )
        if not _ID.search(id):
            raise gone
        try:
            about = msgspec.json.decode((self._folder / id / _ABOUT).read_bytes(), type=_About)
        except (FileNotFoundError, msgspec.MsgspecError) as error:
            raise gone from error
        if about.owner != owner:
            raise gone
        return about

    def _pieces(self, id: str) -> list[Path]:
        return sorted(path for path in (self._folder / id).iterdir() if _PIECE.fullmatch(path.name))

    def _there(self, id: str) -> int:
        return sum(path.stat().st_size - OVERHEAD for path in self._pieces(id))

    def _done(self, id: str) -> bool:
        return (self._folder / id / _RESULT).exists()

    def _cipher(self, id: str, about: _About) -> BodyCipher:
        return BodyCipher(self._port.unwrap(base64.b64decode(about.key), _context(id)))

    @contextlib.contextmanager
    def _lock(self, id: str) -> Iterator[None]:
        """One piece at a time; the lock ends with the process."""
        handle = os.open(self._folder / id / _ABOUT, os.O_RDONLY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)


def _coming(id: str, about: _About, there: int, *, done: bool = False) -> Coming:
    return Coming(id, about.owner, about.name, about.size, there, about.begun, done)


def _context(id: str) -> bytes:
    return f"upload {id}".encode()


def _name(id: str, offset: int) -> BodyName:
    """What a piece is bound to."""
    return BodyName(offset, False, MessageId(id), b"upload")


def _plain(name: str) -> str:
    """The last part of a name, as it can be shown: a path or a control character in it is somebody's mistake, or worse."""
    last = re.split(r"[/\\]", name)[-1]
    shown = "".join(sign for sign in last if sign.isprintable()).strip()
    return shown[:NAME_MAX] or "file"


def _write(path: Path, content: bytes) -> None:
    """All of it or nothing, on disk."""
    draft = path.with_suffix(".new")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as out:
        out.write(content)
        out.flush()
        os.fsync(out.fileno())
    draft.rename(path)
    sync_folder(path.parent)


@contextlib.contextmanager
def _errors() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreError(f"files cannot be kept: {error.strerror or error}", do="Free the disk.") from error
