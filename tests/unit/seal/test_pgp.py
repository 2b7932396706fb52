"""Keys of OpenPGP: ours in the vault, partners' as they are read, and those that cannot be used."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pysequoia import ArmorKind, CipherSuite, Profile, Tsk, armor

from intertie.model.errors import SettingsError
from intertie.model.ids import PartyId
from intertie.seal.pgp import PgpError, PgpFlaw, PgpKey, open_package, read_public_key, verify_detached
from intertie.seal.pgp_child import read_pieces, write_pieces
from intertie.seal.protection import plain_opener
from intertie.seal.vault import Vault

NOW = datetime.now(UTC)


@cache
def folder() -> TemporaryDirectory[str]:
    return TemporaryDirectory()


@cache
def vault() -> Vault:
    """With the keys of both in it: one takes seconds to make."""
    place = Path(folder().name)
    return Vault.create(place / "keys", PartyId("us"), "none", plain_opener(place))


@cache
def us() -> PgpKey:
    return PgpKey.of_vault(vault(), "us", 1)


@cache
def them() -> PgpKey:
    return PgpKey.of_vault(vault(), "them", 2)


def test_our_key_is_made_once_for_each_number() -> None:
    first = us()
    assert PgpKey.of_vault(vault(), "us", 1) == first
    assert them() != first
    assert vault().names() == {"pgp-1.key", "pgp-2.key"}
    assert b"PGP" not in (Path(folder().name) / "keys" / "pgp-1.key").read_bytes()
    facts = read_public_key(first.public, NOW)
    assert facts.bits == 3072 and facts.until is not None
    assert "PRIVATE" not in first.public and repr(first) == "PgpKey()"


def test_there_and_back() -> None:
    opened = open_package(us().seal(b"content", them().public, NOW), [us(), them()], 100)
    assert opened.content == b"content"
    assert verify_detached(b"content", opened.signatures[0], [us().public]).digest == "sha512"
    with pytest.raises(PgpError) as refused:
        verify_detached(b"content", opened.signatures[0], [them().public])
    assert refused.value.flaw is PgpFlaw.NOT_SIGNED


def test_it_is_opened_by_an_older_key_too() -> None:
    assert open_package(us().seal(b"content", them().public, NOW), [them()], 100).content == b"content"
    with pytest.raises(PgpError) as refused:
        open_package(us().seal(b"content", them().public, NOW), [us()], 100)
    assert refused.value.flaw is PgpFlaw.BAD_KEY


def test_a_key_that_has_ended_neither_signs_nor_is_encrypted_for() -> None:
    brief = PgpKey.generate("brief", 1)  # the library dates keys back by a minute
    now = datetime.now(UTC)
    with pytest.raises(SettingsError, match="ended"):
        read_public_key(brief.public, now)
    with pytest.raises(SettingsError, match="ended"):
        us().seal(b"content", brief.public, now)
    with pytest.raises(SettingsError, match="ended"):
        brief.sign(b"content")


def test_keys_that_are_none() -> None:
    for text in ("", "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nAAAA\n-----END PGP PUBLIC KEY BLOCK-----"):
        with pytest.raises(SettingsError, match="not a public key"):
            read_public_key(text, NOW)


def test_curves_are_taken() -> None:
    key = Tsk.generate(user_id="c", cipher_suite=CipherSuite.Cv25519, profile=Profile.RFC4880)
    assert read_public_key(armor(bytes(key.extract_certificate()), ArmorKind.PublicKey), NOW).bits == 0


def test_a_signature_over_nothing_is_none() -> None:
    certificate = bytes(Tsk.from_bytes(us().raw).extract_certificate())
    for raw in (b"", b"hello", certificate):
        with pytest.raises(PgpError):
            verify_detached(b"content", raw, [us().public])


@given(st.lists(st.binary(max_size=50), max_size=5))
def test_pieces_are_read_as_they_were_written(pieces: list[bytes]) -> None:
    whole = write_pieces(pieces)
    assert list(read_pieces(whole)) == pieces
    if pieces and whole[:-1]:
        with pytest.raises(ValueError, match="cut off"):
            list(read_pieces(whole[:-1]))
