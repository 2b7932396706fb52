"""AS4 messages: what is written is read again; what was changed, wrapped, or is weak is refused by its name."""

from __future__ import annotations

import gzip
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree
from msgspec import ValidationError, convert
from tests.unit.formats.as4_cases import (
    FILE,
    LIMIT,
    NOW,
    STRANGER,
    THEM,
    THEY,
    US,
    WE,
    changed,
    clone,
    envelope_of,
    find,
    flaw,
    sent,
    taken,
    terms,
    with_envelope,
)

from intertie.formats.as2 import mime
from intertie.formats.as4.flaws import As4Error, Flaw, error_of
from intertie.formats.as4.message import File, Post, open_post, read_message, sign_envelope, without_file
from intertie.formats.as4.names import (
    DS,
    EB,
    SOAP,
    TEST_ACTION,
    TEST_SERVICE,
    WSSE,
    WSU_ID,
    XENC,
    XENC11,
    eb,
)
from intertie.formats.as4.security import key_info
from intertie.formats.as4.terms import As4Terms, Quirk
from intertie.formats.as4.user_message import (
    Business,
    Party,
    Payload,
    Roles,
    UserMessage,
    read_user,
    write_user,
)
from intertie.formats.as4.xml import (
    DEPTH_MAX,
    ENVELOPE_BYTES_MAX,
    new_envelope,
    parse_envelope,
    write_envelope,
)
from intertie.seal.cms import CipherName, Digest
from intertie.seal.xml_signature import sign_parts


@pytest.mark.parametrize("compress", [True, False])
@pytest.mark.parametrize("cipher", [CipherName.AES128_GCM, CipherName.AES256_GCM])
@pytest.mark.parametrize("digest", [Digest.SHA256, Digest.SHA384, Digest.SHA512])
def test_what_is_written_is_read(compress: bool, cipher: CipherName, digest: Digest) -> None:
    post = sent(
        compress=compress, cipher=cipher, digest=digest, original_sender="c1", final_recipient="c4"
    ).post
    got = taken(post)
    assert got.file == FILE and got.user.message_id == "m1@us" and got.user.conversation == "talk"
    assert (got.user.sender, got.user.recipient, got.user.at) == (WE, THEY, NOW)
    assert got.user.properties == {"originalSender": "c1", "finalRecipient": "c4"}
    assert (FILE.content[:20] not in post.body and b"gzip" in post.body) or not compress
    assert {one.digest for one in got.verified.references} == {digest}


def test_the_signature_covers_header_body_and_file_and_nothing_else_is_needed() -> None:
    got = taken(sent().post)
    assert set(got.verified.elements) == {"messaging", "body"} and len(got.verified.references) == 3
    assert got.verified.certificate == US.certificate
    assert got.attached is not None and gzip.decompress(got.attached.content) == FILE.content


def test_text_that_is_not_compressed_is_signed_with_the_line_ends_of_mime() -> None:
    text = File(b"a,b\n1,2\r\n3,4\r", "text/csv")
    got = taken(sent(text, compress=False).post)
    assert got.file == text
    assert got.attached is not None and got.attached.content == text.content, "kept as it came"


@given(content=st.binary(max_size=2000), compress=st.booleans())
@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
def test_any_bytes_are_a_file(content: bytes, compress: bool) -> None:
    got = taken(sent(File(content, "application/octet-stream"), compress=compress).post)
    assert got.file is not None and got.file.content == content


# Who, to whom, about what


@pytest.mark.parametrize(
    ("agreed", "want"),
    [
        ({"party_id": "other"}, Flaw.NOT_AS_AGREED),
        ({"party_type": ""}, Flaw.NOT_AS_AGREED),
        ({"service": "urn:other"}, Flaw.NOT_AS_AGREED),
        ({"service_type": ""}, Flaw.NOT_AS_AGREED),
        ({"action": "other"}, Flaw.NOT_AS_AGREED),
        ({"their_action": "other"}, Flaw.NOT_AS_AGREED),
        ({"agreement": ""}, Flaw.NOT_AS_AGREED),
    ],
)
def test_what_was_not_agreed_is_told(agreed: dict[str, str], want: Flaw) -> None:
    assert flaw(sent().post, **agreed) is want


