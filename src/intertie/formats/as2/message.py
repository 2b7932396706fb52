"""AS2 messages: a file, compressed, signed and encrypted as was agreed; and such a message taken apart (RFC 4130 s.4, RFC 5402).

What is read is held to the partner's terms while it is read: a message that is not signed, or not encrypted, or weakly, is an
error with its name unless a quirk allows it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from intertie.formats.as2 import mime
from intertie.formats.as2.flaws import OF_CMS, As2Error, Flaw
from intertie.formats.as2.names import Names, write_name, write_options
from intertie.formats.as2.terms import As2Terms, Compress, Encoding, Quirk
from intertie.seal import cms
from intertie.seal.cms import CipherName, CmsError, Digest
from intertie.seal.smime_keys import Certificate, SmimeKey

VERSION = "1.2"  # RFC 4130 s.6.2 says 1.1; 1.2 says that EDIINT-Features may stand (RFC 6017)
FEATURES = "AS2-Reliability"  # a message goes again under its id until its receipt comes
# Compressed, signed, compressed, encrypted: RFC 5402 has three of them, never more.
LAYERS_MAX = 4
SMIME = ("application/pkcs7-mime", "application/x-pkcs7-mime")
SIGNATURE = ("application/pkcs7-signature", "application/x-pkcs7-signature")


class File(NamedTuple):
    """What is carried."""

    content: bytes
    kind: str  # its content type
    name: str = ""


class Post(NamedTuple):
    """What goes over HTTP."""

    headers: tuple[tuple[str, str], ...]
    body: bytes


class Sent(NamedTuple):
    """A message of ours, and the MIC that its receipt must have."""

    post: Post
    names: Names
    mic: bytes
    digest: Digest
    signed: bytes  # the multipart/signed in it, which its recipient will find


@dataclass(frozen=True)
class Received:
    """A message of a partner's, taken apart. `over`: what the MIC is over; `entity`: that with its signature, as it came."""

    file: File
    over: bytes = field(repr=False)
    entity: bytes = field(default=b"", repr=False)
    signature: bytes = field(default=b"", repr=False)
    signed: Digest | None = None
    encrypted: CipherName | None = None
    compressed: bool = False

    def mic(self, asked: tuple[Digest, ...], quirks: frozenset[Quirk]) -> tuple[bytes, Digest]:
        """By the first digest that was asked for and is not weak; else by that of the signature."""
        taken = [one for one in asked if one is not Digest.SHA1 or Quirk.SHA1 in quirks]
        digest = (taken or [self.signed or Digest.SHA256])[0]
        return cms.digest_of(self.over, digest), digest


def write_message(
    file: File,
    names: Names,
    keys: SmimeKey,
    terms: As2Terms,
    receipt_url: str = "",
    *,
    encrypt_for: Certificate,
) -> Sent:
    """A message of ours. `receipt_url` is our door for receipts that come later. As2Error for terms that cannot be kept."""
    with _cms():
        inner = _file(file, terms.encoding)
        if terms.compress is Compress.BEFORE_SIGNING:
            inner = _compressed(inner, terms.encoding)
        mic = cms.digest_of(inner, terms.digest)
        signature = cms.sign(inner, keys.key, keys.certificate, terms.digest)
        signed = _signed(inner, signature, terms.digest, terms.encoding)
        outer = signed
        if terms.compress is Compress.AFTER_SIGNING:
            outer = _compressed(outer, terms.encoding)
        sealed = cms.encrypt(outer, encrypt_for, terms.cipher, terms.key_transport)
    kind = "authEnveloped-data" if terms.cipher.endswith("gcm") else "enveloped-data"
    headers = [
        *protocol_headers(names),
        ("Subject", "file"),
        ("Content-Type", f'application/pkcs7-mime; smime-type={kind}; name="smime.p7m"'),
        ("Content-Disposition", 'attachment; filename="smime.p7m"'),
        ("Disposition-Notification-To", write_name(names.sender)),
        ("Disposition-Notification-Options", write_options(terms.digest)),
    ]
    if terms.encoding is Encoding.BASE64:
        headers.append(("Content-Transfer-Encoding", terms.encoding))
        sealed = mime.in_lines(sealed)
    if terms.receipt == "async":
        if not receipt_url:
            do = "Give [as2] receipts_url in intertie.toml, or take receipts as `sync`."
            raise As2Error(Flaw.RECEIPT_ADDRESS, "we have no address for receipts that come later", do=do)
        headers.append(("Receipt-Delivery-Option", receipt_url))
    return Sent(Post(tuple(headers), sealed), names, mic, terms.digest, signed)


