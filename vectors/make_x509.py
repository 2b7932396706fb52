"""Write vectors/x509/*.json anew: certificate chains with one thing right or wrong, and the verdict on each.

    python vectors/make_x509.py --write

Elliptic-curve keys and signatures are made from the case's names and stay the same; RSA and ML-DSA are random, so those
files change: commit what it writes. SHA-1 is signed by the `openssl` program, since `cryptography` does not.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

from intertie.seal.encoding import to_base64url

HERE = Path(__file__).parent / "x509"
NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)
PARTY = "agg.example"
UNKNOWN = x509.UnrecognizedExtension(ObjectIdentifier("1.3.6.1.4.1.55555.1"), b"\x05\x00")
URL = "http://authority.example/list.crl"
Reason = x509.ReasonFlags
Key = Any
CURVES: dict[str, Callable[[], ec.EllipticCurve]] = {
    "p256": ec.SECP256R1, "p384": ec.SECP384R1, "p224": ec.SECP224R1, "k256": ec.SECP256K1,
}  # fmt: skip


@lru_cache
def key(name: str) -> Key:
    """The key of this name; its kind is the part before the first blank."""
    kind = name.split()[0]
    seed = hashlib.sha256(name.encode()).digest()
    if kind in CURVES:
        return ec.derive_private_key(int.from_bytes(seed[:27], "big"), CURVES[kind]())
    if kind.startswith("rsa"):
        return rsa.generate_private_key(65537, int(kind[3:]))
    if kind == "ed25519":
        return ed25519.Ed25519PrivateKey.from_private_bytes(seed)
    kinds = {
        "mldsa44": mldsa.MLDSA44PrivateKey,
        "mldsa65": mldsa.MLDSA65PrivateKey,
        "mldsa87": mldsa.MLDSA87PrivateKey,
    }
    return kinds[kind].from_seed_bytes(seed)


def hash_for(signer: Key) -> Any:
    return hashes.SHA384() if isinstance(signer, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) else None


def signed(builder: Any, signer: Key) -> Any:
    more = {"ecdsa_deterministic": True} if isinstance(signer, ec.EllipticCurvePrivateKey) else {}
    return builder.sign(signer, hash_for(signer), **more)


def name_of(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def party_uri(party: str) -> x509.GeneralName:
    return x509.UniformResourceIdentifier(f"urn:intertie:party:{party}")


@dataclass(frozen=True)
class Authority:
    """An authority to be: its key and how its certificate is made."""

    name: str
    key: str
    above: Authority | None = None
    ca: bool | None = True
    path_length: int | None = None
    cert_sign: bool = True
    crl_sign: bool = True
    since: datetime = NOW - 30 * DAY
    until: datetime = NOW + 3000 * DAY
    extra: tuple[tuple[Any, bool], ...] = ()

    @property
    def certificate(self) -> x509.Certificate:
        return _authority(self)


@lru_cache
def _authority(it: Authority) -> x509.Certificate:
    own = key(it.key)
    above = it.above or it
    builder = base(it.name, own.public_key(), above, it.since, it.until)
    if it.ca is not None:
        basic = x509.BasicConstraints(it.ca, it.path_length if it.ca else None)
        builder = builder.add_extension(basic, critical=True)
    builder = builder.add_extension(usage(cert=it.cert_sign, crl=it.crl_sign), critical=True)
    for extension, critical in it.extra:
        builder = builder.add_extension(extension, critical)
    return signed(builder, key(above.key))


def base(
    name: str, public: Any, above: Authority, since: datetime, until: datetime
) -> x509.CertificateBuilder:
    serial = int.from_bytes(
        hashlib.sha256(f"{name} {above.name} {since} {until}".encode()).digest()[:15], "big"
    )
    return (
        x509.CertificateBuilder()
        .subject_name(name_of(name))
        .issuer_name(name_of(above.name))
        .public_key(public)
        .serial_number(serial)
        .not_valid_before(since)
        .not_valid_after(until)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(key(above.key).public_key()), critical=False
        )
    )


def usage(
    *, sign: bool = False, commit: bool = False, cert: bool = False, crl: bool = False
) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=sign, content_commitment=commit, key_encipherment=False, data_encipherment=False,
        key_agreement=not (sign or commit or cert or crl), key_cert_sign=cert, crl_sign=crl, encipher_only=False,
        decipher_only=False,
    )  # fmt: skip


@dataclass(frozen=True)
class Leaf:
    """A party's certificate to be."""

    above: Authority
    key: str = "p256 leaf"
    names: tuple[x509.GeneralName, ...] | None = (party_uri(PARTY),)
    since: datetime = NOW - 10 * DAY
    until: datetime = NOW + 700 * DAY
    usage: x509.KeyUsage | None = field(default_factory=lambda: usage(sign=True, commit=True))
    ca: bool = False
    purposes: tuple[ObjectIdentifier, ...] = ()
    extra: tuple[tuple[Any, bool], ...] = ()

    @property
    def certificate(self) -> x509.Certificate:
        return signed(self.builder(), key(self.above.key))

    def builder(self) -> x509.CertificateBuilder:
        builder = base(PARTY, key(self.key).public_key(), self.above, self.since, self.until)
        builder = builder.add_extension(x509.BasicConstraints(self.ca, None), critical=True)
        if self.usage is not None:
            builder = builder.add_extension(self.usage, critical=True)
        if self.names is not None:
            builder = builder.add_extension(x509.SubjectAlternativeName(self.names), critical=False)
        if self.purposes:
            builder = builder.add_extension(x509.ExtendedKeyUsage(self.purposes), critical=False)
        for extension, critical in self.extra:
            builder = builder.add_extension(extension, critical)
        return builder


