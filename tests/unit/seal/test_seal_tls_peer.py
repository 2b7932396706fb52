"""Whose certificate a connection showed: each rule broken once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from tls_world import NOW, A, B, make_ca, make_key

from intertie.model.errors import Code, Refused
from intertie.model.ids import party_id
from intertie.seal import tls_peer
from intertie.seal.algorithms import generate_signing_key
from intertie.seal.certificates import PARTY_URI, TrustStore
from intertie.seal.tls_peer import SENT_MAX, VERDICT_LIFE, TlsConnection, check_tls_chain
from intertie.seal.transport import Transport
from intertie.seal.trial_ca import TrialCa

SERVER, CLIENT = ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH
Builder = x509.CertificateBuilder


@pytest.fixture(scope="module")
def ca() -> TrialCa:
    return make_ca()


def chain_of(ca: TrialCa, party: str = A, alg: str = "ES256", **more: object) -> tuple[bytes, ...]:
    pems = make_key(ca, party_id(party), alg, **more).chain  # type: ignore[arg-type]
    return tuple(c.public_bytes(Encoding.DER) for c in x509.load_pem_x509_certificates(pems))


def refusal(chain: Sequence[bytes], trust: TrustStore, host: str | None = None) -> str:
    with pytest.raises(Refused) as caught:
        check_tls_chain(chain, trust, NOW, host=host)
    assert caught.value.code is Code.TRANSPORT_CERTIFICATE
    assert (caught.value.step, caught.value.rule.http) == (4, 403)
    return caught.value.detail


def usage(*, signature: bool = True, authority: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(signature, False, False, False, False, authority, authority, False, False)


class Maker:
    """Certificates of the trial authority's EC root, or of an authority below it, of any shape."""

    def __init__(self, ca: TrialCa) -> None:
        self.root = ca.classical
        self.key = ec.generate_private_key(ec.SECP256R1())

    def leaf(
        self,
        names: Sequence[str] = (PARTY_URI + A,),
        purposes: Sequence[x509.ObjectIdentifier] | None = (SERVER, CLIENT),
        key_usage: x509.KeyUsage | None = None,
        issuer: tuple[x509.Certificate, ec.EllipticCurvePrivateKey] | None = None,
        days: float = 10,
    ) -> bytes:
        signer = issuer or (self.root.certificate, self.root.key)
        builder = self._builder(signer[0].subject, "leaf", days).public_key(self.key.public_key())
        general: list[x509.GeneralName] = [x509.UniformResourceIdentifier(name) for name in names]
        builder = builder.add_extension(
            x509.SubjectAlternativeName([*general, x509.DNSName("localhost")]), critical=False
        )
        builder = builder.add_extension(x509.BasicConstraints(False, None), critical=True)
        if purposes is not None:
            builder = builder.add_extension(x509.ExtendedKeyUsage(list(purposes)), critical=False)
        builder = builder.add_extension(key_usage or usage(), critical=True)
        return self._sign(builder, signer)

    def authority(
        self, name: str = "below", days: int = 100
    ) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
        key = ec.generate_private_key(ec.SECP256R1())
        builder = self._builder(self.root.certificate.subject, name, days).public_key(key.public_key())
        builder = builder.add_extension(x509.BasicConstraints(True, 0), critical=True)
        builder = builder.add_extension(usage(signature=False, authority=True), critical=True)
        builder = builder.add_extension(
            x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False
        )
        der = self._sign(builder, (self.root.certificate, self.root.key))  # type: ignore[arg-type]
        return x509.load_der_x509_certificate(der), key

    def _builder(self, issuer: x509.Name, name: str, days: float) -> Builder:
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        builder = Builder().subject_name(subject).issuer_name(issuer)
        builder = builder.serial_number(x509.random_serial_number())
        return builder.not_valid_before(NOW - timedelta(days=1)).not_valid_after(NOW + timedelta(days=days))

    def _sign(self, builder: Builder, signer: tuple[x509.Certificate, ec.EllipticCurvePrivateKey]) -> bytes:
        identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(signer[0].public_key())  # type: ignore[arg-type]
        builder = builder.add_extension(identifier, critical=False)
        return builder.sign(signer[1], hashes.SHA384()).public_bytes(Encoding.DER)


def der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.DER)


