"""AS2 with `pyas2lib` from PyPI, unchanged, both ways: what one side writes the other reads, and refuses what it should."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
from msgspec.structs import replace
from tests.interop.as2_house import NOW, OURS, PYTHON, THEIRS, Peer, as_post, peer

from intertie.formats.as2 import mime
from intertie.formats.as2.flaws import As2Error, Flaw, modifier_of
from intertie.formats.as2.message import File, Post, Received, Sent, read_message, write_message
from intertie.formats.as2.names import Names, read_asked, read_names
from intertie.formats.as2.receipt import Fields, Receipt, check_receipt, read_receipt, write_receipt
from intertie.formats.as2.terms import As2Terms, Compress, Quirk
from intertie.seal.cms import CipherName, Digest, Transport
from intertie.seal.smime_keys import SmimeKey

pytestmark = pytest.mark.skipif(PYTHON is None, reason="pyas2lib is not here: `make peers` installs it")
OTHER = "other"
CONTENT = b"ISA*00*          *00*\r\nline two\r\n\x00\xff\r\nlast"
FILE = File(CONTENT, "application/octet-stream", "file.x12")


@cache
def key_of(name: str) -> SmimeKey:
    return SmimeKey.generate(name, NOW)


@cache
def their_terms() -> As2Terms:
    return As2Terms(
        name=THEIRS,
        url="https://peer.example/as2",
        certificates=(key_of(THEIRS).pem.decode(),),
        cipher=CipherName.AES256_CBC,
        key_transport=Transport.PKCS1,
    )


@pytest.fixture(scope="module")
def them(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Peer]:
    with peer(tmp_path_factory.mktemp("as2"), key_of(OURS), key_of(THEIRS)) as running:
        yield running


def ours(identity: str, file: File = FILE, **changed: Any) -> Sent:
    names = Names(OURS, THEIRS, f"<{identity}@utility.example>")
    terms = replace(their_terms(), **changed)
    url = "https://utility.example/as2" if terms.receipt == "async" else ""
    return write_message(file, names, key_of(OURS), terms, url, encrypt_for=key_of(THEIRS).certificate)


def receipt_of(said: dict[str, Any]) -> Receipt:
    post = as_post(said["receipt"])
    return read_receipt(mime.of_http(post.headers, post.body), (key_of(THEIRS).certificate,), frozenset())


def take(post: Post, key: SmimeKey | None = None, *quirks: Quirk) -> Received:
    terms = replace(their_terms(), quirks=frozenset(quirks))
    return read_message(
        mime.of_http(post.headers, post.body),
        [key or key_of(OURS)],
        terms,
        (key_of(THEIRS).certificate,),
        1_000_000,
    )


def answered(post: Post, got: Received | As2Error) -> Post:
    """Our receipt for a message of theirs."""
    found = mime.of_http(post.headers, post.body)
    names, asked = read_names(found), read_asked(found)
    back = Names(names.recipient, names.sender, "<r1@utility.example>")
    if isinstance(got, As2Error):
        fields = Fields(names.message_id, True, f"error: {modifier_of(got.shown)}", text="no")
    else:
        fields = Fields(names.message_id, True, "", *got.mic(asked.digests, frozenset()))
    return write_receipt(fields, back, key_of(OURS), Digest.SHA256 if asked.signed else None)


@pytest.mark.parametrize("compress", Compress)
@pytest.mark.parametrize("cipher", [CipherName.AES128_CBC, CipherName.AES256_CBC])
@pytest.mark.parametrize("digest", [Digest.SHA256, Digest.SHA512])
def test_it_takes_ours_and_its_receipt_has_our_mic(
    them: Peer, compress: Compress, cipher: CipherName, digest: Digest
) -> None:
    sent = ours(f"{compress}-{cipher}-{digest}", compress=compress, cipher=cipher, digest=digest)
    said = them.take(sent.post)
    assert (said["status"], said["content"]) == ("processed", CONTENT), said
    receipt = receipt_of(said)
    check_receipt(receipt, sent.names, sent.mic, sent.digest)
    assert receipt.fields.accepted and receipt.signature and receipt.names.recipient == OURS


def test_a_receipt_that_comes_later_is_the_same_kind_of_bytes(them: Peer) -> None:
    sent = ours("async", receipt="async")
    assert dict(sent.post.headers)["Receipt-Delivery-Option"] == "https://utility.example/as2"
    said = them.take(sent.post)
    check_receipt(receipt_of(said), sent.names, sent.mic, sent.digest)


def test_a_resend_has_the_same_id_and_bytes_and_it_says_duplicate(them: Peer) -> None:
    sent = ours("twice")
    assert them.take(sent.post)["status"] == "processed"
    receipt = receipt_of(them.take(sent.post))
    check_receipt(receipt, sent.names, sent.mic, sent.digest)
    assert receipt.fields.repeated and receipt.fields.accepted and not receipt.fields.mic


def test_it_refuses_ours_when_tampered_with_or_for_another_key(them: Peer) -> None:
    sent = ours("tampered", File(CONTENT * 200, "application/octet-stream"))
    body = bytearray(sent.post.body)
    body[len(body) // 2] ^= 1
    receipt = receipt_of(them.take(Post(sent.post.headers, bytes(body))))
    assert not receipt.fields.accepted
    check_receipt(receipt, sent.names, sent.mic, sent.digest)
    names = Names(OURS, THEIRS, "<other-key@utility.example>")
    wrong = write_message(FILE, names, key_of(OTHER), their_terms(), encrypt_for=key_of(THEIRS).certificate)
    receipt = receipt_of(them.take(wrong.post))
    assert receipt.fields.modifier.lower() == "error: authentication-failed"
    sealed = write_message(
        FILE,
        names._replace(message_id="<sealed@x>"),
        key_of(OURS),
        their_terms(),
        encrypt_for=key_of(OTHER).certificate,
    )
    assert receipt_of(them.take(sealed.post)).fields.modifier.lower() == "error: decryption-failed"


def test_its_receipt_over_other_bytes_is_found_out(them: Peer) -> None:
    sent = ours("mic")
    receipt = receipt_of(them.take(sent.post))
    with pytest.raises(As2Error) as caught:
        check_receipt(receipt, sent.names, b"\0" * 32, sent.digest)
    assert caught.value.flaw is Flaw.MIC_MISMATCH
    with pytest.raises(As2Error) as caught:
        check_receipt(receipt, sent.names._replace(message_id="<another@x>"), sent.mic, sent.digest)
    assert caught.value.flaw is Flaw.BAD_RECEIPT


@pytest.mark.parametrize("kind", ["application/octet-stream", "application/edi-x12"])
@pytest.mark.parametrize(
    ("terms", "quirks"),
    [
        ({}, ()),
        ({"compress": True}, ()),
        ({"digest_alg": "sha512", "mdn_digest_alg": "sha512"}, ()),
        ({"enc_alg": "aes_128_cbc"}, ()),
        ({"mdn_mode": "ASYNC"}, ()),
        ({"sign": False}, (Quirk.UNSIGNED,)),
        ({"encrypt": False}, (Quirk.UNENCRYPTED,)),
        ({"enc_alg": "tripledes_192_cbc"}, (Quirk.TRIPLE_DES,)),
        ({"digest_alg": "sha1", "mdn_digest_alg": "sha1"}, (Quirk.SHA1,)),
        ({"sign_alg": "rsassa_pss"}, ()),
        ({"key_enc_alg": "rsaes_oaep"}, ()),
    ],
    ids=str,
)
def test_we_take_its_messages_and_it_takes_our_receipt(
    them: Peer, kind: str, terms: dict[str, Any], quirks: tuple[Quirk, ...]
) -> None:
    text = CONTENT if kind == "application/octet-stream" else b"ISA*00\r\nline\r\n"
    said = them.build(f"{kind[-3:]}-{sorted(terms.values(), key=str)}".replace(" ", ""), text, kind, **terms)
    post = as_post(said)
    if quirks:
        with pytest.raises(As2Error) as caught:
            take(post)
        assert caught.value.flaw in (Flaw.WEAK, Flaw.NOT_SIGNED, Flaw.NOT_ENCRYPTED)
    got = take(post, key_of(OURS), *quirks)
    assert (got.file.content, got.file.kind, got.file.name) == (text, kind, "file.x12")
    asked = read_asked(mime.of_http(post.headers, post.body))
    assert asked.wanted and bool(asked.address) is ("ASYNC" in terms.values())
    if said["mic"]:
        assert base64.b64encode(got.mic(asked.digests, frozenset(quirks))[0]).decode() == said["mic"]
    assert them.receipt(answered(post, got)) == {"status": "processed", "detail": ""}


def test_it_understands_why_we_refuse(them: Peer) -> None:
    post = as_post(them.build("refused", CONTENT))
    body = bytearray(post.body)
    body[-40] ^= 1
    for bad, key in ((Post(post.headers, bytes(body)), key_of(OURS)), (post, key_of(OTHER))):
        with pytest.raises(As2Error) as caught:
            take(bad, key)
        said = them.receipt(answered(post, caught.value))
        assert said == {"status": "processed/error", "detail": "decryption-failed"}


def test_it_finds_out_a_receipt_by_another_key_or_over_other_bytes(them: Peer) -> None:
    post = as_post(them.build("receipts", CONTENT))
    got = take(post)
    names = read_names(mime.of_http(post.headers, post.body))
    back = Names(names.recipient, names.sender, "<r2@utility.example>")
    fields = Fields(names.message_id, True, "", *got.mic((), frozenset()))
    forged = write_receipt(fields, back, key_of(OTHER), Digest.SHA256)
    assert them.receipt(forged)["status"] == "failed/Failure"
    wrong = write_receipt(fields._replace(mic=b"\0" * 32), back, key_of(OURS), Digest.SHA256)
    assert them.receipt(wrong)["detail"] == "Message Integrity check failed."
