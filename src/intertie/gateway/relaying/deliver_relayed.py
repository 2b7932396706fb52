"""Parcels of others go on to their next hop, and what became of them goes back: pushed, or handed to who comes for it.

No answer means: the same bytes again, later, until the parcel's end. The end, and a refusal that lasts, are told to whoever
handed the parcel over, signed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import NamedTuple

from intertie.catalogue.flow import Channel
from intertie.exchange.outbound import WAIT_MAX, backoff
from intertie.exchange.relaying import GIVE_UP_AFTER, Back, Event, Passage, Telling
from intertie.gateway.gateway import Gateway, Link, LinkAnswer, Partner
from intertie.gateway.relaying.relay_ports import Relayed
from intertie.gateway.relaying.take_return import check_passing_receipt, onward_parts
from intertie.gateway.sending.answers import PUT_OUT, Clock, Delivery, Random, read_problem
from intertie.gateway.sending.own_keys import keys_towards, own_chains
from intertie.journal.entry import Entry, Kind
from intertie.model.errors import RULES, Code, PartnerError, Refused
from intertie.model.ids import PartyId
from intertie.model.message import utc
from intertie.seal.hop import Hop, part_of, read_hop, sign_hop, verify_hop, write_return
from intertie.seal.policy import requirement
from intertie.seal.profile import profile_of_suite
from intertie.seal.receipt import JournalHead
from intertie.seal.waybill import flows_of, read_trail, write_consignment

# Refusals of our connection, not of the parcel: once that is mended the same bytes are welcome.
OUR_OWN = frozenset({Code.TRANSPORT_CERTIFICATE, Code.INVALID_TOKEN, Code.INSUFFICIENT_SCOPE})


class Going(NamedTuple):
    """What goes to one party, and how."""

    row: Relayed
    blob: bytes
    back: bool  # what became of it, for who handed it over
    channel: Channel


def next_relayed(gateway: Gateway, party: PartyId, now: datetime) -> Going | None:
    """What of others is due for this party; None if nothing is."""
    row = gateway.store.relay_due(party, now)
    if row is None:
        return None
    if row.back is Back.OWED and row.previous == party:
        return Going(row, row.answer or b"", True, Channel.ANY)
    blob = write_consignment(row.waybill, [*read_trail(row.trail), row.receipt], row.blob or b"")
    return Going(row, blob, False, _channel(gateway, row, now))


async def deliver_relayed(
    gateway: Gateway, link: Link, party: PartyId, clock: Clock, random: Random
) -> Delivery | None:
    """Hand one parcel of others on, or what became of one back; None if nothing is due. Raises nothing of the party's doing."""
    partner = gateway.partners.find(party)
    if partner is None or partner.suspended or partner.fetches or not (partner.url or partner.by_file):
        return None
    going = next_relayed(gateway, party, clock())
    if going is None:
        return None
    hybrid, urgency = going.channel is Channel.HYBRID, going.row.priority
    try:
        answer = await link.post(partner, going.blob, hybrid=hybrid, urgency=urgency)
    except PartnerError as error:
        return _later(gateway, partner, going.row, str(error), clock(), random, None)
    if answer.status == PUT_OUT:
        said = "put out as a file; no answer yet"
        gateway.store.defer_relayed(going.row.parcel, clock() + WAIT_MAX, said)
        return Delivery(going.row.parcel, party, 0, True, said)
    return judge_relayed(gateway, partner, going.row, answer, clock(), random)


def judge_relayed(
    gateway: Gateway, partner: Partner, row: Relayed, answer: LinkAnswer, now: datetime, random: Random
) -> Delivery:
    """What the other side said to what of others was handed to it."""
    try:
        if row.previous == partner.party:
            return _given_back(gateway, partner, row, answer, now, random)
        if answer.status == 200:
            return _handed_on(gateway, partner, row, answer, now)
    except Refused as error:
        said = f"the answer is no receipt: {error}"
        return _later(gateway, partner, row, said, now, random, None)
    problem = read_problem(answer.body)
    detail = f"HTTP {answer.status} {problem.code} {problem.detail}".strip()[:300]
    lasting = 400 <= answer.status < 500 and problem.code in RULES and not problem.retry
    if lasting and Code(problem.code) not in OUR_OWN:
        end(gateway, row, Event.REFUSE, now, code=Code(problem.code))
        return Delivery(row.parcel, partner.party, 0, False, f"refused: {problem.code}")
    return _later(gateway, partner, row, detail, now, random, answer.retry_after)


def end_relayed(gateway: Gateway, now: datetime) -> list[Relayed]:
    """What could not be handed on in its time ends, and is told; what nobody came to hear is let go. Those that ended now."""
    ended = []
    for row in gateway.store.relay_ending(now):
        if row.passage in (Passage.TAKEN, Passage.PASSED):
            end(gateway, row, Event.EXPIRE, now)
            ended.append(row)
        elif row.back is Back.OWED and row.expires + GIVE_UP_AFTER <= now:
            entry = _entry(row, row.previous, row.digest, "relay: not given back", now)
            gateway.store.tell_relayed(row.parcel, Telling.GIVE_UP, entry)
    return ended