def test_roles_are_the_networks_if_it_has_its_own() -> None:
    assert taken(sent().post).user.roles == Roles()
    assert taken(sent(our_role="ZSO", their_role="ZSH").post).user.roles == Roles("ZSO", "ZSH")


def test_their_action_may_be_another_than_ours() -> None:
    assert taken(sent(action="reply").post, their_action="reply").file == FILE


def test_it_is_for_us() -> None:
    post = sent().post
    opened = open_post(mime.of_http(post.headers, post.body))
    with pytest.raises(As4Error, match="PartyInfo"):
        read_message(opened, Party("else"), [THEM], terms(WE, US), [US.certificate], LIMIT)


def test_a_test_of_the_way_has_no_file_and_is_of_no_agreement() -> None:
    user = UserMessage("t@us", NOW, WE, THEY, Business(TEST_SERVICE, TEST_ACTION), "x")
    envelope = new_envelope(write_user(user), "t")
    sign_envelope(envelope, {}, US, Digest.SHA256, "t")
    post = without_file(write_envelope(envelope))
    got = taken(post)
    assert got.file is None and got.user.business.is_test
    other = new_envelope(write_user(user._replace(business=Business("urn:service", "submit"))), "t")
    sign_envelope(other, {}, US, Digest.SHA256, "t")
    assert flaw(without_file(write_envelope(other)), service_type="", agreement="") is Flaw.NOT_AS_AGREED


# Signatures


def test_another_key_is_nobody() -> None:
    assert flaw(sent(by=STRANGER).post) is Flaw.SIGNATURE_INVALID
    assert flaw(sent().post, pinned=STRANGER) is Flaw.SIGNATURE_INVALID


def test_who_cannot_open_it_says_so_and_no_more() -> None:
    assert flaw(sent(to=STRANGER).post) is Flaw.CANNOT_DECRYPT


@pytest.mark.parametrize("at", [0.2, 0.6, 0.99])
def test_a_changed_file_cannot_be_decrypted(at: float) -> None:
    post = sent().post
    found = mime.of_http(post.headers, post.body)
    file = bytearray(mime.parts(found)[1].body)
    file[int(len(file) * at)] ^= 1
    assert (
        flaw(Post(post.headers, post.body.replace(mime.parts(found)[1].body, bytes(file))))
        is Flaw.CANNOT_DECRYPT
    )


@pytest.mark.parametrize(
    ("name", "text"), [("MessageId", "m2@us"), ("Action", "cancel"), ("Timestamp", "2020-01-01T00:00:00Z")]
)
def test_a_changed_header_does_not_verify(name: str, text: str) -> None:
    assert (
        flaw(changed(sent().post, lambda root: setattr(find(root, name), "text", text)))
        is Flaw.SIGNATURE_INVALID
    )


def _without(name: str) -> Any:
    def change(root: Any) -> None:
        element = find(root, name)
        element.getparent().remove(element)

    return change


@pytest.mark.parametrize(
    ("name", "want"),
    [
        ("Signature", Flaw.NOT_SIGNED),
        ("Security", Flaw.NOT_SIGNED),
        ("EncryptedKey", Flaw.UNSUPPORTED),
        ("EncryptedData", Flaw.UNSUPPORTED),
        ("Messaging", Flaw.BAD_HEADER),
        ("Body", Flaw.BAD_HEADER),
        ("SignatureValue", Flaw.SIGNATURE_INVALID),
        ("UserMessage", Flaw.SIGNATURE_INVALID),
        ("CipherValue", Flaw.CANNOT_DECRYPT),
    ],
)
def test_what_is_missing_is_missed(name: str, want: Flaw) -> None:
    post = changed(sent().post, _without(name))
    assert flaw(post, Quirk.UNENCRYPTED) is want


def test_an_attachment_that_is_missing_or_one_more_is_missed() -> None:
    post = sent().post
    found = mime.of_http(post.headers, post.body)
    soap, file = mime.parts(found)
    boundary = found.parameter("boundary")
    assert flaw(Post(post.headers, mime.multipart(boundary, [soap.raw]))) is Flaw.BAD_MIME
    more = mime.write([("Content-ID", "<more>"), ("Content-Type", "text/plain")], b"x")
    assert (
        flaw(Post(post.headers, mime.multipart(boundary, [soap.raw, file.raw, more]))) is Flaw.NOT_AS_AGREED
    )
    twice = Post(post.headers, mime.multipart(boundary, [soap.raw, file.raw, file.raw]))
    assert flaw(twice) is Flaw.BAD_MIME
    nameless = mime.write([("Content-Type", "text/plain")], b"x")
    assert flaw(Post(post.headers, mime.multipart(boundary, [soap.raw, nameless]))) is Flaw.BAD_MIME
    assert flaw(Post((("Content-Type", "text/xml"),), soap.body)) is Flaw.BAD_MIME
    assert flaw(Post((("Content-Type", "multipart/related"),), post.body)) is Flaw.BAD_MIME


