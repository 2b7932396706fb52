"""What partners say of messages of ours: a signal is verified, and held to what was sent, before it counts."""

from __future__ import annotations

import re
from datetime import datetime
from functools import cache
from typing import NamedTuple

from intertie.bindings.as4.kept import KeptMessage, keep_signal, read_kept
from intertie.formats.as4.flaws import As4Error, Flaw
from intertie.formats.as4.message import file_of, verify_message, verify_signal
from intertie.formats.as4.security import token_certificate
from intertie.formats.as4.signal import Signal, check_receipt, read_signal
from intertie.formats.as4.terms import As4Terms, Quirk
from intertie.formats.as4.user_message import Party, read_user
from intertie.formats.as4.xml import Envelope
from intertie.gateway.gateway import Gateway
from intertie.gateway.ports import MessageRow
from intertie.gateway.translating.accept_translated import original_of
from intertie.gateway.translating.deliver_translated import Reply
from intertie.gateway.translating.foreign import Foreign
from intertie.model.errors import Code, Refused
from intertie.model.ids import UUID7, MessageId
from intertie.model.message import MESSAGE_BYTES_MAX
from intertie.seal.smime_keys import Certificate, is_valid, read_certificate

BINDING = "as4"
# What is kept of a message is base64 in it, with the translation beside.
KEPT_BYTES_MAX = MESSAGE_BYTES_MAX * 3 // 4 - 512 * 1024
# The message ids of 997, 824 and the like: they are no messages of ours.
ANSWER = "@answer"
certificate_of = cache(read_certificate)


class JudgedSignal(NamedTuple):
    """A verified signal, and why it is a refusal, if it is one."""

    signal: Signal
    refusal: str


def judge(foreign: Foreign, kept: KeptMessage, envelope: Envelope, now: datetime) -> JudgedSignal:
    """A signal that answers this message of ours, verified, and held to it. As4Error for what proves nothing."""
    terms = foreign.as4
    messaging = verify_signal(envelope, pinned(terms, now), terms.quirks)
    signal = read_signal(messaging, sha1=Quirk.SHA1 in terms.quirks)
    # Our certificate of then, since the key may have turned: it stands in what we kept, and nobody else writes that.
    signer = token_certificate(kept.envelope)
    sent = verify_message(kept.envelope, kept.attached, [signer], frozenset())
    try:
        check_receipt(signal, read_user(sent.elements["messaging"]).message_id, sent.references)
    except As4Error as error:
        if error.flaw is not Flaw.OTHER_DIGESTS:
            raise
        return JudgedSignal(signal, str(error))
    return JudgedSignal(signal, "" if signal.accepted else signal.words or "an error without a code")


def reply_of(
    gateway: Gateway, foreign: Foreign, us: Party, about: str, judged: JudgedSignal, raw: bytes, now: datetime
) -> Reply:
    """The same for the store. Refused(BAD_MESSAGE) if nothing was sent so."""
    row, terms = _row(gateway, about), foreign.as4
    kept = keep_signal(raw, Party(terms.party_id, terms.party_type), us)
    said = judged.refusal or judged.signal.words
    return Reply(row.recipient, row.id, not judged.refusal, said, kept, now)


class Pushed(NamedTuple):
    """A signal that a partner brought to our door, and who that is."""

    foreign: Foreign
    about: str
    judged: JudgedSignal


def read_pushed(gateway: Gateway, envelope: Envelope, now: datetime) -> Pushed | None:
    """A partner's receipt that it brings to our door; None for one about an answer of ours, which nobody waits for. As4Error for
    what proves nothing, Refused for what is about nothing."""
    about = read_signal(envelope.messaging, sha1=True).about  # to find whom to verify it by
    if is_answer(about):
        return None
    row = _row(gateway, about)
    whole = original_of(row.body) if row.body else None
    partner = gateway.partners.find(row.recipient)
    if whole is None or partner is None or partner.foreign is None or partner.foreign.binding != BINDING:
        raise Refused(Code.BAD_MESSAGE, f"nothing went as {row.id} in AS4")
    judged = judge(partner.foreign, _message(whole), envelope, now)
    if judged.signal.errors:
        # A partner signs errors about whatever names it, before it knows who wrote: anybody can have one for any id of ours.
        raise Refused(
            Code.BAD_MESSAGE, "an error counts on the connection of its message", partner=partner.party
        )
    return Pushed(partner.foreign, about, judged)


def _row(gateway: Gateway, about: str) -> MessageRow:
    """The message of ours that went under this MessageId. Refused(BAD_MESSAGE)."""
    text = about.partition("@")[0]
    row = gateway.store.message(MessageId(text), outgoing=True) if re.fullmatch(UUID7, text) else None
    if row is None:
        raise Refused(Code.BAD_MESSAGE, "the signal is about nothing that we sent")
    return row


def is_answer(message_id: str) -> bool:
    """Whether it is of a 997, an 824 or the like."""
    return message_id.endswith(ANSWER)


def message_of(kept: KeptMessage) -> str:
    """The MessageId of a message of ours."""
    return read_user(kept.envelope.messaging).message_id


def content_of(kept: bytes) -> bytes:
    """The file of a message of ours, from what was kept of it. As4Error if it was none."""
    found = _message(kept)
    return file_of(read_user(found.envelope.messaging).payloads[0], found.attached, KEPT_BYTES_MAX)


def _message(raw: bytes) -> KeptMessage:
    found = read_kept(raw)
    if not isinstance(found, KeptMessage):
        raise As4Error(Flaw.BAD_MIME, "not what was kept of a message of ours")
    return found


def pinned(terms: As4Terms, now: datetime) -> tuple[Certificate, ...]:
    """The partner's certificates that are valid now."""
    return tuple(one for pem in terms.certificates if is_valid(one := certificate_of(pem), now))
