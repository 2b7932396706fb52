"""The mathematics of joining: the one-time code, what both sides prove with it, and the words that people compare.

Who holds the code proves it by HMAC-SHA-256 over everything that is exchanged, under keys that HKDF derives from the
code's secret. The certificate of the connection is part of it (the channel binding tls-server-end-point of RFC 5929):
whoever relays between two connections proves nothing. The joiner commits to its part before it sees the inviter's, so
that nobody in the middle, not even with a stolen code, can search for values that give both sides the same words.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import constant_time, hashes, hmac
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding

from intertie.model.errors import SettingsError
from intertie.seal.certificates import TrustStore, read_certificate
from intertie.seal.keys import PrivateKeys

# 128 bits: nobody guesses it, with or without a quantum computer, in the two days that an invitation is open.
SECRET_BYTES = 16
# Names an invitation among the few of one gateway; it is no secret.
ID_BYTES = 5
# One wrong letter in sixteen million would go unnoticed; the proof would still fail, only with a less helpful sentence.
CHECK_BYTES = 3
# 128 bits on each side: no two joinings have the same transcript.
NONCE_BYTES = 16
# 80 bits, as five words: the joiner's commitment leaves whoever is in the middle one try, so this is plenty.
WORDS = 5
# A host name has at most 253 characters (RFC 1035), a port five.
ADDRESS_MAX = 259
_VERSION = 1
_FIXED = 1 + ID_BYTES + SECRET_BYTES + 4
_GROUP = 5
# Crockford's alphabet has no I, L, O and U, so that what is read out cannot be misheard or misread.
_RFC4648, _CROCKFORD = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_TO_CROCKFORD = str.maketrans(_RFC4648, _CROCKFORD)
_FROM_CROCKFORD = str.maketrans(_CROCKFORD + "OIL", _RFC4648 + "ABB")
# Proquints (arXiv:0901.4016): sixteen bits as consonant, vowel, consonant, vowel, consonant. No list of words to agree on.
_CONSONANTS, _VOWELS = "bdfghjklmnprstvz", "aiou"
ADDRESS = r"^(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?):[0-9]{1,5}(?!\n)$"


class JoinCode(NamedTuple):
    """What an invitation's code says: where the joining door is, which invitation, the secret, until when."""

    address: str
    invitation: str
    secret: bytes
    end: datetime

    def __repr__(self) -> str:
        return f"JoinCode({self.invitation})"


def new_code(address: str, end: datetime) -> JoinCode:
    """A fresh code; SettingsError if the address is not host:port."""
    if len(address) > ADDRESS_MAX or not re.match(ADDRESS, address):
        raise SettingsError(
            f"{address!r} is not host:port", do="Mend [joining] address, or the host of [street] url."
        )
    return JoinCode(address, os.urandom(ID_BYTES).hex(), os.urandom(SECRET_BYTES), end.replace(microsecond=0))


def write_code(code: JoinCode) -> str:
    """The code as people hand it over: groups of five letters and digits."""
    raw = (
        bytes([_VERSION])
        + bytes.fromhex(code.invitation)
        + code.secret
        + int(code.end.timestamp()).to_bytes(4, "big")
        + code.address.encode("ascii")
    )
    text = base64.b32encode(raw + _check(raw)).decode("ascii").rstrip("=").translate(_TO_CROCKFORD)
    return "-".join(text[place : place + _GROUP] for place in range(0, len(text), _GROUP))


def read_code(text: str) -> JoinCode:
    """The code as somebody typed it: case, blanks and dashes do not matter, nor O for 0, nor I and L for 1.

    SettingsError if it was not written by `write_code`, or not copied whole.
    """
    typed = re.sub(r"[\s-]+", "", text).upper()
    wrong = SettingsError(
        "the code is not complete, or a letter of it is wrong", do="Have it read out, or sent, again."
    )
    if len(typed) > 2 * (_FIXED + ADDRESS_MAX + CHECK_BYTES) or not re.fullmatch(
        f"[{_CROCKFORD}OIL]+", typed
    ):
        raise wrong
    try:
        letters = typed.translate(_FROM_CROCKFORD)
        raw = base64.b32decode(letters + "=" * (-len(letters) % 8))
        body, check = raw[:-CHECK_BYTES], raw[-CHECK_BYTES:]
        address = body[_FIXED:].decode("ascii")
    except (binascii.Error, ValueError) as error:
        raise wrong from error
    again = base64.b32encode(raw).decode("ascii").rstrip("=")
    if len(body) <= _FIXED or check != _check(body) or again != letters or not re.match(ADDRESS, address):
        raise wrong
    if body[0] != _VERSION:
        raise SettingsError(f"the code is of version {body[0]}", do="Use the newest intertie on both sides.")
    secret = body[1 + ID_BYTES : 1 + ID_BYTES + SECRET_BYTES]
    end = datetime.fromtimestamp(int.from_bytes(body[_FIXED - 4 : _FIXED], "big"), UTC)
    return JoinCode(address, body[1 : 1 + ID_BYTES].hex(), secret, end)


