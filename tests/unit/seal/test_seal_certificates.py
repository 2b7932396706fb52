"""Whose a certificate is, and whether to believe it. The cases of vectors/ hold single failures; here is the rest."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from seal_world import World

from intertie.model.errors import Code, Refused, SettingsError
from intertie.seal.certificates import (
    TrustStore,
    check_chain,
    load_trust,
    party_of_certificate,
    read_certificate,
    read_roots,
    thumbprint,
)
from intertie.seal.trial_ca import TrialCa


def refusal(world: World, chain: tuple[bytes, ...], **more: object) -> Refused:
    arguments = {"trust": world.trust, "party": world.agg.party, "now": world.now} | more
    with pytest.raises(Refused) as refused:
        check_chain(chain, **arguments)  # type: ignore[arg-type]
    assert refused.value.partner in {world.agg.party, None}
    return refused.value


def certificate(world: World, names: list[x509.GeneralName] | None) -> bytes:
    """A certificate of the EC root with any names."""
    key = ec.generate_private_key(ec.SECP256R1())
    root = world.ca.classical
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "any")]))
        .issuer_name(root.certificate.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(world.now - timedelta(days=1))
        .not_valid_after(world.now + timedelta(days=1))
    )
    if names is not None:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(root.key, hashes.SHA384()).public_bytes(Encoding.DER)  # type: ignore[arg-type]


def uri(text: str) -> x509.GeneralName:
    return x509.UniformResourceIdentifier(text)


def test_all_chains_of_a_party_hold(world: World) -> None:
    for key in world.agg.signing.values():
        check_chain(key.chain, world.trust, world.agg.party, world.now)
        assert party_of_certificate(key.chain[0]) == world.agg.party


def test_the_tls_certificate_names_the_party_and_cannot_sign(world: World) -> None:
    der = x509.load_pem_x509_certificate(world.agg.tls.chain).public_bytes(Encoding.DER)
    assert party_of_certificate(der) == world.agg.party
    refused = refusal(world, (der,))
    assert refused.code is Code.CERTIFICATE_UNTRUSTED
    assert "nonRepudiation" in refused.detail


@pytest.mark.parametrize(
    ("names", "why"),
    [
        (None, "names no party"),
        ([x509.DNSName("agg.example")], "names 0 parties"),
        ([uri("https://agg.example")], "names 0 parties"),
        ([uri("urn:intertie:party:a.example"), uri("urn:intertie:party:b.example")], "names 2 parties"),
        ([uri("urn:intertie:party:../etc")], "not a party id"),
        ([uri("urn:intertie:party:")], "not a party id"),
        ([uri("URN:INTERTIE:PARTY:agg.example")], "names 0 parties"),
    ],
)
def test_certificates_that_name_no_party(
    world: World, names: list[x509.GeneralName] | None, why: str
) -> None:
    with pytest.raises(Refused, match=why) as refused:
        party_of_certificate(certificate(world, names))
    assert refused.value.code is Code.CERTIFICATE_NOT_SENDER


@pytest.mark.parametrize("der", [b"", b"0", b"\x30\x03\x02\x01\x01", bytes(40_000)])
def test_bytes_that_are_no_certificate(world: World, der: bytes) -> None:
    assert refusal(world, (der,)).code is Code.CERTIFICATE_UNTRUSTED
    with pytest.raises(Refused):
        party_of_certificate(der)


def test_dates_to_the_second(world: World) -> None:
    chain = world.agg.signing["ES256"].chain
    leaf = read_certificate(chain[0])
    second = timedelta(seconds=1)
    for inside in (leaf.not_valid_before_utc, leaf.not_valid_after_utc):
        check_chain(chain, world.trust, world.agg.party, inside)
    for outside in (leaf.not_valid_before_utc - second, leaf.not_valid_after_utc + second):
        assert refusal(world, chain, now=outside).code is Code.CERTIFICATE_EXPIRED


def test_another_party_and_another_authority(world: World) -> None:
    chain = world.util.signing["ML-DSA-65"].chain
    assert refusal(world, chain).code is Code.CERTIFICATE_NOT_SENDER
    same_name = TrialCa.create("Test", world.now - timedelta(days=30), world.now + timedelta(days=30)).trust()
    chain = world.agg.signing["ML-DSA-65"].chain
    assert refusal(world, chain, trust=same_name).code is Code.CERTIFICATE_UNTRUSTED


def test_empty_and_long_chains(world: World) -> None:
    chain = world.agg.signing["ES256"].chain
    assert "0 certificates" in refusal(world, ()).detail
    assert "4 certificates" in refusal(world, chain * 4).detail
    assert "nothing needs" in refusal(world, chain * 2).detail


def test_without_a_root_of_its_family_a_chain_leads_nowhere(world: World) -> None:
    classical = TrustStore(world.trust.family(post_quantum=False))
    check_chain(world.agg.signing["ES256"].chain, classical, world.agg.party, world.now)
    refused = refusal(world, world.agg.signing["ML-DSA-65"].chain, trust=classical)
    assert refused.code is Code.CERTIFICATE_UNTRUSTED
    assert "family" in refused.detail


def test_revoked_from_its_date_on_whatever_the_party(world: World) -> None:
    chain = world.agg.signing["ES256"].chain
    since = world.now + timedelta(days=1)
    trust = world.trust.with_revoked(chain[0], since)
    check_chain(chain, trust, world.agg.party, world.now)
    assert refusal(world, chain, trust=trust, now=since).code is Code.CERTIFICATE_REVOKED
    check_chain(world.agg.signing["ES384"].chain, trust, world.agg.party, since)
    assert not world.trust.is_revoked(chain[0], since)


def test_revocation_lists_from_a_folder(world: World, tmp_path: Path) -> None:
    (tmp_path / "root.pem").write_bytes(world.ca.roots_pem())
    revoked = [(world.agg.signing[alg].chain[0], world.now) for alg in ("ES256", "ML-DSA-65")]
    week = world.now + timedelta(days=7)
    (tmp_path / "root.crl.pem").write_bytes(world.ca.revocation_list(revoked, world.now, week))
    trust = load_trust(tmp_path)
    assert len(trust.roots) == 2
    for alg in ("ES256", "ML-DSA-65"):
        assert refusal(world, world.agg.signing[alg].chain, trust=trust).code is Code.CERTIFICATE_REVOKED
    check_chain(world.agg.signing["ES384"].chain, trust, world.agg.party, world.now)


def test_a_list_by_nobody_we_trust_is_refused(world: World) -> None:
    other = TrialCa.create("Test", world.now, world.now + timedelta(days=1))  # same names, other keys
    crl = other.revocation_list([], world.now, world.now + timedelta(days=1))
    with pytest.raises(SettingsError, match="signed by no trusted root"):
        TrustStore.of_pem(world.ca.roots_pem(), crl)
    with pytest.raises(SettingsError, match="cannot be read"):
        TrustStore.of_pem(world.ca.roots_pem(), b"-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n")


def test_trust_without_roots(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no trusted root"):
        load_trust(tmp_path)
    with pytest.raises(SettingsError, match="no trusted root"):
        read_roots(b"")
    with pytest.raises(SettingsError, match="cannot be read"):
        read_roots(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")


def test_trust_survives_as_pem(world: World) -> None:
    assert read_roots(world.trust.pem()) == world.trust


def test_thumbprint_is_of_the_whole_certificate(world: World) -> None:
    der = world.agg.signing["ES256"].chain[0]
    assert thumbprint(der) == read_certificate(der).fingerprint(hashes.SHA256())


def test_trial_authority_survives_its_folder(world: World, tmp_path: Path) -> None:
    world.ca.save(tmp_path / "ca")
    again = TrialCa.load(tmp_path / "ca")
    key = world.agg.signing["ML-DSA-87"].key
    chain = again.issue_signing(world.agg.party, key, world.now, world.now + timedelta(days=1))
    check_chain(chain, world.trust, world.agg.party, world.now)
    assert {file.stat().st_mode & 0o077 for file in (tmp_path / "ca").iterdir()} == {0}
    with pytest.raises(SettingsError, match="holds keys already"):
        world.ca.save(tmp_path / "ca")
    (tmp_path / "ca" / "ec.key").write_bytes(b"")
    with pytest.raises(SettingsError, match="no encrypted key file"):
        TrialCa.load(tmp_path / "ca")
