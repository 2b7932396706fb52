"""Files in sealed chunks: what was sealed opens, and everything else is refused by its name."""

from __future__ import annotations

import hashlib
import io
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

import msgspec
import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given, settings
from hypothesis import strategies as st

from intertie.model.attachment import AttachmentId, AttachmentRef
from intertie.model.errors import SettingsError
from intertie.model.ids import new_uuid7
from intertie.seal import attachment
from intertie.seal.attachment import (
    CHUNK_BYTES,
    TAG_BYTES,
    AttachmentError,
    Flaw,
    chunk_count,
    make_ref,
    new_attachment_key,
    open_file,
    seal_file,
    sealed_size,
)

SMALL = 64  # bytes of a chunk in most tests: the construction is the same, and thousands of cases are quick
SIZES = [1, SMALL - 1, SMALL, SMALL + 1, 2 * SMALL, 5 * SMALL - 1, 5 * SMALL, 5 * SMALL + 1]


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attachment, "CHUNK_BYTES", SMALL)


@dataclass
class File:
    """A file, what it is sealed, and what its message says of it."""

    plain: bytes
    sealed: bytes
    ref: AttachmentRef

    def chunk(self, index: int) -> slice:
        full = attachment.CHUNK_BYTES + TAG_BYTES
        return slice(index * full, min((index + 1) * full, len(self.sealed)))

    def chunks(self) -> list[bytes]:
        return [self.sealed[self.chunk(i)] for i in range(chunk_count(len(self.plain)))]


def new_id() -> AttachmentId:
    return AttachmentId(new_uuid7(datetime.now(UTC)))


def a_file(plain: bytes, id: AttachmentId | None = None, key: str | None = None) -> File:
    id, key, out = id or new_id(), key or new_attachment_key(), io.BytesIO()
    sealed = seal_file(io.BytesIO(plain), out, id, key)
    return File(plain, out.getvalue(), make_ref(id, key, sealed, "readings.csv", "text/csv"))


def opened(raw: bytes, ref: AttachmentRef) -> bytes:
    return b"".join(open_file(io.BytesIO(raw), ref))


def flaw_of(raw: bytes, ref: AttachmentRef) -> tuple[Flaw, int | None]:
    """How it is refused; nothing of a chunk that does not verify, and never the last one, may have been given."""
    given_out = 0
    with pytest.raises(AttachmentError) as caught:
        for chunk in open_file(io.BytesIO(raw), ref):
            given_out += len(chunk)
    assert given_out < ref.size
    assert ref.name not in str(caught.value) and ref.key not in str(caught.value)
    return caught.value.flaw, caught.value.chunk


# What was sealed opens


@pytest.mark.parametrize("size", [1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES])
def test_a_file_opens_to_its_bytes_at_the_real_chunk_size(size: int) -> None:
    file = a_file(os.urandom(size))
    assert len(file.sealed) == sealed_size(size)
    assert opened(file.sealed, file.ref) == file.plain
    assert file.ref.sha256 == hashlib.sha256(file.plain).hexdigest() and file.ref.size == size


@settings(max_examples=200, deadline=None)
@given(plain=st.binary(min_size=1, max_size=6 * SMALL))
def test_any_file_opens_to_its_bytes(plain: bytes) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(attachment, "CHUNK_BYTES", SMALL)
        file = a_file(plain)
        assert len(file.sealed) == sealed_size(len(plain))
        assert opened(file.sealed, file.ref) == plain


def test_the_layout_is_the_one_that_is_written_down() -> None:
    """STREAM as age lays it out, with AES-256-GCM: rebuilt here from the sentence in the documentation."""
    plain = os.urandom(2 * CHUNK_BYTES + 5)
    file = a_file(plain)
    gcm = AESGCM(_key(file.ref.key))
    associated = b"intertie-attachment-1" + UUID(file.ref.id).bytes
    by_hand = b""
    for index, last in ((0, 0), (1, 0), (2, 1)):
        nonce = index.to_bytes(11, "big") + bytes([last])
        by_hand += gcm.encrypt(nonce, plain[index * CHUNK_BYTES : (index + 1) * CHUNK_BYTES], associated)
    assert by_hand == file.sealed


def _key(text: str) -> bytes:
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    number = 0
    for letter in text:
        number = number << 6 | alphabet.index(letter)
    return (number >> 2).to_bytes(32, "big")


def test_keys_are_fresh_and_of_256_bits() -> None:
    keys = {new_attachment_key() for _ in range(100)}
    assert len(keys) == 100
    assert all(len(key) == 43 and len(_key(key)) == 32 for key in keys)


def test_two_seals_of_one_file_share_nothing() -> None:
    one, other = a_file(b"the same" * 10), a_file(b"the same" * 10)
    assert one.sealed != other.sealed and one.ref.sha256 == other.ref.sha256


def test_an_empty_file_and_one_too_large_are_not_sealed(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingsError, match="empty file"):
        a_file(b"")
    monkeypatch.setattr(attachment, "ATTACHMENT_BYTES_MAX", 100)
    with pytest.raises(SettingsError, match="more than 100 bytes"):
        a_file(bytes(101))
    assert a_file(bytes(100)).ref.size == 100


