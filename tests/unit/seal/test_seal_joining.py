"""The code that people hand over, the proofs of who holds it, and the words that they compare."""

from __future__ import annotations

import hashlib
import hmac
import re
from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intertie.model.errors import SettingsError
from intertie.model.ids import PartyId
from intertie.model.party import Role
from intertie.seal.certificates import TrustStore
from intertie.seal.joining import (
    JoinCode,
    commitment,
    derive_keys,
    digest_of,
    leaf_digest,
    new_code,
    own_roots,
    prove,
    proves,
    read_code,
    same_words,
    words_of,
    write_code,
)
from intertie.seal.keys import PrivateKeys, generate_keys
from intertie.seal.trial_ca import TrialCa

NOW = datetime(2026, 1, 15, 12, 0, tzinfo=UTC)
CODE = JoinCode("join.utility.example:8453", "0102030405", bytes(range(16)), NOW)
LETTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

codes = st.builds(
    JoinCode,
    st.sampled_from(["127.0.0.1:1", "join.utility.example:8453", "[2001:db8::1]:65535", "a:0"]),
    st.binary(min_size=5, max_size=5).map(bytes.hex),
    st.binary(min_size=16, max_size=16),
    st.integers(1_700_000_000, 4_000_000_000).map(lambda at: datetime.fromtimestamp(at, UTC)),
)


@given(codes)
def test_a_code_is_read_as_it_was_written(code: JoinCode) -> None:
    assert read_code(write_code(code)) == code


@settings(max_examples=30)
@given(codes, st.randoms(use_true_random=False))
def test_how_it_is_typed_does_not_matter(code: JoinCode, random: Random) -> None:
    typed = [
        random.choice({"0": "0oO", "1": "1iIlL"}.get(letter, letter + letter.lower()))
        + random.choice(["", "", " ", "-", "\n"])
        for letter in write_code(code).replace("-", "")
    ]
    assert read_code("".join(typed)) == code


@given(codes, st.data())
def test_a_wrong_letter_is_found(code: JoinCode, data: st.DataObject) -> None:
    text = write_code(code).replace("-", "")
    place = data.draw(st.integers(0, len(text) - 1))
    wrong = data.draw(st.sampled_from([letter for letter in LETTERS if letter != text[place]]))
    with pytest.raises(SettingsError, match="not complete, or a letter"):
        read_code(text[:place] + wrong + text[place + 1 :])


@given(codes, st.integers(1, 60))
def test_a_part_of_a_code_is_none(code: JoinCode, missing: int) -> None:
    with pytest.raises(SettingsError):
        read_code(write_code(code).replace("-", "")[:-missing])


@given(st.text(max_size=200) | st.binary(max_size=900).map(lambda raw: raw.decode("latin-1")))
def test_anything_else_is_refused_with_advice(text: str) -> None:
    with pytest.raises(SettingsError) as refused:
        read_code(text)
    assert refused.value.do


def test_the_form_is_fixed() -> None:
    """Another implementation reads, derives and says the same; this one uses nothing of ours."""
    text = (
        "040G4-0R40M-0020G-30G2G-C1R81-450P3-0D1R7-PJT6P-R1N6Y-TBE5S-"
        "TQ8TB-CD5T7-JBK5F-1GPTW-3CCMX-3GD1N-6EW5X-WG"
    )
    assert write_code(CODE) == text
    digits = {letter: place for place, letter in enumerate(LETTERS)}
    bits = "".join(f"{digits[letter]:05b}" for letter in text.replace("-", ""))
    raw = bytes(int(bits[at : at + 8], 2) for at in range(0, len(bits) - 7, 8))
    assert raw[0] == 1 and raw[1:6].hex() == CODE.invitation and raw[6:22] == CODE.secret
    assert raw[-3:] == hashlib.sha256(b"intertie joining code" + raw[:-3]).digest()[:3]

    def hkdf(secret: bytes, salt: bytes, info: str) -> bytes:
        middle = hmac.digest(salt, secret, "sha256")
        return hmac.digest(middle, f"intertie joining 1 {info}".encode() + b"\x01", "sha256")

    root = hkdf(raw[6:22], CODE.invitation.encode(), "root")
    assert derive_keys(CODE) == (root, hkdf(raw[6:22], CODE.invitation.encode(), "token"))
    said = hashlib.sha256(b"\0\0\0\x05first\0\0\0\x01b").digest()
    assert prove(root, "offer", b"first", b"b") == hmac.digest(hkdf(root, b"proof", "offer"), said, "sha256")
    spoken = hmac.digest(
        hkdf(root, b"proof", "words"), hashlib.sha256(b"\0\0\0 " + bytes(32)).digest(), "sha256"
    )
    assert words_of(root, bytes(32)) == " ".join(proquint(spoken[at : at + 2]) for at in range(0, 10, 2))


def proquint(two: bytes) -> str:
    """The specification's table, digit by digit: consonants for four bits, vowels for two."""
    bits = f"{int.from_bytes(two, 'big'):016b}"
    parts = (bits[:4], bits[4:6], bits[6:10], bits[10:12], bits[12:])
    return "".join(("bdfghjklmnprstvz" if len(part) == 4 else "aiou")[int(part, 2)] for part in parts)


