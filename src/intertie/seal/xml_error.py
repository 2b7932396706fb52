"""What can be wrong with the signature or the encryption of an XML message."""

from __future__ import annotations

from enum import StrEnum

from intertie.model.errors import Fault, IntertieError


class XmlFlaw(StrEnum):
    """Why it is not taken."""

    NOT_XML = "not_xml"
    NOT_SIGNED = "not_signed"
    SIGNATURE_INVALID = "signature_invalid"
    WEAK = "weak"
    UNSUPPORTED = "unsupported"
    CANNOT_DECRYPT = "cannot_decrypt"


class XmlError(IntertieError):
    """A signature or an encryption that is not taken."""

    fault = Fault.THEIRS

    def __init__(self, flaw: XmlFlaw, why: str, *, do: str = "") -> None:
        super().__init__(f"{flaw}: {why}", do=do)
        self.flaw = flaw
        self.detail = why
