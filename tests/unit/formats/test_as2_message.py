"""AS2 messages: what is written is read back, and each way to be wrong has its name."""

from __future__ import annotations

import subprocess
import zlib
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.formats.as2_cases import (
    AGGREGATOR,
    FILE,
    LIMIT,
    NAMES,
    STRANGER,
    UTILITY,
    bare,
    but,
    ec_pair,
    found,
    key_of,
    read,
    sent,
)

from intertie.formats.as2 import mime
from intertie.formats.as2.flaws import As2Error, Flaw, modifier_of
from intertie.formats.as2.message import File, Post, read_message, signed_entity
from intertie.formats.as2.terms import Compress, Quirk
from intertie.formats.as2.terms import Encoding as InLines
from intertie.seal import cms
from intertie.seal.cms import CipherName, CmsError, CmsFlaw, Digest, Transport

CIPHERS = [c for c in CipherName if c is not CipherName.TRIPLE_DES]


def flaw_of(post: Post, *arguments: object, **named: object) -> tuple[Flaw, Flaw]:
    with pytest.raises(As2Error) as caught:
        read(post, *arguments, **named)  # type: ignore[arg-type]
    return caught.value.flaw, caught.value.shown


@pytest.mark.parametrize("cipher", CIPHERS)
@pytest.mark.parametrize("transport", Transport)
def test_each_cipher_and_way_of_moving_its_key(cipher: CipherName, transport: Transport) -> None:
    one = sent(cipher=cipher, key_transport=transport)
    got = read(one.post)
    assert (got.file, got.encrypted, got.signed) == (FILE, cipher, Digest.SHA256)
    assert got.mic((one.digest,), frozenset()) == (one.mic, one.digest)


@pytest.mark.parametrize("compress", Compress)
@pytest.mark.parametrize("digest", [Digest.SHA256, Digest.SHA384, Digest.SHA512])
def test_the_mic_is_over_what_was_signed_wherever_it_was_compressed(
    compress: Compress, digest: Digest
) -> None:
    file = File(b"a line\r\n" * 5000, "text/csv", "readings.csv")
    one = sent(file, compress=compress, digest=digest)
    got = read(one.post)
    assert got.file == file and got.compressed is (compress is not Compress.NEVER)
    assert got.mic((digest,), frozenset()) == (one.mic, digest)
    assert (len(one.post.body) < 6000) is got.compressed


@given(
    st.binary(max_size=300), st.sampled_from(["text/plain", "application/edi-x12"]), st.sampled_from(Compress)
)
@settings(max_examples=40, deadline=None)
def test_any_bytes_go_through(content: bytes, kind: str, compress: Compress) -> None:
    one = sent(File(content, kind), compress=compress)
    got = read(one.post)
    assert got.file == File(content, kind) and got.mic((), frozenset())[0] == one.mic


@given(st.binary(max_size=400))
@settings(max_examples=200, deadline=None)
def test_hostile_bytes_are_an_error_with_a_name(raw: bytes) -> None:
    for kind in (
        "application/pkcs7-mime",
        'multipart/signed; boundary="b"',
        "text/plain",
        raw[:20].decode("latin-1"),
    ):
        with pytest.raises(As2Error):
            read(bare(kind, raw))


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_a_message_with_a_byte_changed_is_never_taken(data: st.DataObject) -> None:
    cipher = data.draw(st.sampled_from(CIPHERS))
    post = CHANGED.setdefault(cipher, sent(cipher=cipher).post)
    at = data.draw(st.integers(0, len(post.body) - 1))
    other = bytes([post.body[at] ^ data.draw(st.integers(1, 255))])
    try:
        got = read(Post(post.headers, post.body[:at] + other + post.body[at + 1 :]))
    except As2Error:
        return
    # ASN.1 has fields that decide nothing (a version, a NULL): the file is the one that was signed.
    assert got.file == FILE and got.signed


CHANGED: dict[CipherName, Post] = {}


def test_for_another_key_it_does_not_open() -> None:
    post = sent().post
    with pytest.raises(As2Error) as caught:
        read_message(found(post), [key_of(STRANGER)], but(), (key_of(AGGREGATOR).certificate,), LIMIT)
    assert caught.value.flaw is Flaw.CANNOT_DECRYPT and modifier_of(caught.value.shown) == "decryption-failed"


