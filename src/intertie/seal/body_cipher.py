"""Message bodies at rest: each is a ciphertext of its own under a data key of its month, so that one can be read, or
erased, without its neighbours; and the data keys, wrapped by the key port.

A ciphertext is nonce (12 random bytes) || AES-256-GCM || tag (16). Its associated data name the row it belongs to and the
hash of the body: moved to another row, or put in the place of another body, it does not open.
"""

from __future__ import annotations

import os
import struct
from collections import OrderedDict
from collections.abc import Sequence
from threading import Lock
from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from intertie.model.errors import StoreError
from intertie.model.ids import MessageId
from intertie.seal.key_port import KEY_BYTES, KeyPort, KeyPortError

NONCE_BYTES = 12
TAG_BYTES = 16
# How much longer a ciphertext is than its body.
OVERHEAD = NONCE_BYTES + TAG_BYTES
# SP 800-38D s.8.3: at most 2^32 encryptions with random nonces under one key.
USES_MAX = 2**32
# Unwrapped keys in memory: five years of months. A hardware module takes milliseconds for each.
CACHED_MAX = 64


_ROW = struct.Struct(">QB").pack


class StoreLockedError(StoreError):
    """Bodies can be neither read nor written: the key that opens the data keys is not here. Nothing is lost."""


class BodyName(NamedTuple):
    """The row that a body belongs to, and the leaf hash of its bytes."""

    seq: int
    outgoing: bool
    id: MessageId
    leaf: bytes

    def associated(self) -> bytes:
        """Bound to the ciphertext."""
        return _ROW(self.seq, self.outgoing) + self.leaf + self.id.encode()


class DataKey(NamedTuple):
    """A data key as the store keeps it."""

    number: int
    month: str  # "2026-07", in UTC
    wrapped: bytes

    @property
    def context(self) -> bytes:
        """What the key port binds: a wrapped key put into another row does not unwrap."""
        return f"data key {self.number} of {self.month}".encode()


class BodyCipher:
    """Encrypts and decrypts bodies under one data key. Safe to use from any thread."""

    def __init__(self, key: bytes) -> None:
        self._gcm = AESGCM(key)

    def seal(self, bodies: Sequence[tuple[BodyName, bytes]]) -> bytes:
        """The ciphertexts end to end, each OVERHEAD longer than its body."""
        nonces = os.urandom(NONCE_BYTES * len(bodies))
        encrypt, parts = self._gcm.encrypt, list[bytes]()
        for start, (name, body) in zip(range(0, len(nonces), NONCE_BYTES), bodies, strict=True):
            nonce = nonces[start : start + NONCE_BYTES]
            parts += nonce, encrypt(nonce, body, name.associated())
        return b"".join(parts)

    def open(self, name: BodyName, sealed: bytes) -> bytes:
        """The body; StoreError if the ciphertext is not that row's, or was changed."""
        try:
            return self._gcm.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], name.associated())
        except (InvalidTag, ValueError) as error:
            raise StoreError(
                f"the body of message {name.id} was changed in the store, or belongs to another row",
                do="stop the gateway and restore the last backup",
            ) from error


class BodyKeys:
    """The data keys, unwrapped when they are needed and kept in memory. Safe to use from any thread.

    Without a port everything raises StoreLockedError.
    """

    def __init__(self, port: KeyPort | None) -> None:
        self._port = port
        self._lock = Lock()
        # By the wrapped bytes: a row that was rolled back and written again is another key.
        self._open: OrderedDict[bytes, BodyCipher] = OrderedDict()

    @property
    def port_name(self) -> str:
        """The name of the key port."""
        return self._needed().name

    def make(self, number: int, month: str) -> DataKey:
        """A fresh data key, wrapped."""
        key = DataKey(number, month, b"")
        return key._replace(wrapped=self._needed().wrap(os.urandom(KEY_BYTES), key.context))

    def cipher(self, key: DataKey) -> BodyCipher:
        """The cipher of a data key; StoreLockedError if the port does not unwrap it."""
        with self._lock:
            known = self._open.get(key.wrapped)
            if known is None:
                known = self._open[key.wrapped] = BodyCipher(self._unwrap(key))
                if len(self._open) > CACHED_MAX:
                    self._open.popitem(last=False)
            return known

    def forget(self, key: DataKey) -> None:
        """Drop the unwrapped key of one that is destroyed."""
        with self._lock:
            self._open.pop(key.wrapped, None)

    def rewrap(self, key: DataKey, port: KeyPort) -> DataKey:
        """The same data key, wrapped by another port."""
        return key._replace(wrapped=port.wrap(self._unwrap(key), key.context))

    def use(self, port: KeyPort) -> None:
        """From now on, this port."""
        with self._lock:
            self._port = port
            self._open.clear()

    def _needed(self) -> KeyPort:
        if self._port is None:
            raise StoreLockedError(
                "the store was opened without its key port: bodies stay closed",
                do="open it with the key port of this gateway",
            )
        return self._port

    def _unwrap(self, key: DataKey) -> bytes:
        port = self._needed()
        try:
            return port.unwrap(key.wrapped, key.context)
        except KeyPortError as error:
            raise StoreLockedError(
                f"data key {key.number} of {key.month} stays closed: {error.why}", do=error.do
            ) from error
