"""One delivery to one partner: seal what waits, send it, and believe only a receipt that verifies.

No answer, or an answer that is no receipt, means the outcome is unknown: the same bytes go again, later, until the
last message in them expires. The partner answers a repeat with the receipt it wrote the first time.
What goes is in next_parcel.py, what comes back is judged in answers.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from intertie.catalogue.flow import Channel
from intertie.gateway.gateway import Gateway, Link, Partner
from intertie.gateway.ports import MessageRow, ParcelRow
from intertie.gateway.relaying.consign import (
    consign,
    relay_of,
    take_hop_receipt,
)
from intertie.gateway.sending.answers import (
    PUT_OUT,
    Clock,
    Delivery,
    Random,
    judge,
    put_out,
    read_problem,
    take_receipt,
    unknown,
    wait_for,
)
from intertie.gateway.sending.lanes import UnderWay
from intertie.gateway.sending.moving import unfinished
from intertie.gateway.sending.next_parcel import channel_of, seal_due, sendable, take_due
from intertie.gateway.sending.reseal import Remedy, find_remedy, remedy_here
from intertie.model.errors import RULES, PartnerError, Refused
from intertie.model.ids import PartyId


async def deliver_once(
    gateway: Gateway,
    link: Link,
    party: PartyId,
    clock: Clock,
    random: Random,
    *,
    under_way: UnderWay | None = None,
    urgent: bool = False,
) -> Delivery | None:
    """Send one parcel to a partner; None if nothing is due.

    `under_way` is shared by those that deliver to this partner at the same time: none sends what another is sending.
    With `urgent` only what does not bear waiting (exchange/shedding.py) goes, and nothing is sent again.
    Raises nothing of the partner's doing: an unreachable partner, a refusal and a false receipt are outcomes.
    """
    under_way = UnderWay() if under_way is None else under_way
    partner = gateway.partners.find(party)
    if partner is None or partner.suspended or partner.fetches or partner.translated:
        return None
    if partner.one_way and not partner.by_file:  # somebody carries its parcels
        return None
    parcel = None if urgent else unfinished(gateway, party, clock(), translated=False, without=under_way)
    if parcel is None:
        rows = take_due(gateway, partner, clock(), urgent=urgent)
        try:
            granted = await link.granted(partner) if rows and partner.via is None else None
        except PartnerError as error:
            return _defer(gateway, partner, rows, str(error), clock(), random)
        with gateway.observer.span("seal"):
            sealed = seal_due(gateway, partner, sendable(gateway, rows, granted, clock()), clock())
        if sealed is None:
            return None
        parcel, rows, channel = sealed
    else:
        rows = gateway.store.parcel_messages(parcel.id, outgoing=True)
        channel = channel_of(gateway, partner, rows, clock())
    under_way.begin(parcel.id, len(rows))
    send = _send if partner.via is None else _send_by_relay
    try:
        return await send(gateway, link, partner, parcel, rows, channel, clock, random)
    finally:
        under_way.ended(parcel.id)


async def _send(
    gateway: Gateway,
    link: Link,
    partner: Partner,
    parcel: ParcelRow,
    rows: list[MessageRow],
    channel: Channel,
    clock: Clock,
    random: Random,
) -> Delivery:
    """One attempt: the sealed bytes go, and what comes back is judged."""
    urgency = min((row.priority for row in rows), default=None)
    try:
        with gateway.observer.span("post"):
            answer = await link.post(
                partner, parcel.blob or b"", hybrid=channel is Channel.HYBRID, urgency=urgency
            )
    except PartnerError as error:
        return unknown(gateway, parcel, rows, str(error), clock(), random, None)
    if answer.status == PUT_OUT:
        return put_out(gateway, parcel, rows, "put out as a file; no receipt yet", clock())
    if answer.status == 200:
        with gateway.observer.span("receipt"):
            return await take_receipt(gateway, link, partner, parcel, rows, answer, clock, random)
    problem = read_problem(answer.body)
    remedy = Remedy.WAIT
    if 400 <= answer.status < 500 and problem.code in RULES:
        remedy = await find_remedy(gateway, link, parcel, problem.code, clock())
    return judge(gateway, partner, parcel, rows, answer, problem, remedy, clock(), random)


async def _send_by_relay(
    gateway: Gateway,
    link: Link,
    partner: Partner,
    parcel: ParcelRow,
    rows: list[MessageRow],
    channel: Channel,
    clock: Clock,
    random: Random,
) -> Delivery:
    """One attempt by the relay that stands between: its hop receipt closes nothing. The same bytes go again, rarely, until what
    became of them comes back (take_return.py): a relay that lost its disk gets them so, and any other changes nothing."""
    urgency = min((row.priority for row in rows), default=None)
    try:
        relay = relay_of(gateway, partner)
        blob = consign(gateway, partner, parcel, rows, clock())
        answer = await link.post(relay, blob, hybrid=channel is Channel.HYBRID, urgency=urgency)
        if answer.status == 200:
            hop = take_hop_receipt(gateway, relay, parcel, answer.body, clock())
    except (PartnerError, Refused) as error:
        return unknown(gateway, parcel, rows, str(error), clock(), random, None)
    now = clock()
    if answer.status == PUT_OUT:
        return put_out(gateway, parcel, rows, f"put out as a file for {relay.party}; no answer yet", now)
    if answer.status != 200:
        problem = read_problem(answer.body)
        known = 400 <= answer.status < 500 and problem.code in RULES
        remedy = remedy_here(gateway, parcel, problem.code, now) if known else Remedy.WAIT
        return judge(gateway, partner, parcel, rows, answer, problem, remedy, now, random)
    said = f"taken for forwarding by {relay.party} at {hop.at.isoformat(timespec='seconds')}"
    return put_out(gateway, parcel, rows, said, now)


def _defer(
    gateway: Gateway, partner: Partner, rows: Sequence[MessageRow], detail: str, now: datetime, random: Random
) -> Delivery:
    """The partner could not be asked what it grants: nothing is sealed, and all of it waits."""
    wait = wait_for(gateway, rows, random, None)
    gateway.store.defer([row.id for row in rows], now + wait, detail[:300])
    return Delivery(None, partner.party, len(rows), False, detail)
