"""Sealed offers: opened by their key only, to what was committed to only, in their place only."""

from __future__ import annotations

import base64
import hashlib
import os

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from intertie.seal.sealed_offer import (
    LABEL,
    Closed,
    Context,
    OpeningError,
    close_offer,
    commitment_of,
    open_offer,
)

HERE = Context("aggregator.example", "utility.example", "N1", 1, "O1", 1)
PLAIN = b'{"offer":"O1","price":"0.70"}'


def text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


@given(st.binary(min_size=1, max_size=5000))
def test_what_goes_in_comes_out(plain: bytes) -> None:
    closed, opening = close_offer(plain, HERE)
    assert open_offer(closed, opening, HERE) == plain


def test_two_seals_of_one_offer_have_nothing_in_common() -> None:
    (one, key), (other, other_key) = close_offer(PLAIN, HERE), close_offer(PLAIN, HERE)
    assert not set(one) & set(other) and not set(key) & set(other_key)


@pytest.mark.parametrize("field", Context._fields)
def test_it_opens_in_its_own_place_only(field: str) -> None:
    closed, opening = close_offer(PLAIN, HERE)
    there = HERE._replace(**{field: 2 if field.endswith("revision") else "other"})
    with pytest.raises(OpeningError, match="does not open"):
        open_offer(closed, opening, there)


@pytest.mark.parametrize("field", ["key", "salt"])
def test_another_key_or_salt(field: str) -> None:
    closed, opening = close_offer(PLAIN, HERE)
    with pytest.raises(OpeningError):
        open_offer(closed, opening._replace(**{field: text(os.urandom(32))}), HERE)


@pytest.mark.parametrize("part", ["nonce", "ciphertext"])
def test_a_changed_bit(part: str) -> None:
    closed, opening = close_offer(PLAIN, HERE)
    raw = bytearray(base64.urlsafe_b64decode(getattr(closed, part) + "=="))
    raw[3] ^= 1
    with pytest.raises(OpeningError, match="does not open"):
        open_offer(closed._replace(**{part: text(bytes(raw))}), opening, HERE)


def test_a_second_text_under_another_key_is_not_what_was_committed_to() -> None:
    """The attack that AES-GCM alone would leave open: a ciphertext that a chosen key opens to a better price."""
    closed, opening = close_offer(PLAIN, HERE)
    key, nonce = os.urandom(32), os.urandom(12)
    better = AESGCM(key).encrypt(nonce, PLAIN.replace(b"0.70", b"0.10"), LABEL + HERE.associated())
    forged = Closed(closed.commitment, text(nonce), text(better))
    with pytest.raises(OpeningError, match="not what was committed to"):
        open_offer(forged, opening._replace(key=text(key)), HERE)


@pytest.mark.parametrize("wrong", ["A", "A" * 44, "*" * 43, "A" * 42 + "B", "ä" * 43])
def test_a_key_that_is_no_key(wrong: str) -> None:
    closed, opening = close_offer(PLAIN, HERE)
    with pytest.raises(OpeningError, match="key: not"):
        open_offer(closed, opening._replace(key=wrong), HERE)


def test_the_commitment_is_the_formula_of_the_page() -> None:
    """docs/market.md, written here once more: a vector that another program can check."""
    bound = b"aggregator.example\nutility.example\nN1\n1\nO1\n1"
    said = b"intertie sealed offer v1\n" + len(bound).to_bytes(4, "big") + bound + bytes(32) + b"{}"
    assert commitment_of(b"{}", bytes(32), HERE) == hashlib.sha256(said).hexdigest()
