"""What goes next to a partner: what is due, may go by the way there is, and is sealed and kept before a byte leaves."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime

from intertie.catalogue.flow import Channel
from intertie.exchange.outbound import ImpossibleEvent, State
from intertie.gateway.attaching.attachments import ready_to_go
from intertie.gateway.gateway import Gateway, Partner
from intertie.gateway.ports import MessageRow, ParcelRow
from intertie.gateway.receiving.scopes import covered, scope_of
from intertie.gateway.relaying.consign import (
    check_relayed,
    check_way_back,
)
from intertie.gateway.sending.cancel import finish
from intertie.gateway.sending.flow_control import URGENT_COUNT, stop_up, unstopped
from intertie.gateway.sending.moving import of_kind, unfinished
from intertie.gateway.sending.own_keys import keys_towards, own_chains
from intertie.gateway.sending.reseal import shrink
from intertie.model.errors import Code, Refused
from intertie.model.ids import new_parcel_id
from intertie.model.message import read_envelope
from intertie.seal.parcel import seal_parcel
from intertie.seal.protect import needed_connection, protect


def next_parcel(
    gateway: Gateway,
    partner: Partner,
    granted: frozenset[str] | None,
    now: datetime,
    *,
    due: datetime,
    most: int,
) -> tuple[ParcelRow, list[MessageRow], Channel] | None:
    """For a partner that comes for its parcels: the oldest one without a receipt that is due at `due`, the same bytes; else
    what waits, sealed now, unless it has not receipted `most` already. With its messages, and the connection they need.
    None if there is nothing."""
    parcel = unfinished(gateway, partner.party, due, translated=False)
    if parcel is not None:
        rows = gateway.store.parcel_messages(parcel.id, outgoing=True)
        return parcel, rows, channel_of(gateway, partner, rows, now)
    if gateway.store.waiting_parcels().get(partner.party, 0) >= most:
        return None
    rows = take_due(gateway, partner, now)
    with gateway.observer.span("seal"):
        return seal_due(gateway, partner, sendable(gateway, rows, granted, now), now)


def channel_of(gateway: Gateway, partner: Partner, rows: Sequence[MessageRow], now: datetime) -> Channel:
    """The connection that a parcel may leave over again."""
    bodies = (row.body for row in rows)
    return needed_connection(bodies, gateway.party.roles, partner.roles, gateway.policy_on(now))


def take_due(gateway: Gateway, partner: Partner, now: datetime, *, urgent: bool = False) -> list[MessageRow]:
    """What is due, and whose files are with the partner; while its stop flag is up, or with `urgent`, only what does not
    bear waiting."""
    limits = gateway.limits
    count, size = limits.messages_per_parcel, limits.parcel_target_bytes
    stopped = stop_up(gateway, partner.party, ours=False, now=now) is not None
    if stopped or urgent:
        count = URGENT_COUNT
    taken = of_kind(gateway.store.take_outgoing(partner.party, now, count=count, size=size), translated=False)
    rows = shrink(taken, count, size)
    return ready_to_go(gateway, unstopped(rows) if stopped or urgent else rows, now)


def sendable(
    gateway: Gateway, rows: Sequence[MessageRow], granted: frozenset[str] | None, now: datetime
) -> list[MessageRow]:
    """The messages that the partner lets us send, and that may go by the way there is to it. Each other one fails by itself: in
    a parcel it would take all down."""
    kept = []
    for row in rows:
        try:
            _check_way(gateway, row, now)
        except Refused as refused:
            finish(gateway, row, State.FAILED, str(refused), now)
            continue
        scope = scope_of(row.interface, row.document)
        if granted is None or covered(granted, scope):
            kept.append(row)
            continue
        detail = f"{Code.INSUFFICIENT_SCOPE}: {row.recipient} does not grant us {scope}; ask its operators"
        finish(gateway, row, State.FAILED, detail, now)
    return kept


def _check_way(gateway: Gateway, row: MessageRow, now: datetime) -> None:
    """Refused(RELAY_NOT_ALLOWED) for a message that must not go by a relay, or needs a receipt, if the way (since
    it was queued) is by a relay, or has no way back: NO_WAY_BACK."""
    partner = gateway.partners.find(row.recipient)
    if partner is None or not (partner.via or partner.one_way):
        return
    header = read_envelope(row.body).header
    flow, _ = gateway.policy_on(now).flow_of(header, gateway.party.roles, partner.roles)
    check_relayed(flow, partner, row.id)
    check_way_back(flow, partner, row.id)


def seal_due(
    gateway: Gateway, partner: Partner, rows: Sequence[MessageRow], now: datetime
) -> tuple[ParcelRow, list[MessageRow], Channel] | None:
    """Seal messages into a parcel, and keep it before a byte leaves; with its messages, and the connection they need."""
    if not rows:
        return None
    keys = keys_towards(gateway, partner.party, now)
    gateway.store.keep_chains(own_chains(keys))
    plan = protect(
        [row.body for row in rows],
        keys=keys,
        sender_roles=gateway.party.roles,
        recipient=partner.keys,
        recipient_roles=partner.roles,
        policy=gateway.policy_on(now),
    )
    for place, refused in plan.refused.items():  # the others go: one that cannot does not hold them up
        finish(gateway, rows[place], State.FAILED, str(refused), now)
    rows = [rows[place] for place in plan.places]
    if plan.protected is None:
        return None
    try:
        seq = gateway.store.next_seq(partner.party)
        sealed = seal_parcel(plan.protected, parcel=new_parcel_id(now), seq=seq, created=now)
    except Refused as refused:  # too large: a message that no parcel can carry
        for row in rows:
            finish(gateway, row, State.FAILED, str(refused), now)
        return None
    parcel = ParcelRow(
        id=sealed.header.parcel,
        outgoing=True,
        partner=partner.party,
        digest=hashlib.sha256(sealed.blob).digest(),
        blob=sealed.blob,
        manifest=sealed.manifest,
        leaves=b"".join(row.leaf for row in rows),
        receipt=None,
        at=now,
    )
    try:
        gateway.store.add_parcel(parcel, [row.id for row in rows], now)
    except ImpossibleEvent:  # another process took or cancelled one of them: look again next time
        return None
    return parcel, rows, plan.channel
