"""Sealed offers open by themselves: once a gate has closed, the key that was kept is sent, and let go of when it arrived."""

from __future__ import annotations

from datetime import datetime, timedelta

from intertie.gateway.gateway import Gateway
from intertie.gateway.trading.sealed_ports import KeptKey, SealedKeys
from intertie.gateway.trading.trade_desk import Desk
from intertie.market.offer_state import NeedState, OfferPhase, OfferState
from intertie.model.errors import IntertieError, SettingsError
from intertie.model.ids import MessageId
from intertie.model.made import made
from intertie.model.message import Mode
from intertie.model.offers import OfferKey

# A key that arrives before the gate closes by the other side's clock is refused: so much of the time that there is for keys is
# waited, and no longer than clocks may be apart.
SHARE_WAITED = 4


def open_sealed(gateway: Gateway, keys: SealedKeys, now: datetime) -> list[MessageId]:
    """Send the keys that are due; the messages. What goes wrong with one key keeps back no other, and is raised at the end:
    Refused, StoreError, SettingsError."""
    queued: list[MessageId] = []
    trouble: IntertieError | None = None
    for key in keys.all():
        if isinstance(key, SettingsError):
            trouble = key
            continue
        try:
            queued += _open(gateway, keys, key, now)
        except IntertieError as error:
            trouble = error
    if trouble is not None:
        raise trouble
    return queued


def _open(gateway: Gateway, keys: SealedKeys, key: KeptKey, now: datetime) -> list[MessageId]:
    desk = Desk(gateway, key.partner, now, key.agreement)
    held, said = desk.book.offers.offers.get(key.offer), desk.drafted.offers.offers.get(key.offer)
    if now > key.keys_by or (held is not None and _is_done(held, key)):
        keys.destroy(key)
        return []
    if held is None or said is None or (said.phase, held.revision) != (OfferPhase.SEALED, key.revision):
        return []
    if now <= due(gateway, desk.book.offers.needs[key.need]):
        return []
    return [_give(desk, key, held)]


def _is_done(offer: OfferState, key: KeptKey) -> bool:
    """Given and there, or of no use any more: the offer was taken back, or another revision of it is there."""
    return offer.revision > key.revision or (
        offer.revision == key.revision and offer.phase is not OfferPhase.SEALED
    )


def due(gateway: Gateway, need: NeedState) -> datetime:
    """From when on the keys of offers to a need are sent."""
    gate, end = need.need.gate_closes, need.need.keys_by or need.need.decide_by
    skew = timedelta(seconds=gateway.limits.clock_skew_seconds)
    return gate + min(skew, (end - gate) / SHARE_WAITED)


def _give(desk: Desk, key: KeptKey, offer: OfferState) -> MessageId:
    body = made(OfferKey, offer=key.offer, revision=key.revision, key=key.key, salt=key.salt)
    return desk.say(body, mode=Mode.SCHEDULED, conversation=offer.conversation, in_reply_to=offer.message)[0]
