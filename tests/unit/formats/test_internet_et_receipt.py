"""Receipts of Internet ET: what is written is read back, and what partners really send is read too."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intertie.formats.internet_et.codes import Code, status
from intertie.formats.internet_et.receipt import MOST_BYTES, Receipt, read, report

OK = Receipt("20261126223000", "ok", "host.example", "17")
PLAIN = b"time-c=20261126223000*\r\nrequest-status=ok*\r\nserver-id=host.example*\r\ntrans-id=17*\r\n"


def test_a_report_begins_and_ends_with_its_boundary() -> None:
    body = report(OK, "NAESB7867")
    assert body.startswith(b"--NAESB7867\r\n")
    assert body.endswith(b"--NAESB7867--\r\n")
    assert read(body) == OK


@pytest.mark.parametrize("code", list(Code))
def test_each_code_comes_back(code: Code) -> None:
    got = read(report(Receipt("20261126223000", status(code), "host.example", "17"), "b"))
    assert got is not None
    assert got.status == status(code)
    assert got.good is (code.value[0] == "W")


@given(st.text())
def test_echoed_text_adds_no_element(text: str) -> None:
    got = read(report(Receipt("20261126223000", status(Code.SYSTEM, text), "host.example", "17"), "b"))
    assert got is not None
    assert (got.trans, got.server, got.good) == ("17", "host.example", False)


@pytest.mark.parametrize(
    "body",
    [
        b"<PRE>" + PLAIN + b"</PRE>",
        PLAIN.replace(b"request-status=ok", b"request-status=  ok"),
        PLAIN.replace(b"\r\n", b""),
        PLAIN + PLAIN.replace(b"=ok*", b"=EEDM999: System error*"),
    ],
    ids=["pre", "blanks", "one line", "the first wins"],
)
def test_what_partners_send(body: bytes) -> None:
    assert read(body) == OK


@pytest.mark.parametrize(
    "body",
    [
        b"",
        PLAIN.replace(b"trans-id=17*", b""),
        PLAIN.replace(b"=ok*", b"=perhaps*"),
        PLAIN.replace(b"=17*", b"=1234567890123456*"),
        PLAIN.replace(b"20261126223000", b"2026112622300"),
        PLAIN + b" " * MOST_BYTES,
    ],
)
def test_what_is_no_receipt(body: bytes) -> None:
    assert read(body) is None


def test_what_the_page_escapes_comes_back() -> None:
    said = status(Code.UNKNOWN_FILE, "A&B <c> &amp;")
    got = read(report(Receipt("20261126223000", said, "host.example", "17"), "b"))
    assert got is not None
    assert got.status == said