def test_the_signature_is_by_a_pinned_certificate_and_no_other() -> None:
    stranger = key_of(STRANGER).certificate
    assert flaw_of(sent().post, pinned=(stranger,)) == (Flaw.NOT_THE_SIGNER, Flaw.NOT_THE_SIGNER)
    assert modifier_of(Flaw.NOT_THE_SIGNER) == "authentication-failed"
    assert read(sent().post, pinned=(stranger, key_of(AGGREGATOR).certificate)).file == FILE


def test_under_cbc_a_broken_signature_and_a_broken_padding_look_alike() -> None:
    stranger = key_of(STRANGER).certificate
    post = sent(cipher=CipherName.AES128_CBC).post
    assert flaw_of(post, pinned=(stranger,)) == (Flaw.NOT_THE_SIGNER, Flaw.CANNOT_DECRYPT)
    broken = Post(post.headers, post.body[:-1] + bytes([post.body[-1] ^ 1]))
    assert flaw_of(broken)[1] is Flaw.CANNOT_DECRYPT


def test_what_is_not_signed_or_not_encrypted_needs_its_quirk() -> None:
    plain = bare("text/plain", b"hello")
    assert flaw_of(plain)[0] is Flaw.NOT_SIGNED
    assert flaw_of(plain, but(Quirk.UNSIGNED))[0] is Flaw.NOT_ENCRYPTED
    got = read(plain, but(Quirk.UNSIGNED, Quirk.UNENCRYPTED))
    assert got.file.content == b"hello" and got.over == b"hello"  # without headers (RFC 4130 s.7.3.1)


def only_signed(
    digest: Digest = Digest.SHA256, inner: bytes = b"Content-Type: text/plain\r\n\r\nhello"
) -> Post:
    entity = mime.entity(signed_entity(inner, key_of(AGGREGATOR), digest))
    return Post((("content-type", str(entity.headers["content-type"])),), entity.body)


def only_encrypted(inner: bytes) -> Post:
    raw = cms.encrypt(inner, key_of(UTILITY).certificate, CipherName.AES256_GCM, Transport.OAEP)
    return bare("application/pkcs7-mime; smime-type=authEnveloped-data", raw)


def test_signed_alone_and_encrypted_alone() -> None:
    assert flaw_of(only_signed())[0] is Flaw.NOT_ENCRYPTED
    assert read(only_signed(), but(Quirk.UNENCRYPTED)).file.content == b"hello"
    inner = b"Content-Type: text/plain\r\n\r\nhello"
    assert flaw_of(only_encrypted(inner))[0] is Flaw.NOT_SIGNED
    got = read(only_encrypted(inner), but(Quirk.UNSIGNED))
    assert got.over == inner and got.file.content == b"hello"  # with its headers


def test_layers_are_bounded_and_in_an_order_that_the_standard_has() -> None:
    inner = b"Content-Type: text/plain\r\n\r\nhello"
    twice = signed_entity(
        signed_entity(inner, key_of(AGGREGATOR), Digest.SHA256), key_of(AGGREGATOR), Digest.SHA256
    )
    assert flaw_of(only_encrypted(twice))[0] is Flaw.UNSUPPORTED
    envelope = only_encrypted(inner)
    head = b"Content-Type: application/pkcs7-mime\r\n\r\n"
    assert flaw_of(only_encrypted(head + envelope.body))[0] is Flaw.UNSUPPORTED
    packed = inner
    for _ in range(6):
        packed = head + cms.compress(packed)
    assert flaw_of(only_encrypted(packed))[0] is Flaw.TOO_DEEP


def test_a_bomb_is_refused_before_it_is_whole() -> None:
    head = b"Content-Type: application/pkcs7-mime; smime-type=compressed-data\r\n\r\n"
    bomb = head + cms.compress(b"Content-Type: text/plain\r\n\r\n" + bytes(30_000_000))
    assert len(bomb) < 40_000
    assert flaw_of(only_encrypted(bomb))[0] is Flaw.TOO_LARGE
    assert modifier_of(Flaw.TOO_LARGE) == "decompression-failed"
    broken = head + cms.compress(b"Content-Type: text/plain\r\n\r\n" + bytes(5000))[:-9]
    assert flaw_of(only_encrypted(broken))[0] in (Flaw.CANNOT_DECOMPRESS, Flaw.BAD_MIME)


@pytest.mark.parametrize("limit", [10, 100, 65_536, 200_000])
def test_a_limit_is_exact(limit: int) -> None:
    packed = cms.compress(bytes(limit))
    assert cms.decompress(packed, limit) == bytes(limit)
    with pytest.raises(CmsError) as caught:
        cms.decompress(packed, limit - 1)
    assert caught.value.flaw is CmsFlaw.TOO_LARGE


