"""OpenPGP: our keys, partners' keys, pinned one by one, and packages that are signed and then encrypted.

Two kept libraries do it. Sequoia signs, encrypts and judges signatures: it refuses what has expired or was revoked, and weak
digests. It cannot verify what was compressed, as most programs do; so messages are opened by rPGP, in a process that may not grow
(pgp_child.py), and the signature that was in one is then judged by Sequoia, over the bytes that came out.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

import pysequoia
from openpgp.composed import DetachedSignature, SignedPublicKey
from openpgp.errors import Error
from pysequoia import ArmorKind, Cert, CipherSuite, Profile, Sig, SignatureMode, Tsk
from pysequoia.packet import SignatureType

from intertie.model.errors import Fault, IntertieError, SettingsError
from intertie.seal import pgp_child as child
from intertie.seal.vault import Vault

# 128 bits of security; the standard asks for 2048 at least, and its programs use RSA throughout (Internet ET, 12.3.16).
SUITE = CipherSuite.RSA3k
RSA_BITS_MIN = 2048
# A limited lifetime, at most a year (Internet ET, 12.3.16), and a month in which both are known.
LIFE_SECONDS = (365 + 30) * 86_400
# Opening takes a tenth of a second; where the machine is that busy, the partner asks again.
OPEN_SECONDS = 60
# A key with a hundred signatures of others.
KEY_BYTES_MAX = 64 * 1024
# The tag of a signature packet in the new form, and the mark of a length of four bytes (RFC 9580 s.4.2).
_SIGNATURE_HEAD = b"\xc2\xff"
_BEGIN, _END = b"-----BEGIN PGP MESSAGE-----", b"-----END PGP MESSAGE-----"


class PgpFlaw(StrEnum):
    """What is wrong with a message, as Internet ET tells it apart."""

    BAD_KEY = "encrypted for a key that is not ours"
    NOT_ENCRYPTED = "not encrypted"
    TRUNCATED = "cut off"
    NOT_SIGNED = "not signed by a key of this partner's"
    DECRYPTION = "cannot be decrypted"
    TOO_LARGE = "too large once it is decompressed"


_FLAWS = {
    child.NOT_ENCRYPTED: PgpFlaw.NOT_ENCRYPTED,
    child.OTHER_KEY: PgpFlaw.BAD_KEY,
    child.TRUNCATED: PgpFlaw.TRUNCATED,
    child.TOO_LARGE: PgpFlaw.TOO_LARGE,
}


class PgpError(IntertieError):
    """A message or a signature of a partner's that is not taken."""

    fault = Fault.THEIRS

    def __init__(self, flaw: PgpFlaw, detail: str = "") -> None:
        super().__init__(detail or flaw.value)
        self.flaw = flaw


class Signed(NamedTuple):
    """Who signed: the fingerprint of the key that was pinned, when, and by which digest."""

    fingerprint: str
    created: datetime
    digest: str


class Package(NamedTuple):
    """What was in a message, and the signatures over it, as packets."""

    content: bytes
    signatures: tuple[bytes, ...]