@pytest.fixture(scope="module")
def maker(ca: TrialCa) -> Maker:
    return Maker(ca)


@pytest.mark.parametrize("alg", ["ES256", "ES384", "ML-DSA-65", "ML-DSA-87"])
@pytest.mark.parametrize("host", [None, "localhost", "127.0.0.1"])
def test_a_good_certificate_of_either_family(ca: TrialCa, alg: str, host: str | None) -> None:
    peer = check_tls_chain(chain_of(ca, A, alg), ca.trust(), NOW, host=host)
    assert peer == (A, NOW, NOW + VERDICT_LIFE)


def test_an_authority_between_root_and_leaf(ca: TrialCa, maker: Maker) -> None:
    below = maker.authority()
    leaf = maker.leaf(issuer=below)
    assert check_tls_chain([leaf, der(below[0])], ca.trust(), NOW).party == A
    assert "issuer" in refusal([leaf], ca.trust()) or "candidates" in refusal([leaf], ca.trust())


def test_a_root_that_is_sent_along_does_no_harm_and_no_good(ca: TrialCa, maker: Maker) -> None:
    other = make_ca("Else")
    assert check_tls_chain([maker.leaf(), der(ca.classical.certificate)], ca.trust(), NOW).party == A
    refusal([maker.leaf(), der(ca.classical.certificate)], other.trust())


