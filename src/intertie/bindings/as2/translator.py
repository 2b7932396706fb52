"""Between the gateway's acts and AS2: who a message is from, what its file says, our receipts, and the receipts for ours."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import cache
from typing import NamedTuple

from intertie.bindings.as2.kept import KeptMessage, keep_answers, keep_message, keep_receipt, read_kept
from intertie.bindings.as2.proof import As2Verifier, foreign_id, keep_signed, message_named
from intertie.formats.as2 import mime
from intertie.formats.as2.flaws import UNEXPECTED, As2Error, Flaw, modifier_of
from intertie.formats.as2.message import File, Post, Received, file_content, read_message, write_message
from intertie.formats.as2.names import Asked, Names, read_asked, read_names, same_name
from intertie.formats.as2.receipt import (
    Fields,
    check_receipt,
    has_mic,
    original_id,
    read_receipt,
    write_receipt,
)
from intertie.formats.as2.terms import As2Terms, Quirk
from intertie.gateway.gateway import Gateway, Partner
from intertie.gateway.translating.accept_file import Brought
from intertie.gateway.translating.accept_translated import original_of
from intertie.gateway.translating.deliver_translated import Reply
from intertie.gateway.translating.file_formats import write_file
from intertie.gateway.translating.files import File as GatewayFile
from intertie.gateway.translating.files import Judged, carried_id
from intertie.gateway.translating.foreign import Foreign, ForeignKeys, Known
from intertie.model.errors import Code, Refused
from intertie.model.ids import UUID7, MessageId, PartyId, new_uuid7
from intertie.model.message import MESSAGE_BYTES_MAX, Header
from intertie.model.record import Record
from intertie.seal.cms import CmsError, Digest, digest_of, verify
from intertie.seal.smime_keys import Certificate, OwnSmime, is_valid, read_certificate
from intertie.seal.translated_evidence import ForeignVerifier

# What is kept of a message is base64 in it, with the translation beside.
KEPT_BYTES_MAX = MESSAGE_BYTES_MAX * 3 // 4 - 512 * 1024
BINDING = "as2"
# The Message-IDs of 997, 824 and the like: they are no messages of ours.
ANSWER = "@answer"
# Refusals that a receipt tells in words: it is read by people.
SAID_MAX = 5
_certificate = cache(read_certificate)


class Verified(NamedTuple):
    """A post whose author is known."""

    partner: Partner
    foreign: Foreign
    names: Names
    asked: Asked
    received: Received


class Told(NamedTuple):
    """A partner's receipt for a message of ours. `ours`: it has the MIC of what we sent, so that nobody else's post brought it
    about. What a partner says of a post that it could not read, it says of whatever names that message (docs/as2.md)."""

    foreign: Foreign
    reply: Reply
    ours: bool


class As2:
    """`gateway.translating.foreign.Translator`, and the same for what arrives.

    Our keys are asked for each time: they may be locked away.
    """

    verifier: ForeignVerifier = As2Verifier()

    def __init__(self, name: str, url: str, file_bytes: int, keys: OwnSmime) -> None:
        self.name = name
        self._url = url
        self._file_bytes = file_bytes
        self.own = keys

    def certificate(self) -> bytes:
        """By which partners verify us, and encrypt for us, or will; PEM."""
        return self.own.signing().pem

    def keys(self, foreign: Foreign, now: datetime) -> ForeignKeys:
        """By which either side's signatures verify."""
        return ForeignKeys(tuple(one.pem.decode() for one in self.own.all()), foreign.as2.certificates)

    # Out

    def write(self, foreign: Foreign, header: Header, body: Record, known: Known) -> bytes:
        """What is kept of a message of ours: the bytes that go, and what was signed of them."""
        file = write_file(foreign, header, body, known)
        return self._write(foreign, file, f"<{header.id}@{header.sender}>", header.created)

    def carry(self, foreign: Foreign, file: GatewayFile, now: datetime) -> bytes:
        """A sealed parcel as a message of AS2, under the same Message-ID each time. Nobody waits for its receipt: the parcel has
        its own. As2Error."""
        return self._write(
            foreign,
            file,
            f"<{carried_id(BINDING, file)}{ANSWER}>",
            now,
        )

    def _write(self, foreign: Foreign, said: GatewayFile, identity: str, at: datetime) -> bytes:
        """A file as a message of AS2, kept as it goes."""
        terms = foreign.as2
        pem = terms.encrypt_for or terms.certificates[0]
        encrypt_for = read_certificate(pem, encrypts=True)
        if not is_valid(encrypt_for, at):
            do = "Ask the partner for its new certificate."
            raise As2Error(Flaw.WEAK, "the partner's certificate is not valid today", do=do)
        file = File(said.content, said.kind, said.name)
        names = Names(self.name, terms.name, identity)
        kept = keep_message(
            write_message(
                file, names, self.own.signing(terms.our_key), terms, self._url, encrypt_for=encrypt_for
            )
        )
        if len(kept) > KEPT_BYTES_MAX:
            raise As2Error(Flaw.TOO_LARGE, "the file does not fit a message", do="Send it in parts.")
        return kept

    # In

    def find(self, gateway: Gateway, names: Names) -> tuple[Partner, Foreign]:
        """Who wrote. Refused(UNKNOWN_SENDER | WRONG_RECIPIENT)."""
        for partner in gateway.partners.all():
            foreign = partner.foreign
            if foreign is None or foreign.binding != BINDING:
                continue
            if same_name(foreign.as2.name, names.sender):
                break
        else:
            raise Refused(Code.UNKNOWN_SENDER, "no partner has this AS2-From")
        if not same_name(names.recipient, self.name):
            raise Refused(Code.WRONG_RECIPIENT, "AS2-To is not our name", partner=partner.party)
        return partner, foreign

    def verify(self, found: mime.Entity, partner: Partner, foreign: Foreign, now: datetime) -> Verified:
        """The message of a post. Raises As2Error, with `shown` for what may be said of it."""
        names, asked, terms = read_names(found), read_asked(found), foreign.as2
        if asked.address and asked.address not in (terms.url, *terms.receipt_urls):
            raise As2Error(Flaw.RECEIPT_ADDRESS, "Receipt-Delivery-Option is no address of this partner's")
        received = read_message(found, self.own.opening(now), terms, pinned(terms, now), self._file_bytes)
        if len(received.entity) > KEPT_BYTES_MAX:
            raise As2Error(Flaw.TOO_LARGE, "the file does not fit a message")
        return Verified(partner, foreign, names, asked, received)

    def brought(self, verified: Verified, now: datetime) -> Brought:
        """A file that wants to be taken in. A repeat has the same Message-ID and the same content: programs sign it anew."""
        received = verified.received
        return Brought(
            partner=verified.partner.party,
            content=received.file.content,
            created=now,
            kind=received.file.kind,
            carrier_id=foreign_id(verified.names),
            same=received.over,
            signed=keep_signed(verified.names, received.entity),
            key=_signer(verified, now),
            message=message_named(verified.names.message_id),
            content_of=content_of,
        )

    def answer(
        self, verified: Verified, now: datetime
    ) -> Callable[[Sequence[Judged], Sequence[GatewayFile]], bytes]:
        """Writes the receipt, once what became of the file is known, and the format's answers as messages of their own."""
        names, asked, received = verified.names, verified.asked, verified.received

        def write(judged: Sequence[Judged], files: Sequence[GatewayFile]) -> bytes:
            mic, digest = received.mic(asked.digests, verified.foreign.as2.quirks)
            fields = Fields(names.message_id, True, "", mic, digest, _taken(judged))
            if all(one.outcome.status == "refused" for one in judged):
                fields = Fields(names.message_id, True, f"error: {UNEXPECTED}", mic, digest, _refused(judged))
            address = asked.address if asked.wanted else ""
            receipt = keep_receipt(self._receipt(names, asked, fields, verified.foreign, now), address)
            messages = []
            with contextlib.suppress(As2Error):  # its certificate has ended: the receipt goes all the same
                messages = [
                    self._write(verified.foreign, file, f"<{new_uuid7(now)}{ANSWER}>", now) for file in files
                ]
            return keep_answers(receipt, messages)

        return write

    def failed(self, found: mime.Entity, foreign: Foreign, error: As2Error, now: datetime) -> Post:
        """The receipt for a message of which nothing is kept: it says no more than its author may know."""
        names, asked = read_names(found), read_asked(found)
        text = f"The message was not taken: {modifier_of(error.shown)}."
        fields = Fields(names.message_id, True, f"error: {modifier_of(error.shown)}", text=text)
        return self._receipt(names, asked, fields, foreign, now)

    def _receipt(self, names: Names, asked: Asked, fields: Fields, foreign: Foreign, now: datetime) -> Post:
        back = Names(self.name, names.sender, f"<{new_uuid7(now)}@receipt>")
        strong = [one for one in asked.digests if one is not Digest.SHA1]
        digest = (strong or [Digest.SHA256])[0] if asked.signed else None
        terms = foreign.as2
        return write_receipt(fields, back, self.own.signing(terms.our_key), digest, terms.encoding)

    # Receipts for ours

    def reply(self, gateway: Gateway, found: mime.Entity, now: datetime) -> Told | None:
        """A partner's receipt for a message of ours; None for an answer of ours: nobody waits for it. As2Error for what proves
        nothing, Refused for what is about nothing."""
        names = read_names(found)
        partner, foreign = self.find(gateway, names)
        about = original_id(found)
        if about.endswith(f"{ANSWER}>"):
            return None
        message = _own_id(about, partner.party)
        kept = _kept(gateway, message, partner.party)
        receipt = read_receipt(found, pinned(foreign.as2, now), foreign.as2.quirks)
        accepted, detail = receipt.fields.accepted, _said(receipt.fields)
        # Some programs have a digest of their own for the MIC; ours is one over the same bytes.
        digest = receipt.fields.digest or kept.digest
        if digest is Digest.SHA1 and Quirk.SHA1 not in foreign.as2.quirks:
            digest = kept.digest
        mic = digest_of(kept.over, digest)
        try:
            check_receipt(receipt, Names(self.name, foreign.as2.name, about), mic, digest)
        except As2Error as error:
            if error.flaw is not Flaw.MIC_MISMATCH:
                raise
            accepted, detail = False, str(error)
        whole = mime.write([(name, str(value)) for name, value in found.headers.items()], found.body)
        reply = Reply(partner.party, message, accepted, detail, whole, now)
        return Told(foreign, reply, has_mic(receipt, mic, digest))

    def refusal(self, found: mime.Entity, foreign: Foreign, now: datetime) -> str:
        """Why the partner's receipt, on the connection of an answer of ours or of a parcel, says that it did not take it; empty
        if it did. Nobody waits for such a receipt: one that proves nothing says nothing."""
        try:
            fields = read_receipt(found, pinned(foreign.as2, now), foreign.as2.quirks).fields
        except As2Error:
            return ""
        return "" if fields.accepted else _said(fields)