# Signature wrapping: the signed element is moved aside and another is put where it is read.


def _evil(root: Any) -> Any:
    evil = clone(find(root, "Messaging"))
    find(evil, "MessageId").text = "evil@us"
    return evil


def _wrap_in_header(root: Any) -> None:
    """The signed one goes into an element that nobody reads, the other has its place and its id."""
    messaging = find(root, "Messaging")
    evil, parent = _evil(root), messaging.getparent()
    parent.remove(messaging)
    etree.SubElement(parent, "{urn:evil}Wrapper").append(messaging)
    parent.append(evil)


def _wrap_other_id(root: Any) -> None:
    """The same, with another id."""
    _wrap_in_header(root)
    root.findall(f"{{{SOAP}}}Header/{eb('Messaging')}")[0].set(WSU_ID, "evil")


def _wrap_in_object(root: Any) -> None:
    """The signed one goes into an Object of the signature."""
    messaging = find(root, "Messaging")
    evil, parent = _evil(root), messaging.getparent()
    parent.replace(messaging, evil)
    etree.SubElement(find(root, "Signature"), f"{{{DS}}}Object").append(messaging)


def _wrap_renamed(root: Any) -> None:
    """The signed one stands aside under its id; the one that is read has the id in an attribute of another name."""
    messaging = find(root, "Messaging")
    evil, parent = _evil(root), messaging.getparent()
    identity = evil.attrib.pop(WSU_ID)
    evil.set("ID", identity)
    parent.replace(messaging, evil)
    wrapper = etree.SubElement(parent, "{urn:evil}Wrapper")
    wrapper.append(messaging)
    messaging.tag = "{urn:evil}Messaging"


def _second_first(root: Any) -> None:
    find(root, "Messaging").addprevious(_evil(root))


def _second_header(root: Any) -> None:
    header = clone(find(root, "Header"))
    find(header, "MessageId").text = "evil@us"
    root.insert(0, header)


def _second_security(root: Any) -> None:
    find(root, "Security").addprevious(clone(find(root, "Security")))


def _second_signature(root: Any) -> None:
    find(root, "Signature").addprevious(clone(find(root, "Signature")))


def _second_body(root: Any) -> None:
    root.append(clone(find(root, "Body")))


def _security_in_body(root: Any) -> None:
    find(root, "Body").append(find(root, "Security"))


def _messaging_in_body(root: Any) -> None:
    find(root, "Body").append(find(root, "Messaging"))


def _reference_elsewhere(root: Any) -> None:
    """A reference to an element that is not one that may be signed."""
    wrapper = etree.SubElement(find(root, "Header"), "{urn:evil}Wrapper")
    wrapper.set(WSU_ID, "elsewhere")
    next(one for one in root.iter(f"{{{DS}}}Reference")).set("URI", "#elsewhere")


@pytest.mark.parametrize(
    "change",
    [
        _wrap_in_header,
        _wrap_other_id,
        _wrap_in_object,
        _wrap_renamed,
        _second_first,
        _second_header,
        _second_security,
        _second_signature,
        _second_body,
        _security_in_body,
        _messaging_in_body,
        _reference_elsewhere,
    ],
    ids=lambda one: one.__name__.strip("_"),
)
def test_wrapped_signatures_are_refused(change: Any) -> None:
    assert flaw(changed(sent().post, change)) in (Flaw.BAD_HEADER, Flaw.UNSUPPORTED, Flaw.SIGNATURE_INVALID)


def _transform(root: Any) -> None:
    """An XPath in place of the canonical form: it could leave everything out."""
    for one in root.iter(f"{{{DS}}}Reference"):
        find(one, "Transform").set("Algorithm", "http://www.w3.org/TR/1999/REC-xpath-19991116")


def _inclusive(root: Any) -> None:
    find(root, "CanonicalizationMethod").set("Algorithm", "http://www.w3.org/TR/2001/REC-xml-c14n-20010315")


