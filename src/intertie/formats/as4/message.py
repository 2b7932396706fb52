"""AS4 messages: a file, compressed, signed and encrypted as was agreed; and such a message taken apart.

The order is the one of the profile (s.3.1): compressed, then signed, then encrypted. What is read of a message after its
signature verified is read from what was signed, and from nothing else of the envelope.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import re
import zlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from intertie.formats.as2 import mime
from intertie.formats.as4.flaws import As4Error, Flaw, in_words
from intertie.formats.as4.names import GZIP, INITIATOR, RESPONDER, SOAP_KIND, WSU_ID
from intertie.formats.as4.security import (
    Encryption,
    add_encryption,
    add_token,
    content_id,
    key_info,
    read_encryption,
    signable,
)
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
from intertie.formats.as4.xml import Envelope, new_envelope, parse_envelope, write_envelope
from intertie.seal.cms import Digest
from intertie.seal.smime_keys import Certificate, SmimeKey
from intertie.seal.xml_encryption import Oaep, Sealed, open_content, seal_content
from intertie.seal.xml_error import XmlError
from intertie.seal.xml_signature import Reference, Verified, sign_parts, verify_parts

# zlib: a header of gzip, and the largest window.
GZIP_BITS = 31
# Of the ids in an envelope: enough to stand once.
ID_CHARACTERS = 24
SIGNED = ("messaging", "body")


class File(NamedTuple):
    """What is carried."""

    content: bytes
    kind: str  # its content type


class Post(NamedTuple):
    """What goes over HTTP."""

    headers: tuple[tuple[str, str], ...]
    body: bytes


class Attached(NamedTuple):
    """A file as it is signed: compressed if it is, and not encrypted."""

    cid: str
    kind: str  # of these bytes
    content: bytes


class Sent(NamedTuple):
    """A message of ours, and what its receipt has to repeat."""

    post: Post
    attached: Attached
    references: tuple[Reference, ...]


class Opened(NamedTuple):
    """A post taken apart; nothing in it is verified."""

    raw: bytes  # the envelope
    envelope: Envelope
    attached: tuple[Attached, ...]  # as they came


class Received(NamedTuple):
    """A message of a partner's, verified and decrypted."""

    user: UserMessage
    file: File | None  # None: it only tries the way
    raw: bytes
    attached: Attached | None
    verified: Verified


def business_of(terms: As4Terms, *, theirs: bool = False) -> Business:
    """What the messages of a partner, or ours to it, are about."""
    action = terms.accepted_action if theirs else terms.action
    return Business(terms.service, action, terms.service_type, terms.agreement, terms.agreement_type)


def write_message(
    file: File,
    us: Party,
    terms: As4Terms,
    keys: SmimeKey,
    *,
    encrypt_for: Certificate,
    message_id: str,
    conversation: str,
    at: datetime,
) -> Sent:
    """A message of ours. Raises As4Error for terms that cannot be kept."""
    identity = hashlib.sha256(message_id.encode()).hexdigest()[:ID_CHARACTERS]
    content = gzip.compress(file.content, mtime=0) if terms.compress else file.content
    attached = Attached(f"file-{identity}@as4", GZIP if terms.compress else file.kind, content)
    ends = {"originalSender": terms.original_sender, "finalRecipient": terms.final_recipient}
    user = UserMessage(
        message_id,
        at,
        us,
        Party(terms.party_id, terms.party_type),
        business_of(terms),
        conversation,
        (Payload(attached.cid, file.kind, terms.compress),),
        {name: value for name, value in ends.items() if value},
        Roles(terms.our_role or INITIATOR, terms.their_role or RESPONDER),
    )
    envelope = new_envelope(write_user(user), identity)
    with in_words():
        sealed = seal_content(content, encrypt_for, terms.cipher)
        what = Encryption(attached.cid, sealed.key, Oaep(), terms.cipher, attached.kind)
        add_encryption(envelope.security, what, encrypt_for, identity)
        references = sign_envelope(
            envelope, {attached.cid: _as_signed(attached)}, keys, terms.digest, identity
        )
    return Sent(_with_file(write_envelope(envelope), attached.cid, sealed.content), attached, references)