def sha1_leaf(leaf: Leaf) -> bytes:
    """The leaf's key in a certificate that its authority signed with SHA-1."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        for name in ("leaf", "root"):
            pem = key(leaf.key if name == "leaf" else leaf.above.key).private_bytes(
                Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
            )
            (place / f"{name}.key").write_bytes(pem)
        (place / "root.pem").write_bytes(leaf.above.certificate.public_bytes(Encoding.PEM))
        (place / "ext").write_text(
            "basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature,nonRepudiation\n"
            f"subjectAltName=URI:urn:intertie:party:{PARTY}\nauthorityKeyIdentifier=keyid\n"
        )
        for command in (
            "req -new -key leaf.key -subj /CN=agg.example -out leaf.csr",
            "x509 -req -in leaf.csr -CA root.pem -CAkey root.key -sha1 -extfile ext -days 3000 -out leaf.pem -set_serial 7",
        ):
            subprocess.run(["openssl", *command.split()], cwd=place, check=True, capture_output=True)
        return x509.load_pem_x509_certificate((place / "leaf.pem").read_bytes()).public_bytes(Encoding.DER)


@dataclass(frozen=True)
class Crl:
    """A revocation list to be; `revoked`: certificate, date, reason, invalidity date."""

    by: Authority
    revoked: tuple[tuple[x509.Certificate, datetime, Reason | None, datetime | None], ...] = ()
    signer: str = ""
    since: datetime = NOW - DAY
    until: datetime | None = NOW + 6 * DAY
    number: int = 5
    extra: tuple[tuple[Any, bool], ...] = ()
    entry_extra: tuple[tuple[Any, bool], ...] = ()
    only: str | None = None

    def pem(self) -> str:
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(name_of(self.by.name))
            .last_update(self.since)
            .next_update(self.until)
            .add_extension(x509.CRLNumber(self.number), critical=False)
        )
        for extension, critical in self.extra:
            builder = builder.add_extension(extension, critical)
        for certificate, date, reason, invalid in self.revoked:
            entry = (
                x509.RevokedCertificateBuilder()
                .serial_number(certificate.serial_number)
                .revocation_date(date)
            )
            if reason is not None:
                entry = entry.add_extension(x509.CRLReason(reason), critical=False)
            if invalid is not None:
                entry = entry.add_extension(x509.InvalidityDate(invalid), critical=False)
            for extension, critical in self.entry_extra:
                entry = entry.add_extension(extension, critical)
            builder = builder.add_revoked_certificate(entry.build())
        return str(signed(builder, key(self.signer or self.by.key)).public_bytes(Encoding.PEM).decode())


@dataclass(frozen=True)
class Answer:
    """An OCSP answer to be, about a certificate; signed by its issuer, or by `responder` with its certificate."""

    about: x509.Certificate
    issuer: Authority
    status: ocsp.OCSPCertStatus = ocsp.OCSPCertStatus.GOOD
    revoked: datetime | None = None
    responder: tuple[x509.Certificate, str] | None = None
    forged: bool = False
    since: datetime = NOW - timedelta(hours=1)
    until: datetime = NOW + timedelta(hours=3)

    def der(self) -> bytes:
        certificate, signer = self.responder or (self.issuer.certificate, self.issuer.key)
        builder = (
            ocsp.OCSPResponseBuilder()
            .add_response(
                cert=self.about, issuer=self.issuer.certificate, algorithm=hashes.SHA256(), cert_status=self.status,
                this_update=self.since, next_update=self.until, revocation_time=self.revoked, revocation_reason=None,
            )
            .responder_id(ocsp.OCSPResponderEncoding.HASH, certificate)
        )  # fmt: skip
        if self.responder:
            builder = builder.certificates([certificate])
        der = builder.sign(key(signer), hash_for(key(signer))).public_bytes(Encoding.DER)
        return der[:-1] + bytes([der[-1] ^ 1]) if self.forged else der


def responder(
    above: Authority, *, purpose: bool = True, until: datetime = NOW + 90 * DAY, kind: str = "p256 responder"
) -> tuple[x509.Certificate, str]:
    """A delegated responder's certificate (RFC 6960 s.4.2.2.2) and the name of its key."""
    builder = base("Responder", key(kind).public_key(), above, NOW - 5 * DAY, until)
    builder = builder.add_extension(usage(sign=True), critical=True)
    eku = ExtendedKeyUsageOID.OCSP_SIGNING if purpose else ExtendedKeyUsageOID.CODE_SIGNING
    builder = builder.add_extension(x509.ExtendedKeyUsage([eku]), critical=False)
    return signed(builder.add_extension(x509.OCSPNoCheck(), critical=False), key(above.key)), kind


