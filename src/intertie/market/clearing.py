"""Which offers meet a need, and at which price: in the order of their prices, by the clearing rule of the need.

Deterministic: the same offers in any order give the same answer. At equal prices the one that arrived first goes first.
Of each offer at most one option is taken, never more than is still needed in any interval, and never less than its least
fraction: an option that does not fit so is passed over, and a dearer one that fits is taken (a paradoxically rejected
block, as power exchanges know it). Where offers have one option each that can be divided, the cost is the least possible.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import ROUND_DOWN, Decimal
from typing import NamedTuple

from intertie.market.offer_setting import alike, amounts
from intertie.model.interval import VALUE_MAX, IntervalSeries
from intertie.model.offers import Clearing, LossReason, Need, Offer, OfferOption, OfferVerdict
from intertie.model.quantity import Money

# Orders are in whole watts, or finer where the need or the offer is.
WATT = -3


class Bidder(NamedTuple):
    """An offer with who made it and when it arrived."""

    seller: str
    offer: Offer
    received: datetime


class Taken(NamedTuple):
    """What clearing makes of one offer. `option` and `kw` are None where nothing is taken; then there is a reason."""

    bidder: Bidder
    verdict: OfferVerdict
    reason: LossReason | None
    option: int | None = None
    kw: IntervalSeries | None = None
    price: Money | None = None


class Cleared(NamedTuple):
    """The outcome for a need: one entry an offer, in the order of arrival; what stays unmet, per interval; the uniform price."""

    need: Need
    taken: tuple[Taken, ...]
    unmet_kw: tuple[Decimal, ...]
    clearing_price: Money | None
    cost: Money


def clear(need: Need, bidders: Iterable[Bidder]) -> Cleared:
    """Decide a need over all offers to its revision."""
    known = sorted(bidders, key=lambda one: (one.received, one.seller, one.offer.offer))
    left = amounts(need.requested_kw)
    chosen: dict[int, tuple[OfferOption, IntervalSeries]] = {}
    blocked: set[int] = set()
    for place, option in _merit(need, known):
        if place in chosen:
            continue
        kw = _fit(option, left, need)
        if kw is not None:
            chosen[place] = option, kw
            left = [rest - some for rest, some in zip(left, amounts(kw), strict=True)]
        elif _would_help(option, left, need):
            blocked.add(place)
    dearest = max((option.price.amount for option, _ in chosen.values()), default=None)
    uniform = need.clearing is Clearing.UNIFORM and dearest is not None
    price = Money(amount=dearest, currency=need.currency) if uniform and dearest is not None else None
    taken = tuple(
        _taken(bidder, chosen.get(place), price, place in blocked, need) for place, bidder in enumerate(known)
    )
    return Cleared(need, taken, tuple(left), price, Money(amount=_cost(taken), currency=need.currency))


def _merit(need: Need, known: Sequence[Bidder]) -> list[tuple[int, OfferOption]]:
    """All options within the cap, cheapest first, then by arrival, then the larger one."""
    cap = need.price_cap
    return sorted(
        (
            (place, option)
            for place, bidder in enumerate(known)
            for option in bidder.offer.options
            if cap is None or option.price.amount <= cap.amount
        ),
        key=lambda one: (one[1].price.amount, one[0], -one[1].offered_kw.total(), one[1].option),
    )


def _fit(option: OfferOption, left: Sequence[Decimal], need: Need) -> IntervalSeries | None:
    """As much of the option as is needed still, if that is enough of it; None if not, or if nothing is needed."""
    offered = amounts(option.offered_kw)
    if not alike(option.offered_kw, need.requested_kw):
        return None
    power = min(WATT, option.offered_kw.power_of_ten, need.requested_kw.power_of_ten)
    kw = [min(some, rest) for some, rest in zip(offered, left, strict=True)]
    least = (some * option.minimum_fraction for some in offered)
    if not any(kw) or any(some < enough for some, enough in zip(kw, least, strict=True)):
        return None
    values = tuple(int(some.scaleb(-power).to_integral_value(ROUND_DOWN)) for some in kw)
    if max(values) >= VALUE_MAX:  # more than a hundred gigawatts, in milliwatts
        return None
    return IntervalSeries(
        start=option.offered_kw.start,
        step_seconds=option.offered_kw.step_seconds,
        unit=option.offered_kw.unit,
        power_of_ten=power,
        values=values,
    )


def _would_help(option: OfferOption, left: Sequence[Decimal], need: Need) -> bool:
    """Whether some of it is needed still, over the intervals of the need."""
    if not alike(option.offered_kw, need.requested_kw):
        return False
    return any(rest and some for rest, some in zip(left, amounts(option.offered_kw), strict=True))


def _taken(
    bidder: Bidder,
    chosen: tuple[OfferOption, IntervalSeries] | None,
    price: Money | None,
    blocked: bool,
    need: Need,
) -> Taken:
    if chosen is None:
        cap = need.price_cap
        dear = cap is not None and all(one.price.amount > cap.amount for one in bidder.offer.options)
        reason = LossReason.PRICE if dear else LossReason.NEED_MET
        return Taken(bidder, OfferVerdict.NOT_AWARDED, LossReason.BLOCK_TOO_LARGE if blocked else reason)
    option, kw = chosen
    whole = amounts(kw) == amounts(option.offered_kw)
    return Taken(
        bidder,
        OfferVerdict.AWARDED if whole else OfferVerdict.PARTIAL,
        None if whole else LossReason.NEED_MET,
        option.option,
        kw,
        price or option.price,
    )


def _cost(taken: Iterable[Taken]) -> Decimal:
    """Exact, before rounding: kWh times price."""
    return sum(
        (
            one.kw.total() * one.kw.step_seconds / 3600 * one.price.amount
            for one in taken
            if one.kw is not None and one.price is not None
        ),
        Decimal(0),
    )
