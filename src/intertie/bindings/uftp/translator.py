"""Between the gateway's acts and UFTP's format: who a message is from, what it says, and our signed answers."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from datetime import datetime
from typing import Any, NamedTuple

from intertie.bindings.uftp.proof import UftpVerifier
from intertie.formats.uftp import messages as m
from intertie.formats.uftp.codec import NotUftpError
from intertie.formats.uftp.forms import Result, Role
from intertie.formats.uftp.read import read_message
from intertie.formats.uftp.read_settlement import statuses_of
from intertie.formats.uftp.reasons import code_of, reason_of
from intertie.formats.uftp.say import say
from intertie.formats.uftp.terms import SCHEME, Context, ids_of
from intertie.gateway.gateway import Gateway, Partner
from intertie.gateway.translating.accept_translated import Arrived, Said
from intertie.gateway.translating.deliver_translated import Reply
from intertie.gateway.translating.foreign import Foreign, ForeignKeys, Known
from intertie.model.errors import Code, Refused
from intertie.model.ids import new_uuid7
from intertie.model.message import Header
from intertie.model.record import Record
from intertie.seal.receipt import Outcome
from intertie.seal.sodium_keys import OwnKeys, present
from intertie.seal.sodium_sign import SodiumKey, open_signed, read_public, write_public
from intertie.seal.translated_evidence import ForeignVerifier

# The role that we have towards a partner of this role.
OTHER = {Role.AGR: Role.DSO, Role.DSO: Role.AGR}
_ANSWERS = {kind: answer for kind, (_, answer) in m.REQUESTS.items()} | {m.TestMessage: m.TestMessageResponse}


class Verified(NamedTuple):
    """A post whose signature is the pinned key's."""

    partner: Partner
    foreign: Foreign
    message: m.Payload
    signed: bytes
    key: str  # which it was


def find_partner(gateway: Gateway, domain: str, role: Role) -> tuple[Partner, Foreign]:
    """The partner of this domain and role; Refused(UNKNOWN_SENDER)."""
    for partner in gateway.partners.all():
        foreign = partner.foreign
        if foreign is None or foreign.binding != SCHEME:
            continue
        if (foreign.uftp.domain, foreign.uftp.role) == (domain, role):
            return partner, foreign
    raise Refused(Code.UNKNOWN_SENDER, f"no partner is {role} at this domain")


def verify(gateway: Gateway, raw: bytes, now: datetime) -> Verified:
    """The message of a post. Raises NotUftpError (not the schema's), Refused(UNKNOWN_SENDER | SIGNATURE_INVALID)."""
    wrapper = m.read_signed(raw)
    partner, foreign = find_partner(gateway, wrapper.sender_domain, wrapper.sender_role)
    first, *others = foreign.uftp.keys_at(now)
    for key in others:
        with contextlib.suppress(Refused):
            xml = open_signed(wrapper.body, read_public(key), partner.party)
            return Verified(partner, foreign, m.read_payload(xml), wrapper.body, key)
    xml = open_signed(wrapper.body, read_public(first), partner.party)
    return Verified(partner, foreign, m.read_payload(xml), wrapper.body, first)


class Uftp:
    """`gateway.translating.foreign.Translator`, and the same for what arrives.

    `keys` are asked for each time: they may be locked away.
    """

    verifier: ForeignVerifier = UftpVerifier()

    def __init__(self, domain: str, keys: OwnKeys) -> None:
        self._domain = domain
        self._keys = keys

    def keys(self, foreign: Foreign, now: datetime) -> ForeignKeys:
        """By which either side's signatures verify; ours first is the one that signs now."""
        terms = foreign.uftp
        mine = (self.key_for(foreign, now), *(one.key for one in self._keys()))
        ours = dict.fromkeys(write_public(key.public) for key in mine)
        return ForeignKeys(tuple(ours), (terms.key, *(one.key for one in terms.keys)))

    def public_key(self, now: datetime) -> bytes:
        """By which partners verify what we sign, if nothing else is agreed."""
        return present(self._keys(), now).public

    def key_for(self, foreign: Foreign, now: datetime) -> SodiumKey:
        """Which key signs for a partner: the newest that has begun, but for a partner that keeps to an older one, that one."""
        terms, keys = foreign.uftp, self._keys()
        if terms.our_key is not None and terms.our_key_until is not None and now < terms.our_key_until:
            wanted = read_public(terms.our_key)
            for one in keys:
                if one.key.public == wanted:
                    return one.key
        return present(keys, now)

    def write(self, foreign: Foreign, header: Header, body: Record, known: Known) -> bytes:
        """The signed bytes of a message of ours."""
        message = say(header, body, self._context(foreign, known))
        return self.key_for(foreign, header.created).sign(m.write(message))

    def wrap(self, foreign: Foreign, signed: bytes) -> bytes:
        """The post that carries signed bytes of ours."""
        role = OTHER[foreign.uftp.role]
        return m.write(m.SignedMessage(sender_domain=self._domain, sender_role=role, body=signed))

    def take(self, verified: Verified, now: datetime) -> tuple[Arrived, Callable[[Outcome], bytes]]:
        """A message that wants to be admitted, and what writes the signed answer once it is known what became of it."""
        statuses: list[m.OrderSettlementStatus] = []
        arrived = Arrived(
            partner=verified.partner.party,
            foreign_id=verified.message.message_id,
            signed=verified.signed,
            created=verified.message.time_stamp,
            key=verified.key,
            translate=lambda known: self._translate(verified, known, statuses),
        )
        return arrived, self._answer(verified, now, statuses)

    def _translate(self, verified: Verified, known: Known, statuses: list[m.OrderSettlementStatus]) -> Said:
        message, foreign = verified.message, verified.foreign
        self._check_addressed(message, foreign)
        if isinstance(message, m.TestMessage):
            return Said(None)
        context = self._context(foreign, known)
        said = read_message(message, context)
        if isinstance(message, m.FlexSettlement):
            statuses[:] = statuses_of(message, context)
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

    def _answer(
        self, verified: Verified, now: datetime, statuses: list[m.OrderSettlementStatus]
    ) -> Callable[[Outcome], bytes]:
        message = verified.message

        def write(outcome: Outcome) -> bytes:
            said: dict[str, Any] = {}
            reason = ""
            if outcome.status == "refused":
                reason = reason_of(outcome.code or "", outcome.detail)
                said = {"result": Result.REJECTED, "rejection_reason": reason}
            if isinstance(message, m.FlexSettlement):
                said["statuses"] = statuses_of(message, None, reason) if reason else tuple(statuses)
            response = m.write(self._response(verified, now, said))
            return self.key_for(verified.foreign, now).sign(response)

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