def test_the_specifications_own_example() -> None:
    """127.0.0.1 is lusab-babad."""
    assert (proquint(bytes([127, 0])), proquint(bytes([0, 1]))) == ("lusab", "babad")


@pytest.mark.parametrize(
    "address", ["", "host", "host:", ":1", "host:123456", "ho st:1", "host:1\n", "h/x:1", "x" * 260 + ":1"]
)
def test_an_address_that_is_none_makes_no_code(address: str) -> None:
    with pytest.raises(SettingsError, match="host:port"):
        new_code(address, NOW)


def test_two_codes_have_nothing_in_common() -> None:
    one, two = new_code("a:1", NOW), new_code("a:1", NOW)
    assert one.invitation != two.invitation and one.secret != two.secret
    assert derive_keys(one) != derive_keys(two)


def test_no_repr_shows_a_secret() -> None:
    shown = f"{CODE!r} {derive_keys(CODE)!r}"
    assert CODE.secret.hex() not in shown and str(CODE.secret) not in shown
    assert str(derive_keys(CODE).root) not in shown


def test_what_the_inviter_keeps_is_not_what_the_code_holds() -> None:
    keys = derive_keys(CODE)
    assert len({CODE.secret, keys.root, keys.token, keys.root[:16], keys.token[:16]}) == 5


PARTS = st.lists(st.binary(max_size=8), max_size=4)


@given(PARTS, PARTS)
def test_parts_do_not_run_together(one: list[bytes], two: list[bytes]) -> None:
    assert (digest_of(*one) == digest_of(*two)) == (one == two)


@given(PARTS, PARTS, st.sampled_from(["hello", "offer", "answer", "done"]))
def test_a_proof_is_for_one_thing_said_for_one_purpose(one: list[bytes], two: list[bytes], what: str) -> None:
    root = derive_keys(CODE).root
    proof = prove(root, what, *one)
    assert proves(proof, root, what, *two) == (one == two)
    assert not proves(proof, root, what + "x", *one)
    assert not proves(proof, bytes(32), what, *one)
    assert not proves(proof[:-1], root, what, *one) and not proves(b"", root, what, *one)


def test_the_commitment_binds_everything_the_joiner_sends() -> None:
    base = ("id", b"nonce", b"descriptor", b"roots")
    others = [("ie", *base[1:])] + [(*base[:n], b"x", *base[n + 1 :]) for n in (1, 2, 3)]
    assert len({commitment(*parts) for parts in [base, *others]}) == 5  # type: ignore[arg-type]


@given(st.binary(min_size=32, max_size=32))
def test_words_can_be_spoken(transcript: bytes) -> None:
    words = words_of(bytes(32), transcript)
    assert re.fullmatch("([bdfghjklmnprstvz][aiou][bdfghjklmnprstvz][aiou][bdfghjklmnprstvz] ?){5}", words)
    assert same_words(f"  {words.upper().replace(' ', ', ')}.", words)


@given(st.binary(min_size=32, max_size=32), st.binary(min_size=32, max_size=32))
def test_words_differ_with_what_was_said(one: bytes, two: bytes) -> None:
    assert (words_of(bytes(32), one) == words_of(bytes(32), two)) == (one == two)


@pytest.mark.parametrize(
    "said", ["", "lusab", "lusab babad gutih tugad kopim", "lusab babad gutih tugad kopin lusab"]
)
def test_other_words_are_not_the_same(said: str) -> None:
    assert not same_words(said, "lusab babad gutih tugad kopin")
    assert not same_words(said, "")


@pytest.fixture(scope="module")
def authorities() -> tuple[TrialCa, TrialCa]:
    span = NOW - timedelta(days=1), NOW + timedelta(days=100)
    return TrialCa.create("Ours", *span), TrialCa.create("Theirs", *span)


@pytest.fixture(scope="module")
def keys(authorities: tuple[TrialCa, TrialCa]) -> PrivateKeys:
    return generate_keys(PartyId("utility.example"), frozenset({Role.AGENCY}), authorities[0], NOW)


def test_only_our_own_roots_are_given_away(keys: PrivateKeys, authorities: tuple[TrialCa, TrialCa]) -> None:
    ours, theirs = (authority.trust() for authority in authorities)
    given_away = own_roots(keys, theirs.joined(ours))
    assert {c.subject for c in TrustStore.of_pem(given_away).roots} == {c.subject for c in ours.roots}
    assert own_roots(keys, ours.joined(theirs)) == given_away


def test_keys_without_their_root_are_a_mistake(
    keys: PrivateKeys, authorities: tuple[TrialCa, TrialCa]
) -> None:
    with pytest.raises(SettingsError, match="leads to no root"):
        own_roots(keys, authorities[1].trust())


def test_the_leaf_is_the_first_of_a_chain(keys: PrivateKeys) -> None:
    assert leaf_digest(keys.tls.chain) == leaf_digest(keys.tls.chain + keys.tls.chain)
    assert len(leaf_digest(keys.tls.chain)) == 32
