"""A parcel of ours that goes by a relay: its waybill, whom it is handed to, and the relay's hop receipt.

The parcel is sealed as ever, for its recipient alone. What the relay may know beside its header is on the waybill.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from intertie.catalogue.flow import Direction, Flow
from intertie.gateway.gateway import Gateway, Partner
from intertie.gateway.ports import MessageRow, ParcelRow
from intertie.gateway.sending.own_keys import keys_towards, own_chains
from intertie.model.errors import Code, PartnerError, Refused
from intertie.model.ids import MessageId
from intertie.model.message import read_envelope, utc
from intertie.seal.hop import Hop, read_hop, verify_hop
from intertie.seal.parcel import read_frame
from intertie.seal.profile import Profile, profile_of_suite
from intertie.seal.waybill import Waybill, sign_waybill, write_consignment


def relay_of(gateway: Gateway, partner: Partner) -> Partner:
    """The relay that stands between us and a partner; PartnerError if nothing can be handed to it now."""
    relay = gateway.partners.find(partner.via) if partner.via is not None else None
    if relay is None or relay.suspended or relay.via is not None or not (relay.url or relay.by_file):
        raise PartnerError(
            f"{partner.via}, by which parcels to {partner.party} go, is no partner here with a door of its own",
            do="Add it with `intertie partner add`, or change `via`.",
        )
    return relay


def check_relayed(flow: Flow, partner: Partner, message: MessageId) -> None:
    """Refused(RELAY_NOT_ALLOWED) for what must not go by a relay, if the way to this partner is by one."""
    if partner.via is not None and not flow.relay:
        detail = f"{flow.key} may not go by a relay, and the way to {partner.party} is by {partner.via}"
        raise Refused(Code.RELAY_NOT_ALLOWED, detail, message=message, partner=partner.party)


def check_way_back(flow: Flow, partner: Partner, message: MessageId) -> None:
    """Refused(NO_WAY_BACK) for a flow that needs a receipt, to a partner from which none comes."""
    if partner.one_way and flow.direction is not Direction.ONE_WAY:
        detail = f"{flow.key} is {flow.direction}, and nothing comes back from {partner.party}"
        raise Refused(Code.NO_WAY_BACK, detail, message=message, partner=partner.party)


def consign(
    gateway: Gateway, partner: Partner, parcel: ParcelRow, rows: Sequence[MessageRow], now: datetime
) -> bytes:
    """The parcel's bytes with the waybill, as they are handed to the relay. Refused if one of its flows may not go by one."""
    blob = parcel.blob or b""
    profile = _profile(gateway, parcel)
    # Whoever verifies it knows at least the keys that the parcel itself is signed with.
    keys = keys_towards(gateway, partner.party, now)
    gateway.store.keep_chains(own_chains(keys))
    waybill = Waybill(
        v=1,
        parcel=parcel.id,
        digest=parcel.digest.hex(),
        sender=gateway.party.id,
        recipient=partner.party,
        created=utc(parcel.at),
        expires=utc(max(row.expires for row in rows)),
        hops=gateway.relay.hops,
        flows=tuple(sorted({flow.key for flow in _flows(gateway, partner, rows, now)})),
    )
    return write_consignment(sign_waybill(waybill, keys, profile), (), blob)


def take_hop_receipt(gateway: Gateway, relay: Partner, parcel: ParcelRow, raw: bytes, now: datetime) -> Hop:
    """The relay's hop receipt for this parcel, verified and kept; Refused for anything else."""
    hop = verify_hop(read_hop(raw, relay.party), relay.keys, gateway.trust, now, _profile(gateway, parcel))
    if hop.status != "taken" or not is_about(hop, gateway, parcel):
        raise Refused(Code.BAD_WAYBILL, "it is no hop receipt for this parcel", partner=relay.party)
    gateway.store.keep_chains(relay.keys.chains)
    gateway.store.keep_hops(parcel.id, outgoing=True, partner=parcel.partner, statements=[raw], now=now)
    return hop


def is_about(hop: Hop, gateway: Gateway, parcel: ParcelRow) -> bool:
    """Whether a relay's statement is about this parcel of ours."""
    said = hop.parcel, hop.digest, hop.sender, hop.recipient
    return said == (parcel.id, parcel.digest.hex(), gateway.party.id, parcel.partner)


def _profile(gateway: Gateway, parcel: ParcelRow) -> Profile:
    header = read_frame(parcel.blob or b"", limit=gateway.limits.parcel_bytes).header
    return profile_of_suite(header.suite, parcel.partner)


def _flows(gateway: Gateway, partner: Partner, rows: Sequence[MessageRow], now: datetime) -> Iterable[Flow]:
    policy = gateway.policy_on(now)
    for row in rows:
        flow, _ = policy.flow_of(read_envelope(row.body).header, gateway.party.roles, partner.roles)
        check_relayed(flow, partner, row.id)
        yield flow
