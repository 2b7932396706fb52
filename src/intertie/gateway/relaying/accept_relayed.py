"""A parcel for us that came by a relay: whose connection it is, and what the waybill says, before it is taken in as any."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from intertie.gateway.gateway import Gateway, Partner, Peer
from intertie.gateway.receiving.accept_parcel import accept, keep_refusal
from intertie.gateway.receiving.scopes import FETCH, scopes_of
from intertie.gateway.relaying.relay_parcel import check_handed_in, check_scope, check_trail, known
from intertie.model.errors import Code, Refused
from intertie.seal.hop import Stated, read_hop, verify_hop
from intertie.seal.profile import Profile, profile_of_suite
from intertie.seal.waybill import Consignment, verify_waybill


def accept_relayed(
    gateway: Gateway, one: Consignment, digest: bytes, *, peer: Peer | None, now: datetime
) -> bytes:
    """Take a parcel in that a relay hands over; our receipt, which is for its sender. `digest` is of all that came. Raises as
    `accept`."""
    try:
        sender, by, hops = _checked(gateway, one, peer, now)
    except Refused as refused:
        party = peer.party if peer is not None else None
        keep_refusal(gateway, refused, one.waybill.parcel, party, digest, now)
        raise
    # What it may hand in is what its sender may; that the connection is a relay's, each message's flow is asked about.
    scopes = scopes_of(gateway.catalogue, sender, gateway.party.roles) - {FETCH}
    as_sender = Peer(sender.party, by.transport, scopes, waybill=frozenset(one.waybill.flows))
    receipt = accept(gateway, one.parcel, peer=as_sender, now=now)
    profile = profile_of_suite(one.frame.header.suite, sender.party)
    kept = [stated.raw for stated in hops if _verifies(gateway, stated, profile, now)]
    gateway.store.keep_hops(
        one.waybill.parcel, outgoing=False, partner=sender.party, statements=kept, now=now
    )
    return receipt


def _checked(
    gateway: Gateway, one: Consignment, peer: Peer | None, now: datetime
) -> tuple[Partner, Peer, Sequence[Stated]]:
    """Steps 3, 4 and 7 for what is around the parcel: its sender, who hands it in, and the waybill."""
    sender = known(gateway, one.waybill.sender)
    hops = [read_hop(raw, sender.party) for raw in one.trail]
    check_trail(gateway, one, hops)
    if peer is None or peer.party != sender.via:
        belongs = peer.party if peer is not None else "nobody"
        detail = f"the connection belongs to {belongs}, by which no parcels of {sender.party} come"
        raise Refused(Code.TRANSPORT_NOT_SENDER, detail, partner=sender.party)
    relay = known(gateway, peer.party)
    check_scope(peer)
    check_handed_in(one, hops, peer)
    verify_waybill(one, sender.keys, gateway.trust, now)
    profile = profile_of_suite(one.frame.header.suite, sender.party)
    verify_hop(hops[-1], relay.keys, gateway.trust, now, profile)
    gateway.store.keep_chains(relay.keys.chains)
    return sender, peer, hops


def _verifies(gateway: Gateway, stated: Stated, profile: Profile, now: datetime) -> bool:
    """Of relays that we know, what they signed is kept as proof; of others there is nothing to verify it by."""
    partner = gateway.partners.find(stated.hop.by)
    if partner is None:
        return False
    try:
        verify_hop(stated, partner.keys, gateway.trust, now, profile)
    except Refused:
        return False
    gateway.store.keep_chains(partner.keys.chains)
    return True