def sign_envelope(
    envelope: Envelope, attachments: Mapping[str, bytes], keys: SmimeKey, digest: Digest, identity: str
) -> tuple[Reference, ...]:
    """Sign messaging header, body and attachments; what the signature says of them. Raises XmlError."""
    token = f"signer-{identity}"
    add_token(envelope.security, keys.certificate, token)
    ids = [str(envelope.messaging.get(WSU_ID)), str(envelope.body.get(WSU_ID))]
    signature = sign_parts(envelope.root, ids, attachments, keys, digest, key_info(f"#{token}"))
    envelope.security.append(signature)
    # As a partner will read it: what cannot be verified does not go.
    again = parse_envelope(write_envelope(envelope))
    return verify_parts(again.root, signable(again), attachments, [keys.certificate]).references


def _with_file(envelope: bytes, cid: str, content: bytes) -> Post:
    soap = mime.write(
        [("Content-Type", f"{SOAP_KIND}; charset=UTF-8"), ("Content-Transfer-Encoding", "binary")], envelope
    )
    file = mime.write(
        [
            ("Content-Type", "application/octet-stream"),
            ("Content-Transfer-Encoding", "binary"),
            ("Content-ID", f"<{cid}>"),
        ],
        content,
    )
    boundary = (
        f"intertie-{hashlib.sha256(content).hexdigest()[:40]}"  # stands in nothing that was there before it
    )
    kind = f'multipart/related; type="{SOAP_KIND}"; boundary="{boundary}"'
    return Post((("MIME-Version", "1.0"), ("Content-Type", kind)), mime.multipart(boundary, [soap, file]))


def without_file(envelope: bytes) -> Post:
    """A signal, which has no attachments."""
    return Post((("Content-Type", f"{SOAP_KIND}; charset=UTF-8"),), envelope)


def open_post(found: mime.Entity) -> Opened:
    """Envelope and attachments of a post. Raises As4Error(BAD_MIME | NOT_XML | BAD_HEADER)."""
    with in_words():
        pieces = mime.parts(found) if found.kind == "multipart/related" else [found]
        if not pieces or pieces[0].kind != SOAP_KIND:
            raise As4Error(Flaw.BAD_MIME, "it does not begin with an envelope of SOAP 1.2")
        raw = pieces[0].content()
        attached = tuple(
            Attached(mime.header(one, "content-id").strip("<> "), one.kind, one.content())
            for one in pieces[1:]
        )
    if len({one.cid for one in attached}) != len(attached) or not all(one.cid for one in attached):
        raise As4Error(Flaw.BAD_MIME, "an attachment without an id of its own")
    return Opened(raw, parse_envelope(raw), attached)


def read_message(
    opened: Opened,
    us: Party,
    keys: Sequence[SmimeKey],
    terms: As4Terms,
    pinned: Sequence[Certificate],
    limit: int,
) -> Received:
    """Verify and decrypt a message; a file may be no longer than `limit` when decompressed. Raises As4Error."""
    plain = _decrypted(opened, keys, terms)
    verified = verify_message(opened.envelope, plain, pinned, terms.quirks)
    user = read_user(verified.elements["messaging"])
    if user.sender != Party(terms.party_id, terms.party_type) or user.recipient != us:
        raise As4Error(Flaw.NOT_AS_AGREED, "PartyInfo is not the one that was agreed")
    if not user.business.is_test and user.business != business_of(terms, theirs=True):
        raise As4Error(Flaw.NOT_AS_AGREED, "service, action or agreement are not those that were agreed")
    if not plain and user.business.is_test:
        return Received(user, None, opened.raw, None, verified)
    if plain is None:
        raise As4Error(Flaw.NOT_AS_AGREED, "a message without a file")
    content = file_of(user.payloads[0], plain, limit)
    return Received(user, File(content, user.payloads[0].kind), opened.raw, plain, verified)


def verify_message(
    envelope: Envelope, plain: Attached | None, pinned: Sequence[Certificate], quirks: frozenset[Quirk]
) -> Verified:
    """What its signature covers: all of its header, its body, which is empty, and its file. Raises As4Error."""
    attachments = {} if plain is None else {plain.cid: _as_signed(plain)}
    with in_words():
        named = signable(envelope)
        verified = verify_parts(envelope.root, named, attachments, pinned, sha1=Quirk.SHA1 in quirks)
    if not all(name in verified.elements for name in SIGNED):
        raise As4Error(Flaw.NOT_SIGNED, "the signature does not cover messaging header and body")
    if len(verified.elements["body"]):
        raise As4Error(Flaw.UNSUPPORTED, "a file in the body: it is attached here")
    payloads = read_user(verified.elements["messaging"]).payloads
    if [content_id(one.cid) for one in payloads] != list(attachments):
        raise As4Error(Flaw.BAD_MIME, "the files that the header names are not those that came")
    covered = {content_id(one.uri) for one in verified.references if one.uri.startswith("cid:")}
    if not covered.issuperset(attachments):
        raise As4Error(Flaw.NOT_SIGNED, "the signature does not cover the file")
    return verified


