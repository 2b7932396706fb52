"""Keys and certificates of S/MIME: our own, kept encrypted with all others, and those of partners, pinned one by one.

Classical only: partners' software has nothing else. One RSA key signs and opens envelopes, as AS2 programs expect; its
certificate is its own issuer, since partners pin it, and says nothing but a name.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
)

from intertie.model.errors import SettingsError
from intertie.seal.cms import RSA_BITS_MIN
from intertie.seal.vault import Vault

Certificate = x509.Certificate
# 128 bits of security (SP 800-57); partners' software takes it.
RSA_BITS = 3072
# A cryptoperiod of SP 800-57 for a key that signs and opens: two years, and some months in which both may be in use.
LIFE = timedelta(days=730 + 120)
# A clock at the partner may be behind ours.
BEFORE = timedelta(days=1)
# What a certificate's common name may have (X.520).
NAME_MAX = 64


@dataclass(frozen=True)
class SmimeKey:
    """A private key and its certificate."""

    key: rsa.RSAPrivateKey = field(repr=False)
    certificate: Certificate = field(repr=False)

    @classmethod
    def generate(cls, name: str, now: datetime) -> SmimeKey:
        """A fresh one."""
        key = rsa.generate_private_key(public_exponent=65537, key_size=RSA_BITS)
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name[:NAME_MAX])])
        usage = x509.KeyUsage(
            digital_signature=True,
            key_encipherment=True,
            content_commitment=True,
            data_encipherment=False,
            key_agreement=False,
            key_cert_sign=False,
            crl_sign=False,
            encipher_only=False,
            decipher_only=False,
        )
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - BEFORE)
            .not_valid_after(now + LIFE)
            .add_extension(usage, critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        )
        return cls(key, builder.sign(key, hashes.SHA256()))

    @property
    def pem(self) -> bytes:
        """The certificate, as partners are given it."""
        return self.certificate.public_bytes(Encoding.PEM)

    @classmethod
    def of_vault(cls, vault: Vault, name: str, now: datetime, use: str = "as2", number: int = 1) -> SmimeKey:
        """Our own of this number for one protocol, made when it is first asked for. SettingsError, KeyPortError."""
        stem = f"{use}-rsa" if number == 1 else f"{use}-rsa-{number}"
        key_file, certificate_file = f"{stem}.key", f"{stem}.der"
        with vault.lock():
            if key_file not in vault.names():
                fresh = cls.generate(name, now)
                plain = fresh.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
                vault.add({key_file: plain, certificate_file: fresh.certificate.public_bytes(Encoding.DER)})
            raw, said = vault.read(key_file), vault.read(certificate_file)
        try:
            key, certificate = load_der_private_key(raw, None), x509.load_der_x509_certificate(said)
        except ValueError as error:
            raise SettingsError(
                "not a key for S/MIME", do="Restore the folder of keys from its backup."
            ) from error
        if not isinstance(key, rsa.RSAPrivateKey) or certificate.public_key() != key.public_key():
            raise SettingsError(
                "another key than the certificate's", do="Restore the folder of keys from its backup."
            )
        return cls(key, certificate)


class OwnSmime(NamedTuple):
    """Our keys for one protocol, by number from 1: the newest signs, and those before it open until their certificates end. Each
    is read when it is asked for: it may be locked away."""

    newest: int
    read: Callable[[int], SmimeKey]

    def signing(self, number: int | None = None) -> SmimeKey:
        """The newest, or the one that a partner still knows us by. SettingsError, KeyPortError."""
        return self.read(number or self.newest)

    def opening(self, now: datetime) -> list[SmimeKey]:
        """The newest first; of the others those whose time has not ended. SettingsError, KeyPortError."""
        newest, *older = self.all()
        return [newest, *(one for one in older if is_valid(one.certificate, now))]

    def all(self) -> list[SmimeKey]:
        """The newest first. SettingsError, KeyPortError."""
        return [self.read(number) for number in range(self.newest, 0, -1)]


def read_certificate(pem: str, *, encrypts: bool = False) -> Certificate:
    """A partner's certificate; SettingsError if it cannot be used, to encrypt for if it is asked."""
    try:
        certificate = x509.load_pem_x509_certificate(pem.encode())
        key = certificate.public_key()
    except ValueError as error:
        raise SettingsError("not a certificate", do="Give it as PEM, as the partner sent it.") from error
    if isinstance(key, rsa.RSAPublicKey):
        if key.key_size < RSA_BITS_MIN:
            do = f"Ask the partner for one of {RSA_BITS_MIN} bits or more."
            raise SettingsError(f"the certificate's RSA key has {key.key_size} bits", do=do)
    elif encrypts or not isinstance(key, ec.EllipticCurvePublicKey):
        do = "Ask the partner for an RSA certificate; an EC key can sign, and not be encrypted for."
        raise SettingsError("the certificate's key cannot be used here", do=do)
    return certificate


def is_valid(certificate: Certificate, now: datetime) -> bool:
    """Whether now is within its time."""
    return certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc


def fingerprint(certificate: Certificate) -> str:
    """By which two people compare a certificate."""
    return certificate.fingerprint(hashes.SHA256()).hex()


def certificate_der(certificate: Certificate) -> bytes:
    """As XML has it, in base64."""
    return certificate.public_bytes(Encoding.DER)


def read_der(raw: bytes) -> Certificate:
    """A certificate that came with what it signed. SettingsError if it is none."""
    try:
        return x509.load_der_x509_certificate(raw)
    except ValueError as error:
        raise SettingsError("not a certificate", do="Ask the partner for it.") from error
