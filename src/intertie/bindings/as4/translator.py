"""Between the gateway's acts and AS4: who a message is from, what its file says, our receipts, and the receipts for ours."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import cache
from typing import Any, NamedTuple

from intertie.bindings.as4.kept import (
    KeptMessage,
    keep_answers,
    keep_came,
    keep_sent,
    keep_signal,
    read_kept,
)
from intertie.bindings.as4.proof import As4Verifier, foreign_id
from intertie.formats.as4.flaws import OTHER, As4Error, Flaw, error_of
from intertie.formats.as4.message import (
    Attached,
    File,
    Opened,
    Received,
    file_of,
    read_message,
    verify_message,
    verify_signal,
    write_message,
    write_signal,
)
from intertie.formats.as4.security import token_certificate
from intertie.formats.as4.signal import Signal, check_receipt, read_signal, write_error, write_receipt
from intertie.formats.as4.terms import As4Terms, Quirk
from intertie.formats.as4.user_message import Party, UserMessage, read_user
from intertie.formats.as4.xml import Envelope
from intertie.gateway.accept_file import Brought
from intertie.gateway.accept_translated import original_of
from intertie.gateway.deliver_translated import Reply
from intertie.gateway.file_formats import format_of
from intertie.gateway.files import File as GatewayFile
from intertie.gateway.files import Judged
from intertie.gateway.foreign import Foreign, ForeignKeys, Known
from intertie.gateway.gateway import Gateway, Partner
from intertie.gateway.ports import MessageRow
from intertie.model.errors import Code, Refused
from intertie.model.ids import UUID7, MessageId, new_uuid7
from intertie.model.message import MESSAGE_BYTES_MAX, Header
from intertie.model.record import Record
from intertie.seal.smime_keys import Certificate, SmimeKey, is_valid, read_certificate
from intertie.seal.translated_evidence import ForeignVerifier

# What is kept of a message is base64 in it, with the translation beside.
KEPT_BYTES_MAX = MESSAGE_BYTES_MAX * 3 // 4 - 512 * 1024
BINDING = "as4"
# The message ids of 997, 824 and the like: they are no messages of ours.
ANSWER = "@answer"
# Refusals that an error tells in words: it is read by people.
SAID_MAX = 5
_certificate = cache(read_certificate)


class Verified(NamedTuple):
    """A message whose author is known."""

    partner: Partner
    foreign: Foreign
    received: Received


class JudgedSignal(NamedTuple):
    """A verified signal, and why it is a refusal, if it is one."""

    signal: Signal
    refusal: str


class As4:
    """`gateway.foreign.Translator`, and the same for what arrives. `key` is asked for each time: it may be locked away."""

    verifier: ForeignVerifier = As4Verifier()

    def __init__(self, us: Party, file_bytes: int, key: Callable[[], SmimeKey]) -> None:
        self._us = us
        self._file_bytes = file_bytes
        self._key = key

    def certificate(self) -> bytes:
        """By which partners verify us, and encrypt for us; PEM."""
        return self._key().pem

    def keys(self, foreign: Foreign, now: datetime) -> ForeignKeys:
        """By which either side's signatures verify."""
        return ForeignKeys((self._key().pem.decode(),), foreign.as4.certificates)

    def us(self, terms: As4Terms) -> Party:
        """Who we are to this partner."""
        return Party(terms.our_id, terms.our_type) if terms.our_id else self._us

    # Out

    def write(self, foreign: Foreign, header: Header, body: Record, known: Known) -> bytes:
        """What is kept of a message of ours: the bytes that go, and what was signed of them."""
        file = format_of(foreign).write(foreign, header, body, known.number())
        conversation = str(header.conversation or header.id)
        return self._write(foreign, file, f"{header.id}@{header.sender}", conversation, header.created)

    def _write(
        self, foreign: Foreign, file: GatewayFile, identity: str, conversation: str, at: datetime
    ) -> bytes:
        terms = foreign.as4
        encrypt_for = read_certificate(terms.encrypt_for or terms.certificates[0], encrypts=True)
        if not is_valid(encrypt_for, at):
            do = "Ask the partner for its new certificate."
            raise As4Error(Flaw.WEAK, "the partner's certificate is not valid today", do=do)
        sent = write_message(
            File(file.content, file.kind),
            self.us(terms),
            terms,
            self._key(),
            encrypt_for=encrypt_for,
            message_id=identity,
            conversation=conversation,
            at=at,
        )
        kept = keep_sent(sent)
        if len(kept) > KEPT_BYTES_MAX:
            raise As4Error(Flaw.TOO_LARGE, "the file does not fit a message", do="Send it in parts.")
        return kept

    # In

    def find(self, gateway: Gateway, user: UserMessage) -> tuple[Partner, Foreign]:
        """Who says to have written. Refused(UNKNOWN_SENDER | WRONG_RECIPIENT)."""
        for partner in gateway.partners.all():
            foreign = partner.foreign
            if foreign is None or foreign.binding != BINDING:
                continue
            terms = foreign.as4
            if user.sender == Party(terms.party_id, terms.party_type):
                break
        else:
            raise Refused(Code.UNKNOWN_SENDER, "no partner has this PartyId")
        if user.recipient != self.us(terms):
            raise Refused(Code.WRONG_RECIPIENT, "the recipient's PartyId is not ours", partner=partner.party)
        return partner, foreign

    def verify(self, opened: Opened, partner: Partner, foreign: Foreign, now: datetime) -> Verified:
        """The message of a post. Raises As4Error."""
        terms = foreign.as4
        received = read_message(
            opened, self.us(terms), self._key(), terms, pinned(terms, now), self._file_bytes
        )
        if received.attached is not None and len(received.attached.content) > KEPT_BYTES_MAX - len(
            opened.raw
        ):
            raise As4Error(Flaw.TOO_LARGE, "the file does not fit a message")
        return Verified(partner, foreign, received)

    def brought(self, verified: Verified, file: File, attached: Attached, now: datetime) -> Brought:
        """A file that wants to be taken in. A repeat has the same MessageId and content: it may be signed anew."""
        user = verified.received.user
        return Brought(
            partner=verified.partner.party,
            content=file.content,
            created=now,
            kind=file.kind,
            carrier_id=foreign_id(user),
            same=file.content,
            signed=keep_came(verified.received, attached),
            key=_pem(verified.foreign.as4, verified.received.verified.certificate),
            content_of=content_of,
        )

    def answer(
        self, verified: Verified, now: datetime
    ) -> Callable[[Sequence[Judged], Sequence[GatewayFile]], bytes]:
        """Writes the receipt, once what became of the file is known, and the format's answers as messages of their own."""
        user = verified.received.user

        def write(judged: Sequence[Judged], files: Sequence[GatewayFile]) -> bytes:
            if all(one.outcome.status == "refused" for one in judged):
                answer = self._error(verified.foreign, user, OTHER, _refused(judged), now)
            else:
                answer = self.receipt(verified, now)
            messages = []
            with contextlib.suppress(As4Error):  # its certificate has ended: the receipt goes all the same
                messages = [
                    self._write(
                        verified.foreign, file, f"{new_uuid7(now)}{ANSWER}", user.conversation or "-", now
                    )
                    for file in files
                ]
            return keep_answers(answer, messages)

        return write

    def receipt(self, verified: Verified, now: datetime) -> bytes:
        """For a message that is kept, or only tries the way."""
        about = verified.received.user.message_id
        references = verified.received.verified.raw
        return self._signal(
            verified.foreign, lambda identity: write_receipt(identity, now, about, references), now
        )

    def failed(self, user: UserMessage, foreign: Foreign, error: As4Error, now: datetime) -> bytes:
        """The error for a message of which nothing is kept: it says no more than its author may know."""
        said = error_of(error.flaw)
        return self._error(foreign, user, said, f"The message was not taken: {said.short}.", now)

    def _error(self, foreign: Foreign, user: UserMessage, error: Any, detail: str, now: datetime) -> bytes:
        return self._signal(
            foreign, lambda identity: write_error(identity, now, user.message_id, error, detail), now
        )

    def _signal(self, foreign: Foreign, write: Callable[[str], Any], now: datetime) -> bytes:
        terms, identity = foreign.as4, f"{new_uuid7(now)}@signal"
        raw = write_signal(write(identity), identity, self._key())
        return keep_signal(raw, self.us(terms), Party(terms.party_id, terms.party_type))

    # Receipts for ours

    def reply(self, gateway: Gateway, envelope: Envelope, raw: bytes, now: datetime) -> Reply | None:
        """A partner's signal that it brings to our door; None for one about an answer of ours, which nobody waits for. As4Error
        for what proves nothing, Refused for what is about nothing."""
        about = read_signal(envelope.messaging, sha1=True).about  # to find whom to verify it by
        if is_answer(about):
            return None
        row = _row(gateway, about)
        whole = original_of(row.body) if row.body else None
        partner = gateway.partners.find(row.recipient)
        if whole is None or partner is None or partner.foreign is None or partner.foreign.binding != BINDING:
            raise Refused(Code.BAD_MESSAGE, f"nothing went as {row.id} in AS4")
        judged = self.judge(partner.foreign, _kept(whole), envelope, now)
        if judged.signal.errors:
            # A partner signs errors about whatever names it, before it knows who wrote: anybody can have one for any id of ours.
            raise Refused(
                Code.BAD_MESSAGE, "an error counts on the connection of its message", partner=partner.party
            )
        return self.reply_of(gateway, partner.foreign, about, judged, raw, now)

    def judge(self, foreign: Foreign, kept: KeptMessage, envelope: Envelope, now: datetime) -> JudgedSignal:
        """A signal that answers this message of ours, verified, and held to it. As4Error for what proves nothing."""
        terms = foreign.as4
        messaging = verify_signal(envelope, pinned(terms, now), terms.quirks)
        signal = read_signal(messaging, sha1=Quirk.SHA1 in terms.quirks)
        sent = verify_message(kept.envelope, kept.attached, [_signer(kept)], frozenset())
        try:
            check_receipt(signal, read_user(sent.elements["messaging"]).message_id, sent.references)
        except As4Error as error:
            if error.flaw is not Flaw.OTHER_DIGESTS:
                raise
            return JudgedSignal(signal, str(error))
        return JudgedSignal(signal, "" if signal.accepted else signal.words or "an error without a code")

    def reply_of(
        self,
        gateway: Gateway,
        foreign: Foreign,
        about: str,
        judged: JudgedSignal,
        raw: bytes,
        now: datetime,
    ) -> Reply:
        """The same for the store. Refused(BAD_MESSAGE) if nothing was sent so."""
        row, terms = _row(gateway, about), foreign.as4
        kept = keep_signal(raw, Party(terms.party_id, terms.party_type), self.us(terms))
        said = judged.refusal or judged.signal.words
        return Reply(row.recipient, row.id, not judged.refusal, said, kept, now)


