"""What partners' programs write otherwise than we do, and is taken: and what of it takes a quirk."""

from __future__ import annotations

import base64
import os
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from lxml import etree
from tests.unit.formats.as2_cases import ec_pair
from tests.unit.formats.as4_cases import (
    FILE,
    THEM,
    US,
    changed,
    envelope_of,
    find,
    flaw,
    sent,
    taken,
    with_envelope,
)

from intertie.formats.as2 import mime
from intertie.formats.as4.flaws import As4Error, Flaw
from intertie.formats.as4.message import Post
from intertie.formats.as4.names import DS, SOAP, WSSE, WSU, WSU_ID, XENC, XENC11
from intertie.formats.as4.security import key_info, token_certificate
from intertie.formats.as4.terms import Quirk
from intertie.formats.as4.xml import parse_envelope, write_envelope
from intertie.seal.cms import CipherName, Digest
from intertie.seal.smime_keys import SmimeKey
from intertie.seal.xml_encryption import Oaep, Sealed, open_content, seal_content
from intertie.seal.xml_error import XmlError, XmlFlaw
from intertie.seal.xml_signature import sign_parts


def signed_anew(post: Post, change: Any, *more: str, by: SmimeKey = US) -> Post:
    """The same message after a change, signed over header, body, file and what else is named by its id."""
    made = sent()
    root = envelope_of(post)
    signature = find(root, "Signature")
    signature.getparent().remove(signature)
    change(root)
    envelope = parse_envelope(etree.tostring(root))
    ids = [envelope.messaging.get(WSU_ID), envelope.body.get(WSU_ID), *more]
    token = envelope.security.findall(f"{{{WSSE}}}BinarySecurityToken")[-1].get(WSU_ID)
    attachments = {made.attached.cid: made.attached.content}
    envelope.security.append(
        sign_parts(envelope.root, ids, attachments, by, Digest.SHA256, key_info(f"#{token}"))
    )
    return with_envelope(post, write_envelope(envelope))


def _stamped(root: Any) -> None:
    stamp = etree.Element(f"{{{WSU}}}Timestamp", {WSU_ID: "stamp"})
    etree.SubElement(stamp, f"{{{WSU}}}Created").text = "2026-11-27T00:00:00Z"
    find(root, "Security").insert(0, stamp)


def test_a_time_stamp_and_tokens_may_be_signed_too() -> None:
    post = sent().post
    token = find(envelope_of(post), "BinarySecurityToken").get(WSU_ID)
    got = taken(signed_anew(post, _stamped, "stamp", token))
    assert got.file == FILE and set(got.verified.elements) == {"messaging", "body", "stamp 0", "token 0"}


def test_nothing_else_may_be_signed() -> None:
    def more(root: Any) -> None:
        etree.SubElement(find(root, "Header"), "{urn:x}Extra").set(WSU_ID, "extra")

    assert flaw(signed_anew(sent().post, more, "extra")) is Flaw.SIGNATURE_INVALID


def test_content_ids_may_be_escaped() -> None:
    made = sent()
    cid = made.attached.cid
    written = "%66" + cid[1:]  # "f"

    def escaped(root: Any) -> None:
        find(root, "PartInfo").set("href", f"cid:{written}")
        find(root, "CipherReference").set("URI", f"cid:{written}")

    post = signed_anew(made.post, escaped)
    got = taken(post)
    assert got.file == FILE and got.user.payloads[0].cid == written


def test_headers_that_must_be_understood_are_not_passed_over() -> None:
    def more(value: str) -> Any:
        def change(root: Any) -> None:
            etree.SubElement(find(root, "Header"), "{urn:x}Extra").set(f"{{{SOAP}}}mustUnderstand", value)

        return change

    for value in ("1", "true"):
        assert flaw(changed(sent().post, more(value))) is Flaw.BAD_HEADER
    assert taken(changed(sent().post, more("false"))).file == FILE


def test_other_prefixes_and_blanks_outside_of_what_is_signed_do_not_matter() -> None:
    post = sent().post
    raw = etree.tostring(envelope_of(post))
    other = raw.replace(b"S12:", b"env:").replace(b"xmlns:S12", b"xmlns:env")
    # Prefixes of what is signed count: it is not the same document any more.
    assert flaw(with_envelope(post, other)) is Flaw.SIGNATURE_INVALID
    spread = raw.replace(b"<wsse:BinarySecurityToken", b"\n  <wsse:BinarySecurityToken")
    assert spread != raw and taken(with_envelope(post, spread)).file == FILE


def test_a_key_that_stands_beside_a_signature_is_not_asked() -> None:
    def beside(root: Any) -> None:
        value = etree.SubElement(find(find(root, "Signature"), "KeyInfo"), f"{{{DS}}}KeyValue")
        for name in ("Modulus", "Exponent"):
            value.append(etree.Element(f"{{{DS}}}{name}"))

    def whole(root: Any) -> None:
        value = etree.SubElement(find(find(root, "Signature"), "KeyInfo"), f"{{{DS}}}KeyValue")
        rsa = etree.SubElement(value, f"{{{DS}}}RSAKeyValue")
        for name in ("Modulus", "Exponent"):
            etree.SubElement(rsa, f"{{{DS}}}{name}").text = "AQAB"

    assert flaw(changed(sent().post, beside)) is Flaw.SIGNATURE_INVALID  # not valid by the schema
    assert taken(changed(sent().post, whole)).file == FILE


