"""The elements of an Internet ET request: each one missing or wrong gives its own code."""

from __future__ import annotations

import pytest

from intertie.formats.internet_et.codes import Code
from intertie.formats.internet_et.fields import ORDER, Agreed, flaw, warnings

GOOD = {
    "from": "123456789",
    "to": "9876543210001",
    "version": "1.6",
    "receipt-disposition-to": "123456789",
    "receipt-report-type": "gisb-acknowledgement-receipt",
    "input-format": "X12",
    "receipt-security-selection": "signed-receipt-protocol=required,pgp-signature;signed-receipt-micalg=required,sha256",
    "transaction-set": "RXQ36102",
    "refnum": "2",
    "refnum-orig": "1",
}
ALL = Agreed(refnums=True, sets=frozenset({"RXQ36102"}))


def test_a_good_request_in_any_order() -> None:
    assert flaw(GOOD, file=True, agreed=ALL) is None
    assert flaw(dict(reversed(GOOD.items())), file=True, agreed=ALL) is None
    assert warnings(GOOD, ALL) == ()
    assert set(GOOD) | {"input-data"} == set(ORDER)


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("from", None, Code.NO_FROM),
        ("from", "12345678", Code.BAD_FROM),
        ("to", None, Code.NO_TO),
        ("to", "123456789\n", Code.BAD_TO),
        ("version", None, Code.NO_VERSION),
        ("version", "one", Code.BAD_VERSION),
        ("receipt-disposition-to", None, Code.NO_DISPOSITION),
        ("receipt-disposition-to", "987654321", Code.BAD_DISPOSITION),
        ("receipt-report-type", None, Code.NO_REPORT),
        ("receipt-report-type", "other", Code.BAD_REPORT),
        ("input-format", None, Code.NO_FORMAT),
        ("input-format", "PDF", Code.BAD_FORMAT),
        ("receipt-security-selection", None, Code.NO_SECURITY),
        ("receipt-security-selection", "none", Code.BAD_SECURITY),
        ("transaction-set", None, Code.NO_SET),
        ("transaction-set", "810", Code.BAD_SET),
        ("refnum", None, Code.NO_REFNUM),
        ("refnum-orig", None, Code.NO_REFNUM_ORIG),
    ],
)
def test_one_element_missing_or_wrong(name: str, value: str | None, code: Code) -> None:
    fields = {key: text for key, text in GOOD.items() if key != name}
    if value is not None:
        fields[name] = value
    assert flaw(fields, file=True, agreed=ALL) is code


def test_without_a_file_and_without_anything() -> None:
    assert flaw(GOOD, file=False, agreed=ALL) is Code.NO_FILE
    assert flaw({}, file=False, agreed=ALL) is Code.NOTHING


def test_what_was_not_agreed_is_a_warning() -> None:
    assert flaw(GOOD, file=True, agreed=Agreed()) is None
    assert warnings(GOOD, Agreed()) == (Code.SET_NOT_AGREED, Code.REFNUM_IGNORED, Code.REFNUM_ORIG_IGNORED)


def test_an_error_notification_has_no_agreed_elements() -> None:
    bare = {name: GOOD[name] for name in ORDER[:8] if name in GOOD} | {"input-format": "error"}
    assert flaw(bare, file=True, agreed=ALL) is None


@pytest.mark.parametrize("blank", ["", " "])
def test_a_blank_after_the_semicolon_is_taken(blank: str) -> None:
    wish = f"signed-receipt-protocol=required,pgp-signature;{blank}signed-receipt-micalg=required,md5"
    assert flaw(GOOD | {"receipt-security-selection": wish}, file=True, agreed=ALL) is None


def test_who_says_nothing_of_the_receipt_gets_a_signed_one_where_that_is_agreed() -> None:
    silent = {name: text for name, text in GOOD.items() if name != "receipt-security-selection"}
    assumed = Agreed(refnums=True, sets=ALL.sets, security_assumed=True)
    assert flaw(silent, file=True, agreed=ALL) is Code.NO_SECURITY
    assert flaw(silent, file=True, agreed=assumed) is None
    assert warnings(silent, assumed) == (Code.SECURITY_ASSUMED,)
    assert (
        flaw(silent | {"receipt-security-selection": "none"}, file=True, agreed=assumed) is Code.BAD_SECURITY
    )