ROOT = Authority("EC Root", "p384 root")
SUB = Authority("EC Sub", "p384 sub", ROOT, path_length=0)
MID = Authority("EC Mid", "p384 mid", ROOT)
LOW = Authority("EC Low", "p256 low", MID)
PQ_ROOT = Authority("PQ Root", "mldsa87 root")
PQ_SUB = Authority("PQ Sub", "mldsa65 sub", PQ_ROOT)
RSA_ROOT = Authority("RSA Root", "rsa3072 root")
RSA_SUB = Authority("RSA Sub", "rsa4096 sub", RSA_ROOT)
OTHER = Authority("Other Root", "p384 other")
LEAF = Leaf(ROOT)
UNDER_SUB = Leaf(SUB)


@dataclass(frozen=True)
class Case:
    """One case: chain, trust, time, and the verdict."""

    name: str
    expect: str
    origin: str
    chain: tuple[bytes, ...]
    roots: tuple[tuple[Authority, str | None], ...] = ((ROOT, None),)
    crls: tuple[Crl, ...] = ()
    answers: tuple[Answer, ...] = ()
    require: str = "if_listed"
    party: str = PARTY
    now: datetime = NOW

    def json(self) -> dict[str, Any]:
        pems = [(one.certificate.public_bytes(Encoding.PEM).decode(), only) for one, only in self.roots]
        return {
            "name": self.name.replace("_", " "),
            "origin": self.origin,
            "roots": [{"pem": pem, "only": only} for pem, only in pems],
            "chain": [to_base64url(der) for der in self.chain],
            "party": self.party,
            "now": self.now.isoformat().replace("+00:00", "Z"),
            "require": self.require,
            "lists": [{"pem": crl.pem(), "only": crl.only} for crl in self.crls],
            "answers": [to_base64url(answer.der()) for answer in self.answers],
            "expect": self.expect,
        }


def ders(*certificates: x509.Certificate) -> tuple[bytes, ...]:
    return tuple(one.public_bytes(Encoding.DER) for one in certificates)


def alone(leaf: Leaf) -> tuple[bytes, ...]:
    return ders(leaf.certificate)


def under(leaf: Leaf) -> tuple[bytes, ...]:
    """The leaf and the authorities above it, without the root."""
    found, above = [leaf.certificate], leaf.above
    while above.above is not None:
        found.append(above.certificate)
        above = above.above
    return ders(*found)


def only(*roots: Authority) -> tuple[tuple[Authority, str | None], ...]:
    return tuple((root, None) for root in roots)


P280, P5280 = "RFC 5280 s.6.1", "RFC 5280 s.4.2.1"
UNTRUSTED, EXPIRED, NOT_SENDER = "certificate_untrusted", "certificate_expired", "certificate_not_sender"
REVOKED, UNCERTAIN, UNUSABLE = "certificate_revoked", "revocation_unknown", "trust_unusable"


