"""Acts of the market: a need, an offer open or sealed, revocation, a counter and its answer, an order."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal

from intertie.gateway.trading.sealed_ports import KeptKey, SealedKeys
from intertie.gateway.trading.trade_desk import Desk
from intertie.market.offer_state import CounterState, NeedPhase, NeedState, OfferState
from intertie.model.errors import SettingsError
from intertie.model.ids import ConversationId, MessageId
from intertie.model.interval import IntervalSeries
from intertie.model.made import changed, made
from intertie.model.message import Mode
from intertie.model.offers import (
    CounterAnswer,
    CounterOffer,
    CounterVerdict,
    Need,
    NeedWithdrawal,
    Offer,
    OfferRevocation,
    Order,
    RevocationReason,
    SealedOffer,
    WithdrawalReason,
    offer_bytes,
)
from intertie.model.quantity import Money
from intertie.seal.sealed_offer import Context, close_offer


def next_revision(desks: Iterable[Desk], name: str) -> int:
    """The revision that a need has when it is published next: one for all that are asked, also if only some were before."""
    known = [desk.drafted.offers.needs.get(name) for desk in desks]
    return max((one.need.revision for one in known if one is not None), default=0) + 1


def publish(desk: Desk, need: Need) -> MessageId:
    """Publish a need, or revise it while its gate is open."""
    known = desk.drafted.offers.needs.get(need.need)
    talk = _talk("need", need.need) if known is None else known.conversation
    answered = None if known is None else known.message
    return desk.say(need, mode=Mode.SCHEDULED, conversation=talk, in_reply_to=answered)[0]


def find_need(desk: Desk, name: str) -> NeedState:
    """The need; SettingsError if none of this name was published."""
    found = desk.drafted.offers.needs.get(name)
    if found is None:
        raise SettingsError(f"no need {name} with {desk.partner}", do="`intertie market needs` lists them.")
    return found


def find_offer(desk: Desk, name: str) -> OfferState:
    """The offer; SettingsError if there is none."""
    found = desk.drafted.offers.offers.get(name)
    if found is None:
        raise SettingsError(f"no offer {name} with {desk.partner}", do="`intertie market show` lists them.")
    return found


def find_counter(desk: Desk, name: str) -> CounterState:
    """The counter; SettingsError if there is none."""
    found = desk.drafted.offers.counters.get(name)
    if found is None:
        raise SettingsError(f"no counter {name} with {desk.partner}", do="`intertie market show` lists them.")
    return found


def make_offer(desk: Desk, offer: Offer, keys: SealedKeys | None = None) -> MessageId:
    """Offer, to a need or unsolicited; its revision is the next one, whatever it says. Sealed if the need asks for it: then its
    key is kept, and sent by the serving gateway once the gate has closed (gateway/trading/open_offers.py)."""
    before = desk.drafted.offers.offers.get(offer.offer)
    body = changed(offer, revision=before.revision + 1 if before else 1)
    if body.need is None:
        talk = before.conversation if before else _talk("offer", body.offer)
        return desk.say(body, mode=Mode.SCHEDULED, conversation=talk)[0]
    need = find_need(desk, body.need)
    body = changed(body, need_revision=need.need.revision)
    if not need.need.sealed:
        return desk.say(body, mode=Mode.SCHEDULED, conversation=need.conversation, in_reply_to=need.message)[
            0
        ]
    if keys is None:
        raise SettingsError(f"offers to {body.need} are sealed", do="Offer with a place for the keys.")
    return _seal(desk, body, need, keys)


def _seal(desk: Desk, offer: Offer, need: NeedState, keys: SealedKeys) -> MessageId:
    """The key is on disk before the offer leaves: an offer that nobody can open any more has lost."""
    text = desk.text
    bound = Context(text.seller, text.buyer, need.need.need, need.need.revision, offer.offer, offer.revision)
    closed, opening = close_offer(offer_bytes(offer), bound)
    body = made(
        SealedOffer,
        offer=offer.offer,
        need=need.need.need,
        need_revision=need.need.revision,
        revision=offer.revision,
        **closed._asdict(),
    )
    kept = made(
        KeptKey,
        partner=desk.partner,
        agreement=desk.agreement,
        need=need.need.need,
        offer=offer.offer,
        revision=offer.revision,
        keys_by=need.need.keys_by or need.need.decide_by,
        inside=offer,
        **opening._asdict(),
    )
    keys.keep(kept)
    try:
        return desk.say(body, mode=Mode.SCHEDULED, conversation=need.conversation, in_reply_to=need.message)[
            0
        ]
    except BaseException:
        keys.destroy(kept)
        raise


def revoke_offer(desk: Desk, name: str, reason: RevocationReason, text: str = "") -> MessageId:
    """Take an offer back."""
    known = find_offer(desk, name)
    body = made(OfferRevocation, offer=name, revision=known.revision, reason=reason, text=text)
    return desk.say(body, mode=Mode.SCHEDULED, conversation=known.conversation)[0]


def withdraw_need(desk: Desk, name: str, reason: WithdrawalReason, text: str = "") -> MessageId:
    """Take a need back, with all offers to it."""
    known = find_need(desk, name)
    body = made(NeedWithdrawal, need=name, revision=known.need.revision, reason=reason, text=text)
    return desk.say(body, mode=Mode.SCHEDULED, conversation=known.conversation, in_reply_to=known.message)[0]


def make_counter(
    desk: Desk,
    name: str,
    ordered_kw: IntervalSeries | None = None,
    price: Decimal | None = None,
    valid_until: datetime | None = None,
    text: str = "",
) -> MessageId:
    """Ask for an open offer at other terms: what is not said stays as its first option has it."""
    state, offer = _readable(desk, name)
    option = offer.options[0]
    taken = desk.drafted.offers.counters
    counter = _fresh(f"C-{name}", taken)
    ordered = [*desk.drafted.offers.orders, *(one.counter.order for one in taken.values())]
    body = made(
        CounterOffer,
        counter=counter,
        order=_fresh(f"O-{name}", ordered),
        offer=name,
        offer_revision=offer.revision,
        window=offer.window,
        ordered_kw=ordered_kw or option.offered_kw,
        price=option.price if price is None else Money(amount=price, currency=option.price.currency),
        valid_until=valid_until or offer.valid_until,
        text=text,
    )
    return desk.say(body, mode=Mode.SCHEDULED, conversation=state.conversation)[0]


def answer_counter(desk: Desk, name: str, verdict: CounterVerdict, text: str = "") -> MessageId:
    """Accept a counter, which is an order then, or decline it."""
    known = find_counter(desk, name)
    body = made(CounterAnswer, counter=name, verdict=verdict, text=text)
    return desk.say(body, mode=Mode.SCHEDULED, conversation=known.conversation, in_reply_to=known.message)[0]


def order(
    desk: Desk, name: str, option: int | None = None, ordered_kw: IntervalSeries | None = None, text: str = ""
) -> MessageId:
    """Order an offer, whole or in part, at its price."""
    state, offer = _readable(desk, name)
    chosen = [one for one in offer.options if option in (None, one.option)]
    if not chosen:
        raise SettingsError(f"{name} has no option {option}", do="`intertie market show` lists them.")
    counters = desk.drafted.offers.counters.values()
    named = [*desk.drafted.offers.orders, *(one.counter.order for one in counters)]
    body = order_of(
        offer,
        _fresh(f"O-{name}", named),
        chosen[0].option,
        ordered_kw or chosen[0].offered_kw,
        chosen[0].price,
        text,
    )
    return desk.say(body, mode=Mode.SCHEDULED, conversation=state.conversation)[0]


def order_of(
    offer: Offer, name: str, option: int, ordered_kw: IntervalSeries, price: Money, text: str = ""
) -> Order:
    """The order of an option."""
    return made(
        Order,
        order=name,
        service=offer.service,
        points=offer.points,
        window=offer.window,
        ordered_kw=ordered_kw,
        price=price,
        direction=offer.direction,
        offer=offer.offer,
        offer_revision=offer.revision,
        option=option,
        confirmation=offer.confirmation,
        text=text,
    )


def open_needs(desk: Desk) -> list[NeedState]:
    """The needs that take offers now."""
    needs = desk.book.offers.needs.values()
    return [one for one in needs if one.phase is NeedPhase.OPEN and desk.now <= one.need.gate_closes]


def _readable(desk: Desk, name: str) -> tuple[OfferState, Offer]:
    state = find_offer(desk, name)
    if state.offer is None:
        raise SettingsError(f"{name} is sealed", do="Wait until its key has come.")
    return state, state.offer


def _talk(what: str, name: str) -> ConversationId:
    """A conversation of its own: needs and unsolicited offers may have one name."""
    return ConversationId(f"{what}-{name}")


def _fresh(base: str, taken: Iterable[str]) -> str:
    names = set(taken)
    return next(name for n in range(1, len(names) + 2) if (name := f"{base}-{n}") not in names)
