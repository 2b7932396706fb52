"""AS4 with the library as4 in its Peppol profile: compressed, signed (RSA-2048, SHA-256), encrypted (AES-128-GCM under
RSA-OAEP), and a signed receipt whose digests the sender holds to what it sent. It keeps nothing. See load.py."""

from __future__ import annotations

import datetime
import logging
from pathlib import Path
from typing import Any

import load
from as4 import AS4LocalPrivateKey, SecurityPolicy, pinned_certificates
from as4.peppol import (
    build_peppol_message,
    create_peppol_external_party,
    create_peppol_internal_party,
    parse_peppol_message,
    parse_peppol_receipt,
)
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa

# Names as Peppol's authority gives them.
SENDER, RECIPIENT = "PTE000001", "PTE000002"
NAMESPACE = "urn:oasis:names:specification:ubl:schema:xsd:Invoice-2"
KIND = (
    f"{NAMESPACE}::Invoice##urn:cen.eu:en16931:2017#compliant#urn:fdc:peppol.eu:2017:poacc:billing:3.0::2.1"
)
PROCESS = "urn:fdc:peppol.eu:2017:poacc:billing:01:1.0"
logging.disable(logging.CRITICAL)


def prepare(folder: Path) -> None:
    """Keys and certificates of both."""
    for name in (SENDER, RECIPIENT):
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        subject = x509.Name(
            [
                x509.NameAttribute(x509.NameOID.COUNTRY_NAME, "US"),
                x509.NameAttribute(x509.NameOID.COMMON_NAME, name),
            ]
        )
        now, day = datetime.datetime.now(datetime.UTC), datetime.timedelta(days=1)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - day)
            .not_valid_after(now + 30 * day)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .sign(key, hashes.SHA256())
        )
        pem = serialization.Encoding.PEM
        (folder / f"{name}.key").write_bytes(
            key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        )
        (folder / f"{name}.pem").write_bytes(certificate.public_bytes(pem))


def certificate_of(folder: Path, name: str) -> x509.Certificate:
    """Of one of both."""
    return x509.load_pem_x509_certificate((folder / f"{name}.pem").read_bytes())


def ourselves(folder: Path, name: str) -> Any:
    """A party with its key, parsed once."""
    key = serialization.load_pem_private_key((folder / f"{name}.key").read_bytes(), None)
    return create_peppol_internal_party(name, certificate_of(folder, name), AS4LocalPrivateKey(key))


def serve(folder: Path, port: int) -> None:
    """Answers with a receipt what verifies, and fails with what does not."""
    us = ourselves(folder, RECIPIENT)
    policy = SecurityPolicy(signer_resolver=pinned_certificates(certificate_of(folder, SENDER)))

    def answer(headers: list[tuple[bytes, bytes]], body: bytes) -> tuple[dict[str, str], bytes]:
        named = {name.decode(): value.decode() for name, value in headers}
        received = parse_peppol_message(named, body, us, security_policy=policy)
        if not received.successful or not received.message.decrypted_data:
            raise RuntimeError("refused")
        return received.build_signal()

    load.serve_asgi(port, answer)


def connect(folder: Path, port: int, size: int) -> load.Exchange:
    """Message by message over a connection of its own."""
    us, them = ourselves(folder, SENDER), certificate_of(folder, RECIPIENT)
    partner = create_peppol_external_party(RECIPIENT, them)
    poster = load.Poster(port, "/as4")
    note = load.payload(size).decode()
    data = f'<?xml version="1.0"?><Invoice xmlns="{NAMESPACE}"><Note>{note}</Note></Invoice>'.encode()

    def exchange() -> None:
        message = build_peppol_message(
            payload=data,
            local_party=us,
            remote_party=partner,
            sender="9932:9999999999",
            recipient="9932:1111111111",
            sender_country_id="US",
            document_type_identifier_scheme="busdox-docid-qns",
            document_type_identifier_value=KIND,
            process_identifier=PROCESS,
        )
        body, boundary = message.get_request_data()
        _, raw = poster.post(body, message.get_http_headers(boundary))
        parse_peppol_receipt(raw, them).verify_non_repudiation(message.signed_references)

    return exchange


if __name__ == "__main__":
    load.main(load.Peer(prepare, serve, connect))
