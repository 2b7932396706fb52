"""The elements of a request, by name: which are missing or wrong, as the code that says so."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from intertie.formats.internet_et.codes import Code

REPORT = "gisb-acknowledgement-receipt"
# The order in which the standard sends them; they are read in any order.
ORDER = (
    "from",
    "to",
    "version",
    "receipt-disposition-to",
    "receipt-report-type",
    "input-format",
    "input-data",
    "receipt-security-selection",
    "transaction-set",
    "refnum",
    "refnum-orig",
)
FORMATS = frozenset({"x12", "ff", "error"})
# D-U-N-S, nine digits, or D-U-N-S+4.
_COMMON_CODE = re.compile(r"[0-9]{9}(?:[0-9A-Za-z]{1,4})?\Z")
# Of the quadrant's book: eight characters.
_SET = re.compile(r"[0-9A-Za-z]{8}\Z")
_VERSION = re.compile(r"[0-9]{1,2}\.[0-9]{1,2}\Z")
_SECURITY = re.compile(
    r"signed-receipt-protocol=required,\s*pgp-signature;\s*signed-receipt-micalg=required,\s*(md5|sha1|sha256)\Z",
    re.IGNORECASE,
)
_MISSING = {
    "from": Code.NO_FROM,
    "to": Code.NO_TO,
    "version": Code.NO_VERSION,
    "receipt-disposition-to": Code.NO_DISPOSITION,
    "receipt-report-type": Code.NO_REPORT,
    "input-format": Code.NO_FORMAT,
    "receipt-security-selection": Code.NO_SECURITY,
}


@dataclass(frozen=True, slots=True)
class Agreed:
    """What both sides use of the elements that are by mutual agreement."""

    refnums: bool = False
    # Transaction sets that may be sent; none: the element is not used.
    sets: frozenset[str] = frozenset()
    # Its program says nothing of the receipt that it wants: a signed one.
    security_assumed: bool = False


def flaw(fields: Mapping[str, str], *, file: bool, agreed: Agreed) -> Code | None:
    """The first thing wrong with the elements, in their order; None if nothing is."""
    if not fields and not file:
        return Code.NOTHING
    for name in ORDER:
        if name == "input-data":
            found = None if file else Code.NO_FILE
        elif name in _MISSING and not fields.get(name):
            assumed = name == "receipt-security-selection" and agreed.security_assumed
            found = None if assumed else _MISSING[name]
        else:
            found = _wrong(name, fields, agreed)
        if found is not None:
            return found
    return None


def _wrong(name: str, fields: Mapping[str, str], agreed: Agreed) -> Code | None:
    value = fields.get(name, "")
    error = fields.get("input-format", "").lower() == "error"
    if name == "transaction-set" and value and not _SET.match(value):
        return Code.BAD_SET
    checks = {
        "from": (_COMMON_CODE.match(value), Code.BAD_FROM),
        "to": (_COMMON_CODE.match(value), Code.BAD_TO),
        "version": (_VERSION.match(value), Code.BAD_VERSION),
        "receipt-disposition-to": (value == fields.get("from"), Code.BAD_DISPOSITION),
        "receipt-report-type": (value.lower() == REPORT, Code.BAD_REPORT),
        "input-format": (value.lower() in FORMATS, Code.BAD_FORMAT),
        "receipt-security-selection": (_SECURITY.match(value), Code.BAD_SECURITY),
        # An error notification carries none of the elements by mutual agreement.
        "transaction-set": (value or error or not agreed.sets, Code.NO_SET),
        "refnum": (value or error or not agreed.refnums, Code.NO_REFNUM),
        "refnum-orig": (value or error or not agreed.refnums, Code.NO_REFNUM_ORIG),
    }
    good, code = checks[name]
    return None if good else code


def warnings(fields: Mapping[str, str], agreed: Agreed) -> tuple[Code, ...]:
    """What came although it was not agreed, and is ignored."""
    found = []
    if not fields.get("receipt-security-selection"):
        found.append(Code.SECURITY_ASSUMED)
    if fields.get("transaction-set") and fields["transaction-set"] not in agreed.sets:
        found.append(Code.SET_NOT_AGREED)
    if not agreed.refnums:
        found += [
            code
            for name, code in (("refnum", Code.REFNUM_IGNORED), ("refnum-orig", Code.REFNUM_ORIG_IGNORED))
            if name in fields
        ]
    return tuple(found)