def protocol_headers(names: Names) -> list[tuple[str, str]]:
    """Those that every message and every receipt has."""
    return [
        ("AS2-Version", VERSION),
        ("AS2-From", write_name(names.sender)),
        ("AS2-To", write_name(names.recipient)),
        ("Message-ID", names.message_id),
        ("MIME-Version", "1.0"),
        ("EDIINT-Features", FEATURES),
    ]


def signed_entity(
    inner: bytes, keys: SmimeKey, digest: Digest, encoding: Encoding = Encoding.BINARY
) -> bytes:
    """A multipart/signed around an entity, headers and all. Raises As2Error."""
    with _cms():
        return _signed(inner, cms.sign(inner, keys.key, keys.certificate, digest), digest, encoding)


def _file(file: File, encoding: Encoding) -> bytes:
    headers = [("Content-Type", file.kind)]
    if file.name:
        headers.append(("Content-Disposition", f"attachment; filename={mime.quoted(file.name)}"))
    return mime.coded(headers, file.content, encoding)


def _compressed(inner: bytes, encoding: Encoding) -> bytes:
    kind = 'application/pkcs7-mime; smime-type=compressed-data; name="smime.p7z"'
    return mime.coded([("Content-Type", kind)], cms.compress(inner), encoding)


def _signed(inner: bytes, signature: bytes, digest: Digest, encoding: Encoding) -> bytes:
    boundary = (
        f"intertie-{hashlib.sha256(signature).hexdigest()[:40]}"  # stands in nothing that was there before it
    )
    said = mime.coded(
        [
            ("Content-Type", 'application/pkcs7-signature; name="smime.p7s"'),
            ("Content-Disposition", 'attachment; filename="smime.p7s"'),
        ],
        signature,
        encoding,
    )
    kind = f'multipart/signed; protocol="application/pkcs7-signature"; micalg={digest}; boundary="{boundary}"'
    return mime.write([("Content-Type", kind)], mime.multipart(boundary, [inner, said]))


@contextmanager
def _cms() -> Iterator[None]:
    """What is wrong with a structure, in the words of the protocol."""
    try:
        yield
    except CmsError as error:
        raise As2Error(OF_CMS[error.flaw], error.why, do=error.do) from error


def read_message(
    found: mime.Entity, keys: Sequence[SmimeKey], terms: As2Terms, pinned: tuple[Certificate, ...], limit: int
) -> Received:
    """Take a message apart, by the one of our keys that it is encrypted for; nothing in it may be longer than `limit` when
    decompressed. Raises As2Error, with `shown` for what may be said of it to who sent it."""
    got = Received(File(b"", ""), over=b"")
    try:
        for _ in range(LAYERS_MAX + 1):
            if found.kind == "multipart/signed":
                found, got = _verified(found, got, terms, pinned)
            elif found.kind in SMIME:
                raw = found.content()
                got = _noted(raw, got)
                found = _unwrapped(raw, keys, terms, limit)
                got = replace(got, over=got.over or found.raw)
            else:
                return _innermost(found, got, terms)
        raise As2Error(Flaw.TOO_DEEP, f"more than {LAYERS_MAX} layers")
    except As2Error as error:
        # CBC can be changed on its way: answers that tell a broken padding from a broken signature would decrypt it.
        blurred = got.encrypted is not None and not got.encrypted.endswith("gcm") and got.signed is None
        error.shown = Flaw.CANNOT_DECRYPT if blurred else error.flaw
        raise