def good_paths() -> Iterator[Case]:
    yield Case("ok_root_and_leaf", "ok", P280, alone(LEAF))
    yield Case("ok_intermediate", "ok", P280, under(UNDER_SUB))
    yield Case("ok_two_intermediates", "ok", P280, under(Leaf(LOW)))
    yield Case("ok_p-384", "ok", P280, under(Leaf(SUB, "p384 leaf")))
    yield Case("ok_ml-dsa", "ok", "RFC 9881", alone(Leaf(PQ_ROOT, "mldsa87 leaf")), only(PQ_ROOT, ROOT))
    yield Case("ok_ml-dsa_intermediate", "ok", "RFC 9881", under(Leaf(PQ_SUB, "mldsa65 leaf")), only(PQ_ROOT))
    yield Case("ok_rsa_root", "ok", P280, alone(Leaf(RSA_ROOT)), only(RSA_ROOT))
    yield Case("ok_rsa_root_and_intermediate", "ok", P280, under(Leaf(RSA_SUB)), only(RSA_ROOT))
    yield Case(
        "ok_extension_unknown_but_not_critical", "ok", P280, alone(replace(LEAF, extra=((UNKNOWN, False),)))
    )
    signing = replace(LEAF, purposes=(ObjectIdentifier("1.3.6.1.5.5.7.3.36"),))
    yield Case("ok_for_document_signing", "ok", "RFC 9336", alone(signing))
    yield Case("ok_root_for_this_party", "ok", "docs/identity.md", alone(LEAF), ((ROOT, PARTY),))
    names = (party_uri(PARTY), x509.DNSName("gw.agg.example"))
    within = Leaf(named(x509.NameConstraints([x509.DNSName("agg.example")], None)), names=names)
    yield Case("ok_name_within_the_constraint", "ok", P5280 + ".10", under(within))
    yield Case("ok_at_the_first_second", "ok", P280, alone(LEAF), now=LEAF.since)
    yield Case("ok_at_the_last_second", "ok", P280, alone(LEAF), now=LEAF.until)


def named(constraints: x509.NameConstraints) -> Authority:
    return replace(SUB, name="EC Named", extra=((constraints, True),))


def dates() -> Iterator[Case]:
    rule = P280 + ".3 (a)(2)"
    yield Case("leaf_has_ended", EXPIRED, rule, alone(LEAF), now=LEAF.until + timedelta(seconds=1))
    yield Case("leaf_is_not_valid_yet", EXPIRED, rule, alone(LEAF), now=LEAF.since - timedelta(seconds=1))
    old, young = replace(SUB, until=NOW - DAY), replace(SUB, since=NOW + DAY)
    yield Case("intermediate_has_ended", EXPIRED, rule, under(Leaf(old)))
    yield Case("intermediate_is_not_valid_yet", EXPIRED, rule, under(Leaf(young)))
    ended = replace(ROOT, until=NOW - DAY)
    yield Case("root_has_ended", EXPIRED, "docs/identity.md", alone(LEAF), only(ended))


def paths() -> Iterator[Case]:
    yield Case("root_is_not_trusted", UNTRUSTED, P280, alone(Leaf(OTHER)))
    impostor = replace(ROOT, key="p384 impostor")
    yield Case("root_of_the_same_name", UNTRUSTED, P280, alone(Leaf(impostor)))
    yield Case(
        "root_for_another_party", UNTRUSTED, "docs/identity.md", alone(LEAF), ((ROOT, "other.example"),)
    )
    yield Case("intermediate_is_missing", UNTRUSTED, P280, alone(UNDER_SUB))
    yield Case(
        "certificate_that_nothing_needs",
        UNTRUSTED,
        "docs/identity.md",
        ders(LEAF.certificate, SUB.certificate),
    )
    yield Case("root_in_the_chain", UNTRUSTED, "docs/identity.md", ders(LEAF.certificate, ROOT.certificate))
    low = Leaf(LOW).certificate
    yield Case(
        "intermediates_out_of_order",
        UNTRUSTED,
        "docs/identity.md",
        ders(low, MID.certificate, LOW.certificate),
    )
    yield Case("chain_is_empty", UNTRUSTED, "docs/identity.md", ())
    yield Case("chain_of_four", UNTRUSTED, "docs/identity.md", under(Leaf(LOW)) + under(Leaf(LOW))[-1:])
    der = alone(LEAF)[0]
    yield Case("leaf_is_no_certificate", UNTRUSTED, P280, (b"\x30\x03\x02\x01\x01",))
    yield Case("leaf_with_a_byte_too_many", UNTRUSTED, "X.690", (der + b"\0",))
    yield Case("leaf_cut_short", UNTRUSTED, "X.690", (der[:-1],))
    yield Case("signature_of_the_leaf_altered", UNTRUSTED, P280, (der[:-1] + bytes([der[-1] ^ 1]),))
    chain = under(UNDER_SUB)
    broken = chain[1][:-1] + bytes([chain[1][-1] ^ 1])
    yield Case("signature_of_the_intermediate_altered", UNTRUSTED, P280, (chain[0], broken))
    for name, change in {
        "intermediate_is_no_authority": {"ca": False, "path_length": None},
        "intermediate_without_basic_constraints": {"ca": None},
        "intermediate_may_not_sign_certificates": {"cert_sign": False},
    }.items():
        yield Case(name, UNTRUSTED, P280 + ".4", under(Leaf(replace(SUB, **change))))  # type: ignore[arg-type]
    below = Authority("EC Below", "p256 below", SUB)
    yield Case("path_is_longer_than_allowed", UNTRUSTED, P5280 + ".9", under(Leaf(below)))
    low_root = replace(ROOT, path_length=0)
    yield Case(
        "path_is_longer_than_the_root_allows", UNTRUSTED, P5280 + ".9", under(UNDER_SUB), only(low_root)
    )
    party = Authority(PARTY, "p256 leaf", ROOT, ca=False, cert_sign=False, crl_sign=False)
    yield Case("issued_by_a_party", UNTRUSTED, P280 + ".4", under(Leaf(party, "p256 second")))
    authority = replace(LEAF, ca=True, usage=usage(sign=True, commit=True, cert=True))
    yield Case("leaf_is_an_authority", UNTRUSTED, "docs/identity.md", alone(authority))