BAD: dict[str, tuple[Callable[[Maker], bytes], str]] = {
    "names nobody": (lambda m: m.leaf(names=()), "0 parties"),
    "names two": (lambda m: m.leaf(names=(PARTY_URI + A, PARTY_URI + B)), "2 parties"),
    "says nothing of TLS": (lambda m: m.leaf(purposes=None), "does not say"),
    "is for servers": (lambda m: m.leaf(purposes=(SERVER,)), "this side"),
    "is for code": (lambda m: m.leaf(purposes=(ExtendedKeyUsageOID.CODE_SIGNING,)), "this side"),
    "may not sign": (lambda m: m.leaf(key_usage=usage(signature=False)), "this side"),
    "is over": (lambda m: m.leaf(days=-0.5), "valid from"),
    "is rubbish": (lambda m: b"\x30\x03abc", "not a certificate"),
    "is too large": (lambda m: bytes(40_000), "larger"),
    "is an authority's": (lambda m: der(m.authority()[0]), "no party"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_client_certificate_that(maker: Maker, ca: TrialCa, name: str) -> None:
    make, words = BAD[name]
    assert words in refusal([make(maker)], ca.trust())


def test_a_door_needs_a_certificate_for_servers(maker: Maker, ca: TrialCa) -> None:
    assert "this side" in refusal([maker.leaf(purposes=(CLIENT,))], ca.trust(), host="localhost")


@pytest.mark.parametrize("host", ["elsewhere", "a.example", "127.0.0.2", "::1", "", "local host", "*"])
def test_a_door_needs_the_name_that_was_called(ca: TrialCa, host: str) -> None:
    refusal(chain_of(ca), ca.trust(), host=host)


@pytest.mark.parametrize("alg", ["ES256", "ML-DSA-65"])
def test_a_signing_certificate_is_not_for_tls(ca: TrialCa, alg: str) -> None:
    chain = ca.issue_signing(A, generate_signing_key(alg), NOW - timedelta(days=1), NOW + timedelta(days=1))
    assert "does not say" in refusal(chain, ca.trust())


def test_the_number_of_certificates_is_bounded(ca: TrialCa) -> None:
    chain = chain_of(ca)
    assert "0 certificates" in refusal([], ca.trust())
    assert "certificates" in refusal(chain * (SENT_MAX + 1), ca.trust())
    assert check_tls_chain(chain * SENT_MAX, ca.trust(), NOW).party == A


def test_a_root_vouches_only_for_the_party_it_is_confined_to(ca: TrialCa) -> None:
    """What the engine cannot know: the path is good, the authority is trusted, but not for this party."""
    own = make_ca("Own")
    trust = ca.trust().joined(own.trust().confined_to(B))
    assert check_tls_chain(chain_of(own, B), trust, NOW).party == B
    assert "no path" in refusal(chain_of(own, A), trust) or refusal(chain_of(own, A), trust)
    assert check_tls_chain(chain_of(ca, A), trust, NOW).party == A
    only = own.trust().confined_to(B)
    assert "no root is trusted for a.example" in refusal(chain_of(own, A), only)


def test_the_families_do_not_vouch_for_each_other(ca: TrialCa) -> None:
    classical = TrustStore(ca.trust().family(post_quantum=False))
    assert "family" in refusal(chain_of(ca, A, "ML-DSA-65"), classical)


def test_a_post_quantum_key_under_a_classical_root_is_refused(ca: TrialCa, maker: Maker) -> None:
    key = generate_signing_key("ML-DSA-65")
    good = x509.load_der_x509_certificate(maker.leaf())
    builder = Builder(good.issuer, good.subject, key.public_key(), good.serial_number)  # type: ignore[arg-type]
    builder = builder.not_valid_before(NOW - timedelta(days=1)).not_valid_after(NOW + timedelta(days=1))
    for extension in good.extensions:
        builder = builder.add_extension(extension.value, extension.critical)
    mixed = builder.sign(ca.classical.key, hashes.SHA384()).public_bytes(Encoding.DER)  # type: ignore[arg-type]
    refusal([mixed], ca.trust())


def test_revoked_from_then_on(ca: TrialCa) -> None:
    chain = chain_of(ca)
    assert "revoked" in refusal(chain, ca.trust().with_revoked(chain[0], NOW))
    later = ca.trust().with_revoked(chain[0], NOW + timedelta(days=1))
    assert check_tls_chain(chain, later, NOW).until == NOW + VERDICT_LIFE


def test_a_revoked_authority_takes_its_leaves_along(ca: TrialCa, maker: Maker) -> None:
    below = maker.authority()
    chain = [maker.leaf(issuer=below), der(below[0])]
    assert "revoked" in refusal(chain, ca.trust().with_revoked(chain[1], NOW))


# The verdict on a connection, which is asked for at each request


def connection(chain: Sequence[bytes]) -> TlsConnection:
    transport = Transport(
        binding="parcel_https",
        engine="openssl",
        version="TLSv1.3",
        group="x25519",
        cipher="x",
        certificate="0" * 64,
    )
    return TlsConnection(transport, tuple(chain))


@pytest.fixture
def checks(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    made: list[object] = []
    real = tls_peer.check_tls_chain
    monkeypatch.setattr(
        tls_peer, "check_tls_chain", lambda *args, **more: made.append(args) or real(*args, **more)
    )
    return made


def test_the_verdict_is_kept_while_nothing_changes(ca: TrialCa, checks: list[object]) -> None:
    it, trust = connection(chain_of(ca)), ca.trust()
    for second in range(60):
        assert it.party(trust, NOW + timedelta(seconds=second)) == A
    assert len(checks) == 1


def test_new_trust_and_time_are_asked_again(ca: TrialCa, checks: list[object]) -> None:
    it = connection(chain_of(ca))
    it.party(ca.trust(), NOW)
    trust = ca.trust()
    it.party(trust, NOW)
    it.party(trust, NOW + VERDICT_LIFE + timedelta(seconds=1))
    it.party(trust, NOW - timedelta(seconds=1))
    assert len(checks) == 4


def test_a_certificate_revoked_meanwhile_is_refused_each_time(ca: TrialCa) -> None:
    chain = chain_of(ca)
    it, trust = connection(chain), ca.trust()
    assert it.party(trust, NOW) == A
    revoked = trust.with_revoked(chain[0], NOW)
    for _ in range(2):
        with pytest.raises(Refused, match="revoked"):
            it.party(revoked, NOW)
    assert it.party(trust, NOW) == A


def test_a_certificate_that_runs_out_within_the_minute(ca: TrialCa) -> None:
    it = connection(chain_of(ca, until=NOW + timedelta(seconds=20)))
    trust = ca.trust()
    assert it.party(trust, NOW + timedelta(seconds=19)) == A
    with pytest.raises(Refused, match="valid from"):
        it.party(trust, NOW + timedelta(seconds=21))


def test_a_revocation_within_the_minute(ca: TrialCa) -> None:
    chain = chain_of(ca)
    it, trust = connection(chain), ca.trust().with_revoked(chain[0], NOW + timedelta(seconds=20))
    assert it.party(trust, NOW + timedelta(seconds=19)) == A
    with pytest.raises(Refused, match="revoked"):
        it.party(trust, NOW + timedelta(seconds=20))