def _whole(root: Any) -> None:
    next(root.iter(f"{{{DS}}}Reference")).set("URI", "")


def _pointer(root: Any) -> None:
    next(root.iter(f"{{{DS}}}Reference")).set("URI", "#xpointer(/)")


def _address(root: Any) -> None:
    next(root.iter(f"{{{DS}}}Reference")).set("URI", "http://169.254.169.254/")


def _many(root: Any) -> None:
    one = next(root.iter(f"{{{DS}}}Reference"))
    for _ in range(40):
        one.addnext(clone(one))


def _twice(root: Any) -> None:
    one = next(root.iter(f"{{{DS}}}Reference"))
    one.addnext(clone(one))


def _not_base64(root: Any) -> None:
    find(root, "DigestValue").text = "%%"


@pytest.mark.parametrize(
    ("change", "want"),
    [
        (_transform, Flaw.UNSUPPORTED),
        (_inclusive, Flaw.UNSUPPORTED),
        (_whole, Flaw.UNSUPPORTED),
        (_pointer, Flaw.SIGNATURE_INVALID),
        (_address, Flaw.UNSUPPORTED),
        (_many, Flaw.UNSUPPORTED),
        (_twice, Flaw.UNSUPPORTED),
        (_not_base64, Flaw.NOT_XML),
    ],
    ids=lambda one: getattr(one, "__name__", str(one)).strip("_"),
)
def test_a_signature_has_one_form(change: Any, want: Flaw) -> None:
    assert flaw(changed(sent().post, change)) is want


def _less_signed(*ids: str, attachments: bool = True) -> Post:
    """Signed by the right key, and less of it."""
    from_us = sent()
    root = envelope_of(from_us.post)
    _without("Signature")(root)
    envelope = parse_envelope(etree.tostring(root))
    wanted = {"messaging": envelope.messaging.get(WSU_ID), "body": envelope.body.get(WSU_ID)}
    files = {from_us.attached.cid: from_us.attached.content} if attachments else {}
    token = envelope.security.findall(f"{{{WSSE}}}BinarySecurityToken")[-1].get(WSU_ID)
    signature = sign_parts(
        envelope.root, [wanted[one] for one in ids], files, US, Digest.SHA256, key_info(f"#{token}")
    )
    envelope.security.append(signature)
    return with_envelope(from_us.post, write_envelope(envelope))


@pytest.mark.parametrize(
    ("ids", "attachments"), [(("messaging",), True), (("body",), True), (("messaging", "body"), False)]
)
def test_all_of_it_has_to_be_signed(ids: tuple[str, ...], attachments: bool) -> None:
    assert taken(_less_signed("messaging", "body")).file == FILE  # so made it is whole
    assert flaw(_less_signed(*ids, attachments=attachments)) is Flaw.NOT_SIGNED


# What is weak


def _algorithm(name: str, uri: str) -> Any:
    def change(root: Any) -> None:
        find(root, name).set("Algorithm", uri)

    return change


def _encryption(path: str, uri: str) -> Any:
    def change(root: Any) -> None:
        find(find(root, path), "EncryptionMethod").set("Algorithm", uri)

    return change


@pytest.mark.parametrize(
    "change",
    [
        _algorithm("SignatureMethod", f"{DS}rsa-sha1"),
        _algorithm("SignatureMethod", f"{DS}hmac-sha1"),
        _algorithm("SignatureMethod", "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256"),
        _encryption("EncryptedKey", f"{XENC}rsa-1_5"),
        _encryption("EncryptedKey", f"{XENC}rsa-oaep-mgf1p"),
        _encryption("EncryptedData", f"{XENC}aes128-cbc"),
        _encryption("EncryptedData", f"{XENC}tripledes-cbc"),
        _algorithm("MGF", f"{XENC11}mgf1sha1"),
    ],
)
def test_what_is_weak_is_refused(change: Any) -> None:
    assert flaw(changed(sent().post, change)) is Flaw.WEAK


def test_a_quirk_lets_weak_keys_be_read_and_nothing_more() -> None:
    post = changed(sent().post, _encryption("EncryptedKey", f"{XENC}rsa-oaep-mgf1p"))
    # It says another hash than the one that was used: it is tried, and cannot be decrypted.
    assert flaw(post, Quirk.OAEP_SHA1) is Flaw.CANNOT_DECRYPT
    post = changed(sent().post, _encryption("EncryptedKey", f"{XENC}rsa-1_5"))
    assert flaw(post, *Quirk) is Flaw.WEAK