def constraints() -> Iterator[Case]:
    names = (party_uri(PARTY), x509.DNSName("gw.agg.example"))
    rule = P5280 + ".10"
    for name, allowed, forbidden in (
        ("name_outside_the_constraint", [x509.DNSName("elsewhere.example")], None),
        ("name_in_the_excluded_part", None, [x509.DNSName("agg.example")]),
        ("constraint_on_uris", [x509.UniformResourceIdentifier("agg.example")], None),
    ):
        above = named(x509.NameConstraints(allowed, forbidden))
        yield Case(name, UNTRUSTED, rule, under(Leaf(above, names=names)))
    critical = ((UNKNOWN, True),)
    yield Case("critical_extension_in_the_leaf", UNTRUSTED, P280, alone(replace(LEAF, extra=critical)))
    yield Case(
        "critical_extension_in_the_intermediate", UNTRUSTED, P280, under(Leaf(replace(SUB, extra=critical)))
    )


def weak_keys() -> Iterator[Case]:
    rule = "SP 800-57 Part 1 table 2"
    for name, kind in {"rsa-2048": "rsa2048", "p-224": "p224", "secp256k1": "k256"}.items():
        yield Case(f"weak_leaf_{name}", UNTRUSTED, rule, alone(replace(LEAF, key=f"{kind} leaf")))
    yield Case("weak_leaf_ml-dsa-44", UNTRUSTED, rule, alone(Leaf(PQ_ROOT, "mldsa44 leaf")), only(PQ_ROOT))
    for kind in ("rsa2048", "p224", "ed25519"):
        root = Authority("Weak Root", f"{kind} root")
        yield Case(f"weak_root_{kind}", UNTRUSTED, rule, alone(Leaf(root)), only(root))
    sub = replace(SUB, key="rsa2048 sub")
    yield Case("weak_intermediate_rsa-2048", UNTRUSTED, rule, under(Leaf(sub)))
    yield Case(
        "weak_signature_sha-1",
        UNTRUSTED,
        "SP 800-131A",
        (sha1_leaf(LEAF),),
        now=datetime.now(UTC).replace(microsecond=0) + DAY,
    )


def families() -> Iterator[Case]:
    both, rule = only(ROOT, PQ_ROOT), "docs/identity.md"
    yield Case(
        "family_ml-dsa_leaf_under_the_ec_root", UNTRUSTED, rule, alone(Leaf(ROOT, "mldsa65 leaf")), both
    )
    yield Case("family_ec_leaf_under_the_ml-dsa_root", UNTRUSTED, rule, alone(Leaf(PQ_ROOT)), both)
    mixed = replace(SUB, name="Mixed", above=PQ_ROOT)
    yield Case(
        "family_ec_authority_under_the_ml-dsa_root", UNTRUSTED, rule, under(Leaf(mixed, "mldsa65 leaf")), both
    )
    yield Case("family_without_a_root", UNTRUSTED, rule, alone(Leaf(PQ_ROOT, "mldsa65 leaf")), only(ROOT))


