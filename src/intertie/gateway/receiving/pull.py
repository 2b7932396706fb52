"""Parcels for partners without a door: they come for them, and confirm each with their receipt.

What is handed out is the same bytes that a post would carry, and a receipt or a refusal closes the parcel by the same
code (gateway/sending/answers.py). Handing out counts as an attempt: without a receipt the very same bytes are handed out again.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import NamedTuple

from intertie.catalogue.flow import Channel
from intertie.gateway.gateway import Gateway, LinkAnswer, Peer
from intertie.gateway.ports import ParcelRow
from intertie.gateway.relaying.deliver_relayed import judge_relayed, next_relayed
from intertie.gateway.sending.answers import Delivery, judge_answer, unconfirmed
from intertie.gateway.sending.next_parcel import next_parcel
from intertie.model.ids import ParcelId
from intertie.model.record import Record
from intertie.seal.algorithm_table import hybrid_groups
from intertie.seal.tree import HASH_BYTES

# Parcels handed out and not confirmed: one that is fetched while others are being checked; whoever confirms nothing must not
# make us seal all that waits.
IN_HAND_MAX = 4
# A line that is slower than 10 Mbit/s is rare; a parcel of 64 MiB takes most of a minute over it.
BYTES_PER_SECOND = 1_250_000
# Parcels that cannot go over this connection are put off, and the next one is looked at; more of them in a row than this is
# a partner whose TLS has to be mended.
PUT_OFF_MAX = 8


class Asked(Record, frozen=True, kw_only=True):
    """What a partner says when it comes for a parcel."""

    granted: frozenset[str] | None = None  # the scopes that it grants us; None: all that our roles allow
    again: bool = False  # what it was handed before is lost to it: it begins with that


class Handed(NamedTuple):
    """A parcel on its way to the partner that came for it."""

    parcel: ParcelId
    blob: bytes
    messages: int


def hand_out(
    gateway: Gateway,
    peer: Peer,
    asked: Asked,
    now: datetime,
    random: Callable[[], float],
    *,
    again_after: timedelta,
) -> Handed | None:
    """The most urgent parcel that is due for the partner at the other end; None if there is none, or it is suspended, or has
    a door. Kept as handed out: the same bytes are due again after `again_after`, and the time that they take on the way."""
    for _ in range(PUT_OFF_MAX):
        partner = gateway.partners.find(peer.party)
        if partner is None or partner.suspended or not partner.fetches:
            return None
        # Whatever is in its hands: no parcel is there for longer than the largest may be.
        due = now + again_after + _on_the_way(gateway.limits.parcel_bytes) if asked.again else now
        found = next_parcel(gateway, partner, asked.granted, now, due=due, most=IN_HAND_MAX)
        if found is None:
            return _hand_relayed(gateway, peer, due, now, again_after)
        parcel, rows, channel = found
        if channel is Channel.HYBRID and not _is_hybrid(peer):
            detail = (
                f"no hybrid group was agreed with {peer.party}, which came for it; nothing was handed out"
            )
            unconfirmed(gateway, parcel, detail, now, random)
            continue
        blob = parcel.blob or b""
        wait = again_after + _on_the_way(len(blob))
        gateway.store.retry_parcel(parcel.id, now + wait, "handed out; no receipt yet")
        return Handed(parcel.id, blob, len(rows))
    return None


def _hand_relayed(
    gateway: Gateway, peer: Peer, due: datetime, now: datetime, again_after: timedelta
) -> Handed | None:
    """What of others is due for the partner at the other end, or what became of a parcel that it handed over."""
    going = next_relayed(gateway, peer.party, due)
    if going is None:
        return None
    row = going.row
    wait = again_after + _on_the_way(len(going.blob))
    if going.channel is Channel.HYBRID and not _is_hybrid(peer):
        detail = f"no hybrid group was agreed with {peer.party}, which came for it; nothing was handed out"
        gateway.store.defer_relayed(row.parcel, now + wait, detail)
        return None
    gateway.store.defer_relayed(row.parcel, now + wait, "handed out; no receipt yet")
    return Handed(row.parcel, going.blob, 0)


def confirm(
    gateway: Gateway, peer: Peer, id: ParcelId, answer: LinkAnswer, now: datetime, random: Callable[[], float]
) -> Delivery | None:
    """What the partner at the other end says of a parcel that it came for; None if there is no such parcel of its.

    A parcel that is closed stays so, and is said to be: the answer to an earlier receipt may have been lost. A receipt
    for one that was given up still counts.
    """
    parcel = gateway.store.parcel(id, outgoing=True, partner=peer.party)
    partner = gateway.partners.find(peer.party)
    if parcel is None and partner is not None:
        row = gateway.store.relayed(id)
        if row is None or peer.party not in (row.next, row.previous):
            return None
        return judge_relayed(gateway, partner, row, answer, now, random)
    if parcel is None or partner is None:
        return None
    if parcel.receipt is not None:
        return Delivery(id, peer.party, len(parcel.leaves) // HASH_BYTES, True, "")
    if parcel.blob is None and (answer.status != 200 or not _whole(gateway, parcel)):
        return Delivery(id, peer.party, 0, False, "it was given up before, and its messages go another way")
    return judge_answer(gateway, partner, parcel, answer, now, random)


def _on_the_way(size: int) -> timedelta:
    return timedelta(seconds=size / BYTES_PER_SECOND)


def _is_hybrid(peer: Peer) -> bool:
    return peer.transport is not None and peer.transport.group in hybrid_groups()


def _whole(gateway: Gateway, parcel: ParcelRow) -> bool:
    """Whether its messages are still its own: none was queued again for another parcel."""
    rows = gateway.store.parcel_messages(parcel.id, outgoing=True)
    return len(rows) * HASH_BYTES == len(parcel.leaves)
