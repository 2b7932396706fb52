"""Files that hold secrets, or that must never be half written: made for their owner only, whole or not at all, and
overwritten before they go."""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from intertie.model.errors import SettingsError


def write_private(path: Path, data: bytes) -> None:
    """Write a new file that only its owner can read; SettingsError if there is one already (a key is never lost)."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise SettingsError(
            f"{path} exists", do="Keys are never overwritten: move the old ones away first."
        ) from error
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def replace_private(path: Path, data: bytes) -> None:
    """Put new content in the place of a file: a reader, or a crash, finds the old one or the new one. The old bytes are
    overwritten. OSError if it cannot be done; then the old file is still there."""
    draft = path.with_name(f".{path.name}.new")
    draft.unlink(missing_ok=True)
    write_private(draft, data)
    old = _open_to_overwrite(path)
    try:
        draft.replace(path)
        sync_folder(path.parent)
        if old is not None:
            _overwrite(old)
    finally:
        if old is not None:
            os.close(old)


def destroy_file(path: Path) -> None:
    """Overwrite a file and remove it; nothing to do if it is not there. OSError if it cannot be done.

    What a file system, a solid-state drive or a backup keeps of it besides is out of reach from here: keys at rest are
    therefore encrypted, and their data key goes first.
    """
    old = _open_to_overwrite(path)
    if old is None:
        return
    try:
        _overwrite(old)
    finally:
        os.close(old)
    path.unlink(missing_ok=True)
    sync_folder(path.parent)


def read_secret_text(path: Path, what: str) -> bytes:
    """A passphrase or PIN: the first line of a file that only its owner may read; SettingsError otherwise."""
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        raw = path.read_bytes()
    except OSError as error:
        raise SettingsError(
            f"the {what} file {path} cannot be read: {error.strerror}", do="Check its name and its owner."
        ) from error
    if mode & 0o077:
        raise SettingsError(f"the {what} file {path} is open to others ({mode:o})", do=f"chmod 600 {path}")
    line = raw.splitlines()[0] if raw.strip() else b""
    if not line:
        raise SettingsError(f"the {what} file {path} is empty", do=f"Its first line is the {what}.")
    return line


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Only one process at a time gets past this; the lock ends with the process. SettingsError if it cannot be had."""
    try:
        lock = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}", do="Check permissions and space.") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def sync_folder(folder: Path) -> None:
    """What was renamed or removed in a folder stays so after a crash."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _open_to_overwrite(path: Path) -> int | None:
    try:
        return os.open(path, os.O_WRONLY)
    except FileNotFoundError:
        return None


def _overwrite(descriptor: int) -> None:
    os.pwrite(descriptor, bytes(os.fstat(descriptor).st_size), 0)
    os.fsync(descriptor)