def parties() -> Iterator[Case]:
    rule = "docs/identity.md"
    yield Case("party_is_another", NOT_SENDER, rule, alone(LEAF), party="other.example")
    for name, names in {
        "party_twice": (party_uri(PARTY), party_uri("other.example")),
        "party_not_named": (x509.DNSName(PARTY),),
        "party_in_capitals": (x509.UniformResourceIdentifier("URN:INTERTIE:PARTY:agg.example"),),
        "party_is_no_name": (party_uri("../agg"),),
    }.items():
        yield Case(name, NOT_SENDER, rule, alone(replace(LEAF, names=names)))
    yield Case("no_alternative_names", UNTRUSTED, rule, alone(replace(LEAF, names=None)))


def usages() -> Iterator[Case]:
    rule = P5280 + ".3"
    yield Case("may_not_sign", UNTRUSTED, rule, alone(replace(LEAF, usage=usage(sign=True))))
    yield Case("key_usage_is_missing", UNTRUSTED, rule, alone(replace(LEAF, usage=None)))
    client = (ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH)
    yield Case("for_tls_only", UNTRUSTED, P5280 + ".12", alone(replace(LEAF, purposes=client)))


def revoked() -> Iterator[Case]:
    leaf, low = LEAF.certificate, UNDER_SUB.certificate
    yesterday, rule = NOW - DAY, "RFC 5280 s.5.3"
    plain = ((leaf, yesterday, None, None),)
    yield Case("revoked", REVOKED, rule, alone(LEAF), crls=(Crl(ROOT, plain),))
    yield Case(
        "revoked_this_second", REVOKED, rule, alone(LEAF), crls=(Crl(ROOT, ((leaf, NOW, None, None),)),)
    )
    never = {"require": "never"}
    old = Crl(ROOT, plain, until=NOW - timedelta(hours=1), since=NOW - 3 * DAY)
    yield Case("revoked_by_a_list_that_is_out_of_date", REVOKED, rule, alone(LEAF), crls=(old,), **never)
    yield Case(
        "revoked_by_the_intermediate",
        REVOKED,
        rule,
        under(UNDER_SUB),
        crls=(Crl(SUB, ((low, yesterday, None, None),)),),
    )
    sub = Crl(ROOT, ((SUB.certificate, yesterday, Reason.ca_compromise, None),))
    yield Case("revoked_intermediate", REVOKED, rule, under(UNDER_SUB), crls=(sub,))
    pq = Leaf(PQ_ROOT, "mldsa65 leaf")
    pq_list = Crl(PQ_ROOT, ((pq.certificate, yesterday, Reason.superseded, None),))
    yield Case("revoked_ml-dsa", REVOKED, rule, alone(pq), only(PQ_ROOT), crls=(pq_list,))
    early = Crl(ROOT, ((leaf, NOW + DAY, Reason.key_compromise, yesterday),), since=NOW + DAY)
    yield Case("revoked_key_was_known_before", REVOKED, rule + ".2", alone(LEAF), crls=(early,))
    other = Crl(ROOT, ((leaf, NOW + DAY, Reason.superseded, yesterday),), since=NOW + DAY)
    yield Case("ok_invalidity_date_without_compromise", "ok", rule + ".2", alone(LEAF), crls=(other,))
    later = Crl(ROOT, ((leaf, NOW + DAY, Reason.key_compromise, None),), since=NOW + DAY)
    yield Case("ok_revoked_only_later", "ok", "docs/identity.md", alone(LEAF), crls=(later,))
    hold = Crl(ROOT, ((leaf, yesterday, Reason.certificate_hold, None),), number=4, since=NOW - 2 * DAY)
    yield Case("revoked_on_hold", REVOKED, rule + ".1", alone(LEAF), crls=(hold,))
    yield Case("ok_hold_is_lifted", "ok", rule + ".1", alone(LEAF), crls=(hold, Crl(ROOT)))
    removed = Crl(ROOT, ((leaf, yesterday, Reason.remove_from_crl, None),))
    yield Case("ok_hold_is_lifted_by_name", "ok", rule + ".1", alone(LEAF), crls=(hold, removed))
    first = Crl(ROOT, plain, number=4, since=NOW - 2 * DAY)
    yield Case(
        "revoked_and_left_out_later", REVOKED, "docs/identity.md", alone(LEAF), crls=(first, Crl(ROOT))
    )


