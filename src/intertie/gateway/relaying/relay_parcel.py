"""A parcel of others comes to be handed on: the order of verification as far as a relay sees (docs/relay.md), then one
transaction, then the hop receipt.

Nothing here opens anything. What a relay cannot see, the recipient checks: every signature inside, and that each message's flow
stands on the waybill.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from intertie.catalogue.flow import Channel, Flow
from intertie.gateway.configuration.relay_settings import Route
from intertie.gateway.gateway import Gateway, Partner, Peer
from intertie.gateway.receiving.accept_parcel import keep_refusal
from intertie.gateway.receiving.scopes import RELAY, ScopeRefused, covered
from intertie.gateway.relaying.relay_ports import Relayed
from intertie.gateway.sending.own_keys import keys_towards, own_chains
from intertie.journal.checkpoint import Head
from intertie.model.errors import Code, Refused
from intertie.model.ids import PartyId
from intertie.model.message import utc
from intertie.seal.algorithm_table import hybrid_groups
from intertie.seal.hop import Hop, Stated, read_hop, sign_hop, verify_hop
from intertie.seal.policy import requirement
from intertie.seal.profile import Profile, profile_of_suite
from intertie.seal.receipt import JournalHead
from intertie.seal.waybill import Consignment, Waybill, verify_waybill, write_trail


class Needs(NamedTuple):
    """What the flows of a waybill ask of its way: how urgent it is, and over which connection it may go."""

    priority: int
    channel: Channel


def relay(gateway: Gateway, one: Consignment, digest: bytes, *, peer: Peer | None, now: datetime) -> bytes:
    """Take a parcel for its next hop; the bytes of the signed hop receipt, once the parcel is on disk.

    `digest` is of all that came. Raises Refused, journaled; StoreError when nothing could be kept.
    """
    try:
        return _relay(gateway, one, peer, now)
    except Refused as refused:
        party = peer.party if peer is not None else None
        keep_refusal(gateway, refused, one.waybill.parcel, party, digest, now)
        raise


def _relay(gateway: Gateway, one: Consignment, peer: Peer | None, now: datetime) -> bytes:
    sender = known(gateway, one.waybill.sender)  # step 3
    if not any(
        one.waybill.sender in route.senders and one.waybill.recipient in route.recipients
        for route in gateway.relay.routes
    ):
        detail = f"no route from {one.waybill.sender} to {one.waybill.recipient}"
        raise Refused(Code.WRONG_RECIPIENT, detail, partner=sender.party)
    hops = [read_hop(raw, sender.party) for raw in one.trail]
    check_trail(gateway, one, hops)
    route = _route(gateway, one.waybill, peer)  # step 4
    assert peer is not None
    next_hop = _next_hop(gateway, one.waybill, route, peer, hops)
    check_handed_in(one, hops, peer)
    profile = profile_of_suite(one.frame.header.suite, sender.party)
    row = _row(one, peer, next_hop, len(hops) + 1, now)
    again = gateway.store.relayed(row.parcel)  # step 5
    if again is not None and (again.digest.hex(), again.sender) == (one.waybill.digest, row.sender):
        check_same(one)
        return again.receipt
    verify_waybill(one, sender.keys, gateway.trust, now)  # steps 7 and 8
    if hops:
        verify_hop(hops[-1], known(gateway, peer.party).keys, gateway.trust, now, profile)
    recipient = gateway.partners.find(one.waybill.recipient)
    needs = check_flows(gateway, one.waybill, sender, recipient, profile, now)  # step 9
    if needs.channel is Channel.HYBRID and not is_hybrid(peer):
        raise Refused(Code.TRANSPORT_TOO_WEAK, partner=sender.party)
    check_lives(one.waybill, gateway.limits.clock_skew_seconds, now)
    _check_room(gateway, row)
    end = min(row.expires, now + timedelta(days=gateway.relay.keep_days))
    return _commit(gateway, row._replace(priority=needs.priority, expires=end), profile, now)  # step 10


def known(gateway: Gateway, party: PartyId) -> Partner:
    """A partner in good standing; Refused(UNKNOWN_SENDER | SENDER_SUSPENDED)."""
    partner = gateway.partners.find(party)
    if partner is None:
        raise Refused(Code.UNKNOWN_SENDER, partner=party)
    if partner.suspended:
        raise Refused(Code.SENDER_SUSPENDED, partner=party)
    return partner


def check_trail(gateway: Gateway, one: Consignment, hops: Sequence[Stated]) -> None:
    """Each hop receipt is about this parcel, in its place; not more relays than the sender allows, none of them twice, and
    not we. Raises Refused(BAD_WAYBILL | HOP_LIMIT)."""
    waybill = one.waybill
    about = waybill.parcel, waybill.digest, waybill.sender, waybill.recipient
    for place, (hop, _, _) in enumerate(hops, 1):
        said = hop.parcel, hop.digest, hop.sender, hop.recipient
        if said != about or hop.hop != place or hop.status != "taken":
            detail = f"hop receipt {place} of the trail is not about this parcel's way"
            raise Refused(Code.BAD_WAYBILL, detail, partner=waybill.sender)
    relays = [stated.hop.by for stated in hops]
    arrived = waybill.recipient == gateway.party.id
    if len(relays) + (0 if arrived else 1) > waybill.hops:
        detail = f"{len(relays)} relays had it, its sender allows {waybill.hops}"
        raise Refused(Code.HOP_LIMIT, detail, partner=waybill.sender)
    if gateway.party.id in relays or len(set(relays)) < len(relays):
        detail = f"it came back: {', '.join(relays)} had it"
        raise Refused(Code.HOP_LIMIT, detail, partner=waybill.sender)


def _route(gateway: Gateway, waybill: Waybill, peer: Peer | None) -> Route:
    """Step 4: who hands it in is its sender, or the relay that a route names; and may."""
    route = gateway.relay.find(waybill.sender, waybill.recipient, peer.party) if peer is not None else None
    if route is None or peer is None:
        belongs = peer.party if peer is not None else "nobody"
        detail = f"the connection belongs to {belongs}, and no route lets it hand this in"
        raise Refused(Code.TRANSPORT_NOT_SENDER, detail, partner=waybill.sender)
    known(gateway, peer.party)
    check_scope(peer)
    return route


def check_scope(peer: Peer) -> None:
    """Refused(INSUFFICIENT_SCOPE) unless the token lets it hand in parcels of others, and what became of ours."""
    if peer.scopes is not None and not covered(peer.scopes, RELAY):
        raise ScopeRefused([RELAY], peer.party)


def check_handed_in(one: Consignment, hops: Sequence[Stated], peer: Peer) -> None:
    """Whoever hands it in is the last of its trail, or its sender; Refused(TRANSPORT_NOT_SENDER)."""
    last = hops[-1].hop.by if hops else one.waybill.sender
    if last != peer.party:
        detail = f"{last} had it last, the connection belongs to {peer.party}"
        raise Refused(Code.TRANSPORT_NOT_SENDER, detail, partner=one.waybill.sender)


def check_same(one: Consignment) -> None:
    """Refused(PARCEL_ID_REUSED) unless the bytes are those that the waybill names: a repeat is of the whole parcel."""
    if one.digest != one.waybill.digest:
        raise Refused(Code.PARCEL_ID_REUSED, partner=one.waybill.sender)


def _next_hop(
    gateway: Gateway, waybill: Waybill, route: Route, peer: Peer, hops: Sequence[Stated]
) -> PartyId:
    next_hop = PartyId(route.next) if route.next else waybill.recipient
    if gateway.partners.find(next_hop) is None:
        detail = f"{next_hop}, to whom the route leads, is no partner of this gateway"
        raise Refused(Code.WRONG_RECIPIENT, detail, partner=waybill.sender)
    if next_hop in (peer.party, waybill.sender, *(stated.hop.by for stated in hops)):
        raise Refused(Code.HOP_LIMIT, f"the route leads back to {next_hop}", partner=waybill.sender)
    return next_hop


def check_flows(
    gateway: Gateway,
    waybill: Waybill,
    sender: Partner,
    recipient: Partner | None,
    profile: Profile,
    now: datetime,
) -> Needs:
    """Step 9: each flow on the waybill is in the catalogue, may go by a relay, is between roles that the two hold (of a
    recipient that is no partner here, its own relay knows them), and is protected as it needs.

    Raises Refused(UNKNOWN_FLOW | RELAY_NOT_ALLOWED | WRONG_ROLE | PROTECTION_TOO_WEAK).
    """
    flows = _flows_of(gateway, waybill)
    policy = gateway.policy_on(now)
    channel = Channel.ANY
    for flow in flows:
        if not flow.relay:
            detail = f"the catalogue does not let {flow.key} go by a relay"
            raise Refused(Code.RELAY_NOT_ALLOWED, detail, partner=sender.party)
        theirs = recipient.roles if recipient is not None else {flow.recipient}
        if flow.sender not in sender.roles or flow.recipient not in theirs:
            raise Refused(
                Code.WRONG_ROLE, f"{flow.key}: a party does not hold its role", partner=sender.party
            )
        needed = requirement(flow, policy.today, policy.settings)
        if profile.rank < needed.profile.rank:
            detail = f"{flow.key} needs {needed.profile.name}, the parcel has {profile.name}"
            raise Refused(Code.PROTECTION_TOO_WEAK, detail, partner=sender.party)
        if needed.channel is Channel.HYBRID:
            channel = Channel.HYBRID
    return Needs(min(flow.priority for flow in flows), channel)


def _flows_of(gateway: Gateway, waybill: Waybill) -> list[Flow]:
    by_key = {flow.key: flow for flow in gateway.catalogue.flows()}
    unknown = [key for key in waybill.flows if key not in by_key]
    if unknown:
        raise Refused(Code.UNKNOWN_FLOW, f"there is no flow {unknown[0]}", partner=waybill.sender)
    return [by_key[key] for key in waybill.flows]


def check_lives(waybill: Waybill, skew_seconds: int, now: datetime) -> None:
    """Whether it is worth carrying, and not of our future; Refused(EXPIRED | FROM_THE_FUTURE)."""
    if waybill.expires <= now:
        detail = f"it was worth carrying until {waybill.expires.isoformat()}"
        raise Refused(Code.EXPIRED, detail, partner=waybill.sender)
    if waybill.created > now + timedelta(seconds=skew_seconds):
        detail = f"created {waybill.created.isoformat()}, here it is {now.isoformat()}"
        raise Refused(Code.FROM_THE_FUTURE, detail, partner=waybill.sender)


def is_hybrid(peer: Peer) -> bool:
    """Whether the connection's key exchange was post-quantum hybrid too."""
    return peer.transport is not None and peer.transport.group in hybrid_groups()