def test_what_follows_a_compressed_stream_is_not_passed_over() -> None:
    raw = cms.compress(b"x" * 100)
    packed = zlib.compress(b"x" * 100)
    assert packed in raw
    short = packed[:-4] + b"\0\0\0\0"
    with pytest.raises(CmsError) as caught:
        cms.decompress(raw.replace(packed, short), 1000)
    assert caught.value.flaw is CmsFlaw.CANNOT_DECOMPRESS


def test_nothing_weak_is_written() -> None:
    key = key_of(UTILITY)
    with pytest.raises(CmsError, match="sha-1 signs nothing"):
        cms.sign(b"x", key.key, key.certificate, Digest.SHA1)
    with pytest.raises(CmsError, match="3des encrypts nothing"):
        cms.encrypt(b"x", key.certificate, CipherName.TRIPLE_DES, Transport.OAEP)
    with pytest.raises(CmsError, match="no RSA key"):
        cms.encrypt(b"x", ec_pair()[1], CipherName.AES256_GCM, Transport.OAEP)
    with pytest.raises(ValueError, match="sha-1 signs nothing"):
        but(digest=Digest.SHA1)
    with pytest.raises(ValueError, match="3des encrypts nothing"):
        but(cipher=CipherName.TRIPLE_DES)


def test_an_ec_certificate_signs() -> None:
    key, certificate = ec_pair()
    raw = cms.sign(b"content", key, certificate, Digest.SHA384)
    assert cms.verify(b"content", raw, (certificate,), sha1=False) is Digest.SHA384
    with pytest.raises(CmsError) as caught:
        cms.verify(b"Content", raw, (certificate,), sha1=False)
    assert caught.value.flaw is CmsFlaw.SIGNATURE_INVALID


def test_line_ends_that_changed_on_the_way_need_their_quirk() -> None:
    post = only_signed(inner=b"Content-Type: text/plain\r\n\r\none\r\ntwo")
    bent = Post(post.headers, post.body.replace(b"one\r\ntwo", b"one\ntwo"))
    assert flaw_of(bent, but(Quirk.UNENCRYPTED))[0] is Flaw.SIGNATURE_INVALID
    got = read(bent, but(Quirk.UNENCRYPTED, Quirk.SIGNED_AS_CRLF))
    assert got.file.content == b"one\r\ntwo"


def test_a_signature_without_the_last_line_end_needs_its_quirk() -> None:
    whole = only_signed(inner=b"Content-Type: text/plain\r\n\r\none\r\ntwo")
    longer = Post(whole.headers, whole.body.replace(b"one\r\ntwo", b"one\r\ntwo\r\n"))
    for quirks in ((), (Quirk.SIGNED_AS_CRLF,)):
        assert flaw_of(longer, but(Quirk.UNENCRYPTED, *quirks))[0] is Flaw.SIGNATURE_INVALID
    assert read(longer, but(Quirk.UNENCRYPTED, Quirk.SIGNED_SHORT)).file.content == b"one\r\ntwo"
    two = Post(whole.headers, whole.body.replace(b"one\r\ntwo", b"one\r\ntwo\r\n\r\n"))
    assert flaw_of(two, but(Quirk.UNENCRYPTED, Quirk.SIGNED_SHORT))[0] is Flaw.SIGNATURE_INVALID


@given(st.binary(max_size=300), st.sampled_from(Compress))
@settings(max_examples=30, deadline=None)
def test_in_base64_all_of_it_is_text_and_the_same_file(content: bytes, compress: Compress) -> None:
    file = File(content, "application/octet-stream", "file.x12")
    one = sent(file, compress=compress, encoding=InLines.BASE64)
    assert one.post.body.isascii() and max(map(len, one.post.body.split(b"\r\n"))) <= 76
    assert dict(one.post.headers)["Content-Transfer-Encoding"] == "base64"
    assert compress is Compress.AFTER_SIGNING or one.signed.isascii()
    got = read(one.post)
    assert got.file == file and got.mic((), frozenset())[0] == one.mic


def test_a_file_name_is_a_name_or_nothing() -> None:
    for name in ("../../etc/passwd", "C:\\x", "a/b", "..", "nul\x00"):
        assert read(sent(File(b"x", "text/plain", name)).post).file.name == ""
    assert read(sent(File(b"x", "text/plain", 'a "b".csv')).post).file.name == 'a "b".csv'


