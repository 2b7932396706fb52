"""Descriptors between partners: ours is told to each of them, theirs is taken when it is newer, and fetched when a
certificate or a key turns up that we do not know."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple

import msgspec

from intertie.exchange.outbound import backoff
from intertie.gateway.gateway import Gateway, Link, Partner
from intertie.journal.entry import Entry, Kind
from intertie.model.errors import Code, PartnerError, Refused
from intertie.model.ids import PartyId
from intertie.seal.descriptor import check_not_weaker, read_descriptor


class Acknowledged(msgspec.Struct, frozen=True):
    """The answer to a descriptor: the newest sequence that is known of its party."""

    sequence: int


def take_descriptor(gateway: Gateway, raw: bytes, party: PartyId, now: datetime) -> bool:
    """Keep a partner's descriptor if it is newer than the known one, and journal that; False if it is not newer.

    `party` is whose connection it came over. It must be signed by that party, under roots that we trust for it, and may
    change keys, certificates, name and address. It may not claim a role that a person here has not seen, nor drop a profile.
    Raises Refused.
    """
    partner = gateway.partners.find(party)
    if partner is None:
        raise Refused(Code.UNKNOWN_SENDER, partner=party)
    descriptor = read_descriptor(raw, gateway.trust, now, policy=gateway.policy)
    if descriptor.party != party:
        raise Refused(Code.TRANSPORT_NOT_SENDER, f"the descriptor is {descriptor.party}'s", partner=party)
    gained = sorted(descriptor.roles - partner.roles)
    if gained:
        detail = f"it claims the role {', '.join(gained)}: `intertie partner add` takes it, by hand"
        raise Refused(Code.WRONG_ROLE, detail, partner=party)
    check_not_weaker(partner.keys, descriptor.keys)
    if not gateway.partners.renew(raw, descriptor, now):
        return False
    entry = Entry(
        kind=Kind.ACT,
        at=now,
        partner=party,
        digest=hashlib.sha256(raw).hexdigest(),
        note=f"descriptor {descriptor.sequence}",
    )
    gateway.store.keep_chains(descriptor.keys.chains)
    gateway.store.note([entry])
    return True


async def fetch_descriptor(gateway: Gateway, link: Link, party: PartyId, now: datetime) -> bool:
    """Ask a partner for its descriptor and take it if it is newer; whether it was. Raises PartnerError, Refused."""
    partner = gateway.partners.find(party)
    if partner is None or (partner.url and not partner.has_door):  # its door is not ours to call
        return False
    return take_descriptor(gateway, await link.get_descriptor(partner), party, now)


class Told(NamedTuple):
    """Our own descriptor and its sequence number."""

    raw: bytes
    sequence: int


class _Attempt(NamedTuple):
    sequence: int
    failures: int
    next: datetime


class Announcer:
    """Tells each partner our newest descriptor until it acknowledges it."""

    def __init__(self, gateway: Gateway, link: Link, descriptor: Callable[[], Told]) -> None:
        """`descriptor` gives our own as it is now."""
        self._gateway = gateway
        self._link = link
        self._descriptor = descriptor
        self._attempts: dict[PartyId, _Attempt] = {}

    async def announce(self, party: PartyId, now: datetime, random: Callable[[], float]) -> str:
        """One attempt, if there is something to tell and it is time. What went wrong, or "".

        Raises nothing of the partner's doing: until it acknowledges, we sign with keys that it knows.
        """
        partner = self._gateway.partners.find(party)
        if partner is None or partner.suspended or not partner.has_door:
            # Who fetches hears of it with its next parcel (bindings/parcel_https/pull.py); by a relay no descriptor goes.
            return ""
        raw, sequence = self._descriptor()
        before = self._attempts.get(party, _Attempt(0, 0, now))
        if self._gateway.store.announced(party) >= sequence:
            return ""
        if before.sequence == sequence and now < before.next:
            return ""
        why = await self._tell(partner, raw, sequence)
        if why:
            count = before.failures + 1 if before.sequence == sequence else 0
            limits = self._gateway.limits
            wait = backoff(
                count, random(), first=limits.retry_first_seconds, ceiling=limits.retry_ceiling_seconds
            )
            self._attempts[party] = _Attempt(sequence, count, now + wait)
        return why

    async def _tell(self, partner: Partner, raw: bytes, sequence: int) -> str:
        try:
            answer = await self._link.post_descriptor(partner, raw)
        except PartnerError as error:
            return error.why
        if answer.status != 200:
            return f"HTTP {answer.status}"
        try:
            known = msgspec.json.decode(answer.body, type=Acknowledged).sequence
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return "the answer is no acknowledgement"
        if known < sequence:
            return f"it knows {known}, not {sequence}"
        self._gateway.store.set_announced(partner.party, sequence)
        return ""
