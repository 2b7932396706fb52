"""Certificate requests (PKCS#10, RFC 2986): what a party asks an authority for, and what the trial authority reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, mldsa
from cryptography.hazmat.primitives.serialization import Encoding

from intertie.model.errors import SettingsError
from intertie.model.ids import PartyId, party_id
from intertie.seal.algorithms import SigningPrivateKey, is_post_quantum
from intertie.seal.certificates import PARTY_URI
from intertie.seal.issuing import (
    TLS_PURPOSES,
    PublicKeyTypes,
    Purpose,
    common_name,
    hash_for,
    host_name,
    key_usage,
)
from intertie.seal.x509_path import PARSE_ERRORS, weakness

# A request for an ML-DSA-87 key is 8 KB of DER.
REQUEST_BYTES_MAX = 32 * 1024


class Request(NamedTuple):
    """What is asked for: a certificate for this key, for this use. `party` is None if the request names none."""

    public: PublicKeyTypes
    purpose: Purpose
    party: PartyId | None
    hosts: tuple[str, ...]

    @property
    def family(self) -> str:
        """Of the key: "ec" or "mldsa"."""
        return "mldsa" if is_post_quantum(self.public) else "ec"


def write_request(
    party: PartyId, key: SigningPrivateKey, purpose: Purpose, hosts: Sequence[str] = ()
) -> bytes:
    """A request in PEM: the party as URI in subjectAltName, and the key usage that `certificates.py` will ask for."""
    names: list[x509.GeneralName] = [x509.UniformResourceIdentifier(PARTY_URI + party)]
    names += [host_name(host) for host in hosts]
    builder = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(common_name(party))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(key_usage(commitment=purpose == "signing", authority=False), critical=True)
    )
    if purpose == "tls":
        builder = builder.add_extension(x509.ExtendedKeyUsage(TLS_PURPOSES), critical=False)
    small = isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.key_size <= 256
    # A token with a P-256 key may know SHA-256 alone.
    return builder.sign(key, hashes.SHA256() if small else hash_for(key)).public_bytes(Encoding.PEM)


def read_request(data: bytes) -> Request:
    """A request in PEM or DER, whose sender has shown that it holds the key; SettingsError otherwise."""
    try:
        if len(data) > REQUEST_BYTES_MAX:
            raise ValueError(f"more than {REQUEST_BYTES_MAX} bytes")
        pem = data[:1] != b"\x30"  # DER begins with a SEQUENCE; a PEM file may begin with any text
        request = x509.load_pem_x509_csr(data) if pem else x509.load_der_x509_csr(data)
        if not request.is_signature_valid:
            raise ValueError("its signature does not verify")
        public = request.public_key()
        why = weakness(public)
        if why or not isinstance(
            public, ec.EllipticCurvePublicKey | mldsa.MLDSA65PublicKey | mldsa.MLDSA87PublicKey
        ):
            raise ValueError(f"its key cannot be certified here: {why or type(public).__name__}")
        party, hosts = _names(request)
        return Request(public, _purpose(request), party, hosts)
    except (InvalidSignature, *PARSE_ERRORS) as error:
        raise SettingsError(
            f"the certificate request cannot be used: {error}", do="`intertie keys request` writes good ones."
        ) from error


def _purpose(request: x509.CertificateSigningRequest) -> Purpose:
    try:
        usage = request.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return "tls"
    return "signing" if usage.content_commitment else "tls"


def _names(request: x509.CertificateSigningRequest) -> tuple[PartyId | None, tuple[str, ...]]:
    try:
        names = request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return None, ()
    uris = names.get_values_for_type(x509.UniformResourceIdentifier)
    parties = {uri.removeprefix(PARTY_URI) for uri in uris if uri.startswith(PARTY_URI)}
    if len(parties) > 1:
        raise ValueError(f"it names {len(parties)} parties")
    hosts = names.get_values_for_type(x509.DNSName)
    hosts += [str(address) for address in names.get_values_for_type(x509.IPAddress)]
    return (party_id(parties.pop()) if parties else None), tuple(hosts)