class Openssl:
    """Software that we did not write, on the same structures."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in (UTILITY, AGGREGATOR):
            key = key_of(name)
            plain = key.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
            (folder / f"{name}.key").write_bytes(plain)
            (folder / f"{name}.pem").write_bytes(key.pem)

    def cms(self, given: bytes, *arguments: str) -> bytes:
        (self.folder / "in").write_bytes(given)
        command = ["openssl", "cms", *arguments, "-binary", "-in", "in"]
        done = subprocess.run(command, cwd=self.folder, capture_output=True, timeout=60)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout


@pytest.fixture
def openssl(tmp_path: Path) -> Openssl:
    return Openssl(tmp_path)


@pytest.mark.parametrize("cipher", CIPHERS)
@pytest.mark.parametrize("transport", Transport)
def test_openssl_opens_what_we_encrypt(openssl: Openssl, cipher: CipherName, transport: Transport) -> None:
    raw = cms.encrypt(FILE.content, key_of(UTILITY).certificate, cipher, transport)
    opened = openssl.cms(
        raw, "-decrypt", "-inform", "DER", "-inkey", f"{UTILITY}.key", "-recip", f"{UTILITY}.pem"
    )
    assert opened == FILE.content


@pytest.mark.parametrize("cipher", ["aes-128-cbc", "aes-256-cbc", "aes-256-gcm", "des3"])
@pytest.mark.parametrize("more", [(), ("-stream",), ("-keyopt", "rsa_padding_mode:oaep"), ("-keyid",)])
def test_we_open_what_openssl_encrypts_as_der_and_as_ber(
    openssl: Openssl, cipher: str, more: tuple[str, ...]
) -> None:
    recipient = ("-recip", f"{UTILITY}.pem", *more)
    raw = openssl.cms(FILE.content, "-encrypt", "-outform", "DER", f"-{cipher}", *recipient)
    key = key_of(UTILITY)
    triple = cms.cipher_of(raw) is CipherName.TRIPLE_DES
    if triple:
        with pytest.raises(CmsError) as caught:
            cms.decrypt(raw, key.key, key.certificate, triple_des=False)
        assert caught.value.flaw is CmsFlaw.WEAK
    assert cms.decrypt(raw, key.key, key.certificate, triple_des=triple) == FILE.content


def test_openssl_verifies_what_we_sign(openssl: Openssl) -> None:
    key = key_of(AGGREGATOR)
    (openssl.folder / "content").write_bytes(FILE.content)
    raw = cms.sign(FILE.content, key.key, key.certificate, Digest.SHA256)
    trusted = ("-CAfile", f"{AGGREGATOR}.pem", "-attime", "1795694400", "-purpose", "any")
    assert openssl.cms(raw, "-verify", "-inform", "DER", "-content", "content", *trusted) == FILE.content


@pytest.mark.parametrize(
    ("more", "flaw"),
    [
        (("-md", "sha256"), None),
        (("-md", "sha512", "-keyopt", "rsa_padding_mode:pss"), None),
        (("-md", "sha256", "-stream"), None),
        (("-md", "sha256", "-keyid"), None),
        (("-md", "sha256", "-nodetach"), None),
        (("-md", "sha1"), CmsFlaw.WEAK),
        (("-md", "md5"), CmsFlaw.UNSUPPORTED),
        (("-md", "sha256", "-noattr"), CmsFlaw.UNSUPPORTED),
    ],
)
def test_we_verify_what_openssl_signs(openssl: Openssl, more: tuple[str, ...], flaw: CmsFlaw | None) -> None:
    signer = ("-signer", f"{AGGREGATOR}.pem", "-inkey", f"{AGGREGATOR}.key")
    raw = openssl.cms(FILE.content, "-sign", "-outform", "DER", *signer, *more)
    pinned = (key_of(AGGREGATOR).certificate,)
    if flaw is None:
        assert cms.verify(FILE.content, raw, pinned, sha1=False)
    else:
        with pytest.raises(CmsError) as caught:
            cms.verify(FILE.content, raw, pinned, sha1=False)
        assert caught.value.flaw is flaw
    with pytest.raises(CmsError):
        cms.verify(FILE.content + b"x", raw, pinned, sha1=True)
    if "sha1" in more:
        assert cms.verify(FILE.content, raw, pinned, sha1=True) is Digest.SHA1
    assert NAMES.sender == AGGREGATOR