def test_whoever_watches_hears_of_each_chunk(small: None) -> None:
    heard: list[int] = []
    seal_file(io.BytesIO(bytes(3 * SMALL + 1)), io.BytesIO(), new_id(), new_attachment_key(), heard.append)
    assert heard == [SMALL, SMALL, SMALL, 1]


# Everything else is refused by name


@pytest.mark.parametrize("size", SIZES)
def test_cut_off_anywhere(small: None, size: int) -> None:
    file = a_file(os.urandom(size))
    for end in range(len(file.sealed)):
        flaw, chunk = flaw_of(file.sealed[:end], file.ref)
        assert flaw is Flaw.CUT_OFF and chunk == end // (SMALL + TAG_BYTES)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("more", [1, TAG_BYTES, SMALL + TAG_BYTES])
def test_extended(small: None, size: int, more: int) -> None:
    file = a_file(os.urandom(size))
    assert flaw_of(file.sealed + os.urandom(more), file.ref)[0] is Flaw.TOO_LONG


def test_extended_by_a_chunk_of_its_own(small: None) -> None:
    """The first chunk again after the last: known bytes under the same key."""
    file = a_file(os.urandom(3 * SMALL))
    assert flaw_of(file.sealed + file.chunks()[0], file.ref)[0] is Flaw.TOO_LONG


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_a_flipped_bit_names_its_chunk(data: st.DataObject) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(attachment, "CHUNK_BYTES", SMALL)
        file = a_file(data.draw(st.binary(min_size=1, max_size=4 * SMALL)))
        place = data.draw(st.integers(0, len(file.sealed) * 8 - 1))
        raw = bytearray(file.sealed)
        raw[place // 8] ^= 1 << place % 8
        assert flaw_of(bytes(raw), file.ref) == (Flaw.CHUNK, place // 8 // (SMALL + TAG_BYTES))


@settings(max_examples=100, deadline=None)
@given(order=st.permutations(range(5)))
def test_chunks_in_another_order(order: list[int]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(attachment, "CHUNK_BYTES", SMALL)
        file = a_file(os.urandom(5 * SMALL))
        raw = b"".join(file.chunks()[place] for place in order)
        if order == sorted(order):
            assert opened(raw, file.ref) == file.plain
            return
        first = next(place for place, chunk in enumerate(order) if place != chunk)
        assert flaw_of(raw, file.ref) == (Flaw.CHUNK, first)


@pytest.mark.parametrize("gone", range(4))
def test_a_chunk_left_out(small: None, gone: int) -> None:
    file = a_file(os.urandom(4 * SMALL))
    raw = b"".join(chunk for place, chunk in enumerate(file.chunks()) if place != gone)
    flaw, chunk = flaw_of(raw, file.ref)
    assert (flaw, chunk) == ((Flaw.CUT_OFF, 3) if gone == 3 else (Flaw.CHUNK, gone))


def test_the_last_chunk_left_out_and_the_message_made_to_fit(small: None) -> None:
    """Even whoever could change size and digest in the message cannot make a shorter file of it: the last chunk says so."""
    file = a_file(os.urandom(3 * SMALL))
    shorter = file.plain[: 2 * SMALL]
    ref = msgspec.structs.replace(file.ref, size=2 * SMALL, sha256=hashlib.sha256(shorter).hexdigest())
    assert flaw_of(b"".join(file.chunks()[:2]), ref) == (Flaw.CHUNK, 1)


def test_a_chunk_of_another_file_under_the_same_key(small: None) -> None:
    """A key is never used twice; were it, the id would still keep two files apart."""
    key = new_attachment_key()
    one, other = a_file(bytes(2 * SMALL), key=key), a_file(bytes(2 * SMALL), key=key)
    assert flaw_of(one.chunks()[0] + other.chunks()[1], one.ref) == (Flaw.CHUNK, 1)


def test_another_id_or_another_key(small: None) -> None:
    file = a_file(os.urandom(2 * SMALL))
    for changed in ({"id": new_id()}, {"key": new_attachment_key()}):
        assert flaw_of(file.sealed, msgspec.structs.replace(file.ref, **changed)) == (Flaw.CHUNK, 0)


def test_a_file_that_is_not_the_signed_one(small: None) -> None:
    """Sealed as it should be, under the right key and id: but not the bytes whose digest the message names."""
    file = a_file(b"what was signed " * 20)
    other = a_file(b"what was sealed " * 20, file.ref.id, file.ref.key)
    assert flaw_of(other.sealed, file.ref) == (Flaw.DIGEST, None)


def test_a_size_that_is_not_the_files(small: None) -> None:
    file = a_file(os.urandom(2 * SMALL + 5))
    assert flaw_of(file.sealed, msgspec.structs.replace(file.ref, size=2 * SMALL + 4))[0] is Flaw.TOO_LONG
    assert flaw_of(file.sealed, msgspec.structs.replace(file.ref, size=2 * SMALL + 6))[0] is Flaw.CUT_OFF