def test_a_comment_hides_nothing() -> None:
    post = sent().post
    raw = etree.tostring(envelope_of(post)).replace(b"m1@us", b"m1<!-- x -->@us")
    assert taken(with_envelope(post, raw)).user.message_id == "m1@us"


def _wrapped(key: bytes, digest: Any, mask: Any) -> bytes:
    return THEM.certificate.public_key().encrypt(  # type: ignore[union-attr, call-arg]
        key, padding.OAEP(padding.MGF1(mask), digest, None)
    )


def _with_oaep(algorithm: str, digest: Any, mask: Any, *, digest_uri: str = "", mask_uri: str = "") -> Post:
    """The same file, with its key moved by other hashes."""
    made = sent()
    key, nonce = AESGCM.generate_key(128), os.urandom(12)
    content = nonce + AESGCM(key).encrypt(nonce, made.attached.content, None)
    root = envelope_of(made.post)
    encrypted = find(root, "EncryptedKey")
    method = find(encrypted, "EncryptionMethod")
    method.set("Algorithm", algorithm)
    for child in list(method):
        method.remove(child)
    if digest_uri:
        etree.SubElement(method, f"{{{DS}}}DigestMethod").set("Algorithm", digest_uri)
    if mask_uri:
        etree.SubElement(method, f"{{{XENC11}}}MGF").set("Algorithm", mask_uri)
    find(encrypted, "CipherValue").text = base64.b64encode(_wrapped(key, digest, mask)).decode()
    post = with_envelope(made.post, etree.tostring(root))
    found = mime.of_http(post.headers, post.body)
    soap, file = mime.parts(found)
    fresh = file.raw[: -len(file.body)] + content
    return Post(post.headers, mime.multipart(found.parameter("boundary"), [soap.raw, fresh]))


SHA1, SHA256, SHA512 = hashes.SHA1(), hashes.SHA256(), hashes.SHA512()


@pytest.mark.parametrize(
    ("post", "weak"),
    [
        (_with_oaep(f"{XENC}rsa-oaep-mgf1p", SHA1, SHA1), True),
        (_with_oaep(f"{XENC11}rsa-oaep", SHA1, SHA1), True),
        (_with_oaep(f"{XENC}rsa-oaep-mgf1p", SHA256, SHA1, digest_uri=f"{XENC}sha256"), True),
        (_with_oaep(f"{XENC11}rsa-oaep", SHA256, SHA1, digest_uri=f"{XENC}sha256"), True),
        (
            _with_oaep(
                f"{XENC11}rsa-oaep",
                SHA512,
                SHA256,
                digest_uri=f"{XENC}sha512",
                mask_uri=f"{XENC11}mgf1sha256",
            ),
            False,
        ),
    ],
    ids=["mgf1p", "nothing said", "mgf1p with a hash", "no mask said", "two hashes"],
)
def test_hashes_of_a_moved_key_are_those_that_it_says(post: Post, weak: bool) -> None:
    if weak:
        assert flaw(post) is Flaw.WEAK
    assert taken(post, *((Quirk.OAEP_SHA1,) if weak else ())).file == FILE


def test_parameters_that_nobody_uses_are_not_taken() -> None:
    def parameters(root: Any) -> None:
        etree.SubElement(find(find(root, "EncryptedKey"), "EncryptionMethod"), f"{{{XENC}}}OAEPparams")

    assert flaw(changed(sent().post, parameters)) is Flaw.UNSUPPORTED

    def unknown(root: Any) -> None:
        find(root, "MGF").set("Algorithm", "urn:x")

    assert flaw(changed(sent().post, unknown)) is Flaw.UNSUPPORTED


@pytest.mark.parametrize("cipher", [CipherName.AES128_GCM, CipherName.AES256_GCM])
def test_what_is_sealed_is_opened_by_its_key_alone(cipher: CipherName) -> None:
    sealed = seal_content(b"content", THEM.certificate, cipher)
    assert open_content(sealed, THEM, Oaep(), cipher) == b"content"
    other = CipherName.AES256_GCM if cipher is CipherName.AES128_GCM else CipherName.AES128_GCM
    wrong = [
        (sealed, US, Oaep(), cipher),
        (sealed, THEM, Oaep(Digest.SHA512), cipher),
        (sealed, THEM, Oaep(), other),
        (Sealed(sealed.key, sealed.content[:20]), THEM, Oaep(), cipher),
        (Sealed(sealed.key, sealed.content[:-1]), THEM, Oaep(), cipher),
        (Sealed(b"", sealed.content), THEM, Oaep(), cipher),
    ]
    said = set()
    for one in wrong:
        with pytest.raises(XmlError) as caught:
            open_content(*one)
        said.add(str(caught.value))
    assert len(said) == 1, "one answer for all of it"


def test_an_ec_certificate_cannot_be_encrypted_for() -> None:
    with pytest.raises(XmlError) as caught:
        seal_content(b"x", ec_pair()[1], CipherName.AES128_GCM)
    assert caught.value.flaw is XmlFlaw.UNSUPPORTED


def test_the_certificate_beside_a_signature_is_found_by_its_reference() -> None:
    root = envelope_of(sent().post)
    assert token_certificate(parse_envelope(etree.tostring(root))) == US.certificate
    for one in root.iter(f"{{{WSSE}}}Reference"):
        one.set("URI", "#nowhere")
    with pytest.raises(As4Error, match="without its certificate"):
        token_certificate(parse_envelope(etree.tostring(root)))