@dataclass(frozen=True)
class PgpKey:
    """A key of ours that signs and opens."""

    raw: bytes = field(repr=False)

    @classmethod
    def generate(cls, name: str, seconds: int = LIFE_SECONDS) -> PgpKey:
        """A fresh one; it takes a second or two."""
        made = Tsk.generate(
            user_id=name, cipher_suite=SUITE, profile=Profile.RFC4880, validity_seconds=seconds
        )
        return cls(bytes(made))

    @classmethod
    def of_vault(cls, vault: Vault, name: str, number: int) -> PgpKey:
        """Our own of this number, made when it is first asked for. SettingsError, KeyPortError."""
        file = f"pgp-{number}.key"
        with vault.lock():
            if file not in vault.names():
                vault.add({file: cls.generate(name).raw})
            raw = vault.read(file)
        try:
            Tsk.from_bytes(raw)
        except RuntimeError as error:
            raise SettingsError(
                "not a key for OpenPGP", do="Restore the folder of keys from its backup."
            ) from error
        return cls(raw)

    @property
    def public(self) -> str:
        """As partners are given it: armored."""
        return pysequoia.armor(bytes(Tsk.from_bytes(self.raw).extract_certificate()), ArmorKind.PublicKey)

    def sign(self, content: bytes) -> tuple[bytes, str]:
        """A detached signature, armored, and the name of its digest, as `sha512`. SettingsError if the key has ended."""
        try:
            said = pysequoia.sign(Tsk.from_bytes(self.raw).signer(), content, mode=SignatureMode.DETACHED)
        except RuntimeError as error:
            raise _ended() from error
        return said, _digest(Sig.from_bytes(said))

    def seal(self, content: bytes, recipient: str, now: datetime) -> bytes:
        """Signed, then encrypted for the holder of this public key; armored. SettingsError if either key has ended."""
        read_public_key(recipient, now)  # the library asks its parts, and not the whole
        try:
            return pysequoia.encrypt(
                content,
                recipients=[Cert.from_bytes(recipient.encode())],
                signer=Tsk.from_bytes(self.raw).signer(),
            )
        except RuntimeError as error:
            raise _ended() from error


def _ended() -> SettingsError:
    return SettingsError(
        "a key of OpenPGP, ours or the partner's, has ended",
        do="`intertie partner show` says which; make or ask for a new one (docs/internet-et.md).",
    )


class PublicKeyFacts(NamedTuple):
    """What people compare of a partner's key."""

    fingerprint: str
    until: datetime | None
    bits: int  # of an RSA key; 0 for another


def read_public_key(text: str, now: datetime) -> PublicKeyFacts:
    """A partner's public key; SettingsError if it cannot be used: too short, at its end, revoked, or not to encrypt for."""
    try:
        cert = Cert.from_bytes(text.encode())
        keys = SignedPublicKey.from_bytes(bytes(cert))
        params = [keys.public_params, *(one.key.public_params for one in keys.public_subkeys)]
        bits = [one.rsa_bits for one in params if one.rsa_bits is not None]
    except (RuntimeError, Error) as error:
        do = "Give what `gpg --armor --export KEY` writes."
        raise SettingsError("not a public key of OpenPGP", do=do) from error
    if bits and min(bits) < RSA_BITS_MIN:
        do = f"Ask the partner for one of {RSA_BITS_MIN} bits or more."
        raise SettingsError(f"the key's RSA has {min(bits)} bits", do=do)
    do = "Ask the partner for its new one, with a part that encrypts."
    if _has_ended(cert, now):
        raise SettingsError("the key has ended, or was revoked", do=do)
    try:
        pysequoia.encrypt(b"", recipients=[cert])
    except RuntimeError as error:
        raise SettingsError("the key has no part, not ended, to encrypt for", do=do) from error
    return PublicKeyFacts(cert.fingerprint, cert.expiration, min(bits, default=0))


def alive(pinned: Sequence[str], now: datetime) -> tuple[str, ...]:
    """Those of a partner's keys that have not ended and were not revoked: who stole an older one may date a signature back."""
    certs = {text: Cert.from_bytes(text.encode()) for text in pinned}
    return tuple(text for text, cert in certs.items() if not _has_ended(cert, now))


def _has_ended(cert: Cert, now: datetime) -> bool:
    return cert.is_revoked or (cert.expiration is not None and cert.expiration <= now)


def end_of(text: str) -> datetime | None:
    """When a public key ends, if it does. SettingsError if it is none."""
    try:
        return Cert.from_bytes(text.encode()).expiration
    except RuntimeError as error:
        raise SettingsError("not a public key of OpenPGP", do="Give it as the partner sent it.") from error


def fingerprint(text: str) -> str:
    """Of a public key. SettingsError if it is none."""
    try:
        return Cert.from_bytes(text.encode()).fingerprint
    except RuntimeError as error:
        raise SettingsError("not a public key of OpenPGP", do="Give it as the partner sent it.") from error


