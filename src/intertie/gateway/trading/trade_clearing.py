"""Clearing a need over the offers of all aggregators that were asked: who is ordered how much and why, and telling everybody."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from intertie.gateway.trading.trade_desk import Desk
from intertie.gateway.trading.trade_market import order_of
from intertie.market.clearing import Bidder, Cleared, Taken, clear
from intertie.market.offer_state import NeedPhase, NeedState, OfferPhase, OfferState
from intertie.market.orders import standing_offers
from intertie.model.errors import SettingsError
from intertie.model.ids import MessageId, PartyId
from intertie.model.made import made
from intertie.model.message import Mode
from intertie.model.offers import (
    LossReason,
    Need,
    NeedResult,
    OfferResult,
    OfferVerdict,
    Order,
)

_BIDS = (OfferPhase.OPEN, OfferPhase.ORDERED, OfferPhase.NOT_AWARDED)


class Asked(NamedTuple):
    """One aggregator that was asked: its desk, the need as it has it, and its offers that count."""

    desk: Desk
    need: NeedState
    offers: Mapping[str, OfferState]


class Outcome(NamedTuple):
    """What clearing came to: by offer, and the offers that were never opened."""

    need: Need
    cleared: Cleared
    asked: tuple[Asked, ...]
    unopened: tuple[tuple[PartyId, str], ...]
    left_out: frozenset[tuple[PartyId, str]]


def clear_need(desks: Iterable[Desk], name: str, without: Collection[str] = ()) -> Outcome:
    """Clear a need over all that were asked, as of now; nothing is said. `without`: offers that are left out. SettingsError if
    nobody was asked, its gate is open, keys may still come, or it was not asked of all alike."""
    asked = tuple(
        Asked(desk, known, standing_offers(desk.book.offers, name))
        for desk in desks
        if (known := desk.book.offers.needs.get(name)) is not None
        and known.phase in (NeedPhase.OPEN, NeedPhase.DECIDED)
    )
    if not asked:
        raise SettingsError(f"no need {name} is open", do="`intertie market needs` lists them.")
    need = asked[0].need.need
    for one in asked:
        if one.need.need != need:
            raise SettingsError(
                f"{one.desk.partner} has another need {name} than {asked[0].desk.partner}",
                do="Publish it to all of them again, while the gate is open.",
            )
    unopened = tuple(
        (one.desk.partner, offer)
        for one in asked
        for offer, state in one.offers.items()
        if state.offer is None
    )
    _check_time(asked, need, unopened)
    left_out = frozenset(
        (one.desk.partner, offer)
        for one in asked
        for offer in one.offers
        if offer in without or f"{one.desk.partner}:{offer}" in without
    )
    bidders = [
        Bidder(one.desk.partner, state.offer, state.received)
        for one in asked
        for offer, state in one.offers.items()
        if state.offer is not None and state.phase in _BIDS and (one.desk.partner, offer) not in left_out
    ]
    return Outcome(need, clear(need, bidders), asked, unopened, left_out)


def _check_time(asked: Sequence[Asked], need: Need, unopened: Sequence[tuple[PartyId, str]]) -> None:
    now = asked[0].desk.now
    if now <= need.gate_closes:
        raise SettingsError(
            f"the gate of {need.need} closes at {need.gate_closes.isoformat()}", do="Clear it after that."
        )
    if unopened and need.keys_by is not None and now <= need.keys_by:
        raise SettingsError(
            f"{len(unopened)} offers are sealed still; keys may come until {need.keys_by.isoformat()}",
            do="Clear it after that.",
        )


def send_outcome(outcome: Outcome) -> dict[PartyId, list[MessageId]]:
    """Order what was taken and tell every aggregator its result, each at once or not at all; who has the result gets nothing
    again. Refused if a rule forbids an order: then nobody after that aggregator was told."""
    names = {id(one): f"O-{outcome.need.need}-{n}" for n, one in enumerate(outcome.cleared.taken, 1)}
    told = {}
    for one in outcome.asked:
        if one.desk.drafted.offers.needs[outcome.need.need].phase is NeedPhase.DECIDED:
            continue
        mine = {t.bidder.offer.offer: t for t in outcome.cleared.taken if t.bidder.seller == one.desk.partner}
        ordered = {
            offer: one.desk.book.offers.offers[offer].order or names[id(taken)]
            for offer, taken in mine.items()
        }
        orders = [
            _order(taken, ordered[offer])
            for offer, taken in mine.items()
            if taken.kw is not None and one.desk.book.offers.offers[offer].order is None
        ]
        told[one.desk.partner] = one.desk.say(
            *orders,
            _result(outcome, one, mine, ordered),
            mode=Mode.SCHEDULED,
            conversation=one.need.conversation,
        )
    return told


def _order(taken: Taken, name: str) -> Order:
    assert taken.kw is not None and taken.price is not None and taken.option is not None
    return order_of(taken.bidder.offer, name, taken.option, taken.kw, taken.price)


def _result(
    outcome: Outcome, one: Asked, mine: Mapping[str, Taken], ordered: Mapping[str, str]
) -> NeedResult:
    results = []
    for offer, state in one.offers.items():
        taken = mine.get(offer)
        if taken is None:
            reason = LossReason.NOT_OPENED if state.offer is None else LossReason.OTHER
            verdict, order = OfferVerdict.NOT_AWARDED, None
        else:
            verdict, reason = taken.verdict, taken.reason  # type: ignore[assignment]
            order = ordered[offer] if taken.kw is not None else None
        results.append(
            made(
                OfferResult, offer=offer, revision=state.revision, verdict=verdict, reason=reason, order=order
            )
        )
    return made(
        NeedResult,
        need=outcome.need.need,
        revision=outcome.need.revision,
        offers=tuple(results),
        clearing_price=outcome.cleared.clearing_price,
        offers_seen=sum(len(each.offers) for each in outcome.asked),
    )