def _decrypted(opened: Opened, keys: Sequence[SmimeKey], terms: As4Terms) -> Attached | None:
    """The one file as it was signed. Raises As4Error."""
    encryption = read_encryption(opened.envelope)
    if len(opened.attached) > 1:
        raise As4Error(Flaw.NOT_AS_AGREED, "more than one file in a message")
    if not opened.attached:
        if encryption is not None:
            raise As4Error(Flaw.BAD_MIME, "what was encrypted did not come")
        return None
    (came,) = opened.attached
    if encryption is None:
        if Quirk.UNENCRYPTED not in terms.quirks:
            raise As4Error(Flaw.NOT_ENCRYPTED, "the file is not encrypted")
        return came
    if encryption.cid != came.cid:
        raise As4Error(Flaw.BAD_MIME, "what was encrypted did not come")
    if encryption.oaep.weak and Quirk.OAEP_SHA1 not in terms.quirks:
        raise As4Error(Flaw.WEAK, "RSA-OAEP with SHA-1")
    sealed = Sealed(encryption.key, came.content)
    *others, last = keys
    for ours in (
        others
    ):  # for which of them it is, a message may say in five ways: one that does not fit costs a millisecond
        with contextlib.suppress(XmlError):
            content = open_content(sealed, ours, encryption.oaep, encryption.cipher)
            return Attached(came.cid, encryption.kind.lower() or came.kind, content)
    with in_words():
        content = open_content(sealed, last, encryption.oaep, encryption.cipher)
    return Attached(came.cid, encryption.kind.lower() or came.kind, content)


def _as_signed(attached: Attached) -> bytes:
    """The bytes that a signature is over: of text, with the line ends of MIME (SwA profile s.4.4.1)."""
    if attached.kind.startswith("text/"):
        return re.sub(rb"\r\n|\r|\n", b"\r\n", attached.content)
    return attached.content


def file_of(payload: Payload, attached: Attached, limit: int) -> bytes:
    """The file, decompressed; the stream is stopped at `limit`. Raises As4Error."""
    if not payload.compressed:
        if len(attached.content) > limit:
            raise As4Error(Flaw.TOO_LARGE, f"more than {limit} bytes")
        return attached.content
    stream = zlib.decompressobj(GZIP_BITS)
    try:
        content = stream.decompress(attached.content, limit + 1)
    except zlib.error as error:
        raise As4Error(Flaw.CANNOT_DECOMPRESS, "not gzip") from error
    if len(content) > limit:
        raise As4Error(Flaw.TOO_LARGE, f"more than {limit} bytes when decompressed")
    if not stream.eof or stream.unused_data:
        raise As4Error(Flaw.CANNOT_DECOMPRESS, "cut off, or with something after it")
    return content


def write_signal(messaging: Any, message_id: str, keys: SmimeKey) -> bytes:
    """A signed envelope around a signal. Raises As4Error."""
    identity = hashlib.sha256(message_id.encode()).hexdigest()[:ID_CHARACTERS]
    envelope = new_envelope(messaging, identity)
    with in_words():
        sign_envelope(envelope, {}, keys, Digest.SHA256, identity)
    return write_envelope(envelope)


def verify_signal(envelope: Envelope, pinned: Sequence[Certificate], quirks: frozenset[Quirk]) -> Any:
    """The `eb:Messaging` of a signal, as one of these certificates signed it. Raises As4Error."""
    with in_words():
        named = signable(envelope)
        verified = verify_parts(envelope.root, named, {}, pinned, sha1=Quirk.SHA1 in quirks)
    if "messaging" not in verified.elements:
        raise As4Error(Flaw.NOT_SIGNED, "the signature does not cover the messaging header")
    return verified.elements["messaging"]