def _check_room(gateway: Gateway, row: Relayed) -> None:
    """A limit of step 1 that needs to know whose it is. A repeat is answered however full it is here."""
    rules, load = gateway.relay, gateway.store.relay_load(row.sender)
    if load.parcels >= rules.waiting_parcels or load.size + row.size > rules.waiting_bytes:
        detail = f"{load.parcels} parcels of {load.size} bytes of {row.sender} wait here"
        raise Refused(Code.RELAY_FULL, detail, partner=row.sender)


def _row(one: Consignment, peer: Peer, next_hop: PartyId, hop: int, now: datetime) -> Relayed:
    waybill = one.waybill
    return Relayed(
        parcel=waybill.parcel,
        sender=waybill.sender,
        recipient=waybill.recipient,
        previous=peer.party,
        next=next_hop,
        hop=hop,
        digest=bytes.fromhex(waybill.digest),
        suite=one.frame.header.suite,
        size=len(one.parcel),
        blob=one.parcel,
        waybill=one.waybill_bytes,
        trail=write_trail(one.trail),
        receipt=b"",
        at=now,
        expires=waybill.expires,
        priority=9,
    )


def _commit(gateway: Gateway, row: Relayed, profile: Profile, now: datetime) -> bytes:
    """Step 10: the parcel, its journal entries and the hop receipt in one transaction."""
    keys = keys_towards(gateway, row.previous, now)
    gateway.store.keep_chains(own_chains(keys))

    def write(head: Head) -> bytes:
        taken = Hop(
            v=1,
            status="taken",
            parcel=row.parcel,
            digest=row.digest.hex(),
            sender=row.sender,
            recipient=row.recipient,
            by=gateway.party.id,
            hop=row.hop,
            at=utc(now),
            expires=utc(row.expires),
            next=row.next,
            journal=JournalHead(size=head.size, root=head.root.hex()),
        )
        return sign_hop(taken, keys, profile)

    return gateway.store.take_relayed(row, write, now)
