"""AS2's receipts and names: what is written is read back, and a receipt proves what it says or is no receipt."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.formats.as2_cases import (
    AGGREGATOR,
    FILE,
    HIS,
    NAMES,
    STRANGER,
    UTILITY,
    bare,
    found,
    key_of,
    read,
    sent,
)

from intertie.formats.as2 import mime
from intertie.formats.as2.flaws import As2Error, Flaw, modifier_of
from intertie.formats.as2.message import File, Post
from intertie.formats.as2.names import Asked, Names, read_asked, read_id, read_name, read_names, write_name
from intertie.formats.as2.receipt import (
    Fields,
    Receipt,
    check_receipt,
    is_receipt,
    original_id,
    read_receipt,
    write_receipt,
)
from intertie.formats.as2.terms import Quirk
from intertie.seal.cms import Digest

BACK = Names(UTILITY, AGGREGATOR, "<r1@utility.example>")
GOOD = Fields(NAMES.message_id, True, "", b"\1" * 32, Digest.SHA256, "taken")
PINNED = (key_of(UTILITY).certificate,)
NAME = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=128)


def receipt(fields: Fields = GOOD, digest: Digest | None = Digest.SHA256, by: str = UTILITY) -> Post:
    return write_receipt(fields, BACK, key_of(by), digest)


def taken(post: Post, *quirks: Quirk) -> Receipt:
    return read_receipt(found(post), PINNED, frozenset(quirks))


def flaw_of(post: Post, *quirks: Quirk) -> Flaw:
    with pytest.raises(As2Error) as caught:
        taken(post, *quirks)
    return caught.value.flaw


@pytest.mark.parametrize("digest", [Digest.SHA256, Digest.SHA384, Digest.SHA512])
@pytest.mark.parametrize(
    "fields",
    [
        GOOD,
        GOOD._replace(modifier="warning: duplicate-document"),
        Fields(NAMES.message_id, True, "error: authentication-failed", text="no"),
        Fields(NAMES.message_id, False, "failure: unsupported format", text="no"),
    ],
)
def test_what_is_written_is_read_back(fields: Fields, digest: Digest) -> None:
    post = receipt(fields, digest)
    got = taken(post)
    assert (got.fields, got.names) == (fields, BACK) and got.signature
    assert is_receipt(found(post)) and original_id(found(post)) == NAMES.message_id


def test_a_message_is_no_receipt() -> None:
    assert not is_receipt(found(sent().post)) and not is_receipt(found(bare("text/plain", b"x")))


def test_for_who_asks_for_no_signature_there_is_none_and_it_proves_nothing() -> None:
    post = receipt(digest=None)
    assert flaw_of(post) is Flaw.RECEIPT_NOT_SIGNED
    got = taken(post, Quirk.UNSIGNED_RECEIPT)
    assert got.fields == GOOD and not got.signature


def test_a_receipt_is_by_a_pinned_certificate_over_these_bytes() -> None:
    assert flaw_of(receipt(by=STRANGER)) is Flaw.NOT_THE_SIGNER
    post = receipt()
    assert b"; processed" in post.body
    changed = Post(post.headers, post.body.replace(b"; processed", b"; Processed"))
    assert flaw_of(changed) is Flaw.SIGNATURE_INVALID


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"message/disposition-notification", b"text/plain"),
        (b"Disposition: automatic", b"Disposition: manual"),
        (b"Disposition:", b"X-Other:"),
        (b"; processed", b"; perhaps"),
        (b"Original-Message-ID:", b"X-Other:"),
        (b"=, sha-256", b"=, crc32"),
        (b"Received-Content-MIC: ", b"Received-Content-MIC: ?"),
    ],
)
def test_each_field_is_what_it_should_be(old: bytes, new: bytes) -> None:
    post = receipt(digest=None)
    assert old in post.body
    changed = Post(post.headers, post.body.replace(old, new))
    if new.startswith(b"Disposition: manual"):  # who pressed the button decides nothing
        assert taken(changed, Quirk.UNSIGNED_RECEIPT).fields.original_id == NAMES.message_id
    else:
        assert flaw_of(changed, Quirk.UNSIGNED_RECEIPT) in (Flaw.BAD_RECEIPT, Flaw.BAD_HEADER)


@given(st.binary(max_size=300))
@settings(max_examples=150, deadline=None)
def test_hostile_bytes_are_an_error_with_a_name(raw: bytes) -> None:
    headers = (("as2-from", "a"), ("as2-to", "b"), ("message-id", "<x@y>"))
    for kind in (
        'multipart/report; boundary="b"',
        'multipart/signed; boundary="b"',
        raw[:30].decode("latin-1"),
    ):
        post = Post((*headers, ("content-type", kind)), b"--b\r\n\r\n" + raw + b"\r\n--b--")
        with pytest.raises(As2Error):
            read_receipt(found(post), PINNED, frozenset(Quirk))


@pytest.mark.parametrize(
    ("fields", "names", "flaw"),
    [
        (GOOD, BACK, None),
        (GOOD._replace(mic=b"\2" * 32), BACK, Flaw.MIC_MISMATCH),
        (GOOD._replace(mic=b"", digest=None), BACK, Flaw.MIC_MISMATCH),
        (GOOD._replace(digest=Digest.SHA512), BACK, Flaw.MIC_MISMATCH),
        (GOOD._replace(original_id="<2@aggregator.example>"), BACK, Flaw.BAD_RECEIPT),
        (GOOD, BACK._replace(sender="OTHER"), Flaw.BAD_RECEIPT),
        (GOOD, BACK._replace(recipient="OTHER"), Flaw.BAD_RECEIPT),
        (GOOD, BACK._replace(recipient=f'"{AGGREGATOR}"'), None),
        (Fields(NAMES.message_id, True, "warning: duplicate-document"), BACK, None),
        (Fields(NAMES.message_id, True, "warning: other"), BACK, Flaw.MIC_MISMATCH),
        (GOOD._replace(mic=b"\2" * 32, modifier="warning: duplicate-document"), BACK, Flaw.MIC_MISMATCH),
        (Fields(NAMES.message_id, True, "error: decryption-failed"), BACK, None),
    ],
)
def test_a_receipt_is_held_to_what_was_sent(fields: Fields, names: Names, flaw: Flaw | None) -> None:
    def check() -> None:
        check_receipt(Receipt(names, fields), NAMES, b"\1" * 32, Digest.SHA256)

    if flaw is None:
        check()
    else:
        with pytest.raises(As2Error) as caught:
            check()
        assert caught.value.flaw is flaw


def test_message_and_receipt_agree_on_the_mic() -> None:
    for file in (FILE, File(b"", "text/plain"), File(b"x" * 10_000, "text/csv")):
        one = sent(file)
        got = read(one.post)
        mic, digest = got.mic(read_asked(found(one.post)).digests, frozenset())
        answer = taken(receipt(Fields(one.names.message_id, True, "", mic, digest)))
        check_receipt(answer, one.names, one.mic, one.digest)


def test_sha1_is_no_mic_without_its_quirk() -> None:
    got = read(sent().post)
    assert got.mic((Digest.SHA1, Digest.SHA512), frozenset())[1] is Digest.SHA512
    assert got.mic((Digest.SHA1,), frozenset())[1] is Digest.SHA256
    assert got.mic((Digest.SHA1,), frozenset({Quirk.SHA1}))[1] is Digest.SHA1


@given(NAME)
def test_names_are_read_back(name: str) -> None:
    assert read_name(write_name(name)) == name


@pytest.mark.parametrize(
    ("said", "name"),
    [
        ("AGG", "AGG"),
        ('"Sun & Wind"', "Sun & Wind"),
        (r'"a\"b\\c"', r"a\"b\\c".replace("\\\\", "\\").replace('\\"', '"')),
    ],
)
def test_names_as_others_write_them(said: str, name: str) -> None:
    assert read_name(said) == name


@pytest.mark.parametrize("said", ["", '"', '"open', '"a"b"', "é", "a\nb", "x" * 129, '""', r'"\x"'])
def test_what_is_no_name(said: str) -> None:
    with pytest.raises(As2Error) as caught:
        read_name(said)
    assert caught.value.flaw is Flaw.BAD_HEADER


@pytest.mark.parametrize("said", ["<a@b>", "a@b", "<1.2 3@x>"])
def test_message_ids(said: str) -> None:
    assert read_id(said).strip("<>") == said.strip("<>")


@pytest.mark.parametrize("said", ["", "<>", "<a", "<a>b>", "<" + "x" * 998 + ">", "<a\r\nX: y>"])
def test_what_is_no_message_id(said: str) -> None:
    with pytest.raises(As2Error):
        read_id(said)


def asked(**headers: str) -> Asked:
    return read_asked(found(bare("text/plain", b"", **headers)))


def test_what_is_asked_of_a_receipt() -> None:
    assert asked() == Asked(False, False, (), "")
    assert asked(disposition_notification_to="x") == Asked(True, False, (), "")
    options = "signed-receipt-protocol=required, pkcs7-signature; signed-receipt-micalg=optional, md5, sha1, SHA-256"
    said = {"disposition_notification_to": "x", "disposition_notification_options": options}
    assert asked(**said) == Asked(True, True, (Digest.SHA1, Digest.SHA256), "")
    assert asked(**said, receipt_delivery_option=HIS).address == HIS
    # Without Disposition-Notification-To nothing is asked, and nothing is posted anywhere.
    assert asked(receipt_delivery_option=HIS) == Asked(False, False, (), "")
    bare_options = "signed-receipt-protocol=optional,pkcs7-signature;signed-receipt-micalg=optional,sha256"
    assert asked(disposition_notification_to="x", disposition_notification_options=bare_options).digests == (
        Digest.SHA256,
    )
    with pytest.raises(As2Error, match="another protocol"):
        asked(
            disposition_notification_to="x",
            disposition_notification_options="signed-receipt-protocol=required, pgp",
        )


def test_headers_that_stand_twice_are_refused() -> None:
    post = bare("text/plain", b"", as2_from="A", as2_to="B", message_id="<x@y>")
    assert read_names(found(post)) == Names("A", "B", "<x@y>")
    for name in ("as2-from", "as2-to", "message-id", "AS2-From"):
        with pytest.raises(As2Error):
            read_names(found(Post((*post.headers, (name, "C")), b"")))
    with pytest.raises(As2Error, match="AS2-Version"):
        read_names(found(Post((*post.headers, ("as2-version", "2.0")), b"")))


def test_modifiers_are_those_of_the_standard() -> None:
    known = {
        "decryption-failed",
        "authentication-failed",
        "decompression-failed",
        "insufficient-message-security",
        "unexpected-processing-error",
    }
    assert {modifier_of(flaw) for flaw in Flaw} == known


PART = st.binary(max_size=60).filter(lambda raw: b"--b" not in raw)


@given(st.lists(PART, min_size=1, max_size=4))
def test_parts_come_back_byte_for_byte(bodies: list[bytes]) -> None:
    pieces = [mime.write([("Content-Type", "text/plain")], body) for body in bodies]
    whole = mime.of_http([("content-type", 'multipart/mixed; boundary="b"')], mime.multipart("b", pieces))
    assert [one.raw for one in mime.parts(whole)] == pieces
    assert [one.body for one in mime.parts(whole)] == bodies


def test_multiparts_that_are_none() -> None:
    def parts(body: bytes, kind: str = 'multipart/mixed; boundary="b"') -> list[mime.Entity]:
        return mime.parts(mime.of_http([("content-type", kind)], body))

    assert len(parts(b"preamble\r\n--b \r\n\r\nx\r\n--b--\r\nepilogue")) == 1
    for body in (b"", b"--b\r\n\r\nx\r\n", b"--b\r\nno headers", b"--b" + b"\r\n\r\nx\r\n--b" * 20):
        with pytest.raises(As2Error):
            parts(body)
    for kind in (
        "multipart/mixed",
        "multipart/mixed; boundary=" + "x" * 71,
        'multipart/mixed; boundary="a\tb"',
    ):
        with pytest.raises(As2Error):
            parts(b"--b--", kind)


@pytest.mark.parametrize("encoding", ["base64", "BASE64", "quoted-printable", "binary", "8bit", ""])
def test_transfer_encodings(encoding: str) -> None:
    raw = base64.encodebytes(b"hello") if encoding.lower() == "base64" else b"hello"
    assert found(bare("text/plain", raw, content_transfer_encoding=encoding)).content() == b"hello"
    for body, bad in ((b"?", "base64"), (b"x", "uuencode")):
        with pytest.raises(As2Error):
            found(bare("text/plain", body, content_transfer_encoding=bad)).content()
