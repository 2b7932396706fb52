"""OCSP between our own request, our own responder and our own judgement; `openssl ocsp` is in tests/interop."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from seal_world import World

from intertie.model.errors import Refused, SettingsError
from intertie.model.ids import party_id
from intertie.model.party import Role
from intertie.seal.ca_register import Register
from intertie.seal.ca_responder import ANSWER_LIFE, answer_request
from intertie.seal.certificates import check_chain, read_certificate
from intertie.seal.issuing import Publishing, leaf_certificate, no_answer
from intertie.seal.keys import generate_keys
from intertie.seal.ocsp import (
    ANSWER_BYTES_MAX,
    HashName,
    OcspAnswer,
    check_answer,
    ocsp_url,
    read_answer,
    write_question,
)
from intertie.seal.revocation import TrustRules
from intertie.seal.trial_ca import TrialCa

# An answer says when it was produced, and the library takes that from the machine's clock: so this world is of today.
NOW = datetime.now(UTC).replace(microsecond=0)
# Answers are stamped by the clock of this machine: a whole run of the tests must be over by then, and an answer still hold.
SOON = NOW + timedelta(minutes=59)
NONE = timedelta()
HOUR = timedelta(hours=1)


@pytest.fixture(scope="module")
def world() -> World:
    ca = TrialCa.create("Test", NOW - timedelta(days=30), NOW + timedelta(days=1500))
    agg, util = (
        generate_keys(party_id(name), frozenset({Role.DER_AGGREGATOR}), ca, NOW - 2 * HOUR)
        for name in ("agg.example", "util.example")
    )
    return World(ca, ca.trust(), agg, util, NOW)


@pytest.fixture
def register(world: World, tmp_path: Path) -> Register:
    register = Register(tmp_path)
    register.record([key.chain[0] for key in world.agg.signing.values()], NOW)
    return register


def pair(world: World, alg: str = "ES256") -> tuple[x509.Certificate, x509.Certificate]:
    """A leaf and its issuer."""
    issuer = world.ca.classical if alg.startswith("ES") else world.ca.post_quantum
    return read_certificate(world.agg.signing[alg].chain[0]), issuer.certificate


def asked(
    world: World,
    register: Register,
    alg: str = "ES256",
    *,
    at: datetime = NOW,
    hash_name: HashName = "sha256",
) -> tuple[OcspAnswer, bytes]:
    """The answer to a request, and the nonce of the request."""
    request, nonce = write_question(*pair(world, alg), hash_name=hash_name)
    return read_answer(answer_request(world.ca, register, request, at)), nonce


@pytest.mark.parametrize("alg", ["ES256", "ES384", "ML-DSA-65", "ML-DSA-87"])
@pytest.mark.parametrize("hash_name", ["sha1", "sha256"])
def test_good(world: World, register: Register, alg: str, hash_name: HashName) -> None:
    answer, nonce = asked(world, register, alg, hash_name=hash_name)
    assert (answer.state, answer.nonce, answer.revoked) == ("good", nonce, None)
    assert (answer.since, answer.until) == (NOW, NOW + ANSWER_LIFE)
    check_answer(answer, *pair(world, alg), now=SOON, skew=NONE, nonce=nonce)


def test_revoked_counts_from_its_date(world: World, register: Register) -> None:
    leaf, _ = pair(world)
    register.revoke(leaf.serial_number, "superseded", NOW)
    answer, _ = asked(world, register, at=NOW + HOUR)
    assert (answer.state, answer.revoked) == ("revoked", NOW)
    trust = world.trust.with_answers(answer.der)
    chain = world.agg.signing["ES256"].chain
    check_chain(chain, trust, world.agg.party, NOW - HOUR)
    with pytest.raises(Refused, match="certificate_revoked"):
        check_chain(chain, trust, world.agg.party, NOW)


def test_an_answer_satisfies_who_asks_for_certainty_until_it_is_old(world: World, register: Register) -> None:
    answer, _ = asked(world, register)
    trust = world.trust.with_answers(answer.der).under(TrustRules(require="always"))
    chain = world.agg.signing["ES256"].chain
    check_chain(chain, trust, world.agg.party, NOW + ANSWER_LIFE)
    with pytest.raises(Refused, match="revocation_unknown"):
        check_chain(chain, trust, world.agg.party, NOW + ANSWER_LIFE + HOUR)
    with pytest.raises(Refused, match="revocation_unknown"):
        check_chain(world.agg.signing["ES384"].chain, trust, world.agg.party, NOW)


def test_a_certificate_that_was_never_issued_is_unknown(world: World, tmp_path: Path) -> None:
    answer, _ = asked(world, Register(tmp_path))
    assert answer.state == "unknown"


def test_one_of_another_authority_is_not_answered(world: World, register: Register) -> None:
    leaf, _ = pair(world)
    stranger, _ = pair(world, "ML-DSA-65")
    request, _ = write_question(leaf, stranger)
    with pytest.raises(SettingsError, match="unauthorized"):
        read_answer(answer_request(world.ca, register, request, NOW))


@pytest.mark.parametrize("request_", [b"", b"\x30\x00", bytes(100_000)], ids=len)
def test_a_request_that_cannot_be_read(world: World, register: Register, request_: bytes) -> None:
    with pytest.raises(SettingsError, match="malformed"):
        read_answer(answer_request(world.ca, register, request_, NOW))


@pytest.mark.parametrize(
    "der", [b"", b"\x30\x00", bytes(ANSWER_BYTES_MAX + 1), no_answer(unreadable=False)], ids=len
)
def test_what_is_no_answer(der: bytes) -> None:
    with pytest.raises(SettingsError, match="OCSP answer"):
        read_answer(der)


def test_an_answer_to_another_question(world: World, register: Register) -> None:
    answer, nonce = asked(world, register)
    other = pair(world, "ES384")
    with pytest.raises(SettingsError, match="another certificate"):
        check_answer(answer, *other, now=NOW, skew=NONE, nonce=nonce)
    with pytest.raises(SettingsError, match="another nonce"):
        check_answer(answer, *pair(world), now=NOW, skew=NONE, nonce=bytes(32))


def test_old_and_early_answers(world: World, register: Register) -> None:
    answer, _ = asked(world, register, at=SOON)
    for skew in (NONE, timedelta(seconds=30)):
        check_answer(answer, *pair(world), now=SOON - skew, skew=skew)
        check_answer(answer, *pair(world), now=SOON + ANSWER_LIFE + skew, skew=skew)
        with pytest.raises(SettingsError, match="future"):
            check_answer(answer, *pair(world), now=SOON - skew - HOUR, skew=skew)
        with pytest.raises(SettingsError, match="out of date"):
            check_answer(answer, *pair(world), now=SOON + ANSWER_LIFE + skew + HOUR, skew=skew)


def test_a_prepared_answer_has_no_nonce_and_maybe_no_end(world: World) -> None:
    leaf, issuer = pair(world)
    builder = ocsp.OCSPResponseBuilder().add_response(
        leaf, issuer, hashes.SHA256(), ocsp.OCSPCertStatus.GOOD, NOW, None, None, None
    )
    builder = builder.responder_id(ocsp.OCSPResponderEncoding.NAME, issuer)
    der = builder.sign(world.ca.classical.key, hashes.SHA384()).public_bytes(Encoding.DER)  # type: ignore[arg-type]
    answer = read_answer(der)
    assert answer.until == NOW + timedelta(days=1)
    check_answer(answer, leaf, issuer, now=SOON, skew=NONE, nonce=bytes(32))


def test_every_altered_byte_of_an_answer_costs_its_word(world: World, register: Register) -> None:
    answer, _ = asked(world, register)
    leaf, issuer = pair(world)
    for at in range(0, len(answer.der), 7):
        wrong = answer.der[:at] + bytes([answer.der[at] ^ 0x20]) + answer.der[at + 1 :]
        try:
            read = read_answer(wrong)
        except SettingsError:
            continue
        assert not read.believed(leaf, issuer)


def test_where_a_certificate_says_that_it_can_be_asked_for(world: World) -> None:
    leaf, _ = pair(world)
    assert ocsp_url(leaf) is None
    public = world.agg.signing["ES256"].key.public_key()
    with_url = leaf_certificate(
        world.agg.party,
        public,
        world.ca.classical,
        NOW,
        NOW + HOUR,
        purpose="signing",
        publishing=Publishing("", "http://ocsp.example/"),
    )  # type: ignore[arg-type]
    assert ocsp_url(with_url) == "http://ocsp.example/"