def test_a_message_that_only_tls_encrypts_needs_its_quirk() -> None:
    made = sent()
    root = envelope_of(made.post)
    for name in ("EncryptedKey", "EncryptedData"):
        _without(name)(root)
    found = mime.of_http(made.post.headers, made.post.body)
    soap = mime.write([("Content-Type", "application/soap+xml")], etree.tostring(root))
    file = mime.write(
        [("Content-Type", "application/gzip"), ("Content-ID", f"<{made.attached.cid}>")],
        made.attached.content,
    )
    plain = Post(made.post.headers, mime.multipart(found.parameter("boundary"), [soap, file]))
    assert flaw(plain) is Flaw.NOT_ENCRYPTED
    assert taken(plain, Quirk.UNENCRYPTED).file == FILE
    # Its signature is all that protects it, and does.
    assert flaw(
        Post(plain.headers, plain.body.replace(made.attached.content, gzip.compress(b"x"))), *Quirk
    ) is (Flaw.SIGNATURE_INVALID)


@pytest.mark.parametrize(
    "said",
    [
        {"digest": "sha-1"},
        {"cipher": "aes128-cbc"},
        {"cipher": "3des"},
        {"quirks": ["x"]},
        {"url": "http://x/"},
    ],
)
def test_terms_that_would_write_weakly_are_refused(said: dict[str, Any]) -> None:
    whole = {
        "party_id": "x",
        "url": "https://x/",
        "certificates": [US.pem.decode()],
        "service": "s",
        "action": "a",
    }
    assert convert(whole, As4Terms).accepted_action == "a"
    with pytest.raises(ValidationError):
        convert(whole | said, As4Terms)


# Bombs and bad XML


def test_a_gzip_bomb_is_stopped() -> None:
    bomb = File(b"\0" * (LIMIT + 1), "application/octet-stream")
    assert len(sent(bomb).attached.content) < 1000
    assert flaw(sent(bomb).post) is Flaw.TOO_LARGE
    assert taken(sent(File(b"\0" * LIMIT, "x/y")).post).file is not None
    assert flaw(sent(bomb, compress=False).post) is Flaw.TOO_LARGE


