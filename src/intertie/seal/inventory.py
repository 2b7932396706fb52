"""The cryptographic inventory as a CycloneDX 1.6 CBOM: algorithms, protocols, certificates and keys, and how they hang
together. It names keys by their public halves; nothing private is ever in it.

Relations: a key and a certificate refer to their algorithm, a certificate to its subject's key, a profile and a protocol
to the algorithms they are made of. `dependencies` says the same for tools that read only that.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import uuid4

from cyclonedx.model import Property
from cyclonedx.model.bom import Bom
from cyclonedx.model.bom_ref import BomRef
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.crypto import (
    AlgorithmProperties,
    CertificateProperties,
    CryptoAssetType,
    CryptoFunction,
    CryptoPrimitive,
    CryptoProperties,
    ProtocolProperties,
    ProtocolPropertiesCipherSuite,
    ProtocolPropertiesType,
    RelatedCryptoMaterialProperties,
    RelatedCryptoMaterialState,
    RelatedCryptoMaterialType,
)
from cyclonedx.model.dependency import Dependency
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion

import intertie
from intertie.seal.algorithm_table import Algorithm, algorithms, parts_of, rule
from intertie.seal.certificate_facts import CertificateFacts, chain_of_pem, facts_of
from intertie.seal.certificates import Chain, TrustStore
from intertie.seal.keys import PrivateKeys, PublicKeys
from intertie.seal.policy import holds_until
from intertie.seal.policy_settings import PolicySettings
from intertie.seal.profile import PROFILES, Profile

_PRIMITIVES = {
    "signature": (CryptoPrimitive.SIGNATURE, (CryptoFunction.SIGN, CryptoFunction.VERIFY)),
    "kem": (CryptoPrimitive.KEM, (CryptoFunction.ENCAPSULATE, CryptoFunction.DECAPSULATE)),
    "group": (CryptoPrimitive.KEY_AGREE, (CryptoFunction.KEYGEN, CryptoFunction.KEYDERIVE)),
    "cipher": (CryptoPrimitive.AE, (CryptoFunction.ENCRYPT, CryptoFunction.DECRYPT)),
    "kdf": (CryptoPrimitive.KDF, (CryptoFunction.KEYDERIVE,)),
    "hash": (CryptoPrimitive.HASH, (CryptoFunction.DIGEST,)),
}
# Algorithms that only a certificate of an external authority may bring along: listed if one did.
_ONLY_IF_USED = {"RSA-2048", "RSA-3072"}
# RFC 8446 s.B.4: what TLS 1.3 may agree on, with the cipher of each.
_TLS_SUITES = {
    "TLS_AES_256_GCM_SHA384": "AES-256-GCM",
    "TLS_CHACHA20_POLY1305_SHA256": "CHACHA20-POLY1305",
    "TLS_AES_128_GCM_SHA256": "AES-128-GCM",
}
_SPEC = SchemaVersion.V1_6


class KeptKey(NamedTuple):
    """A key of ours that is in no descriptor and has no certificate: of the store, or of tokens."""

    name: str
    algorithm: str  # as algorithms.toml has it
    use: str  # for which algorithms.toml has a period
    since: datetime


class LegacyUse(NamedTuple):
    """A partner that speaks a protocol of its own: how it protects, until when, and what is taken from it although weak."""

    party: str
    protocol: str
    until: str
    protection: str
    quirks: Sequence[str] = ()


class Holdings(NamedTuple):
    """What a gateway holds and knows: the subject of inventory and check. `None` for a part that is not there."""

    keys: PrivateKeys | None
    trust: TrustStore | None
    partners: Sequence[PublicKeys] = ()
    kept: Sequence[KeptKey] = ()
    legacy: Sequence[LegacyUse] = ()


class _Parts(NamedTuple):
    """The components so far, by reference, and who depends on whom."""

    components: dict[str, Component]
    uses: dict[str, set[str]]

    def add(
        self, ref: str, name: str, properties: CryptoProperties, uses: Iterable[str], *notes: tuple[str, str]
    ) -> None:
        if ref in self.components:
            return
        self.components[ref] = Component(
            name=name,
            type=ComponentType.CRYPTOGRAPHIC_ASSET,
            bom_ref=ref,
            crypto_properties=properties,
            properties=[Property(name=f"intertie:{key}", value=value) for key, value in notes],
        )
        self.uses[ref] = {used for used in uses if used in self.components}


class Inventories:
    """Writes inventories one after the other. What takes time of one (half a second for forty partners) is not done again while
    nothing has changed of what is held: only its time and its serial number are new. Safe to use from any thread."""

    def __init__(self) -> None:
        self._last: tuple[Holdings, PolicySettings, Mapping[str, Any]] | None = None

    def write(self, holdings: Holdings, settings: PolicySettings, now: datetime) -> bytes:
        """As `write_inventory`."""
        last = self._last
        if last is None or last[:2] != (holdings, settings):
            last = self._last = (holdings, settings, json.loads(write_inventory(holdings, settings, now)))
        said = last[2]
        about = {**said["metadata"], "timestamp": now.isoformat()}
        return _written({**said, "serialNumber": uuid4().urn, "metadata": about})


def write_inventory(holdings: Holdings, settings: PolicySettings, now: datetime) -> bytes:
    """The CBOM as JSON. Raises Refused(CERTIFICATE_UNTRUSTED) if a certificate that is held cannot be read."""
    parts = _Parts({}, {})
    certificates = list(_certificates(holdings))
    used = {facts.algorithm for _, facts in certificates}
    for part in algorithms().values():
        if part.name not in _ONLY_IF_USED or part.name in used:
            _add_algorithm(parts, part, settings)
    for profile in PROFILES.values():
        _add_profile(parts, profile, settings)
    _add_tls(parts, settings)
    if holdings.keys is not None:
        _add_own_keys(parts, holdings.keys, settings)
        for kept in holdings.kept:
            _add_kept_key(parts, kept, holdings.keys.party, settings)
    for partner in holdings.partners:
        _add_partner_keys(parts, partner)
    for one in holdings.legacy:
        _add_legacy(parts, one)
    issuers = {facts.subject: facts.algorithm for _, facts in certificates}
    for whose, facts in certificates:
        _add_certificate(parts, whose, facts, issuers)
    return _render(parts, now)


def _certificates(holdings: Holdings) -> Iterable[tuple[str, CertificateFacts]]:
    """Every certificate held, with whose it is; roots first, so that issuers are there before what they issued."""
    if holdings.trust is not None:
        for der in chain_of_pem(holdings.trust.pem()):
            yield "trusted root", facts_of(der)
    if holdings.keys is not None:
        for chain in (*_chains(holdings.keys.public()), chain_of_pem(holdings.keys.tls.chain)):
            yield from ((holdings.keys.party, facts_of(der)) for der in reversed(chain))
    for partner in holdings.partners:
        for chain in _chains(partner):
            yield from ((partner.party, facts_of(der)) for der in reversed(chain))


def _chains(keys: PublicKeys) -> Iterable[Chain]:
    return (chain for chains in keys.signing.values() for chain in chains)


def _ref(kind: str, name: str) -> str:
    return f"{kind}/{name}"


def _add_algorithm(parts: _Parts, part: Algorithm, settings: PolicySettings) -> None:
    primitive, functions = _PRIMITIVES[part.kind]
    if part.quantum_safe and part.kind in {"kem", "group"}:
        primitive = CryptoPrimitive.COMBINER  # of a post-quantum and a classical one
    properties = AlgorithmProperties(
        primitive=primitive,
        parameter_set_identifier=part.size,
        crypto_functions=functions,
        classical_security_level=part.strength,
        nist_quantum_security_level=part.category,
    )
    end = settings.last_day(part)
    parts.add(
        _ref("algorithm", part.name),
        part.name,
        CryptoProperties(asset_type=CryptoAssetType.ALGORITHM, algorithm_properties=properties),
        (),
        ("family", part.family),
        ("acceptable-until", str(end) if end else "no end known"),
        ("source", part.source),
        ("certainty", part.certainty),
    )


def _add_profile(parts: _Parts, profile: Profile, settings: PolicySettings) -> None:
    """A profile of the parcel format: HPKE with a suite, and the signatures over it."""
    refs = [_ref("algorithm", part.name) for part in parts_of(profile)]
    suite = ProtocolPropertiesCipherSuite(name=profile.suite, algorithms=[BomRef(ref) for ref in refs])
    properties = ProtocolProperties(
        type=ProtocolPropertiesType.OTHER,
        version="1",
        cipher_suites=[suite],
        crypto_refs=[BomRef(ref) for ref in refs],
    )
    end = holds_until(profile, settings)
    parts.add(
        _ref("protocol", f"parcel/{profile.name}"),
        f"Intertie parcel, profile {profile.name} (HPKE, RFC 9180; JWS, RFC 7515)",
        CryptoProperties(asset_type=CryptoAssetType.PROTOCOL, protocol_properties=properties),
        refs,
        ("holds-until", str(end) if end else "no end known"),
    )


def _add_tls(parts: _Parts, settings: PolicySettings) -> None:
    groups = [part.name for part in algorithms().values() if part.kind == "group"]
    refs = [_ref("algorithm", name) for name in (*groups, *_TLS_SUITES.values())]
    properties = ProtocolProperties(
        type=ProtocolPropertiesType.TLS,
        version=settings.tls_least,
        cipher_suites=[
            ProtocolPropertiesCipherSuite(name=name, algorithms=[BomRef(_ref("algorithm", cipher))])
            for name, cipher in _TLS_SUITES.items()
        ],
        crypto_refs=[BomRef(ref) for ref in refs],
    )
    parts.add(
        _ref("protocol", "tls"),
        f"TLS {settings.tls_least}, mutual authentication",
        CryptoProperties(asset_type=CryptoAssetType.PROTOCOL, protocol_properties=properties),
        refs,
        ("first-group", rule("tls_groups").value),
    )


def _add_legacy(parts: _Parts, one: LegacyUse) -> None:
    """A protocol that is not ours, with the day on which it ends."""
    properties = CryptoProperties(
        asset_type=CryptoAssetType.PROTOCOL,
        protocol_properties=ProtocolProperties(type=ProtocolPropertiesType.OTHER),
    )
    notes = [("party", one.party), ("legacy-until", one.until), ("protection", one.protection)]
    notes += [("quirk", quirk) for quirk in sorted(one.quirks)]
    ref = _ref("legacy", f"{one.protocol}/{one.party}")
    parts.add(ref, f"{one.protocol} with {one.party}", properties, [], *notes)


def _add_own_keys(parts: _Parts, keys: PrivateKeys, settings: PolicySettings) -> None:
    """Our private keys by name: signing and TLS keys by their certificate, the others by key id. Never the keys."""
    private = RelatedCryptoMaterialType.PRIVATE_KEY
    tls = facts_of(chain_of_pem(keys.tls.chain)[0])
    certified = [(facts_of(key.chain[0]), settings.key_days.signature) for key in keys.signing.values()]
    for facts, days in [*certified, (tls, settings.key_days.tls)]:
        end = facts.start + timedelta(days=days)
        _add_key(parts, private, facts.thumbprint, facts.algorithm, keys.party, facts.start, end)
    for kid, opening in keys.opening.items():
        _add_key(parts, private, kid, opening.suite.split("/")[0], keys.party)


def _add_kept_key(parts: _Parts, kept: KeptKey, party: str, settings: PolicySettings) -> None:
    symmetric = algorithms()[kept.algorithm].kind == "cipher"
    kind = RelatedCryptoMaterialType.SECRET_KEY if symmetric else RelatedCryptoMaterialType.PRIVATE_KEY
    end = kept.since + timedelta(days=settings.key_days.of(kept.use))
    _add_key(parts, kind, kept.name, kept.algorithm, f"{party}, {kept.use}", kept.since, end)


def _add_partner_keys(parts: _Parts, partner: PublicKeys) -> None:
    for kid, key in partner.sealing.items():
        _add_key(parts, RelatedCryptoMaterialType.PUBLIC_KEY, kid, key.suite.split("/")[0], partner.party)


def _add_key(
    parts: _Parts,
    kind: RelatedCryptoMaterialType,
    name: str,
    algorithm: str,
    party: str,
    start: datetime | None = None,
    end: datetime | None = None,
) -> str:
    """A key by name, and its reference. `end`: to be replaced by then."""
    ref, made_with = _ref(kind.value, name), _ref("algorithm", algorithm)
    material = RelatedCryptoMaterialProperties(
        type=kind,
        id=name,
        state=RelatedCryptoMaterialState.ACTIVE,
        algorithm_ref=BomRef(made_with) if made_with in parts.components else None,
        activation_date=start,
        expiration_date=end,
    )
    properties = CryptoProperties(
        asset_type=CryptoAssetType.RELATED_CRYPTO_MATERIAL, related_crypto_material_properties=material
    )
    parts.add(ref, f"{algorithm} key of {party}", properties, [made_with], ("party", party))
    return ref


def _add_certificate(parts: _Parts, whose: str, facts: CertificateFacts, issuers: Mapping[str, str]) -> None:
    """`issuers`: the key algorithm of each certificate that is here, by its subject; a root's is its own."""
    public = RelatedCryptoMaterialType.PUBLIC_KEY
    own = _add_key(parts, public, facts.thumbprint, facts.algorithm, whose, facts.start, facts.end)
    signed = _ref("algorithm", issuers.get(facts.issuer, ""))
    properties = CertificateProperties(
        subject_name=facts.subject,
        issuer_name=facts.issuer,
        not_valid_before=facts.start,
        not_valid_after=facts.end,
        signature_algorithm_ref=BomRef(signed) if signed in parts.components else None,
        subject_public_key_ref=BomRef(own),
        certificate_format="X.509",
    )
    parts.add(
        _ref("certificate", facts.thumbprint),
        f"{facts.subject} ({whose})",
        CryptoProperties(asset_type=CryptoAssetType.CERTIFICATE, certificate_properties=properties),
        [own, signed],
        ("serial", facts.serial),
        ("sha256", facts.thumbprint),
        ("key-algorithm", facts.algorithm),
    )


def _render(parts: _Parts, now: datetime) -> bytes:
    program = Component(
        name="intertie", version=intertie.__version__, type=ComponentType.APPLICATION, bom_ref="intertie"
    )
    bom = Bom(components=parts.components.values(), dependencies=_dependencies(parts, program))
    bom.metadata.timestamp = now
    bom.metadata.component = program
    return _written(json.loads(make_outputter(bom, OutputFormat.JSON, _SPEC).output_as_string()))


def _dependencies(parts: _Parts, program: Component) -> Iterable[Dependency]:
    """Who depends on whom. All at once: the library's own way looks through all that are known for each that is added."""
    refs = {ref: component.bom_ref for ref, component in parts.components.items()}
    yield Dependency(program.bom_ref, [Dependency(ref) for ref in refs.values()])
    for ref, uses in parts.uses.items():
        yield Dependency(refs[ref], [Dependency(refs[used]) for used in uses])


def _written(bom: Mapping[str, Any]) -> bytes:
    return json.dumps(bom, indent=2).encode() + b"\n"