def lists() -> Iterator[Case]:
    rule, leaf = "RFC 5280 s.6.3.3", LEAF.certificate
    yield Case(
        "ok_not_on_the_list",
        "ok",
        rule,
        alone(LEAF),
        crls=(Crl(ROOT, ((SUB.certificate, NOW, None, None),)),),
    )
    both = (Crl(ROOT), Crl(SUB))
    yield Case("ok_lists_of_all_authorities", "ok", rule, under(UNDER_SUB), crls=both, require="always")
    stale = Crl(ROOT, until=NOW - timedelta(seconds=1), since=NOW - 8 * DAY)
    yield Case("list_is_out_of_date", UNCERTAIN, rule, alone(LEAF), crls=(stale,))
    yield Case(
        "ok_list_is_out_of_date_but_none_is_asked_for",
        "ok",
        "docs/identity.md",
        alone(LEAF),
        crls=(stale,),
        require="never",
    )
    yield Case(
        "list_of_the_intermediate_is_out_of_date",
        UNCERTAIN,
        rule,
        under(UNDER_SUB),
        crls=(Crl(ROOT), replace(stale, by=SUB)),
    )
    yield Case("no_list_where_one_is_asked_for", UNCERTAIN, "docs/identity.md", alone(LEAF), require="always")
    yield Case(
        "no_list_of_the_intermediate", UNCERTAIN, rule, under(UNDER_SUB), crls=(Crl(ROOT),), require="always"
    )
    forged = Crl(SUB, signer="p384 impostor")
    yield Case("list_by_nobody_in_the_intermediates_name", UNCERTAIN, rule, under(UNDER_SUB), crls=(forged,))
    mute = replace(SUB, crl_sign=False)
    yield Case(
        "list_by_one_who_may_not_sign_lists", UNCERTAIN, rule + " (f)", under(Leaf(mute)), crls=(Crl(mute),)
    )
    yield Case(
        "list_in_the_roots_name", UNUSABLE, rule, alone(LEAF), crls=(Crl(ROOT, signer="p384 impostor"),)
    )
    flags = (
        "indirect_crl",
        "only_contains_attribute_certs",
        "only_contains_user_certs",
        "only_contains_ca_certs",
    )
    scope: dict[str, Any] = {"full_name": None, "relative_name": None, "only_some_reasons": None}
    scope |= dict.fromkeys(flags, False)

    def scoped(**change: Any) -> Crl:
        return Crl(ROOT, extra=((x509.IssuingDistributionPoint(**{**scope, **change}), True),))

    yield Case(
        "ok_list_of_parties_only",
        "ok",
        rule,
        alone(LEAF),
        crls=(scoped(only_contains_user_certs=True),),
        require="always",
    )
    yield Case(
        "list_of_authorities_only", UNCERTAIN, rule, alone(LEAF), crls=(scoped(only_contains_ca_certs=True),)
    )
    point = scoped(full_name=[x509.UniformResourceIdentifier(URL)])
    place = x509.DistributionPoint([x509.UniformResourceIdentifier(URL)], None, None, None)
    pointing = replace(LEAF, extra=((x509.CRLDistributionPoints([place]), False),))
    yield Case(
        "ok_list_of_the_certificates_own_point", "ok", rule, alone(pointing), crls=(point,), require="always"
    )
    yield Case("list_of_another_point", UNCERTAIN, rule, alone(LEAF), crls=(point,))
    yield Case(
        "list_is_indirect", UNUSABLE, "RFC 5280 s.5.2.5", alone(LEAF), crls=(scoped(indirect_crl=True),)
    )
    reasons = frozenset({Reason.key_compromise})
    yield Case(
        "list_of_some_reasons",
        UNUSABLE,
        "RFC 5280 s.5.2.5",
        alone(LEAF),
        crls=(scoped(only_some_reasons=reasons),),
    )
    delta = Crl(ROOT, extra=((x509.DeltaCRLIndicator(4), True),))
    yield Case("list_is_a_delta", UNUSABLE, "RFC 5280 s.5.2.4", alone(LEAF), crls=(delta,))
    yield Case(
        "list_with_a_critical_extension",
        UNUSABLE,
        "RFC 5280 s.5.2",
        alone(LEAF),
        crls=(Crl(ROOT, extra=((UNKNOWN, True),)),),
    )
    entry = Crl(ROOT, ((leaf, NOW + DAY, None, None),), entry_extra=((UNKNOWN, True),))
    yield Case(
        "list_with_a_critical_extension_in_an_entry", UNUSABLE, "RFC 5280 s.5.3", alone(LEAF), crls=(entry,)
    )
    issuer = x509.CertificateIssuer([x509.DirectoryName(name_of("Other Root"))])
    foreign = Crl(ROOT, ((leaf, NOW + DAY, None, None),), entry_extra=((issuer, True),))
    yield Case(
        "list_with_another_authoritys_entry", UNUSABLE, "RFC 5280 s.5.3.3", alone(LEAF), crls=(foreign,)
    )
    namesake = (replace(ROOT, key="p384 namesake"), "other.example")
    theirs = Crl(namesake[0], ((leaf, NOW - DAY, None, None),), only="other.example")
    roots = ((ROOT, None), namesake)
    yield Case(
        "ok_revoked_by_a_namesake_for_another_party",
        "ok",
        "docs/identity.md",
        alone(LEAF),
        roots,
        crls=(theirs,),
    )