@pytest.mark.parametrize(
    "content",
    [b"not gzip", gzip.compress(b"x", mtime=0)[:-2], gzip.compress(b"x", mtime=0) + b"more"],
    ids=["not gzip", "cut off", "more after it"],
)
def test_what_is_not_gzip_cannot_be_decompressed(content: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("intertie.formats.as4.message.gzip.compress", lambda *_, **__: content)
    assert flaw(sent().post) is Flaw.CANNOT_DECOMPRESS


BILLION = b"".join(
    [
        b'<!DOCTYPE x [<!ENTITY a0 "ha">',
        *(b'<!ENTITY a%d "&a%d;&a%d;">' % (n, n - 1, n - 1) for n in range(1, 30)),
        b"]>",
    ]
)


@pytest.mark.parametrize(
    "raw",
    [
        b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><x>&a;</x>',
        BILLION + b"<x>&a29;</x>",
        '<?xml version="1.0" encoding="UTF-16"?><!DOCTYPE x [<!ENTITY a "b">]><x>&a;</x>'.encode("utf-16"),
        b'<!DOCTYPE x SYSTEM "http://127.0.0.1:1/x.dtd"><x/>',
        b"<x>" * (DEPTH_MAX + 1) + b"</x>" * (DEPTH_MAX + 1),
        b"<x>" + b"<y/>" * 3000 + b"</x>",
        b"<x/>" + b" " * ENVELOPE_BYTES_MAX,
        b"<x",
        b"",
        b"<x/>",
        b"\xff\xfe",
    ],
    ids=lambda raw: repr(raw[:12]),
)
def test_hostile_xml_is_no_envelope(raw: bytes) -> None:
    with pytest.raises(As4Error) as caught:
        parse_envelope(raw)
    assert caught.value.flaw is Flaw.NOT_XML


@given(raw=st.binary(max_size=200))
@settings(max_examples=100, deadline=None)
def test_no_bytes_are_more_than_a_named_error(raw: bytes) -> None:
    with pytest.raises(As4Error):
        open_post(mime.of_http([("Content-Type", "application/soap+xml")], raw))


@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_no_change_of_the_envelope_is_more_than_a_named_error(data: st.DataObject) -> None:
    raw = etree.tostring(envelope_of(MADE))
    at = data.draw(st.integers(0, len(raw) - 1))
    new = raw[:at] + data.draw(st.binary(max_size=3)) + raw[at + data.draw(st.integers(0, 3)) :]
    try:
        got = taken(with_envelope(MADE, new))
    except As4Error:
        return
    assert got.file == FILE and got.user == taken(MADE).user


MADE = sent().post


# The header


def _message(**changed: Any) -> UserMessage:
    said: dict[str, Any] = {
        "message_id": "m@x",
        "at": NOW,
        "sender": Party("a"),
        "recipient": Party("b", "urn:t"),
        "business": Business("s", "a", "", "agreement", "urn:t"),
        "conversation": "",
        "payloads": (Payload("x", "text/csv", False), Payload("y", "application/json", True)),
        "properties": {"one": "1"},
    }
    return UserMessage(**(said | changed))


WORDS = st.from_regex(r"[!-~]([ -~]{0,20}[!-~])?", fullmatch=True)


@given(
    name=WORDS,
    kind=st.one_of(st.just(""), WORDS),
    service=WORDS,
    action=WORDS,
    value=st.text("ab ü<&", max_size=9),
)
def test_a_header_is_read_as_it_was_written(
    name: str, kind: str, service: str, action: str, value: str
) -> None:
    user = _message(
        sender=Party(name, kind), business=Business(service, action), properties={"p": value.strip()}
    )
    assert read_user(etree.fromstring(etree.tostring(write_user(user)))) == user


def _broken(change: Any) -> Any:
    messaging = write_user(_message())
    change(messaging)
    return messaging


@pytest.mark.parametrize(
    ("change", "want"),
    [
        (_without("MessageId"), Flaw.BAD_HEADER),
        (_without("From"), Flaw.BAD_HEADER),
        (_without("Service"), Flaw.BAD_HEADER),
        (lambda one: setattr(find(one, "MessageId"), "text", "<m@x>"), Flaw.BAD_HEADER),
        (lambda one: setattr(find(one, "MessageId"), "text", "m x"), Flaw.BAD_HEADER),
        (lambda one: setattr(find(one, "PartyId"), "text", " "), Flaw.BAD_HEADER),
        (lambda one: setattr(find(one, "Timestamp"), "text", "yesterday"), Flaw.BAD_HEADER),
        (lambda one: find(one, "From").append(clone(find(one, "PartyId"))), Flaw.BAD_HEADER),
        (lambda one: find(one, "Action").append(clone(find(one, "PartyId"))), Flaw.BAD_HEADER),
        (lambda one: one.append(clone(one[0])), Flaw.BAD_HEADER),
        (
            lambda one: find(one, "PartProperties").append(
                clone(find(find(one, "PartProperties"), "Property"))
            ),
            Flaw.BAD_HEADER,
        ),
        (lambda one: find(one, "PartInfo").set("href", "https://x/"), Flaw.UNSUPPORTED),
        (lambda one: etree.SubElement(one, eb("SignalMessage")), Flaw.UNSUPPORTED),
        (
            lambda one: setattr(one.findall(f".//{eb('Property')}")[-1], "text", "application/zip"),
            Flaw.UNSUPPORTED,
        ),
    ],
)
def test_a_header_that_is_not_whole_is_refused(change: Any, want: Flaw) -> None:
    with pytest.raises(As4Error) as caught:
        read_user(_broken(change))
    assert caught.value.flaw is want


def test_a_time_without_a_zone_is_utc() -> None:
    messaging = _broken(lambda one: setattr(find(one, "Timestamp"), "text", "2026-11-27T00:00:00"))
    assert read_user(messaging).at == NOW


def test_every_flaw_has_an_error_of_ebms() -> None:
    said = {error_of(one).code for one in Flaw}
    assert {
        "EBMS:0004",
        "EBMS:0007",
        "EBMS:0009",
        "EBMS:0010",
        "EBMS:0101",
        "EBMS:0102",
        "EBMS:0103",
        "EBMS:0303",
    } <= said
    assert EB.endswith("/200704/")
