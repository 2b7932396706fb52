"""The primitives of XML Encryption that AS4 uses: a key for one message, moved by RSA-OAEP, and AES-GCM over what goes with it.

How they are written in XML is the format's (`formats/as4`). CBC is neither read nor written: answers about its padding would
decrypt messages.
"""

from __future__ import annotations

import os
from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from intertie.seal.cms import CipherName, Digest
from intertie.seal.smime_keys import Certificate, SmimeKey
from intertie.seal.xml_error import XmlError, XmlFlaw

# XML Encryption 1.1 s.5.2.4: the nonce stands before what is encrypted, the tag after it.
NONCE_BYTES, TAG_BYTES = 12, 16
KEY_BYTES = {CipherName.AES128_GCM: 16, CipherName.AES256_GCM: 32}
_HASHES: dict[Digest, hashes.HashAlgorithm] = {
    Digest.SHA1: hashes.SHA1(),  # noqa: S303 - in OAEP a hash need not be collision-free; it takes a quirk all the same
    Digest.SHA256: hashes.SHA256(),
    Digest.SHA384: hashes.SHA384(),
    Digest.SHA512: hashes.SHA512(),
}


class Oaep(NamedTuple):
    """The two hashes of RSA-OAEP."""

    digest: Digest = Digest.SHA256
    mask: Digest = Digest.SHA256

    @property
    def weak(self) -> bool:
        """Whether SHA-1 is in it."""
        return Digest.SHA1 in self

    def padding(self) -> padding.OAEP:
        """For `cryptography`."""
        return padding.OAEP(padding.MGF1(_HASHES[self.mask]), _HASHES[self.digest], None)


class Sealed(NamedTuple):
    """Content for one recipient: its encrypted key, and what is encrypted with it."""

    key: bytes
    content: bytes


def seal_content(content: bytes, certificate: Certificate, cipher: CipherName) -> Sealed:
    """Encrypt for the holder of this certificate. XmlError if it cannot be encrypted for."""
    public = certificate.public_key()
    if not isinstance(public, rsa.RSAPublicKey):
        raise XmlError(XmlFlaw.UNSUPPORTED, "only an RSA certificate can be encrypted for")
    key, nonce = AESGCM.generate_key(KEY_BYTES[cipher] * 8), os.urandom(NONCE_BYTES)
    return Sealed(public.encrypt(key, Oaep().padding()), nonce + AESGCM(key).encrypt(nonce, content, None))


def open_content(sealed: Sealed, keys: SmimeKey, oaep: Oaep, cipher: CipherName) -> bytes:
    """What was encrypted for us. One error for all that can go wrong, so that an answer tells nothing of what it was."""
    try:
        key = keys.key.decrypt(sealed.key, oaep.padding())
        if len(key) != KEY_BYTES[cipher] or len(sealed.content) < NONCE_BYTES + TAG_BYTES:
            raise ValueError("size")
        return AESGCM(key).decrypt(sealed.content[:NONCE_BYTES], sealed.content[NONCE_BYTES:], None)
    except (ValueError, InvalidTag) as error:
        raise XmlError(
            XmlFlaw.CANNOT_DECRYPT, "it was not encrypted for our key, or has been changed"
        ) from error
