"""Signed reports of Internet ET: written and read again, whatever a partner signs of them; never believed if another wrote it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.exchange.et_world import KEYS, STRANGER
from tests.exchange.house import AGGREGATOR, UTILITY

from intertie.formats.internet_et import receipt as receipts
from intertie.formats.internet_et.fields import REPORT
from intertie.formats.internet_et.notice import Notice, read_notice
from intertie.formats.internet_et.receipt import Receipt
from intertie.formats.internet_et.signed import read_signed, write_signed
from intertie.seal.pgp import PgpError

KEY = KEYS[UTILITY]
PINNED = (KEY.public,)
SAID = Receipt("20260115120001", "ok", "p.example", "42")
REPORT_BODY = receipts.report(SAID, "NAESB42")


def written(*, headers: bool = False, by: object = KEY) -> tuple[str, bytes]:
    return write_signed(REPORT_BODY, REPORT, "NAESB42", "--outer", by.sign, headers=headers)  # type: ignore[attr-defined]


@pytest.mark.parametrize("headers", [False, True])
def test_what_we_write_is_read(headers: bool) -> None:
    kind, body = written(headers=headers)
    assert kind.startswith("multipart/signed; micalg=pgp-sha512;")
    report = read_signed(kind, body, PINNED)
    assert report.signed is not None and receipts.read(report.body) == SAID
    assert report.over.startswith(b"content-type:" if headers else b"--NAESB42")
    assert report.signature.startswith(b"-----BEGIN PGP SIGNATURE-----")


def test_another_key_is_not_believed() -> None:
    kind, body = written(by=STRANGER)
    with pytest.raises(PgpError):
        read_signed(kind, body, PINNED)
    assert read_signed(kind, body, (KEY.public, STRANGER.public)).signed is not None


def test_no_byte_of_what_is_signed_is_free() -> None:
    kind, body = written()
    start, end = body.index(b"time-c"), body.rindex(b"--NAESB42--")
    for at in range(start, end, 41):
        if body[at : at + 1] in b"\r\n" or body[at - 1 : at] in b"\r\n":
            continue
        changed = body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :]
        try:
            found = read_signed(kind, changed, PINNED)
        except PgpError:
            continue
        assert found.signed is None, at  # it is no multipart any more, and proves nothing


def test_a_report_beside_the_signed_one_is_not_read() -> None:
    kind, body = written()
    evil = receipts.report(Receipt("20260115120001", "EEDM699: x", "p", "1"), "NAESB43")
    found = read_signed(kind, body + b"\r\n" + evil, PINNED)
    assert found.signed is not None and receipts.read(found.body) == SAID


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("", b""),
        ("text/html", b"<html></html>"),
        ("multipart/signed", b"--a\r\n\r\nhello"),
        ("multipart/signed; boundary=a", b"no delimiter at all"),
        ("multipart/signed; boundary=a", b"--a\r\n\r\nhello\r\n--a--\r\n"),
        ("multipart/signed; boundary=a", b"--a\r\n\r\nhello\r\n--a\r\n\r\nno signature\r\n--a--\r\n"),
        ("multipart/report; boundary=a", b"--a\r\n\r\nhello\r\n--a--\r\n"),
        ("multipart/signed; boundary=\xff", b"--a"),
    ],
)
def test_what_has_no_signature_has_none(kind: str, body: bytes) -> None:
    assert read_signed(kind, body, PINNED).signed is None


def test_something_in_the_signature_s_place_is_refused() -> None:
    for proof in (
        b"-----BEGIN PGP SIGNATURE-----\n\nAAAA\n-----END PGP SIGNATURE-----",
        b"-----BEGIN PGP MESSAGE-----\n\nAAAA\n-----END PGP MESSAGE-----",
    ):
        body = b"--a\r\n\r\nhello\r\n--a\r\n\r\n" + proof + b"\r\n--a--\r\n"
        with pytest.raises(PgpError):
            read_signed("multipart/signed; boundary=a", body, PINNED)


@settings(max_examples=60, deadline=None)
@given(
    st.binary(max_size=300), st.sampled_from(["multipart/signed; boundary=a", "multipart/signed", "", "x"])
)
def test_any_bytes_are_read_or_refused(body: bytes, kind: str) -> None:
    try:
        found = read_signed(kind, body, PINNED)
    except PgpError:
        return
    assert found.signed is None


@settings(max_examples=30, deadline=None)
@given(st.text(max_size=60), st.text(max_size=60))
def test_whatever_is_echoed_stays_within_its_element(status: str, server: str) -> None:
    said = Receipt("20260115120001", f"EEDM999: {status}", f"s{server}", "7")
    found = receipts.read(receipts.report(said, "NAESB7"))
    if found is not None:
        assert (found.time_c, found.trans) == (said.time_c, said.trans) and not found.good


def test_many_beginnings_without_an_end_cost_no_more_than_their_length() -> None:
    """Otherwise a few megabytes would hold a thread for hours."""
    head = b"--a\r\n\r\nhello\r\n--a\r\n\r\n"
    for mark in (b"-----BEGIN PGP SIGNATURE-----\n", b"-----BEGIN PGP MESSAGE-----\n"):
        body = head + mark * 8000 + b"\r\n--a--\r\n"
        assert read_signed("multipart/signed; boundary=a", body, PINNED).signed is None
    assert read_signed("multipart/signed; boundary=a", head + bytes(300_000), PINNED).signed is None
    assert receipts.read(b"time-c=" * 9000) is None and read_notice(b"request-status=" * 4000) is None


# Error Notifications

NOTICE = (
    "orig-from=1*\r\norig-to=2*\r\norig-input-format=X12*\r\nresp-time-c=20260115120001*\r\n"
    "resp-server-id=p.example*\r\nresp-trans-id=42*\r\nrequest-status=EEDM601: Public Key Invalid*\r\n"
    "comments=see &lt;our&gt; key*\r\n"
)


def test_a_notification_is_read() -> None:
    found = read_notice(NOTICE.encode())
    assert found == Notice(
        "20260115120001", "p.example", "42", "EEDM601: Public Key Invalid", "see <our> key"
    )
    assert found is not None and found.said == "EEDM601: Public Key Invalid see <our> key"
    bare = read_notice(NOTICE.replace("comments=see &lt;our&gt; key*\r\n", "").encode())
    assert bare is not None and bare.said == "EEDM601: Public Key Invalid"


@pytest.mark.parametrize("name", ["resp-time-c", "resp-server-id", "resp-trans-id", "request-status"])
def test_a_notification_without_a_needed_element_is_none(name: str) -> None:
    lines = [line for line in NOTICE.splitlines() if not line.startswith(name)]
    assert read_notice("\r\n".join(lines).encode()) is None
    assert read_notice(NOTICE.replace("EEDM601", "ok").encode()) is None
    assert read_notice(NOTICE.encode() + bytes(70_000)) is None


def test_the_first_of_a_name_counts_and_names_within_names_do_not() -> None:
    found = read_notice(("x-resp-trans-id=1*" + NOTICE + "resp-trans-id=43*").encode())
    assert found is not None and found.trans == "42"


def test_the_world_has_two_keys() -> None:
    assert KEYS[UTILITY].public != KEYS[AGGREGATOR].public
