"""AS2 with pyas2lib, as protected as it gets: signed (RSA-2048, SHA-256), encrypted (AES-256-CBC under RSA), and a signed,
synchronous MDN that the sender verifies. It keeps nothing. See load.py for how it is called."""

from __future__ import annotations

import datetime
import logging
import re
from pathlib import Path
from typing import Any

import load
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import pkcs12


def _any_version(search: Any) -> Any:
    """oscrypto 1.3.0 (2022) finds no version in "OpenSSL 3.0.19": its pattern has one digit in each place, and then it cannot
    be imported at all. While it is, the pattern has more."""
    narrow = r"\b(\d\.\d\.\d[a-z]*)\b"
    return lambda pattern, *rest: search(
        r"\b(\d+\.\d+\.\d+[a-z]*)\b" if pattern == narrow else pattern, *rest
    )


_search, re.search = re.search, _any_version(re.search)
import oscrypto.asymmetric  # noqa: E402, F401

re.search = _search
from pyas2lib import Mdn, Message, Organization, Partner  # noqa: E402

SENDER, RECIPIENT = "AGGREGATOR", "UTILITY"
PASSWORD = "bench"
logging.disable(logging.CRITICAL)


def prepare(folder: Path) -> None:
    """Keys and certificates of both."""
    for name in (SENDER, RECIPIENT):
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        now = datetime.datetime.now(datetime.UTC)
        day = datetime.timedelta(days=1)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - day)
            .not_valid_after(now + 30 * day)
            .sign(key, hashes.SHA256())
        )
        # The only kind of PKCS #12 that oscrypto reads.
        old = serialization.PrivateFormat.PKCS12.encryption_builder()
        old = old.key_cert_algorithm(pkcs12.PBES.PBESv1SHA1And3KeyTripleDESCBC).hmac_hash(hashes.SHA1())
        both = pkcs12.serialize_key_and_certificates(
            b"bench", key, certificate, None, old.build(PASSWORD.encode())
        )
        (folder / f"{name}.p12").write_bytes(both)
        (folder / f"{name}.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))


def parties(folder: Path, us: str, them: str) -> tuple[Organization, Partner]:
    """Ourselves, and what we ask of the other side."""
    own, certificate = (folder / f"{us}.p12").read_bytes(), (folder / f"{them}.pem").read_bytes()
    ourselves = Organization(
        as2_name=us, sign_key=own, sign_key_pass=PASSWORD, decrypt_key=own, decrypt_key_pass=PASSWORD
    )
    partner = Partner(
        as2_name=them,
        verify_cert=certificate,
        encrypt_cert=certificate,
        sign=True,
        digest_alg="sha256",
        encrypt=True,
        enc_alg="aes_256_cbc",
        mdn_mode="SYNC",
        mdn_digest_alg="sha256",
    )
    return ourselves, partner


def whole(headers: list[tuple[bytes, bytes]], body: bytes) -> bytes:
    """As MIME, which the library parses."""
    return b"".join(name + b": " + value + b"\r\n" for name, value in headers) + b"\r\n" + body


def serve(folder: Path, port: int) -> None:
    """Answers with an MDN what verifies, and fails with what does not."""
    ourselves, partner = parties(folder, RECIPIENT, SENDER)

    def answer(headers: list[tuple[bytes, bytes]], body: bytes) -> tuple[dict[str, str], bytes]:
        message = Message()
        status, error, mdn = message.parse(whole(headers, body), lambda _: ourselves, lambda _: partner)
        if status != "processed" or not (message.signed and message.encrypted):
            raise RuntimeError(f"{status}: {error}")
        return mdn.headers, mdn.content

    load.serve_asgi(port, answer)


def connect(folder: Path, port: int, size: int) -> load.Exchange:
    """Message by message over a connection of its own."""
    ourselves, partner = parties(folder, SENDER, RECIPIENT)
    poster, data = load.Poster(port, "/"), load.payload(size)

    def exchange() -> None:
        message = Message(ourselves, partner)
        message.build(data)
        headers, body = poster.post(message.content, message.headers)
        mdn = Mdn()
        raw = whole([(name.encode(), value.encode()) for name, value in headers], body)
        status, detail = mdn.parse(raw, lambda *_: message)
        if status != "processed":
            raise RuntimeError(f"{status}: {detail}")

    return exchange


if __name__ == "__main__":
    load.main(load.Peer(prepare, serve, connect))
