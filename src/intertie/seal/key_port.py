"""Where the key lives that wraps the store's data keys: behind one small interface, so that it may be a file here and a
hardware module elsewhere. The store's file never holds it.
"""

from __future__ import annotations

import os
import stat
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Protocol

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap

from intertie.model.errors import StoreError
from intertie.seal.private_files import sync_folder

# AES-256: what ML-KEM-768 and SHA-256 in the profiles are matched with, and no harder to keep than 128 bits.
KEY_BYTES = 32
_LABEL = b"intertie key port 1: "


class KeyPortError(StoreError):
    """A key cannot be wrapped or unwrapped: the port is not there, is locked, or holds another key. Nothing is lost."""


class KeyPort(Protocol):
    """Wraps keys of 32 bytes under one that it does not give away. `context` is bound: another one does not unwrap."""

    name: str  # which kind of port, for people and for the row of the key: no secret, no path

    def wrap(self, key: bytes, context: bytes) -> bytes:
        """The key as it may be kept anywhere. KeyPortError."""

    def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        """The key again. KeyPortError unless this port wrapped it, with this context, and nothing was changed."""


class Kek(ABC):
    """A key port over 32 bytes that are in this process's memory, found by `_read`.

    Each context has a wrapping key of its own (HKDF-SHA256, RFC 5869), which wraps by RFC 3394.
    """

    name = "kek"

    def wrap(self, key: bytes, context: bytes) -> bytes:
        """The key, wrapped; KeyPortError if the wrapping key cannot be had."""
        return aes_key_wrap(self._wrapping_key(context), key)

    def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        """The key again; KeyPortError if it was wrapped by another key or for another context."""
        try:
            return aes_key_unwrap(self._wrapping_key(context), wrapped)
        except (InvalidUnwrap, ValueError) as error:
            raise self._wrong() from error

    def _wrapping_key(self, context: bytes) -> bytes:
        return HKDF(SHA256(), KEY_BYTES, salt=None, info=_LABEL + context).derive(self._read())

    @abstractmethod
    def _read(self) -> bytes:
        """The 32 bytes; KeyPortError if they cannot be had."""

    def _wrong(self) -> KeyPortError:
        return KeyPortError(
            "this key was wrapped by another key, or for another use", do="restore what belongs together"
        )


class KekOf(Kek):
    """A key port over 32 bytes that are given."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def __repr__(self) -> str:
        return "KekOf(...)"

    def _read(self) -> bytes:
        return self._key


class KeyFile(Kek):
    """A key port over a file of 32 random bytes that only its owner reads; made when the first key is wrapped."""

    name = "file"

    def __init__(self, path: Path) -> None:
        self._path = path

    def __repr__(self) -> str:
        return f"KeyFile({str(self._path)!r})"

    def wrap(self, key: bytes, context: bytes) -> bytes:
        """The key, wrapped; KeyPortError if the file cannot be used."""
        if not self._path.exists():
            self._make()
        return super().wrap(key, context)

    def _wrong(self) -> KeyPortError:
        return KeyPortError(
            f"{self._path} does not unwrap this key: it is not the file that wrapped it",
            do="restore the key file that belongs to this store",
        )

    def _read(self) -> bytes:
        try:
            mode = stat.S_IMODE(self._path.stat().st_mode)
            raw = self._path.read_bytes()
        except OSError as error:
            raise KeyPortError(
                f"{self._path} cannot be read: {error.strerror}", do="restore it from its backup"
            ) from error
        if mode & 0o077:
            raise KeyPortError(f"{self._path} is open to others ({mode:o})", do=f"chmod 600 {self._path}")
        if len(raw) != KEY_BYTES:
            raise KeyPortError(
                f"{self._path} has {len(raw)} bytes, not {KEY_BYTES}", do="restore it from its backup"
            )
        return raw

    def _make(self) -> None:
        """A new key, whole or not at all: another process that makes one at the same moment wins or loses."""
        draft = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        try:
            with open(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as out:
                out.write(os.urandom(KEY_BYTES))
                out.flush()
                os.fsync(out.fileno())
            try:
                os.link(draft, self._path)
            finally:
                draft.unlink()
            # What was encrypted under the key must not be on disk before the key is.
            sync_folder(self._path.parent)
        except FileExistsError:
            return
        except OSError as error:
            raise KeyPortError(
                f"{self._path} cannot be made: {error.strerror}", do="make its folder, or name another"
            ) from error
