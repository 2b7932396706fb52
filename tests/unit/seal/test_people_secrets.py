"""What people are known by: passwords, one-time codes, and passkeys of an authenticator that the test itself is."""

from __future__ import annotations

import hashlib
import json
import unicodedata
from datetime import UTC, datetime, timedelta
from typing import Any

import cbor2
import pyotp
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st
from webauthn.helpers import bytes_to_base64url

from intertie.model.errors import SettingsError
from intertie.seal.one_time_codes import STEP_SECONDS, enrolment_url, matching_step, new_secret
from intertie.seal.passkeys import NoPasskey, Site, ask_known, ask_new, read_known, read_new, said_id
from intertie.seal.passwords import LENGTH_MAX, LENGTH_MIN, check_new, hash_password, same_password

NOW = datetime(2026, 1, 15, 12, 0, 10, tzinfo=UTC)
SENTENCE = "a feeder, a battery and a kettle"
SITE = Site("portal.test", "https://portal.test")


def test_a_sentence_is_a_password_and_opens() -> None:
    kept = hash_password(check_new(SENTENCE, "ann"))
    assert kept.startswith("$argon2id$") and SENTENCE not in kept
    assert same_password(kept, SENTENCE)
    assert not same_password(kept, SENTENCE + ".")
    assert not same_password(kept, SENTENCE.upper())
    assert hash_password(SENTENCE) != kept  # salted


def test_nobody_has_a_password() -> None:
    assert not same_password(None, "nobody has this password, whatever it is")
    assert not same_password("no hash at all", SENTENCE)


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        ("", "15 to 256"),
        ("x" * (LENGTH_MIN - 1), "15 to 256"),
        ("abcdefgh" * 40, "15 to 256"),
        ("ababababababababab", "different characters"),
        ("ann.miller-ann.miller-1", "more than a name"),
    ],
)
def test_what_is_no_password(bad: str, why: str) -> None:
    with pytest.raises(SettingsError, match=why) as caught:
        check_new(bad, "ann.miller")
    assert not bad or bad not in str(caught.value)


@pytest.mark.parametrize("length", [LENGTH_MIN, LENGTH_MAX])
def test_the_ends_of_the_length_are_in(length: int) -> None:
    assert check_new(("abcdefghij" * 30)[:length]) == ("abcdefghij" * 30)[:length]


def test_a_password_is_the_same_however_the_keyboard_composes_it() -> None:
    composed = "Umspannwerk Nord, Trafo fünf"
    apart = unicodedata.normalize("NFD", composed)
    assert composed != apart
    kept = hash_password(check_new(apart))
    assert same_password(kept, composed) and same_password(kept, apart)


def test_what_is_longer_than_any_password_costs_nothing() -> None:
    assert not same_password(hash_password(SENTENCE), "x" * (LENGTH_MAX + 1))


def code(secret: str, at: datetime) -> str:
    return pyotp.TOTP(secret).at(at)


@pytest.mark.parametrize("steps", [-1, 0, 1])
def test_a_code_of_now_or_beside_it_counts_once(steps: int) -> None:
    secret = new_secret()
    at = NOW + timedelta(seconds=steps * STEP_SECONDS)
    step = matching_step(secret, code(secret, at), NOW, 0)
    assert step == int(at.timestamp()) // STEP_SECONDS
    assert matching_step(secret, code(secret, at), NOW, step) is None


@pytest.mark.parametrize("steps", [-2, 2, 100])
def test_a_code_of_another_time_does_not(steps: int) -> None:
    secret = new_secret()
    at = NOW + timedelta(seconds=steps * STEP_SECONDS)
    assert matching_step(secret, code(secret, at), NOW, 0) is None


def test_a_code_before_the_last_one_used_does_not() -> None:
    secret = new_secret()
    used = matching_step(secret, code(secret, NOW), NOW, 0)
    assert used is not None
    before = code(secret, NOW - timedelta(seconds=STEP_SECONDS))
    assert matching_step(secret, before, NOW, used) is None


@given(st.text(max_size=20))
def test_no_text_is_a_code_unless_it_is_the_code(text: str) -> None:
    secret = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
    good = {code(secret, NOW + timedelta(seconds=STEP_SECONDS * i)) for i in (-1, 0, 1)}
    found = matching_step(secret, text, NOW, 0)
    assert (found is not None) == ("".join(text.split()) in good)


def test_a_code_may_be_typed_in_two_halves() -> None:
    secret = new_secret()
    text = code(secret, NOW)
    assert matching_step(secret, f" {text[:3]} {text[3:]} ", NOW, 0) is not None


def test_what_the_authenticator_reads() -> None:
    url = enrolment_url("JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP", "ann", "Intertie utility.example")
    assert url.startswith("otpauth://totp/") and "ann" in url and "secret=JBSWY3DPEHPK3PXP" in url