def pinned(terms: As2Terms, now: datetime) -> tuple[Certificate, ...]:
    """The partner's certificates that are valid now."""
    return tuple(one for pem in terms.certificates if is_valid(one := _certificate(pem), now))


def _signer(verified: Verified, now: datetime) -> str:
    """Which of the partner's certificates it was; none for a message without a signature."""
    terms, received = verified.foreign.as2, verified.received
    for pem in terms.certificates if received.signature else ():
        one = _certificate(pem)
        with contextlib.suppress(CmsError):
            if is_valid(one, now) and verify(received.over, received.signature, (one,), sha1=True):
                return pem
    return ""


def content_of(kept: bytes) -> bytes:
    """The file of a message of ours, from what was kept of it. As2Error if it was none."""
    found = read_kept(kept)
    if not isinstance(found, KeptMessage):
        raise As2Error(Flaw.BAD_MIME, "not what was kept of a message of ours")
    return file_content(found.over, KEPT_BYTES_MAX)


def _taken(judged: Sequence[Judged]) -> str:
    refused = [one for one in judged if one.outcome.status == "refused"]
    if not refused:
        return "The file was received and is kept."
    return f"The file was received; {len(refused)} of {len(judged)} in it are refused. {_refused(refused)}"


def _refused(judged: Sequence[Judged]) -> str:
    said = [f"{one.outcome.code} {one.outcome.detail or ''}".strip() for one in judged[:SAID_MAX]]
    return f"Refused: {'; '.join(said)}{' ...' if len(judged) > SAID_MAX else ''}"


def _own_id(about: str, party: PartyId) -> MessageId:
    """The message of ours that a receipt names; Refused(BAD_MESSAGE)."""
    text = about.strip("<>").partition("@")[0]
    if re.fullmatch(UUID7, text) is None:
        raise Refused(Code.BAD_MESSAGE, "the receipt is about nothing that we sent", partner=party)
    return MessageId(text)


def _kept(gateway: Gateway, message: MessageId, party: PartyId) -> KeptMessage:
    row = gateway.store.message(message, outgoing=True, partner=party)
    raw = original_of(row.body) if row is not None and row.body else None
    kept = read_kept(raw) if raw is not None else None
    if not isinstance(kept, KeptMessage):
        raise Refused(Code.BAD_MESSAGE, f"nothing was sent as {message}", partner=party)
    return kept


def _said(fields: Fields) -> str:
    """What a receipt says besides, for people."""
    return " - ".join(part for part in (fields.modifier, fields.text if fields.modifier else "") if part)
