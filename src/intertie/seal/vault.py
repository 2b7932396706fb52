"""Encrypted files in a folder: each under a data key of its own, AES-256-GCM, and all data keys, wrapped by one key port,
in one small file. So another passphrase, or a move into a hardware module, replaces that file and nothing else, in one
step; and a secret is destroyed with its data key.

    <name>          "ITK1" || nonce (12) || AES-256-GCM ciphertext || tag (16)
    wrapped.json    { v, party, protection, keys: { name: wrapped data key } }

What a file is for and whose it is, is bound to both: a file in another's place, or another party's, does not open.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from msgspec import Meta

from intertie.model.errors import SettingsError
from intertie.model.ids import PartyId, PartyName
from intertie.model.record import Record
from intertie.seal.encoding import from_base64url, read_canonical, to_base64url, write_canonical
from intertie.seal.key_port import KEY_BYTES, KeyPort
from intertie.seal.private_files import destroy_file, locked, replace_private
from intertie.seal.protection import PLAIN_FILE, Kind, NoProtection, Opener, Protection, kind_of

BOOK_FILE = "wrapped.json"
LOCK_FILE = ".lock"
MAGIC = b"ITK1"
NONCE_BYTES = 12


class _Book(Record, frozen=True, kw_only=True):
    v: Literal[1]
    party: PartyName
    protection: Protection
    # A wrapped data key has 40 bytes (RFC 3394) or 60 (nonce, ciphertext, tag).
    keys: dict[str, Annotated[str, Meta(max_length=200)]]


_BOOK = msgspec.json.Decoder(_Book)


class Vault:
    """The encrypted files of one folder. Its content is read anew at each act: another process may change it."""

    def __init__(self, folder: Path, opener: Opener) -> None:
        """A vault that is there (see `create`); nothing is read or opened yet."""
        self.folder = folder
        self._opener = opener
        self._port: tuple[Protection, KeyPort] | None = None

    def __repr__(self) -> str:
        return f"Vault({str(self.folder)!r})"

    @classmethod
    def create(cls, folder: Path, party: PartyId, kind: Kind, opener: Opener) -> Vault:
        """A new, empty vault; SettingsError if there is one already, KeyPortError if the port does not answer."""
        if (folder / BOOK_FILE).exists():
            raise SettingsError(f"{folder} holds keys already", do="Name another folder.")
        protection = opener.make(kind, party)
        vault = cls(folder, opener)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        vault._write_book(_Book(v=1, party=party, protection=protection, keys={}))
        return vault

    @property
    def exists(self) -> bool:
        """Whether the folder holds one."""
        return (self.folder / BOOK_FILE).exists()

    @property
    def opener(self) -> Opener:
        """What opens its port."""
        return self._opener

    def lock(self) -> AbstractContextManager[None]:
        """Held while a vault is changed. Not to be taken twice by one process."""
        return locked(self.folder / LOCK_FILE)

    def protection(self) -> Protection:
        """How it is protected; SettingsError if the folder cannot be read."""
        return self._read_book().protection

    def kind(self) -> Kind:
        """Which kind of protection that is."""
        return kind_of(self.protection())

    def made_at(self, name: str) -> datetime:
        """When a secret was put here; SettingsError if there is no such file. It is never written again."""
        try:
            return datetime.fromtimestamp((self.folder / name).stat().st_mtime, UTC)
        except OSError as error:
            raise SettingsError(f"{self.folder / name} cannot be read: {error}") from error

    def names(self) -> frozenset[str]:
        """The secrets it holds."""
        return frozenset(self._read_book().keys)

    def read(self, name: str) -> bytes:
        """A secret. SettingsError if it is not there or damaged, KeyPortError if the port does not open it."""
        book = self._read_book()
        if name not in book.keys:
            raise SettingsError(f"{self.folder} holds no {name}", do="Restore the folder from its backup.")
        context = _context(book.party, name)
        key = self._open(book.protection).unwrap(from_base64url(book.keys[name]), context)
        path = self.folder / name
        try:
            raw = path.read_bytes()
            if not raw.startswith(MAGIC):
                raise SettingsError(f"{path} is no encrypted key file", do="Restore it from its backup.")
            nonce, sealed = raw[len(MAGIC) :][:NONCE_BYTES], raw[len(MAGIC) + NONCE_BYTES :]
            return AESGCM(key).decrypt(nonce, sealed, context)
        except OSError as error:
            raise SettingsError(
                f"{path} cannot be read: {error.strerror}", do="Restore it from its backup."
            ) from error
        except (InvalidTag, ValueError) as error:
            raise SettingsError(f"{path} was changed", do="Restore it from its backup.") from error

    def add(self, secrets: Mapping[str, bytes]) -> None:
        """Keep secrets, all or none. The caller holds the lock. SettingsError if one is there already or the folder
        cannot be written, KeyPortError."""
        book = self._read_book()
        port = self._open(book.protection)
        wrapped = {}
        try:
            for name, secret in secrets.items():
                if name in book.keys:
                    raise SettingsError(f"{self.folder / name} exists", do="Keys are never overwritten.")
                context = _context(book.party, name)
                key, nonce = os.urandom(KEY_BYTES), os.urandom(NONCE_BYTES)
                (self.folder / name).parent.mkdir(mode=0o700, exist_ok=True)
                sealed = MAGIC + nonce + AESGCM(key).encrypt(nonce, secret, context)
                replace_private(self.folder / name, sealed)  # what a crash left there has no data key
                wrapped[name] = to_base64url(port.wrap(key, context))
            self._write_book(msgspec.structs.replace(book, keys={**book.keys, **wrapped}))
        except OSError as error:
            raise self._unwritable(error) from error

    def destroy(self, names: Iterable[str]) -> None:
        """Forget secrets for good: first their data keys, then the files, each overwritten. The caller holds the lock."""
        gone = set(names)
        book = self._read_book()
        try:
            self._write_book(
                msgspec.structs.replace(book, keys={n: k for n, k in book.keys.items() if n not in gone})
            )
            for name in sorted(gone):
                destroy_file(self.folder / name)
        except OSError as error:
            raise self._unwritable(error) from error

    def protect(self, kind: Kind) -> Protection:
        """Wrap every data key anew, by a fresh port of this kind: after a crash it is the old one or the new one. The caller
        holds the lock. SettingsError, KeyPortError."""
        book = self._read_book()
        old = self._open(book.protection)
        try:
            if kind == "none":
                # What a crash left, or an earlier trial: nothing is wrapped by it, unless this is one.
                if isinstance(book.protection, NoProtection):
                    return book.protection
                destroy_file(self.folder / PLAIN_FILE)
            protection = self._opener.make(kind, book.party)
            new = self._opener.open(protection, self.folder)
            again = {}
            for name, wrapped in book.keys.items():
                context = _context(book.party, name)
                again[name] = to_base64url(new.wrap(old.unwrap(from_base64url(wrapped), context), context))
            self._write_book(_Book(v=1, party=book.party, protection=protection, keys=again))
            if kind != "none":
                destroy_file(self.folder / PLAIN_FILE)
        except OSError as error:
            raise self._unwritable(error) from error
        return protection

    def _open(self, protection: Protection) -> KeyPort:
        """The port, made once per protection: a passphrase costs a second, a token a login."""
        if self._port is None or self._port[0] != protection:
            self._port = (protection, self._opener.open(protection, self.folder))
        return self._port[1]

    def _read_book(self) -> _Book:
        path = self.folder / BOOK_FILE
        try:
            return read_canonical(path.read_bytes(), _BOOK)
        except FileNotFoundError as error:
            raise SettingsError(
                f"{self.folder} holds no keys: {BOOK_FILE} is missing",
                do="`intertie init` makes keys; otherwise restore them from a backup.",
            ) from error
        except (OSError, ValueError) as error:
            raise SettingsError(
                f"{path} cannot be read: {error}", do="Restore it from its backup."
            ) from error

    def _write_book(self, book: _Book) -> None:
        try:
            replace_private(self.folder / BOOK_FILE, write_canonical(book))
        except OSError as error:
            raise self._unwritable(error) from error

    def _unwritable(self, error: OSError) -> SettingsError:
        return SettingsError(
            f"{self.folder} cannot be written: {error.strerror or error}", do="Check space and permissions."
        )


def _context(party: str, name: str) -> bytes:
    return f"intertie key file 1: {party}: {name}".encode()
