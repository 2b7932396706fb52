"""The trial authority: intermediates, its register, revoking, lists, requests, chains as people hand them over."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from seal_world import NOW, World

from intertie.model.errors import Refused, SettingsError
from intertie.model.ids import party_id
from intertie.seal.algorithms import generate_signing_key
from intertie.seal.ca_register import INDEX_FILE, REASONS, Register
from intertie.seal.ca_responder import LIST_LIFE, PresentLists, new_lists
from intertie.seal.certificates import check_chain, read_certificate
from intertie.seal.csr import read_request, write_request
from intertie.seal.issued import check_issued
from intertie.seal.issuing import Issuer, authority_certificate, common_name, der
from intertie.seal.keys import chain_pem
from intertie.seal.pem import read_chain
from intertie.seal.revocation import read_list
from intertie.seal.trial_ca import FAMILIES, TrialCa

DAY = timedelta(days=1)
ALGORITHMS = ("ES256", "ES384", "ML-DSA-65", "ML-DSA-87")
PARTY = party_id("agg.example")


@pytest.fixture(scope="module")
def below(world: World) -> TrialCa:
    return world.ca.intermediate("Below", NOW - DAY, NOW + 1000 * DAY)


@pytest.fixture
def register(tmp_path: Path, world: World) -> Register:
    register = Register(tmp_path)
    register.record([world.agg.signing[alg].chain[0] for alg in ALGORITHMS], NOW)
    return register


def serial(world: World, alg: str = "ES256") -> int:
    return read_certificate(world.agg.signing[alg].chain[0]).serial_number


# Below a root


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_an_authority_below_issues_chains_that_lead_to_the_root(
    world: World, below: TrialCa, alg: str
) -> None:
    chain = below.issue_signing(PARTY, generate_signing_key(alg), NOW - DAY, NOW + DAY)
    assert len(chain) == 2
    check_chain(chain, world.trust, PARTY, NOW)
    assert below.trust() == world.ca.trust()


def test_no_authority_below_one_that_is_below(below: TrialCa) -> None:
    with pytest.raises(SettingsError, match="under the root"):
        below.intermediate("Deeper", NOW, NOW + DAY)


def test_an_authority_below_survives_its_folder(below: TrialCa, tmp_path: Path) -> None:
    below.save(tmp_path / "ca")
    again = TrialCa.load(tmp_path / "ca")
    assert [again.issuer(f).above for f in FAMILIES] == [below.issuer(f).above for f in FAMILIES]
    assert again.until == below.until


def test_a_revoked_authority_takes_its_certificates_along(
    world: World, below: TrialCa, tmp_path: Path
) -> None:
    register = Register(tmp_path)
    register.record([der(below.classical.certificate)], NOW - DAY)
    row = register.rows()[0]
    assert (row.party, row.purpose) == (None, "authority")
    register.revoke(row.certificate.serial_number, "ca_compromise", NOW)
    trust = world.trust.with_lists(new_lists(world.ca, register, NOW)["ec"])
    chain = below.issue_signing(PARTY, generate_signing_key("ES256"), NOW - DAY, NOW + DAY)
    check_chain(chain, trust, PARTY, NOW - timedelta(seconds=1))
    with pytest.raises(Refused, match="certificate_revoked"):
        check_chain(chain, trust, PARTY, NOW)


# The register


def test_rows_say_what_was_issued(world: World, register: Register) -> None:
    tls = read_chain(world.agg.tls.chain, "tls")[0]
    register.record([tls], NOW)
    rows = register.rows()
    assert [row.family for row in rows] == ["ec", "ec", "mldsa", "mldsa", "ec"]
    assert [row.purpose for row in rows] == ["signing"] * 4 + ["tls"]
    assert {row.party for row in rows} == {PARTY}
    assert rows[0].serial == f"{serial(world):x}"


def test_the_lists_name_what_was_revoked_and_why(world: World, register: Register) -> None:
    register.revoke(serial(world), "key_compromise", NOW, since=NOW - DAY)
    register.revoke(serial(world, "ML-DSA-65"), "superseded", NOW)
    lists = {family: read_list(pem) for family, pem in new_lists(world.ca, register, NOW).items()}
    assert lists["ec"].entries[serial(world)].since == NOW - DAY
    assert lists["mldsa"].entries[serial(world, "ML-DSA-65")].since == NOW
    assert len(lists["ec"].entries) == len(lists["mldsa"].entries) == 1
    entry = x509.load_der_x509_crl(lists["ec"].der)[0]
    assert entry.extensions.get_extension_for_class(x509.CRLReason).value.reason is REASONS["key_compromise"]
    assert entry.revocation_date_utc == NOW


def test_numbers_only_grow(world: World, register: Register) -> None:
    numbers = [read_list(new_lists(world.ca, register, NOW)["ec"]).number for _ in range(3)]
    assert numbers == [1, 2, 3]


def test_a_hold_and_its_end(world: World, register: Register) -> None:
    register.revoke(serial(world), "certificate_hold", NOW)
    held = new_lists(world.ca, register, NOW)["ec"]
    with pytest.raises(Refused, match="certificate_revoked"):
        check_chain(world.agg.signing["ES256"].chain, world.trust.with_lists(held), PARTY, NOW)
    assert register.revoke(serial(world), "remove_from_crl", NOW + DAY) is None
    lifted = new_lists(world.ca, register, NOW + DAY)["ec"]
    check_chain(world.agg.signing["ES256"].chain, world.trust.with_lists(held, lifted), PARTY, NOW + DAY)
    register.revoke(serial(world), "certificate_hold", NOW + 2 * DAY)
    register.revoke(serial(world), "key_compromise", NOW + 3 * DAY)
    assert register.rows()[0].revocation is not None


def test_what_cannot_be_revoked(world: World, register: Register) -> None:
    with pytest.raises(SettingsError, match="no certificate 1 was issued here"):
        register.revoke(1, "superseded", NOW)
    with pytest.raises(SettingsError, match="no reason"):
        register.revoke(serial(world), "bad_mood", NOW)
    with pytest.raises(SettingsError, match="not on hold"):
        register.revoke(serial(world), "remove_from_crl", NOW)
    with pytest.raises(SettingsError, match="belongs to a compromise"):
        register.revoke(serial(world), "superseded", NOW, since=NOW - DAY)
    register.revoke(serial(world), "superseded", NOW, since=NOW + DAY)
    with pytest.raises(SettingsError, match="revoked already"):
        register.revoke(serial(world), "key_compromise", NOW)
    revocation = register.rows()[0].revocation
    assert revocation is not None
    assert revocation.since == NOW + DAY


def test_a_damaged_index_is_named_not_read_over(tmp_path: Path) -> None:
    (tmp_path / INDEX_FILE).write_text(
        '{"event":"list","at":"2026-01-01T00:00:00Z","number":1}\n{"event":"li'
    )
    with pytest.raises(SettingsError, match="line 2"):
        Register(tmp_path).rows()


def test_the_index_is_its_owners(tmp_path: Path, register: Register) -> None:
    assert (tmp_path / INDEX_FILE).stat().st_mode & 0o077 == 0


def test_lists_are_made_anew_only_when_needed(world: World, register: Register) -> None:
    lists = PresentLists(world.ca, register)
    first = lists.at(NOW)
    assert lists.at(NOW + LIST_LIFE / 2) is first
    assert lists.at(NOW + LIST_LIFE / 2 + DAY) is not first
    second = lists.at(NOW + LIST_LIFE / 2 + DAY)
    register.revoke(serial(world), "superseded", NOW)
    third = lists.at(NOW + LIST_LIFE / 2 + DAY)
    assert third is not second
    assert serial(world) in read_list(third["ec"]).entries


# Requests


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_a_request_asks_for_what_will_be_asked_for(world: World, alg: str) -> None:
    key = generate_signing_key(alg)
    request = read_request(write_request(PARTY, key, "signing"))
    assert (request.party, request.purpose, request.hosts) == (PARTY, "signing", ())
    assert request.family == ("ec" if alg.startswith("ES") else "mldsa")
    chain = world.ca.issue(PARTY, request.public, request.purpose, NOW - DAY, NOW + DAY)
    check_issued(alg, key.public_key(), chain, world.trust, PARTY, NOW)


def test_a_request_for_tls_names_its_hosts(world: World) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    request = read_request(write_request(PARTY, key, "tls", ["gw.agg.example", "192.0.2.7", "::1"]))
    assert request.purpose == "tls"
    assert request.hosts == ("gw.agg.example", "192.0.2.7", "::1")
    chain = world.ca.issue(PARTY, request.public, "tls", NOW - DAY, NOW + DAY, hosts=request.hosts)
    check_issued("tls", key.public_key(), chain, world.trust, PARTY, NOW)


def plain_request(key: object, *uris: str) -> bytes:
    builder = x509.CertificateSigningRequestBuilder().subject_name(common_name("x"))
    if uris:
        names = [x509.UniformResourceIdentifier(uri) for uri in uris]
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)  # type: ignore[arg-type]


def test_a_request_without_extensions_is_for_tls_and_names_nobody() -> None:
    request = read_request(plain_request(ec.generate_private_key(ec.SECP256R1())))
    assert (request.party, request.purpose) == (None, "tls")


def test_requests_that_are_not_taken(world: World) -> None:
    good = write_request(PARTY, generate_signing_key("ES256"), "signing")
    raw = x509.load_pem_x509_csr(good).public_bytes(Encoding.DER)
    assert read_request(raw).party == PARTY
    wrong = {
        "signature": raw[:-1] + bytes([raw[-1] ^ 1]),
        "cannot be used": b"-----BEGIN CERTIFICATE REQUEST-----",
        "more than": bytes(40_000),
        "2 parties": plain_request(
            generate_signing_key("ES256"), "urn:intertie:party:a.example", "urn:intertie:party:b.example"
        ),
        "curve secp224r1": plain_request(ec.generate_private_key(ec.SECP224R1())),
        "RSAPublicKey": plain_request(rsa.generate_private_key(65537, 3072)),
        "not a party id": plain_request(generate_signing_key("ES256"), "urn:intertie:party:A B"),
    }
    for why, data in wrong.items():
        with pytest.raises(SettingsError, match=why):
            read_request(data)


# Before a certificate is put to use


def test_a_certificate_that_partners_would_refuse_is_not_put_to_use(world: World, below: TrialCa) -> None:
    key, other = generate_signing_key("ES256"), generate_signing_key("ES256")
    rogue = TrialCa.create("Rogue", NOW - DAY, NOW + DAY)
    tls = world.ca.issue_tls(PARTY, key, ["h"], NOW - DAY, NOW + DAY)
    good = world.ca.issue_signing(PARTY, key, NOW - DAY, NOW + DAY)
    cases = {
        "another key": ("ES256", world.ca.issue_signing(PARTY, other, NOW - DAY, NOW + DAY)),
        "certificate_untrusted": ("ES256", rogue.issue_signing(PARTY, key, NOW - DAY, NOW + DAY)),
        "certificate_expired": ("ES256", world.ca.issue_signing(PARTY, key, NOW + DAY, NOW + 2 * DAY)),
        "certificate_not_sender": (
            "ES256",
            world.ca.issue_signing(party_id("b.example"), key, NOW - DAY, NOW + DAY),
        ),
        "nonRepudiation": ("ES256", tls),
        "both sides": ("tls", good),
        "no key for": ("ES384", good),
        "is b.example's": (
            "tls",
            world.ca.issue_tls(party_id("b.example"), key, ["h"], NOW - DAY, NOW + DAY),
        ),
        "certificate for tls would be refused": (
            "tls",
            rogue.issue_tls(PARTY, key, ["h"], NOW - DAY, NOW + DAY),
        ),
    }
    for why, (part, chain) in cases.items():
        with pytest.raises(SettingsError, match=why):
            check_issued(part, key.public_key(), chain, world.trust, PARTY, NOW)
    revoked = world.trust.with_revoked(tls[0], NOW)
    with pytest.raises(SettingsError, match="certificate_revoked"):
        check_issued("tls", key.public_key(), tls, revoked, PARTY, NOW)


def test_chains_as_people_hand_them_over(world: World, below: TrialCa) -> None:
    chain = below.issue_signing(PARTY, generate_signing_key("ES256"), NOW - DAY, NOW + DAY)
    root = der(world.ca.classical.certificate)
    for order in (chain, (*chain, root), (root, *chain[::-1]), chain[::-1]):
        assert read_chain(chain_pem(order), "x.pem") == chain
    assert read_chain(chain_pem(chain[:1]), "x.pem") == chain[:1]
    stranger = world.ca.issue_signing(PARTY, generate_signing_key("ES256"), NOW - DAY, NOW + DAY)
    for wrong in (chain_pem((*chain, *stranger)), b"", b"-----BEGIN CERTIFICATE-----\nAA\n", bytes(200_000)):
        with pytest.raises(SettingsError, match=r"x\.pem"):
            read_chain(wrong, "x.pem")


def test_a_certificate_of_an_authority_says_so(world: World) -> None:
    key = ec.generate_private_key(ec.SECP384R1())
    issuer: Issuer = world.ca.classical
    made = authority_certificate("Sub", key, issuer, NOW, NOW + DAY, path_length=0)
    assert made.extensions.get_extension_for_class(x509.BasicConstraints).value.path_length == 0
    assert made.issuer == issuer.certificate.subject