def end(gateway: Gateway, row: Relayed, event: Event, now: datetime, *, code: Code | None = None) -> None:
    """The parcel will not go on: our signed notice is owed to who handed it over."""
    keys = keys_towards(gateway, row.previous, now)
    gateway.store.keep_chains(own_chains(keys))
    head = gateway.store.head()
    status = "refused" if event is Event.REFUSE else "expired"
    waited = "it was not taken" if row.passage is Passage.TAKEN else "it was taken there, and no receipt came"
    notice = Hop(
        v=1,
        status="refused" if event is Event.REFUSE else "expired",
        parcel=row.parcel,
        digest=row.digest.hex(),
        sender=row.sender,
        recipient=row.recipient,
        by=gateway.party.id,
        hop=row.hop,
        at=utc(now),
        expires=utc(row.expires),
        next=row.next,
        code=code.value if code is not None else None,
        detail=RULES[code].sentence if code is not None else waited,
        journal=JournalHead(size=head.size, root=head.root.hex()),
    )
    signed = sign_hop(notice, keys, profile_of_suite(row.suite))
    answer = write_return(
        row.parcel, onward_parts(gateway, row), notice=part_of(signed, keys.public().signing)
    )
    note = f"relay: {status}" + (f" {code}" if code is not None else "")
    entry = _entry(row, row.next, row.digest, note, now)
    gateway.store.move_relayed(row.parcel, event, entry, answer=answer, detail=notice.detail)


def _handed_on(
    gateway: Gateway, partner: Partner, row: Relayed, answer: LinkAnswer, now: datetime
) -> Delivery:
    """The recipient's receipt, or the next relay's hop receipt; Refused for anything else."""
    profile = profile_of_suite(row.suite)
    gateway.store.keep_chains(partner.keys.chains)
    if partner.party == row.recipient:
        check_passing_receipt(gateway, row, answer.body, profile, now)
        entry = _entry(row, partner.party, hashlib.sha256(answer.body).digest(), "relay: receipt", now)
        back = write_return(row.parcel, (), receipt=answer.body)
        gateway.store.move_relayed(row.parcel, Event.RECEIPT, entry, answer=back)
        return Delivery(row.parcel, partner.party, 0, True, "")
    hop = verify_hop(read_hop(answer.body, partner.party), partner.keys, gateway.trust, now, profile)
    if hop.status != "taken" or not _about(hop, row):
        raise Refused(Code.BAD_WAYBILL, "it is no hop receipt for this parcel", partner=partner.party)
    entry = _entry(row, partner.party, hashlib.sha256(answer.body).digest(), "relay: passed on", now)
    gateway.store.move_relayed(row.parcel, Event.PASS, entry, onward=answer.body)
    return Delivery(row.parcel, partner.party, 0, True, f"passed on to {partner.party}")


def _given_back(
    gateway: Gateway, partner: Partner, row: Relayed, answer: LinkAnswer, now: datetime, random: Random
) -> Delivery:
    """Who handed the parcel over has what became of it, and signed that; or wants to hear nothing of it."""
    if answer.status == 200:
        stated = read_hop(answer.body, partner.party)
        hop = verify_hop(stated, partner.keys, gateway.trust, now, profile_of_suite(row.suite))
        if hop.status != "returned" or not _about(hop, row):
            raise Refused(Code.BAD_WAYBILL, "it confirms something else", partner=partner.party)
        entry = _entry(row, partner.party, hashlib.sha256(answer.body).digest(), "relay: given back", now)
        gateway.store.tell_relayed(row.parcel, Telling.CONFIRM, entry)
        return Delivery(row.parcel, partner.party, 0, True, f"given back to {partner.party}")
    problem = read_problem(answer.body)
    if answer.status == RULES[Code.NOT_RELAYED].http and problem.code == Code.NOT_RELAYED:
        entry = _entry(row, partner.party, row.digest, "relay: not given back", now)
        gateway.store.tell_relayed(row.parcel, Telling.GIVE_UP, entry)
        return Delivery(row.parcel, partner.party, 0, False, "it knows nothing of it")
    detail = f"HTTP {answer.status} {problem.code}".strip()
    return _later(gateway, partner, row, detail, now, random, answer.retry_after)


def _later(
    gateway: Gateway,
    partner: Partner,
    row: Relayed,
    detail: str,
    now: datetime,
    random: Callable[[], float],
    retry_after: float | None,
) -> Delivery:
    limits = gateway.limits
    wait = backoff(
        row.attempts, random(), first=limits.retry_first_seconds, ceiling=limits.retry_ceiling_seconds
    )
    if retry_after is not None:
        wait = max(wait, timedelta(seconds=min(retry_after, WAIT_MAX.total_seconds())))
    gateway.store.defer_relayed(row.parcel, now + min(wait, WAIT_MAX), detail[:300])
    return Delivery(row.parcel, partner.party, 0, False, detail)


def _channel(gateway: Gateway, row: Relayed, now: datetime) -> Channel:
    """The connection that it may leave over: hybrid if one of its flows needs that."""
    named = frozenset(flows_of(row.waybill))
    policy = gateway.policy_on(now)
    for flow in gateway.catalogue.flows():
        if flow.key in named and requirement(flow, policy.today, policy.settings).channel is Channel.HYBRID:
            return Channel.HYBRID
    return Channel.ANY


def _about(hop: Hop, row: Relayed) -> bool:
    said = hop.parcel, hop.digest, hop.sender, hop.recipient
    return said == (row.parcel, row.digest.hex(), row.sender, row.recipient)


def _entry(row: Relayed, partner: PartyId, digest: bytes, note: str, now: datetime) -> Entry:
    return Entry(kind=Kind.ACT, at=now, partner=partner, parcel=row.parcel, digest=digest.hex(), note=note)