class Authenticator:
    """A device with one key (ES256), written after WebAuthn level 3, 6.1 and 6.5, apart from the library that checks it."""

    def __init__(self, site: Site = SITE) -> None:
        self.site = site
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.id = b"\x01" * 32
        self.uses = 0

    def _data(self, flags: int, more: bytes = b"") -> bytes:
        return (
            hashlib.sha256(self.site.host.encode()).digest()
            + bytes([flags])
            + self.uses.to_bytes(4, "big")
            + more
        )

    def _client(self, kind: str, challenge: bytes, origin: str | None = None) -> bytes:
        said = {
            "type": kind,
            "challenge": bytes_to_base64url(challenge),
            "origin": origin or self.site.origin,
        }
        return json.dumps(said).encode()

    def make(self, challenge: bytes, *, verified: bool = True, origin: str | None = None) -> dict[str, Any]:
        numbers = self.key.public_key().public_numbers()
        cose = cbor2.dumps(
            {1: 2, 3: -7, -1: 1, -2: numbers.x.to_bytes(32, "big"), -3: numbers.y.to_bytes(32, "big")}
        )
        attested = bytes(16) + len(self.id).to_bytes(2, "big") + self.id + cose
        data = self._data(0x41 | (0x04 if verified else 0), attested)
        thing = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})
        return self._answer(
            {
                "clientDataJSON": bytes_to_base64url(self._client("webauthn.create", challenge, origin)),
                "attestationObject": bytes_to_base64url(thing),
            }
        )

    def use(self, challenge: bytes, *, verified: bool = True, origin: str | None = None) -> dict[str, Any]:
        self.uses += 1
        client = self._client("webauthn.get", challenge, origin)
        data = self._data(0x01 | (0x04 if verified else 0))
        signature = self.key.sign(data + hashlib.sha256(client).digest(), ec.ECDSA(hashes.SHA256()))
        return self._answer(
            {
                "clientDataJSON": bytes_to_base64url(client),
                "authenticatorData": bytes_to_base64url(data),
                "signature": bytes_to_base64url(signature),
            }
        )

    def _answer(self, response: dict[str, str]) -> dict[str, Any]:
        id = bytes_to_base64url(self.id)
        return {
            "id": id,
            "rawId": id,
            "type": "public-key",
            "response": response,
            "clientExtensionResults": {},
        }


def test_a_passkey_is_made_and_used() -> None:
    device = Authenticator()
    challenge, options = ask_new(SITE, "ann", b"\x02" * 32, [])
    assert options["rp"]["id"] == "portal.test"
    assert options["authenticatorSelection"]["userVerification"] == "required"
    made = read_new(SITE, challenge, device.make(challenge))
    assert made.id == device.id and made.uses == 0
    asked, options = ask_known(SITE)
    assert options["userVerification"] == "required" and asked != challenge
    said = device.use(asked)
    assert said_id(said) == device.id
    assert read_known(SITE, asked, said, made.public_key, made.uses) == 1


def test_not_a_second_passkey_in_one_device() -> None:
    _, options = ask_new(SITE, "ann", b"\x02" * 32, [b"\x01" * 32])
    assert [one["id"] for one in options["excludeCredentials"]] == [bytes_to_base64url(b"\x01" * 32)]


@pytest.mark.parametrize(
    "how", [{"verified": False}, {"origin": "https://elsewhere.test"}, {"origin": "http://portal.test"}]
)
def test_a_passkey_that_is_not_made_here_by_its_owner(how: dict[str, Any]) -> None:
    challenge, _ = ask_new(SITE, "ann", b"\x02" * 32, [])
    with pytest.raises(NoPasskey):
        read_new(SITE, challenge, Authenticator().make(challenge, **how))
    device = Authenticator()
    made = read_new(SITE, challenge, device.make(challenge))
    asked, _ = ask_known(SITE)
    with pytest.raises(NoPasskey):
        read_known(SITE, asked, device.use(asked, **how), made.public_key, 0)


def test_an_answer_to_another_question_or_of_another_key_or_a_copied_key() -> None:
    device, other = Authenticator(), Authenticator()
    challenge, _ = ask_new(SITE, "ann", b"\x02" * 32, [])
    made = read_new(SITE, challenge, device.make(challenge))
    with pytest.raises(NoPasskey):
        read_new(SITE, b"another question" * 4, device.make(challenge))
    asked, _ = ask_known(SITE)
    with pytest.raises(NoPasskey):
        read_known(SITE, b"another question" * 4, device.use(asked), made.public_key, 0)
    with pytest.raises(NoPasskey):
        read_known(SITE, asked, other.use(asked), made.public_key, 0)
    with pytest.raises(NoPasskey):  # its count went back
        read_known(SITE, asked, device.use(asked), made.public_key, 100)


@pytest.mark.parametrize("said", [{}, {"id": 7}, {"id": "AQ", "response": "no"}, {"id": None}])
def test_what_is_no_answer(said: dict[str, Any]) -> None:
    with pytest.raises(NoPasskey):
        read_new(SITE, b"c" * 32, said)
    with pytest.raises(NoPasskey):
        read_known(SITE, b"c" * 32, said, b"key", 0)
    if not isinstance(said.get("id"), str):
        with pytest.raises(NoPasskey):
            said_id(said)
