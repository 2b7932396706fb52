"""What was agreed with a partner that speaks AS2, as its legacy file says, and the named ways in which its software departs."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from msgspec import Meta

from intertie.formats.as2.names import As2Name
from intertie.model.record import Record
from intertie.seal.cms import CipherName, Digest, Transport

# https; http only to this machine, where something else ends TLS.
Url = Annotated[
    str,
    Meta(pattern=r"^(https://|http://(127\.0\.0\.1|localhost|\[::1\])[:/])[^\s]+(?!\n)$", max_length=300),
]
# PEM of one certificate; a chain does not help where it is pinned.
Pem = Annotated[str, Meta(pattern=r"^\s*-----BEGIN CERTIFICATE-----", max_length=16 * 1024)]


class Compress(StrEnum):
    """When a file of ours is compressed (RFC 5402)."""

    NEVER = "never"
    BEFORE_SIGNING = "before-signing"
    AFTER_SIGNING = "after-signing"


class Encoding(StrEnum):
    """How files and structures of CMS stand in what we write. HTTP carries bytes as they are (RFC 4130 s.5.2.1); a program that
    grew out of mail may read nothing but base64."""

    BINARY = "binary"
    BASE64 = "base64"


class Quirk(StrEnum):
    """What is taken from this partner although it is weak, or not what the standard says. Each is shown in the inventory."""

    UNSIGNED = "unsigned"  # messages without a signature
    UNENCRYPTED = "unencrypted"  # messages that only TLS protects
    SHA1 = "sha1"  # signatures and MICs by SHA-1
    TRIPLE_DES = "3des"  # messages encrypted with triple DES
    UNSIGNED_RECEIPT = "unsigned-receipt"  # receipts without a signature prove nothing
    SIGNED_AS_CRLF = "signed-as-crlf"  # what it signs has CRLF where what it sends has LF
    SIGNED_SHORT = "signed-short"  # what it signs lacks the last line end of what it sends


class As2Terms(Record, frozen=True, kw_only=True):
    """The `[as2]` section of `partners/PARTY.legacy`."""

    name: As2Name  # its AS2-From
    url: Url
    # PEM, in our directory: the authorities of its server's certificate, if they are none that this machine trusts.
    ca_file: Annotated[str, Meta(max_length=200)] = ""
    # Its signatures verify by one of these; all but the first are on their way in or out.
    certificates: Annotated[tuple[Pem, ...], Meta(min_length=1, max_length=4)]
    # What we encrypt for, if that is not the first of them.
    encrypt_for: Pem | None = None
    digest: Digest = Digest.SHA256
    cipher: CipherName = CipherName.AES256_GCM
    key_transport: Transport = Transport.OAEP
    compress: Compress = Compress.NEVER
    encoding: Encoding = Encoding.BINARY
    # Ask for its receipt on the same connection, or later, at our door.
    receipt: Annotated[str, Meta(pattern=r"^(sync|async)(?!\n)$")] = "sync"
    # Where receipts that it asks for later may be posted besides its `url`: exactly these.
    receipt_urls: Annotated[tuple[Url, ...], Meta(max_length=4)] = ()
    # The number of our key that it still knows us by, while a newer one signs for the others.
    our_key: Annotated[int, Meta(ge=1, le=100)] | None = None
    quirks: frozenset[Quirk] = frozenset()

    def check(self) -> None:
        """ValueError for algorithms that we do not write."""
        if self.digest is Digest.SHA1:
            raise ValueError("digest: sha-1 signs nothing here")
        if self.cipher is CipherName.TRIPLE_DES:
            raise ValueError("cipher: 3des encrypts nothing here")