def answers() -> Iterator[Case]:
    leaf, rule = LEAF.certificate, "RFC 6960 s.3.2"
    status = ocsp.OCSPCertStatus
    asked = {"require": "always"}
    good = Answer(leaf, ROOT)
    yield Case("ok_ocsp_good", "ok", rule, alone(LEAF), answers=(good,), **asked)
    yield Case(
        "ok_ocsp_by_a_responder",
        "ok",
        rule,
        alone(LEAF),
        answers=(replace(good, responder=responder(ROOT)),),
        **asked,
    )
    pq = Leaf(PQ_ROOT, "mldsa65 leaf")
    yield Case(
        "ok_ocsp_ml-dsa",
        "ok",
        rule,
        alone(pq),
        only(PQ_ROOT),
        answers=(Answer(pq.certificate, PQ_ROOT),),
        **asked,
    )
    low = Answer(UNDER_SUB.certificate, SUB)
    yield Case(
        "ok_ocsp_and_the_roots_list", "ok", rule, under(UNDER_SUB), crls=(Crl(ROOT),), answers=(low,), **asked
    )
    stale = Crl(ROOT, until=NOW - timedelta(seconds=1), since=NOW - 8 * DAY)
    yield Case(
        "ok_ocsp_while_the_list_is_out_of_date", "ok", rule, alone(LEAF), crls=(stale,), answers=(good,)
    )
    no = replace(good, status=status.REVOKED, revoked=NOW - DAY)
    yield Case("ocsp_revoked", REVOKED, rule, alone(LEAF), answers=(no,))
    yield Case(
        "ocsp_revoked_by_a_responder",
        REVOKED,
        rule,
        alone(LEAF),
        answers=(replace(no, responder=responder(ROOT)),),
    )
    yield Case(
        "ocsp_revoked_although_the_list_says_nothing",
        REVOKED,
        rule,
        alone(LEAF),
        crls=(Crl(ROOT),),
        answers=(no,),
    )
    later = replace(no, revoked=NOW + DAY, since=NOW + DAY, until=NOW + 2 * DAY)
    yield Case("ok_ocsp_revoked_only_later", "ok", "docs/identity.md", alone(LEAF), answers=(later,))
    old = replace(good, since=NOW - 2 * DAY, until=NOW - DAY)
    yield Case("ocsp_out_of_date", UNCERTAIN, rule, alone(LEAF), answers=(old,))
    yield Case("ocsp_unknown", UNCERTAIN, rule, alone(LEAF), answers=(replace(good, status=status.UNKNOWN),))
    for name, one in {
        "ocsp_forged": replace(good, forged=True),
        "ocsp_by_one_without_the_purpose": replace(good, responder=responder(ROOT, purpose=False)),
        "ocsp_by_another_authoritys_responder": replace(good, responder=responder(OTHER)),
        "ocsp_by_a_responder_that_has_ended": replace(good, responder=responder(ROOT, until=NOW - 2 * DAY)),
        "ocsp_by_a_weak_responder": replace(good, responder=responder(ROOT, kind="rsa2048 responder")),
        "ocsp_about_another_certificate": replace(good, about=SUB.certificate),
        "ocsp_of_another_authority": Answer(leaf, OTHER),
    }.items():
        yield Case(name, UNCERTAIN, rule, alone(LEAF), answers=(one,), **asked)


GROUPS: Sequence[Callable[[], Iterator[Case]]] = (
    good_paths, dates, paths, constraints, weak_keys, families, parties, usages, revoked, lists, answers,
)  # fmt: skip


def main() -> None:
    cases = [case for group in GROUPS for case in group()]
    assert len({case.name for case in cases}) == len(cases)
    HERE.mkdir(exist_ok=True)
    for path in HERE.glob("*.json"):
        path.unlink()
    for case in cases:
        text = json.dumps(case.json(), indent=1, ensure_ascii=False) + "\n"
        (HERE / f"{case.name}.json").write_text(text, encoding="utf-8")
    print(f"{len(cases)} cases in {HERE.name}/")


if __name__ == "__main__":
    if sys.argv[1:] != ["--write"]:
        sys.exit(__doc__)
    main()
