"""What can be wrong with an AS4 message, and how the protocol says it (ebMS 3.0 s.6.7, AS4 profile s.2.1.3.2 and 3.2)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import NamedTuple

from intertie.formats.as2.flaws import As2Error
from intertie.model.errors import Fault, IntertieError
from intertie.seal.xml_error import XmlError, XmlFlaw


class Flaw(StrEnum):
    """Why a message or a signal is not taken."""

    BAD_MIME = "bad_mime"
    NOT_XML = "not_xml"
    BAD_HEADER = "bad_header"
    UNSUPPORTED = "unsupported"
    NOT_AS_AGREED = "not_as_agreed"
    NOT_SIGNED = "not_signed"
    NOT_ENCRYPTED = "not_encrypted"
    WEAK = "weak"
    SIGNATURE_INVALID = "signature_invalid"
    CANNOT_DECRYPT = "cannot_decrypt"
    CANNOT_DECOMPRESS = "cannot_decompress"
    TOO_LARGE = "too_large"
    BAD_RECEIPT = "bad_receipt"
    OTHER_DIGESTS = "other_digests"


class As4Error(IntertieError):
    """A message or a signal that is not taken."""

    fault = Fault.THEIRS

    def __init__(self, flaw: Flaw, why: str, *, do: str = "") -> None:
        super().__init__(f"{flaw}: {why}", do=do)
        self.flaw = flaw
        self.detail = why


class Ebms(NamedTuple):
    """An error of ebMS."""

    code: str
    short: str
    category: str
    origin: str = "ebMS"


OTHER = Ebms("EBMS:0004", "Other", "Content")
_NOT_AUTHENTIC = Ebms("EBMS:0101", "FailedAuthentication", "Processing", "security")
_NOT_DECRYPTED = Ebms("EBMS:0102", "FailedDecryption", "Processing", "security")
_POLICY = Ebms("EBMS:0103", "PolicyNoncompliance", "Processing", "security")
_HEADER = Ebms("EBMS:0009", "InvalidHeader", "Unpackaging")
_MIME = Ebms("EBMS:0007", "MimeInconsistency", "Unpackaging")
_ERRORS = {
    Flaw.BAD_MIME: _MIME,
    Flaw.NOT_XML: _HEADER,
    Flaw.BAD_HEADER: _HEADER,
    Flaw.UNSUPPORTED: Ebms("EBMS:0002", "FeatureNotSupported", "Content"),
    Flaw.NOT_AS_AGREED: Ebms("EBMS:0010", "ProcessingModeMismatch", "Processing"),
    Flaw.NOT_SIGNED: _POLICY,
    Flaw.NOT_ENCRYPTED: _POLICY,
    Flaw.WEAK: _POLICY,
    Flaw.SIGNATURE_INVALID: _NOT_AUTHENTIC,
    Flaw.CANNOT_DECRYPT: _NOT_DECRYPTED,
    Flaw.CANNOT_DECOMPRESS: Ebms("EBMS:0303", "DecompressionFailure", "Communication"),
    Flaw.TOO_LARGE: Ebms("EBMS:0303", "DecompressionFailure", "Communication"),
}


def error_of(flaw: Flaw) -> Ebms:
    """The error of a flaw."""
    return _ERRORS.get(flaw, OTHER)


_OF_XML = {
    XmlFlaw.NOT_XML: Flaw.NOT_XML,
    XmlFlaw.NOT_SIGNED: Flaw.NOT_SIGNED,
    XmlFlaw.SIGNATURE_INVALID: Flaw.SIGNATURE_INVALID,
    XmlFlaw.WEAK: Flaw.WEAK,
    XmlFlaw.UNSUPPORTED: Flaw.UNSUPPORTED,
    XmlFlaw.CANNOT_DECRYPT: Flaw.CANNOT_DECRYPT,
}


@contextmanager
def in_words() -> Iterator[None]:
    """What is wrong with signature, encryption or MIME, in the words of AS4."""
    try:
        yield
    except XmlError as error:
        raise As4Error(_OF_XML[error.flaw], error.detail, do=error.do) from error
    except As2Error as error:  # MIME entities are read as AS2's are
        raise As4Error(Flaw.BAD_MIME, error.detail) from error