def _check(raw: bytes) -> bytes:
    return hashlib.sha256(b"intertie joining code" + raw).digest()[:CHECK_BYTES]


class JoinKeys(NamedTuple):
    """What is derived from a code. The inviter keeps `root` and a hash of `token`: its files give away neither the code nor
    what it takes to join. Only who has the code knows both."""

    root: bytes
    token: bytes

    def __repr__(self) -> str:
        return "JoinKeys(...)"


def derive_keys(code: JoinCode) -> JoinKeys:
    """The keys of a code."""
    return JoinKeys(
        _derive(code.secret, code.invitation, "root"), _derive(code.secret, code.invitation, "token")
    )


def digest_of(*parts: bytes) -> bytes:
    """SHA-256 over parts, each with its length before it: no two lists of parts run together."""
    return hashlib.sha256(b"".join(len(part).to_bytes(4, "big") + part for part in parts)).digest()


def commitment(invitation: str, nonce: bytes, descriptor: bytes, roots: bytes) -> bytes:
    """What the joiner promises to send, before it sees what the inviter sends."""
    return digest_of(b"intertie joining commitment", invitation.encode(), nonce, descriptor, roots)


def prove(root: bytes, what: str, *parts: bytes) -> bytes:
    """HMAC-SHA-256 over the parts, under a key for this purpose."""
    mac = hmac.HMAC(_derive(root, "proof", what), hashes.SHA256())
    mac.update(digest_of(*parts))
    return mac.finalize()


def proves(proof: bytes, root: bytes, what: str, *parts: bytes) -> bool:
    """Whether the proof is the one that who knows the code would give. Takes as long for a wrong one as for a right one."""
    return constant_time.bytes_eq(proof, prove(root, what, *parts))


def words_of(root: bytes, transcript: bytes) -> str:
    """The fingerprint of a joining, to be compared over the phone: five words, as "lusab babad gutih tugad kopin"."""
    bits = prove(root, "words", transcript)[: 2 * WORDS]
    return " ".join(_word(int.from_bytes(bits[place : place + 2], "big")) for place in range(0, 2 * WORDS, 2))


def same_words(said: str, ours: str) -> bool:
    """Whether these are the words, however they were typed."""
    heard = re.findall(r"[a-z]+", said.lower())
    return bool(ours) and heard == ours.split()


def own_roots(keys: PrivateKeys, trust: TrustStore) -> bytes:
    """The roots under which our own certificates stand, as PEM: what a partner needs of our trust folder, and no more.

    SettingsError if a certificate of ours stands under none of them.
    """
    tops = [chain[-1] for chains in keys.public().signing.values() for chain in chains]
    tops.append(_ders(keys.tls.chain)[-1])
    found: dict[bytes, bytes] = {}
    for top in tops:
        root = _root_of(top, trust.roots)
        found[root.fingerprint(hashes.SHA256())] = root.public_bytes(Encoding.PEM)
    return b"".join(found[mark] for mark in sorted(found))


def leaf_digest(chain: bytes) -> bytes:
    """SHA-256 of the first certificate of a PEM text, as the other side of a connection sees it."""
    return hashlib.sha256(_ders(chain)[0]).digest()


def _ders(pem: bytes) -> Sequence[bytes]:
    return [one.public_bytes(Encoding.DER) for one in x509.load_pem_x509_certificates(pem)]


def _root_of(der: bytes, roots: Sequence[x509.Certificate]) -> x509.Certificate:
    certificate = read_certificate(der)
    for root in roots:
        try:
            certificate.verify_directly_issued_by(root)
        except (InvalidSignature, ValueError, TypeError):
            continue
        return root
    raise SettingsError(
        f"certificate {certificate.serial_number:x} of ours leads to no root in the trust folder",
        do="`intertie doctor` says what is wrong with keys/ and trust/.",
    )


def _derive(secret: bytes, salt: str, purpose: str) -> bytes:
    info = f"intertie joining {_VERSION} {purpose}".encode()
    return HKDF(algorithm=hashes.SHA256(), length=32, salt=salt.encode(), info=info).derive(secret)


def _word(bits: int) -> str:
    return (
        _CONSONANTS[bits >> 12 & 15]
        + _VOWELS[bits >> 10 & 3]
        + _CONSONANTS[bits >> 6 & 15]
        + _VOWELS[bits >> 4 & 3]
        + _CONSONANTS[bits & 15]
    )
