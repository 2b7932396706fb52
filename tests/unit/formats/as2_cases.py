"""Two houses that speak AS2, and what they agreed."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from msgspec.structs import replace

from intertie.formats.as2 import mime
from intertie.formats.as2.message import File, Post, Received, Sent, read_message, write_message
from intertie.formats.as2.names import Names
from intertie.formats.as2.terms import As2Terms, Quirk
from intertie.seal.smime_keys import Certificate, SmimeKey

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
UTILITY, AGGREGATOR, STRANGER = "UTILITY", "Sun & Wind", "Stranger"
NAMES = Names(AGGREGATOR, UTILITY, "<1@aggregator.example>")
FILE = File(b"ISA*00*\r\nraw \x00\xff bytes\n.\n--not-a-boundary\n", "application/edi-x12", "invoice 7.x12")
LIMIT = 1_000_000
HIS = "https://aggregator.example/as2"


@cache
def key_of(name: str) -> SmimeKey:
    return SmimeKey.generate(name, NOW)


@cache
def ec_pair() -> tuple[ec.EllipticCurvePrivateKey, Certificate]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "ec")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    dated = builder.serial_number(7).not_valid_before(NOW).not_valid_after(NOW.replace(year=2030))
    return key, dated.sign(key, hashes.SHA256())


@cache
def terms_of(name: str) -> As2Terms:
    """What the other holds of a partner of this name."""
    return As2Terms(name=name, url=HIS, certificates=(key_of(name).pem.decode(),))


def but(*quirks: Quirk, **changed: object) -> As2Terms:
    """The terms that the utility has with the aggregator, changed."""
    return replace(terms_of(AGGREGATOR), quirks=frozenset(quirks), **changed)


def sent(file: File = FILE, url: str = "", names: Names = NAMES, **changed: object) -> Sent:
    """A message of the aggregator's to the utility."""
    terms = replace(terms_of(UTILITY), **changed)
    return write_message(file, names, key_of(AGGREGATOR), terms, url, encrypt_for=key_of(UTILITY).certificate)


def found(post: Post) -> mime.Entity:
    return mime.of_http(post.headers, post.body)


def read(
    post: Post, terms: As2Terms | None = None, limit: int = LIMIT, pinned: tuple[Certificate, ...] = ()
) -> Received:
    """As the utility reads it."""
    pinned = pinned or (key_of(AGGREGATOR).certificate,)
    return read_message(found(post), [key_of(UTILITY)], terms or but(), pinned, limit)


def bare(kind: str, body: bytes, **headers: str) -> Post:
    """A post that is only this."""
    said = [("content-type", kind), *((name.replace("_", "-"), value) for name, value in headers.items())]
    return Post(tuple(said), body)
