"""Signatures as libsodium's crypto_sign makes them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intertie.model.errors import Code, Refused, SettingsError
from intertie.model.ids import PartyId
from intertie.seal.protection import Opener, Secrets
from intertie.seal.sodium_sign import (
    SECRET,
    SodiumKey,
    fingerprint,
    key_of,
    open_signed,
    read_public,
    write_public,
)
from intertie.seal.vault import Vault

KEY = SodiumKey.of_seed(bytes(range(32)))


def test_rfc_8032_7_1_test_2() -> None:
    """The combined form is signature, then message."""
    key = SodiumKey.of_seed(bytes.fromhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb"))
    signature = (
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
        "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
    )
    assert key.sign(b"\x72").hex() == signature + "72"
    assert key.public.hex() == "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"


@given(st.binary(max_size=200))
def test_what_is_signed_opens(message: bytes) -> None:
    assert open_signed(KEY.sign(message), KEY.public) == message


@given(st.binary(max_size=50), st.integers(0, 63 + 50), st.integers(1, 255))
def test_one_changed_byte_does_not_open(message: bytes, place: int, change: int) -> None:
    signed = bytearray(KEY.sign(message))
    signed[place % len(signed)] ^= change
    with pytest.raises(Refused) as refused:
        open_signed(bytes(signed), KEY.public)
    assert refused.value.code is Code.SIGNATURE_INVALID


@pytest.mark.parametrize(
    "signed", [b"", b"x" * 63, SodiumKey.generate().sign(b"m")], ids=["nothing", "too short", "another key"]
)
def test_other_bytes_and_other_keys_do_not_open(signed: bytes) -> None:
    with pytest.raises(Refused):
        open_signed(signed, KEY.public)


def test_a_public_key_with_one_to_encrypt_for_beside_it() -> None:
    text = write_public(KEY.public + b"e" * 32)
    assert read_public(text) == KEY.public == read_public(write_public(KEY.public))
    assert fingerprint(KEY.public) != fingerprint(b"e" * 32)


@pytest.mark.parametrize("text", ["", "cs1.", "cs1.AAAA", "cs2." + "A" * 43 + "=", "cs1.#"])
def test_no_key(text: str) -> None:
    with pytest.raises(SettingsError):
        read_public(text)


def test_our_key_is_made_once_and_kept_encrypted(tmp_path: Path) -> None:
    vault = Vault.create(tmp_path / "keys", PartyId("a.example"), "none", Opener(Secrets(), tmp_path, {}))
    first, second = key_of(vault), key_of(vault)
    assert first.public == second.public
    assert first.seed not in (tmp_path / "keys" / SECRET).read_bytes()
    assert "seed" not in repr(first) and first.seed.hex() not in repr(first)