def open_package(message: bytes, keys: Sequence[PgpKey], most: int) -> Package:
    """What was encrypted for one of our keys, at most so long. Nothing is verified yet. Raises PgpError."""
    message = message.strip(b"\r\n\t ") if _BEGIN in message else message
    if _BEGIN in message:
        if _END not in message:
            raise PgpError(PgpFlaw.TRUNCATED)
        message = message[message.index(_BEGIN) : message.index(_END) + len(_END)] + b"\n"
    elif not message or not message[0] & 0x80:  # no packet begins so
        raise PgpError(PgpFlaw.NOT_ENCRYPTED)
    return _opened(message, keys, most)


def open_signed(message: bytes, most: int) -> Package:
    """What is in an armored message that is only signed, at most so long. Nothing is verified yet. Raises PgpError."""
    return _opened(message.strip() + b"\n", (), most)


def _opened(message: bytes, keys: Sequence[PgpKey], most: int) -> Package:
    pieces = child.write_pieces([b"%d" % most, message, *(key.raw for key in keys)])
    try:
        done = subprocess.run(
            [sys.executable, "-I", str(Path(child.__file__))],
            input=pieces,
            capture_output=True,
            timeout=OPEN_SECONDS,
            check=False,
        )
        if done.returncode:
            raise PgpError(_FLAWS.get(done.returncode, PgpFlaw.DECRYPTION))
        content, *signatures = child.read_pieces(done.stdout)
    except (OSError, subprocess.TimeoutExpired, ValueError) as error:
        raise PgpError(PgpFlaw.DECRYPTION, "it could not be opened in its time") from error
    return Package(content, tuple(_packet(body) for body in signatures))


def _packet(body: bytes) -> bytes:
    return _SIGNATURE_HEAD + len(body).to_bytes(4, "big") + body


def verify_detached(content: bytes, signature: bytes, pinned: Sequence[str], *, sha1: bool = False) -> Signed:
    """Who of the holders of these public keys signed it. Raises PgpError(NOT_SIGNED). `sha1` takes that digest as well."""
    try:
        said = Sig.from_bytes(signature)
    except RuntimeError as error:
        raise PgpError(PgpFlaw.NOT_SIGNED, "not a signature of OpenPGP") from error
    if said.signature_type not in (SignatureType.Binary, SignatureType.Text):
        raise PgpError(PgpFlaw.NOT_SIGNED, "a signature that is over no content")
    created = said.created or datetime.min.replace(tzinfo=UTC)
    for text in pinned:
        cert = Cert.from_bytes(text.encode())
        try:
            found = pysequoia.verify(content, store=lambda _, cert=cert: [cert], signature=said)
        except RuntimeError:
            if sha1 and _digest(said) == "sha1" and _verifies_weakly(content, signature, text):
                return Signed(cert.fingerprint, created, "sha1")
            continue
        if any(one.certificate == cert.fingerprint for one in found.valid_sigs):
            return Signed(cert.fingerprint, created, _digest(said))
    raise PgpError(PgpFlaw.NOT_SIGNED)


def _verifies_weakly(content: bytes, signature: bytes, public: str) -> bool:
    """By the numbers alone: what Sequoia does not even look at."""
    try:
        raw = signature
        said = (
            DetachedSignature.from_armor(raw.decode())[0]
            if raw.startswith(b"-----")
            else DetachedSignature.from_bytes(raw)
        )
        said.verify(SignedPublicKey.from_bytes(bytes(Cert.from_bytes(public.encode()))), content)
    except (Error, UnicodeDecodeError):
        return False
    return True


def _digest(said: Sig) -> str:
    """As Internet ET writes it."""
    return str(said.hash_algorithm).rpartition(".")[2].lower()


def armored_signature(packet: bytes) -> bytes:
    """A signature that was in a message, as a file beside what it is over."""
    return pysequoia.armor(packet, ArmorKind.Signature).encode()
