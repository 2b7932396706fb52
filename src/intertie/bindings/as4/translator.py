"""Between the gateway's acts and AS4: a message of ours in its words, who one is from, what its file says, and our receipts."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from intertie.bindings.as4.kept import keep_answers, keep_came, keep_sent, keep_signal
from intertie.bindings.as4.proof import As4Verifier, foreign_id, message_named
from intertie.bindings.as4.replies import (
    ANSWER,
    BINDING,
    KEPT_BYTES_MAX,
    certificate_of,
    content_of,
    pinned,
)
from intertie.formats.as4.flaws import OTHER, As4Error, Ebms, Flaw, error_of
from intertie.formats.as4.message import (
    Attached,
    File,
    Opened,
    Received,
    read_message,
    write_message,
    write_signal,
)
from intertie.formats.as4.signal import write_error, write_receipt
from intertie.formats.as4.terms import As4Terms
from intertie.formats.as4.user_message import Party, UserMessage
from intertie.gateway.gateway import Gateway, Partner
from intertie.gateway.translating.accept_file import Brought
from intertie.gateway.translating.file_formats import write_file
from intertie.gateway.translating.files import File as GatewayFile
from intertie.gateway.translating.files import Judged, carried_id
from intertie.gateway.translating.foreign import Foreign, ForeignKeys, Known
from intertie.model.errors import Code, Refused
from intertie.model.ids import new_uuid7
from intertie.model.message import Header
from intertie.model.record import Record
from intertie.seal.smime_keys import Certificate, OwnSmime, is_valid, read_certificate
from intertie.seal.translated_evidence import ForeignVerifier

# Refusals that an error tells in words: it is read by people.
SAID_MAX = 5


class Verified(NamedTuple):
    """A message whose author is known."""

    partner: Partner
    foreign: Foreign
    received: Received


class As4:
    """`gateway.translating.foreign.Translator`, and the same for what arrives.

    Our keys are asked for each time: they may be locked away.
    """

    verifier: ForeignVerifier = As4Verifier()

    def __init__(self, us: Party, file_bytes: int, keys: OwnSmime) -> None:
        self._us = us
        self._file_bytes = file_bytes
        self.own = keys

    def certificate(self) -> bytes:
        """By which partners verify us, and encrypt for us, or will; PEM."""
        return self.own.signing().pem

    def keys(self, foreign: Foreign, now: datetime) -> ForeignKeys:
        """By which either side's signatures verify."""
        return ForeignKeys(tuple(one.pem.decode() for one in self.own.all()), foreign.as4.certificates)

    def us(self, terms: As4Terms) -> Party:
        """Who we are to this partner."""
        return Party(terms.our_id, terms.our_type) if terms.our_id else self._us

    # Out

    def write(self, foreign: Foreign, header: Header, body: Record, known: Known) -> bytes:
        """What is kept of a message of ours: the bytes that go, and what was signed of them."""
        file = write_file(foreign, header, body, known)
        conversation = str(header.conversation or header.id)
        return self._write(foreign, file, f"{header.id}@{header.sender}", conversation, header.created)

    def carry(self, foreign: Foreign, file: GatewayFile, now: datetime) -> bytes:
        """A sealed parcel as a message of AS4, under the same MessageId each time. Nobody waits for its receipt: the parcel has
        its own. As4Error."""
        identity = carried_id(BINDING, file)
        return self._write(foreign, file, f"{identity}{ANSWER}", str(identity), now)

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
            self.own.signing(terms.our_key),
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
            opened, self.us(terms), self.own.opening(now), terms, pinned(terms, now), self._file_bytes
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
            message=message_named(user.message_id),
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

    def _error(self, foreign: Foreign, user: UserMessage, error: Ebms, detail: str, now: datetime) -> bytes:
        return self._signal(
            foreign, lambda identity: write_error(identity, now, user.message_id, error, detail), now
        )

    def _signal(self, foreign: Foreign, write: Callable[[str], Any], now: datetime) -> bytes:
        terms, identity = foreign.as4, f"{new_uuid7(now)}@signal"
        raw = write_signal(write(identity), identity, self.own.signing(terms.our_key))
        return keep_signal(raw, self.us(terms), Party(terms.party_id, terms.party_type))


def _pem(terms: As4Terms, certificate: Certificate) -> str:
    """Which of the partner's certificates it was."""
    return next(pem for pem in terms.certificates if certificate_of(pem) == certificate)


def _refused(judged: Sequence[Judged]) -> str:
    said = [f"{one.outcome.code} {one.outcome.detail or ''}".strip() for one in judged[:SAID_MAX]]
    return f"Refused: {'; '.join(said)}{' ...' if len(judged) > SAID_MAX else ''}"
