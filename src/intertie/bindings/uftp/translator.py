"""Between the gateway's acts and UFTP's format: who a message is from, what it says, and our signed answers."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, NamedTuple

from intertie.formats.uftp import messages as m
from intertie.formats.uftp.codec import NotUftpError
from intertie.formats.uftp.forms import Result, Role
from intertie.formats.uftp.read import read_message
from intertie.formats.uftp.reasons import code_of, reason_of
from intertie.formats.uftp.say import say
from intertie.formats.uftp.terms import SCHEME, Context, ids_of
from intertie.gateway.accept_translated import Arrived, Said
from intertie.gateway.deliver_translated import Reply
from intertie.gateway.foreign import Foreign, Known
from intertie.gateway.gateway import Gateway, Partner
from intertie.model.errors import Code, Refused
from intertie.model.ids import new_uuid7
from intertie.model.message import Header
from intertie.model.record import Record
from intertie.seal.receipt import Outcome
from intertie.seal.sodium_sign import SodiumKey, open_signed, read_public

# The role that we have towards a partner of this role.
OTHER = {Role.AGR: Role.DSO, Role.DSO: Role.AGR}
_ANSWERS = {kind: answer for kind, (_, answer) in m.REQUESTS.items()} | {m.TestMessage: m.TestMessageResponse}


class Verified(NamedTuple):
    """A post whose signature is the pinned key's."""

    partner: Partner
    foreign: Foreign
    message: m.Payload
    signed: bytes


def find_partner(gateway: Gateway, domain: str, role: Role) -> tuple[Partner, Foreign]:
    """The partner of this domain and role; Refused(UNKNOWN_SENDER)."""
    for partner in gateway.partners.all():
        foreign = partner.foreign
        if foreign is None or foreign.binding != SCHEME:
            continue
        if (foreign.uftp.domain, foreign.uftp.role) == (domain, role):
            return partner, foreign
    raise Refused(Code.UNKNOWN_SENDER, f"no partner is {role} at this domain")


def verify(gateway: Gateway, raw: bytes) -> Verified:
    """The message of a post. Raises NotUftpError (not the schema's), Refused(UNKNOWN_SENDER | SIGNATURE_INVALID)."""
    wrapper = m.read_signed(raw)
    partner, foreign = find_partner(gateway, wrapper.sender_domain, wrapper.sender_role)
    xml = open_signed(wrapper.body, read_public(foreign.uftp.key), partner.party)
    return Verified(partner, foreign, m.read_payload(xml), wrapper.body)


class Uftp:
    """`gateway.foreign.Translator`, and the same for what arrives. `key` is asked for each time: it may be locked away."""

    def __init__(self, domain: str, key: Callable[[], SodiumKey]) -> None:
        self._domain = domain
        self._key = key

    def public_key(self) -> bytes:
        """By which partners verify what we sign."""
        return self._key().public

    def write(self, foreign: Foreign, header: Header, body: Record, known: Known) -> bytes:
        """The signed bytes of a message of ours."""
        message = say(header, body, self._context(foreign, known))
        return self._key().sign(m.write(message))

    def wrap(self, foreign: Foreign, signed: bytes) -> bytes:
        """The post that carries signed bytes of ours."""
        role = OTHER[foreign.uftp.role]
        return m.write(m.SignedMessage(sender_domain=self._domain, sender_role=role, body=signed))

    def arrived(self, verified: Verified) -> Arrived:
        """A message that wants to be admitted."""
        return Arrived(
            partner=verified.partner.party,
            foreign_id=verified.message.message_id,
            signed=verified.signed,
            created=verified.message.time_stamp,
            translate=lambda known: self._translate(verified, known),
        )

    def _translate(self, verified: Verified, known: Known) -> Said:
        message, foreign = verified.message, verified.foreign
        self._check_addressed(message, foreign)
        if isinstance(message, m.TestMessage):
            return Said(None)
        said = read_message(message, self._context(foreign, known))
        return Said(said.body, said.conversation, said.in_reply_to)

    def _check_addressed(self, message: m.Payload, foreign: Foreign) -> None:
        """From the domain that signed it, to ours, and a message of its role; Refused."""
        if message.sender_domain != foreign.uftp.domain:
            raise Refused(Code.HEADER_NOT_PARCEL, f"inside it says {message.sender_domain}")
        if message.recipient_domain != self._domain:
            raise Refused(Code.WRONG_RECIPIENT, f"for {message.recipient_domain}, this is {self._domain}")
        role = m.REQUESTS[type(message)][0] if type(message) in m.REQUESTS else foreign.uftp.role
        if role is not foreign.uftp.role:
            raise Refused(Code.WRONG_ROLE, f"{type(message).__name__} comes from a {role}")

    def answer(self, verified: Verified, now: datetime, **more: Any) -> Callable[[Outcome], bytes]:
        """Writes the signed answer to a message, once what became of it is known."""

        def write(outcome: Outcome) -> bytes:
            said = dict(more)
            if outcome.status == "refused":
                said["result"] = Result.REJECTED
                said["rejection_reason"] = reason_of(outcome.code or "", outcome.detail)
            return self._key().sign(m.write(self._response(verified, now, said)))

        return write

    def _response(self, verified: Verified, now: datetime, said: dict[str, Any]) -> m.Payload:
        message, terms = verified.message, verified.foreign.uftp
        if terms.named_responses and not isinstance(message, m.TestMessage):
            said["named"] = message.message_id
        return _ANSWERS[type(message)](
            version=terms.version,
            sender_domain=self._domain,
            recipient_domain=terms.domain,
            time_stamp=now,
            message_id=new_uuid7(now),
            conversation_id=message.conversation_id,
            reference=message.message_id,
            **said,
        )

    def reply(self, verified: Verified) -> Reply:
        """A partner's answer to a message of ours; NotUftpError if it names none."""
        message = verified.message
        assert isinstance(message, m.Response)
        if message.answers is None:
            raise NotUftpError(f"/{type(message).__name__}/@ReferenceMessageID", "is missing")
        reason = message.rejection_reason or ""
        accepted = message.result is Result.ACCEPTED
        detail = _disputes(message) if accepted else f"{code_of(reason)}: {reason}"
        return Reply(
            verified.partner.party,
            ids_of(message.answers)[0],
            accepted,
            detail,
            verified.signed,
            message.time_stamp,
        )

    def _context(self, foreign: Foreign, known: Known) -> Context:
        return Context(
            own_domain=self._domain,
            domain=foreign.uftp.domain,
            terms=foreign.uftp,
            offers=known.book.offers,
            availability=known.book.availability,
            original=lambda message: _payload(known.original(message)),
            known=known.known,
        )


def _payload(signed: bytes | None) -> m.Payload | None:
    """The message inside signed bytes that we kept: they were verified when they came."""
    return None if signed is None else m.read_payload(signed[64:])


def _disputes(message: m.Response) -> str:
    """What a settlement's answer says of single orders, as the detail of an accepted message."""
    statuses = message.statuses if isinstance(message, m.FlexSettlementResponse) else ()
    disputed = [one for one in statuses if one.disposition == "Disputed"]
    return "; ".join(f"disputed: {one.order_reference} ({one.dispute_reason})" for one in disputed)
