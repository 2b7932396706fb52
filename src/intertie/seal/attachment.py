"""Files in sealed chunks: the STREAM construction of Hoang, Reyhanitabar, Rogaway and Vizár (CRYPTO 2015) with AES-256-GCM.

The layout is that of the age format's payload, with chunks of 1 MiB: chunk i is AES-256-GCM of up to 1 MiB of the file under
the nonce `11 bytes i, big endian || 1 if it is the last chunk, else 0`, then its tag. All chunks but the last are full. The
associated data are "intertie-attachment-1" and the 16 bytes of the attachment's id. The key is random and of this one file,
so no nonce comes twice under it. No chunk can be changed, moved, left out, added or taken from another file unseen.
"""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Callable, Iterator
from enum import StrEnum
from typing import NamedTuple, Protocol
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from intertie.model.attachment import (
    ATTACHMENT_BYTES_MAX,
    CIPHER,
    AttachmentId,
    AttachmentRef,
)
from intertie.model.errors import Fault, IntertieError, SettingsError

# A chunk is what is in memory at once; at 1 MiB the tags are 0.0015 % of the file and a call costs a thousandth of its work.
CHUNK_BYTES = 2**20
TAG_BYTES = 16
KEY_BYTES = 32
_LABEL = b"intertie-attachment-1"

Progress = Callable[[int], None]


def no_progress(count: int) -> None:
    """For whoever does not watch."""


class Flaw(StrEnum):
    """How a sealed file is not the one that its message names."""

    CUT_OFF = "cut_off"  # shorter than the message says
    TOO_LONG = "too_long"  # longer
    CHUNK = "chunk"  # a chunk was changed, is in another place, is of another file, or the key is another
    DIGEST = "digest"  # every chunk opens, and yet the file is not the one whose SHA-256 was signed


class AttachmentError(IntertieError):
    """A sealed file that does not open; `flaw` says how, `chunk` which chunk (from 0), where one can be named."""

    fault = Fault.THEIRS

    def __init__(self, ref: AttachmentRef, flaw: Flaw, why: str, chunk: int | None = None) -> None:
        super().__init__(
            f"attachment {ref.id}: {why}", do="Nothing of it was kept. Ask its sender to send it again."
        )
        self.flaw = flaw
        self.chunk = chunk


class Readable(Protocol):
    """Where bytes come from."""

    def read(self, size: int, /) -> bytes:
        """At most so many bytes; fewer only at the end."""


class Writable(Protocol):
    """Where bytes go."""

    def write(self, data: bytes, /) -> object:
        """All of them."""


class Sealed(NamedTuple):
    """What was read while a file was sealed."""

    size: int
    sha256: str


def new_attachment_key() -> str:
    """A fresh 256-bit key as a message holds it."""
    return base64.urlsafe_b64encode(os.urandom(KEY_BYTES)).rstrip(b"=").decode()


def sealed_size(size: int) -> int:
    """How many bytes a file of this size (at least 1) is when sealed."""
    return size + TAG_BYTES * chunk_count(size)


def chunk_count(size: int) -> int:
    """How many chunks it has."""
    return -(-size // CHUNK_BYTES)


def seal_file(
    source: Readable, sink: Writable, id: AttachmentId, key: str, progress: Progress = no_progress
) -> Sealed:
    """Seal what `source` gives, chunk by chunk. SettingsError if that is nothing, or more than an attachment may be; then
    what was written is worthless."""
    gcm, associated = AESGCM(_key(key)), _associated(id)
    digest, size, index = hashlib.sha256(), 0, 0
    chunk = source.read(CHUNK_BYTES)
    if not chunk:
        raise SettingsError("an empty file cannot be attached", do="It would say nothing: leave it out.")
    while chunk:
        size += len(chunk)
        if size > ATTACHMENT_BYTES_MAX:
            raise SettingsError(
                f"a file of more than {ATTACHMENT_BYTES_MAX} bytes cannot be attached",
                do="Send it in parts, or compressed.",
            )
        digest.update(chunk)
        following = source.read(CHUNK_BYTES) if len(chunk) == CHUNK_BYTES else b""
        sink.write(gcm.encrypt(_nonce(index, last=not following), chunk, associated))
        progress(len(chunk))
        chunk, index = following, index + 1
    return Sealed(size, digest.hexdigest())


def open_file(sealed: Readable, ref: AttachmentRef) -> Iterator[bytes]:
    """The file in chunks, each verified before it is given; AttachmentError otherwise.

    What was given is the file only when this has come to its end: the last chunk comes after the digest of all was compared.
    """
    gcm, associated = AESGCM(_key(ref.key)), _associated(ref.id)
    digest, count = hashlib.sha256(), chunk_count(ref.size)
    for index in range(count):
        last = index == count - 1
        size = ref.size - index * CHUNK_BYTES if last else CHUNK_BYTES
        raw = sealed.read(size + TAG_BYTES)
        if len(raw) < size + TAG_BYTES:
            raise AttachmentError(ref, Flaw.CUT_OFF, f"it ends within chunk {index} of {count}", index)
        if last and sealed.read(1):
            raise AttachmentError(ref, Flaw.TOO_LONG, f"it goes on after its {count} chunks")
        try:
            chunk = gcm.decrypt(_nonce(index, last=last), raw, associated)
        except InvalidTag as error:
            why = f"chunk {index} of {count} was changed, does not belong there, or is not under this key"
            raise AttachmentError(ref, Flaw.CHUNK, why, index) from error
        digest.update(chunk)
        if last and digest.hexdigest() != ref.sha256:
            raise AttachmentError(ref, Flaw.DIGEST, "it is not the file whose SHA-256 the message names")
        yield chunk


def make_ref(id: AttachmentId, key: str, sealed: Sealed, name: str, media_type: str) -> AttachmentRef:
    """What a message says of a file that was sealed."""
    return AttachmentRef(
        id=id,
        name=name,
        media_type=media_type,
        size=sealed.size,
        sha256=sealed.sha256,
        cipher=CIPHER,
        key=key,
    )


def _key(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=")


def _nonce(index: int, *, last: bool) -> bytes:
    return index.to_bytes(11, "big") + bytes([last])


def _associated(id: AttachmentId) -> bytes:
    return _LABEL + UUID(id).bytes
