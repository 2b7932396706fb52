"""HPKE by suite name: keys survive as bytes, info binds, nothing opens with another key."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intertie.model.errors import Code, Refused, SettingsError
from intertie.seal.hpke import (
    SealingKey,
    generate_opening_key,
    key_id,
    open_sealed,
    opening_key,
    seal,
    sealing_key,
)
from intertie.seal.profile import PROFILES

SUITES = [profile.suite for profile in PROFILES.values()]
KEYS = {suite: generate_opening_key(suite) for suite in SUITES}


@pytest.mark.parametrize("suite", SUITES)
def test_round_trip_through_bytes(suite: str) -> None:
    key = KEYS[suite]
    public = sealing_key(suite, key.public)
    assert public == key.sealing()
    assert public.kid == key.kid == key_id(key.public)
    assert len(key.kid) == 16
    again = opening_key(suite, key.private)
    assert again == key
    sealed = seal(b"content", public, b"info")
    assert open_sealed(sealed, again, b"info") == b"content"
    assert seal(b"content", public, b"info") != sealed


@pytest.mark.parametrize("suite", SUITES)
def test_what_was_changed_does_not_open(suite: str) -> None:
    sealed = seal(b"content", KEYS[suite].sealing(), b"info")
    changed = [sealed[:-1], sealed + b"\0", b"", sealed[1:], bytes(len(sealed))]
    changed += [
        sealed[:at] + bytes([sealed[at] ^ 0x80]) + sealed[at + 1 :] for at in range(0, len(sealed), 97)
    ]
    for raw in changed:
        with pytest.raises(Refused) as refused:
            open_sealed(raw, KEYS[suite], b"info")
        assert refused.value.code is Code.CANNOT_OPEN
    with pytest.raises(Refused):
        open_sealed(sealed, KEYS[suite], b"Info")
    with pytest.raises(Refused):
        open_sealed(sealed, generate_opening_key(suite), b"info")


def test_the_x25519_bits_that_its_arithmetic_ignores_are_bound_too() -> None:
    """RFC 7748 masks the last bit of a public key: HPKE hashes the key as sent."""
    sealed = seal(b"content", KEYS[SUITES[0]].sealing(), b"")
    changed = sealed[:31] + bytes([sealed[31] ^ 0x80]) + sealed[32:]
    with pytest.raises(Refused):
        open_sealed(changed, KEYS[SUITES[0]], b"")


@pytest.mark.parametrize("suite", [*SUITES, "unknown"])
@pytest.mark.parametrize("size", [0, 1, 31, 33, 5000])
def test_bytes_that_are_no_key(suite: str, size: int) -> None:
    with pytest.raises(Refused) as refused:
        sealing_key(suite, bytes(size))
    assert refused.value.code is Code.BAD_MANIFEST
    with pytest.raises(SettingsError):
        opening_key(suite, bytes(size))
    with pytest.raises(Refused) as refused:
        seal(b"", SealingKey(key_id(b""), suite, bytes(size)), b"")
    assert refused.value.code is Code.UNKNOWN_KEY


def test_a_point_off_the_curve_is_no_key() -> None:
    public = KEYS[SUITES[2]].public
    with pytest.raises(Refused, match="not a public key"):
        sealing_key(SUITES[2], public[:-1] + bytes([public[-1] ^ 1]))


def test_a_scalar_of_zero_is_no_key() -> None:
    with pytest.raises(SettingsError, match="not a private key"):
        opening_key(SUITES[2], bytes(64 + 48))


def test_unknown_suite_has_no_keys() -> None:
    with pytest.raises(SettingsError):
        generate_opening_key("unknown")


def test_private_bytes_are_not_printed() -> None:
    key = KEYS[SUITES[1]]
    assert repr(key.private) not in repr(key)
    assert "private=" not in repr(key)


@settings(max_examples=30, deadline=None)
@given(st.binary(max_size=300), st.binary(max_size=300))
def test_any_content_any_info(content: bytes, info: bytes) -> None:
    for suite in SUITES:
        assert open_sealed(seal(content, KEYS[suite].sealing(), info), KEYS[suite], info) == content


@pytest.mark.parametrize("suite", SUITES)
def test_a_key_is_made_ready_once_and_is_the_same_key_all_the_same(suite: str) -> None:
    key = generate_opening_key(suite)
    again = opening_key(suite, key.private)
    assert key.parsed is key.parsed and key.sealing().parsed is not key.parsed
    assert key == again and repr(key) == repr(again)
    assert open_sealed(seal(b"content", again.sealing(), b""), key, b"") == b"content"