def pinned(terms: As4Terms, now: datetime) -> tuple[Certificate, ...]:
    """The partner's certificates that are valid now."""
    return tuple(one for pem in terms.certificates if is_valid(one := _certificate(pem), now))


def _pem(terms: As4Terms, certificate: Certificate) -> str:
    """Which of the partner's certificates it was."""
    return next(pem for pem in terms.certificates if _certificate(pem) == certificate)


def content_of(kept: bytes) -> bytes:
    """The file of a message of ours, from what was kept of it. As4Error if it was none."""
    found = _kept(kept)
    return file_of(read_user(found.envelope.messaging).payloads[0], found.attached, KEPT_BYTES_MAX)


def _kept(raw: bytes) -> KeptMessage:
    found = read_kept(raw)
    if not isinstance(found, KeptMessage):
        raise As4Error(Flaw.BAD_MIME, "not what was kept of a message of ours")
    return found


def message_of(kept: KeptMessage) -> str:
    """The MessageId of a message of ours."""
    return read_user(kept.envelope.messaging).message_id


def is_answer(message_id: str) -> bool:
    """Whether it is of a 997, an 824 or the like."""
    return message_id.endswith(ANSWER)


def _row(gateway: Gateway, about: str) -> MessageRow:
    """The message of ours that went under this MessageId. Refused(BAD_MESSAGE)."""
    text = about.partition("@")[0]
    row = gateway.store.message(MessageId(text), outgoing=True) if re.fullmatch(UUID7, text) else None
    if row is None:
        raise Refused(Code.BAD_MESSAGE, "the signal is about nothing that we sent")
    return row


def _signer(kept: KeptMessage) -> Certificate:
    """Our certificate of then: the key may have turned since. It is in the message that we kept, and nobody else's is."""
    return token_certificate(kept.envelope)


def _refused(judged: Sequence[Judged]) -> str:
    said = [f"{one.outcome.code} {one.outcome.detail or ''}".strip() for one in judged[:SAID_MAX]]
    return f"Refused: {'; '.join(said)}{' ...' if len(judged) > SAID_MAX else ''}"