def _noted(raw: bytes, got: Received) -> Received:
    """What a layer of S/MIME is, before it is opened: what may be said of a failure depends on it. Raises As2Error."""
    with _cms():
        kind = cms.kind_of(raw)
        if kind == "compressed_data":
            return replace(got, compressed=True)
        if kind == "signed_data":
            raise As2Error(
                Flaw.UNSUPPORTED, "a signature around its content: AS2 has it beside (multipart/signed)"
            )
        if got.encrypted is not None or got.signed is not None:
            raise As2Error(Flaw.UNSUPPORTED, "an envelope inside another layer")
        return replace(got, encrypted=cms.cipher_of(raw))


def _unwrapped(raw: bytes, keys: Sequence[SmimeKey], terms: As2Terms, limit: int) -> mime.Entity:
    """What is inside an envelope, or compressed. Raises As2Error."""
    with _cms():
        if cms.kind_of(raw) == "compressed_data":
            return mime.entity(cms.decompress(raw, limit))
        triple = Quirk.TRIPLE_DES in terms.quirks
        ours = next((one for one in keys if cms.is_for(raw, one.certificate)), keys[0])
        return mime.entity(cms.decrypt(raw, ours.key, ours.certificate, triple_des=triple))


def _verified(
    found: mime.Entity, got: Received, terms: As2Terms, pinned: tuple[Certificate, ...]
) -> tuple[mime.Entity, Received]:
    if got.signed is not None:
        raise As2Error(Flaw.UNSUPPORTED, "a signature inside another")
    signature, inner, digest = verified_parts(found, pinned, terms.quirks)
    whole = found.raw
    if whole is found.body:  # not encrypted: its headers are those of the connection
        whole = mime.write([("Content-Type", mime.header(found, "content-type"))], found.body)
    return inner, replace(got, signed=digest, signature=signature, over=inner.raw, entity=whole)


def verified_parts(
    found: mime.Entity, pinned: tuple[Certificate, ...], quirks: frozenset[Quirk]
) -> tuple[bytes, mime.Entity, Digest]:
    """Signature, what it is over, and its digest. Raises As2Error."""
    pieces = mime.parts(found)
    if len(pieces) != 2 or pieces[1].kind not in SIGNATURE:
        raise As2Error(Flaw.BAD_MIME, "multipart/signed has a part and its signature")
    inner, signature = pieces[0], pieces[1].content()
    sha1 = Quirk.SHA1 in quirks
    try:
        return signature, inner, cms.verify(inner.raw, signature, pinned, sha1=sha1)
    except CmsError as error:
        other = _signed_instead(inner.raw, quirks)
        if other == inner.raw or error.flaw is not cms.CmsFlaw.SIGNATURE_INVALID:
            raise As2Error(OF_CMS[error.flaw], error.why) from error
    with _cms():
        return signature, mime.entity(other), cms.verify(other, signature, pinned, sha1=sha1)


def _signed_instead(raw: bytes, quirks: frozenset[Quirk]) -> bytes:
    """What a program of these quirks signed when it sent this."""
    if Quirk.SIGNED_AS_CRLF in quirks:
        raw = re.sub(rb"\r?\n", b"\r\n", raw)
    return raw.removesuffix(b"\r\n") if Quirk.SIGNED_SHORT in quirks else raw


def file_content(over: bytes, limit: int) -> bytes:
    """The file in what was signed of a message, compressed or not. Raises As2Error."""
    found = mime.entity(over)
    if found.kind in SMIME:
        with _cms():
            found = mime.entity(cms.decompress(found.content(), limit))
    return found.content()


def _innermost(found: mime.Entity, got: Received, terms: As2Terms) -> Received:
    """The file, if it came as the terms ask. Raises As2Error."""
    if got.signed is None and Quirk.UNSIGNED not in terms.quirks:
        raise As2Error(Flaw.NOT_SIGNED, "the message is not signed")
    if got.encrypted is None and Quirk.UNENCRYPTED not in terms.quirks:
        raise As2Error(Flaw.NOT_ENCRYPTED, "the message is not encrypted")
    content = found.content()
    entity = got.entity or found.raw
    return replace(
        got, file=File(content, found.kind, found.file_name), over=got.over or content, entity=entity
    )
