"""Every error code of NAESB Internet ET. An `EEDM` stops the package; a `WEDM` is a warning and the package goes on."""

from __future__ import annotations

from enum import StrEnum

from intertie.model.errors import Fault, IntertieError

# Supplement text after the description, at most (Internet ET, request-status).
SUPPLEMENT_MOST = 80


class Code(StrEnum):
    """The codes; 112 is not used by the standard."""

    NO_FROM = "EEDM100"
    NO_TO = "EEDM101"
    NO_FORMAT = "EEDM102"
    NO_FILE = "EEDM103"
    NO_SET = "EEDM104"
    BAD_FROM = "EEDM105"
    BAD_TO = "EEDM106"
    BAD_FORMAT = "EEDM107"
    BAD_SET = "EEDM108"
    NOTHING = "EEDM109"
    BAD_VERSION = "EEDM110"
    NO_VERSION = "EEDM111"
    BAD_SECURITY = "EEDM113"
    NO_DISPOSITION = "EEDM114"
    BAD_DISPOSITION = "EEDM115"
    NO_REPORT = "EEDM116"
    BAD_REPORT = "EEDM117"
    NO_SECURITY = "EEDM118"
    NO_REFNUM = "EEDM119"
    NO_REFNUM_ORIG = "EEDM120"
    DUPLICATE_REFNUM = "EEDM121"
    BAD_KEY = "EEDM601"
    NOT_ENCRYPTED = "EEDM602"
    TRUNCATED = "EEDM603"
    NOT_SIGNED = "EEDM604"
    DECRYPTION = "EEDM699"
    NOT_PARTNERS = "EEDM701"
    UNKNOWN_FILE = "EEDM702"
    NOT_ESTABLISHED = "EEDM703"
    SYSTEM = "EEDM999"
    SET_NOT_AGREED = "WEDM100"
    SECURITY_ASSUMED = "WEDM103"
    REFNUM_IGNORED = "WEDM104"
    REFNUM_ORIG_IGNORED = "WEDM105"


TEXTS = {
    Code.NO_FROM: "Missing from Common Code Identifier",
    Code.NO_TO: "Missing to Common Code Identifier",
    Code.NO_FORMAT: "Missing input format",
    Code.NO_FILE: "Missing data file",
    Code.NO_SET: "Missing transaction set",
    Code.BAD_FROM: "Invalid from Common Code Identifier",
    Code.BAD_TO: "Invalid to Common Code Identifier",
    Code.BAD_FORMAT: "Invalid input format",
    Code.BAD_SET: "Invalid transaction set",
    Code.NOTHING: "No parameters supplied",
    Code.BAD_VERSION: "Invalid version",
    Code.NO_VERSION: "Missing version",
    Code.BAD_SECURITY: "Invalid receipt-security-selection",
    Code.NO_DISPOSITION: "Missing receipt-disposition-to",
    Code.BAD_DISPOSITION: "Invalid receipt-disposition-to",
    Code.NO_REPORT: "Missing receipt-report-type",
    Code.BAD_REPORT: "Invalid receipt-report-type",
    Code.NO_SECURITY: "Missing receipt-security-selection",
    Code.NO_REFNUM: "Mutually agreed refnum not present",
    Code.NO_REFNUM_ORIG: "Mutually agreed refnum-orig not present",
    Code.DUPLICATE_REFNUM: "Duplicate refnum received",
    Code.BAD_KEY: "Public key invalid",
    Code.NOT_ENCRYPTED: "File not encrypted",
    Code.TRUNCATED: "Encrypted file truncated",
    Code.NOT_SIGNED: "Encrypted file not signed or signature not matched",
    Code.DECRYPTION: "Decryption error",
    Code.NOT_PARTNERS: "Sending party not associated with receiving party",
    Code.UNKNOWN_FILE: "Package file format not recognised by receiving party",
    Code.NOT_ESTABLISHED: "Data set exchange not established for trading partner",
    Code.SYSTEM: "System error",
    Code.SET_NOT_AGREED: "Transaction set sent not mutually agreed",
    Code.SECURITY_ASSUMED: "Missing receipt-security-selection",
    Code.REFNUM_IGNORED: "refnum received, not mutually agreed, ignored",
    Code.REFNUM_ORIG_IGNORED: "refnum-orig received, not mutually agreed, ignored",
}


def stops(code: Code) -> bool:
    """Whether the package is refused by this code."""
    return code.startswith("EEDM")


def clean(text: str) -> str:
    """Echoed text without what would end an element of a receipt or begin another one."""
    return "".join(" " if mark == "*" or not mark.isprintable() else mark for mark in text)


def status(code: Code, supplement: str = "") -> str:
    """The value of `request-status` for a code."""
    said = f"{code.value}: {TEXTS[code]}"
    more = clean(supplement)[:SUPPLEMENT_MOST].strip()
    return f"{said};{more}" if more else said


class EtError(IntertieError):
    """A package that is not taken, with the code that its receipt says."""

    fault = Fault.THEIRS

    def __init__(self, code: Code, supplement: str = "") -> None:
        super().__init__(status(code, supplement))
        self.code = code
