"""What was agreed with a partner that speaks AS4, as its legacy file says: the part of a P-Mode that is not the same for all."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from msgspec import Meta

from intertie.formats.as2.terms import Pem, Url
from intertie.model.record import Record
from intertie.seal.cms import CipherName, Digest
from intertie.seal.xml_encryption import KEY_BYTES

# A word of the header: printable, so that what people see is what is compared.
Word = Annotated[str, Meta(pattern=r"^[!-~]([ -~]{0,253}[!-~])?(?!\n)$", max_length=255)]
OptionalWord = Annotated[str, Meta(pattern=r"^([!-~]([ -~]{0,253}[!-~])?)?(?!\n)$", max_length=255)]


class Quirk(StrEnum):
    """What is taken from this partner although it is weak. Each is shown in the inventory."""

    UNENCRYPTED = "unencrypted"  # messages that only TLS protects
    SHA1 = "sha1"  # signatures by SHA-1
    OAEP_SHA1 = "oaep-sha1"  # keys moved by RSA-OAEP with SHA-1 (rsa-oaep-mgf1p)


class As4Terms(Record, frozen=True, kw_only=True):
    """The `[as4]` section of `partners/PARTY.legacy`."""

    party_id: Word  # its PartyId
    party_type: OptionalWord = ""  # of its PartyId; empty: none
    # Ours towards it, if it is not the one of the settings.
    our_id: OptionalWord = ""
    our_type: OptionalWord = ""
    url: Url
    # Its signatures verify by one of these; all but the first are on their way in or out.
    certificates: Annotated[tuple[Pem, ...], Meta(min_length=1, max_length=4)]
    # What we encrypt for, if that is not the first of them.
    encrypt_for: Pem | None = None
    # The roles that our header names, where a network has its own; empty: initiator and responder. What comes may name others.
    our_role: OptionalWord = ""
    their_role: OptionalWord = ""
    service: Word
    service_type: OptionalWord = ""
    action: Word
    # What it sends, if that is another action than ours.
    their_action: OptionalWord = ""
    agreement: OptionalWord = ""  # AgreementRef
    agreement_type: OptionalWord = ""
    # The corners behind the two gateways, if there are any (four-corner topology): message properties.
    original_sender: OptionalWord = ""
    final_recipient: OptionalWord = ""
    digest: Digest = Digest.SHA256
    cipher: CipherName = CipherName.AES128_GCM
    compress: bool = True
    # The number of our key that it still knows us by, while a newer one signs for the others.
    our_key: Annotated[int, Meta(ge=1, le=100)] | None = None
    quirks: frozenset[Quirk] = frozenset()

    def check(self) -> None:
        """ValueError for algorithms that we do not write."""
        if self.digest is Digest.SHA1:
            raise ValueError("digest: sha-1 signs nothing here")
        if self.cipher not in KEY_BYTES:
            raise ValueError("cipher: aes128-gcm or aes256-gcm")

    @property
    def accepted_action(self) -> str:
        """What its messages say."""
        return self.their_action or self.action
