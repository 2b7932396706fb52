"""What can be wrong with an AS2 message, and how the protocol says it."""

from __future__ import annotations

from enum import StrEnum

from intertie.model.errors import Fault, IntertieError
from intertie.seal.cms import CmsFlaw


class Flaw(StrEnum):
    """Why a message or a receipt is not taken."""

    BAD_HEADER = "bad_header"
    UNKNOWN_PARTNER = "unknown_partner"
    NOT_FOR_US = "not_for_us"
    BAD_MIME = "bad_mime"
    TOO_LARGE = "too_large"
    TOO_DEEP = "too_deep"
    NOT_SIGNED = "not_signed"
    NOT_ENCRYPTED = "not_encrypted"
    WEAK = "weak"
    UNSUPPORTED = "unsupported"
    CANNOT_DECRYPT = "cannot_decrypt"
    CANNOT_DECOMPRESS = "cannot_decompress"
    SIGNATURE_INVALID = "signature_invalid"
    NOT_THE_SIGNER = "not_the_signer"
    BAD_RECEIPT = "bad_receipt"
    RECEIPT_NOT_SIGNED = "receipt_not_signed"
    MIC_MISMATCH = "mic_mismatch"
    RECEIPT_ADDRESS = "receipt_address"


class As2Error(IntertieError):
    """A message or a receipt that is not taken."""

    fault = Fault.THEIRS

    def __init__(self, flaw: Flaw, why: str, *, do: str = "") -> None:
        super().__init__(f"{flaw}: {why}", do=do)
        self.flaw = flaw
        self.detail = why
        # What may be said of it to who sent the message.
        self.shown = flaw


OF_CMS: dict[CmsFlaw, Flaw] = {
    CmsFlaw.NOT_CMS: Flaw.BAD_MIME,
    CmsFlaw.WEAK: Flaw.WEAK,
    CmsFlaw.UNSUPPORTED: Flaw.UNSUPPORTED,
    CmsFlaw.NOT_FOR_US: Flaw.CANNOT_DECRYPT,
    CmsFlaw.CANNOT_DECRYPT: Flaw.CANNOT_DECRYPT,
    CmsFlaw.SIGNATURE_INVALID: Flaw.SIGNATURE_INVALID,
    CmsFlaw.NOT_THE_SIGNER: Flaw.NOT_THE_SIGNER,
    CmsFlaw.CANNOT_DECOMPRESS: Flaw.CANNOT_DECOMPRESS,
    CmsFlaw.TOO_LARGE: Flaw.TOO_LARGE,
}

# RFC 4130 s.7.5: what a receipt says after "processed/error: " or "failed/failure: ".
UNEXPECTED = "unexpected-processing-error"
_ERRORS = {
    Flaw.CANNOT_DECRYPT: "decryption-failed",
    Flaw.NOT_ENCRYPTED: "insufficient-message-security",
    Flaw.NOT_SIGNED: "insufficient-message-security",
    Flaw.WEAK: "insufficient-message-security",
    Flaw.SIGNATURE_INVALID: "authentication-failed",
    Flaw.NOT_THE_SIGNER: "authentication-failed",
    Flaw.CANNOT_DECOMPRESS: "decompression-failed",
    Flaw.TOO_LARGE: "decompression-failed",
}


def modifier_of(flaw: Flaw) -> str:
    """The disposition modifier of a flaw (RFC 4130 s.7.5.3, RFC 5402 s.6)."""
    return _ERRORS.get(flaw, UNEXPECTED)
