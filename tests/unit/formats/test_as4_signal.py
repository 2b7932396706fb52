"""Receipts and errors of AS4: a receipt proves what was sent, or nothing."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree
from tests.unit.formats.as4_cases import NOW, STRANGER, THEM, US, clone, find, sent, taken

from intertie.formats.as4.flaws import OTHER, As4Error, Flaw, error_of
from intertie.formats.as4.message import verify_signal, write_signal
from intertie.formats.as4.names import DS, EBBP, WSU_ID
from intertie.formats.as4.signal import (
    DETAIL_MAX,
    Signal,
    check_receipt,
    is_signal,
    read_signal,
    write_error,
    write_receipt,
)
from intertie.formats.as4.xml import parse_envelope
from intertie.seal.xml_signature import REFERENCES_MAX, Reference

SENT = sent()
RECEIVED = taken(SENT.post)


def receipt(by: Any = THEM, about: str = "m1@us", change: Any = None) -> bytes:
    messaging = write_receipt("r1@them", NOW, about, RECEIVED.verified.raw)
    if change is not None:
        change(messaging)
    return write_signal(messaging, "r1@them", by)


def read(raw: bytes, pinned: Any = THEM) -> Signal:
    return read_signal(verify_signal(parse_envelope(raw), [pinned.certificate], frozenset()))


def test_a_receipt_repeats_what_was_signed_and_proves_it() -> None:
    signal = read(receipt())
    assert (signal.message_id, signal.about, signal.at) == ("r1@them", "m1@us", NOW)
    assert signal.accepted and not signal.errors and not signal.words
    assert signal.references == SENT.references and len(signal.references) == 3
    check_receipt(signal, "m1@us", SENT.references)
    assert is_signal(parse_envelope(receipt()).messaging)


def test_a_receipt_about_another_message_is_none() -> None:
    with pytest.raises(As4Error) as caught:
        check_receipt(read(receipt(about="m2@us")), "m1@us", SENT.references)
    assert caught.value.flaw is Flaw.BAD_RECEIPT


def _drop(messaging: Any) -> None:
    one = find(messaging, "MessagePartNRInformation")
    one.getparent().remove(one)


def _more(messaging: Any) -> None:
    one = find(messaging, "MessagePartNRInformation")
    one.addnext(clone(one))
    find(one, "Reference").set("URI", "#more")


def _other_digest(messaging: Any) -> None:
    find(messaging, "DigestValue").text = "AAAA"


def _other_uri(messaging: Any) -> None:
    find(messaging, "Reference").set("URI", "#other")


@pytest.mark.parametrize("change", [_drop, _more, _other_digest, _other_uri])
def test_digests_that_are_not_those_of_what_was_sent_prove_something_else(change: Any) -> None:
    with pytest.raises(As4Error) as caught:
        check_receipt(read(receipt(change=change)), "m1@us", SENT.references)
    assert caught.value.flaw is Flaw.OTHER_DIGESTS and "settle" in caught.value.do


def test_a_receipt_for_a_message_that_was_made_anew_is_for_another_one() -> None:
    other = sent(digest="sha-512")
    with pytest.raises(As4Error, match="other_digests"):
        check_receipt(read(receipt()), "m1@us", other.references)


@pytest.mark.parametrize("pinned", [US, STRANGER])
def test_a_receipt_by_another_key_is_nobodys(pinned: Any) -> None:
    with pytest.raises(As4Error) as caught:
        read(receipt(), pinned)
    assert caught.value.flaw is Flaw.SIGNATURE_INVALID


def test_a_receipt_without_a_signature_is_none() -> None:
    root = etree.fromstring(receipt())
    signature = find(root, "Signature")
    signature.getparent().remove(signature)
    with pytest.raises(As4Error) as caught:
        read(etree.tostring(root))
    assert caught.value.flaw is Flaw.NOT_SIGNED


def test_a_signature_over_the_body_alone_is_no_receipt() -> None:
    root = etree.fromstring(receipt())
    messaging = find(root, "Messaging")
    for one in find(root, "Signature").iter(f"{{{DS}}}Reference"):
        if one.get("URI") == f"#{messaging.get(WSU_ID)}":
            one.getparent().remove(one)
            break
    with pytest.raises(As4Error):
        read(etree.tostring(root))


def test_a_wrapped_receipt_is_none() -> None:
    root = etree.fromstring(receipt())
    messaging = find(root, "Messaging")
    evil = clone(messaging)
    find(evil, "RefToMessageId").text = "m9@us"
    messaging.addnext(evil)
    etree.SubElement(messaging.getparent(), "{urn:evil}x").append(messaging)
    with pytest.raises(As4Error) as caught:
        read(etree.tostring(root))
    assert caught.value.flaw is Flaw.BAD_HEADER


@pytest.mark.parametrize("flaw", Flaw)
def test_errors_are_told_by_their_codes(flaw: Flaw) -> None:
    error = error_of(flaw)
    raw = write_signal(write_error("e1@them", NOW, "m1@us", error, "because of x"), "e1@them", THEM)
    signal = read(raw)
    assert not signal.accepted and signal.about == "m1@us"
    assert signal.words == f"{error.code} {error.short}: because of x"
    check_receipt(signal, "m1@us", SENT.references)  # it has no digests, and is about it


@given(detail=st.text(max_size=2 * DETAIL_MAX))
def test_what_an_error_says_is_printable_and_short(detail: str) -> None:
    messaging = write_error("e1@them", NOW, "m1@us", OTHER, detail)
    (said,) = read_signal(etree.fromstring(etree.tostring(messaging))).errors
    assert len(said.text) <= DETAIL_MAX and said.text.isprintable() and said.failure


def test_a_warning_is_no_refusal_and_no_receipt() -> None:
    messaging = write_error("e1@them", NOW, "m1@us", OTHER, "careful")
    find(messaging, "Error").set("severity", "warning")
    signal = read_signal(messaging)
    assert signal.accepted and "careful" in signal.words
    with pytest.raises(As4Error, match="no receipt"):
        check_receipt(signal, "m1@us", SENT.references)


def _without(name: str) -> Any:
    def change(messaging: Any) -> None:
        one = find(messaging, name)
        one.getparent().remove(one)

    return change


def _both(messaging: Any) -> None:
    other = write_error("e1@them", NOW, "m1@us", OTHER, "x")
    find(messaging, "SignalMessage").append(clone(find(other, "Error")))


def _too_many(messaging: Any) -> None:
    one = find(messaging, "MessagePartNRInformation")
    for _ in range(REFERENCES_MAX):
        one.addnext(clone(one))


@pytest.mark.parametrize(
    ("change", "want"),
    [
        (_without("Receipt"), Flaw.BAD_RECEIPT),
        (_without("NonRepudiationInformation"), Flaw.BAD_RECEIPT),
        (_without("SignalMessage"), Flaw.BAD_HEADER),
        (_without("MessageId"), Flaw.BAD_HEADER),
        (_both, Flaw.BAD_RECEIPT),
        (_too_many, Flaw.BAD_RECEIPT),
        (lambda one: setattr(find(one, "RefToMessageId"), "text", "<x>"), Flaw.BAD_HEADER),
        (lambda one: find(one, "DigestMethod").set("Algorithm", f"{DS}sha1"), Flaw.WEAK),
        (lambda one: find(one, "Transform").set("Algorithm", "x"), Flaw.UNSUPPORTED),
        (lambda one: find(one, "SignalMessage").append(clone(find(one, "Receipt"))), Flaw.BAD_HEADER),
    ],
)
def test_a_signal_that_says_nothing_is_none(change: Any, want: Flaw) -> None:
    messaging = write_receipt("r1@them", NOW, "m1@us", RECEIVED.verified.raw)
    change(messaging)
    with pytest.raises(As4Error) as caught:
        read_signal(messaging)
    assert caught.value.flaw is want


def test_an_error_may_name_its_message_in_an_attribute_alone() -> None:
    messaging = write_error("e1@them", NOW, "m1@us", OTHER, "x")
    _without("RefToMessageId")(messaging)
    assert read_signal(messaging).about == "m1@us"
    find(messaging, "Error").attrib.pop("refToMessageInError")
    assert read_signal(messaging).about == ""


def test_the_same_digest_under_another_name_is_another_reference() -> None:
    one = SENT.references[0]
    assert Reference(one.uri, one.digest, one.value) == one != Reference("#x", one.digest, one.value)
    assert EBBP.endswith("ebbp-signals-2.0")
