"""The market: needs with the time to their gates, offers (sealed ones as sealed), and how a need is awarded."""

from __future__ import annotations

from datetime import datetime

from intertie.gateway.office.office_once import Stamp
from intertie.gateway.office.office_rights import Right
from intertie.gateway.trading import trade_market
from intertie.gateway.trading.open_offers import due
from intertie.gateway.trading.trade_clearing import clear_need, send_outcome
from intertie.gateway.trading.trade_desk import Desk
from intertie.gateway.views.view_market import MarketView, award_lines, market_view
from intertie.gateway.views.view_trade import check_may_say, look_at, other_side
from intertie.market.offer_state import NeedPhase
from intertie.model.errors import IntertieError, SettingsError
from intertie.model.ids import NAME, MessageId
from intertie.model.offers import CounterVerdict, Offer, RevocationReason, WithdrawalReason
from intertie.portal.pages.reading import FieldError, Fields
from intertie.portal.pages.trading import (
    SERIES_TEXT_MAX,
    address,
    desks,
    is_utility,
    partner_in,
    say,
    say_to_all,
    says,
    series_for,
)
from intertie.portal.pages.visit import Done, View, Visit
from intertie.portal.pages.web import act, page

SELF = "/market"
TEXT_MAX = 2_000


@page(SELF, Right.READ)
def market_page(visit: Visit) -> View:
    """Needs, and what is about the one that was chosen."""
    all = other_side(visit.gateway)
    there = desks(visit)
    seen = market_view(there, visit.query.matching("need", NAME, "need") or "", visit.office.sealed)
    utility = is_utility(visit)
    buys = any(says(visit, one, "need") for one in all)
    sells = any(says(visit, one, "offer") for one in all)
    return View(
        "market.html",
        "Market",
        {
            "partners": all,
            "seen": seen,
            "opening": _opening(there, seen),
            "utility": utility,
            "buys": buys,
            "sells": sells,
            "withdrawal_reasons": list(WithdrawalReason),
            "revocation_reasons": list(RevocationReason),
        },
    )


@page(SELF + "/award", Right.READ)
def award_page(visit: Visit) -> View:
    """Who would be ordered how much, at which price and why; nothing is said yet."""
    name = _need(visit.query)
    without = list(dict.fromkeys(visit.query.many("without")))
    outcome, why = None, ""
    try:
        outcome = clear_need(desks(visit), name, without)
    except SettingsError as error:
        why = f"{error.why}. {error.do or ''}".strip()
    return View(
        "award.html",
        f"Award of {name}",
        {
            "name": name,
            "outcome": outcome,
            "lines": () if outcome is None else award_lines(outcome),
            "unmet": None if outcome is None else max(outcome.cleared.unmet_kw, default=0),
            "why": why,
            "without": without,
            "can_award": any(says(visit, one, "need_result") for one in other_side(visit.gateway)),
        },
    )


@act(SELF + "/award", Right.MARKET)
def award_need(visit: Visit, form: Fields, stamp: Stamp) -> Done:
    """Order what was cleared, and tell every aggregator its result. Who has it gets nothing again."""
    name = _need(form)
    for one in other_side(visit.gateway):
        check_may_say(visit.gateway, one, visit.roles, "need_result")
    here = [look_at(visit.gateway, one.party, stamp.at) for one in other_side(visit.gateway)]
    to = address(SELF, need=name)
    try:
        told = send_outcome(clear_need(here, name, form.many("without")))
    except IntertieError as error:
        again = [look_at(visit.gateway, one.party, stamp.at) for one in other_side(visit.gateway)]
        if not any(_decided(desk, name) for desk in again):
            raise
        return Done(to, f"Some were told, and not all: {error.why}. Award it again to tell the rest.", name)
    return Done(to, f"Awarded: {len(told)} told, orders are on their way.", name)


@act(SELF + "/withdraw", Right.MARKET)
def withdraw_need(visit: Visit, form: Fields, stamp: Stamp) -> Done:
    """Take a need back from all that were asked."""
    name = _need(form)
    reason = form.one_of("reason", WithdrawalReason)
    if reason is None:
        raise FieldError("no reason is chosen", do="Choose one.")

    def doing(desk: Desk) -> MessageId:
        return trade_market.withdraw_need(desk, name, reason, form.maybe("text", TEXT_MAX) or "")

    asked = [
        one
        for one in other_side(visit.gateway)
        if name in look_at(visit.gateway, one.party, stamp.at).drafted.offers.needs
    ]
    if not asked:
        raise SettingsError(f"no need {name} was published", do="Choose one of the list.")
    said = say_to_all(visit, form, stamp, asked, ["need_withdrawal"], doing)
    return Done(address(SELF, need=name), f"Taken back. {said}", name)


@act(SELF + "/revoke", Right.MARKET)
def revoke_offer(visit: Visit, form: Fields, stamp: Stamp) -> Done:
    """Take an offer back."""
    name = _offer(form)
    reason = form.one_of("reason", RevocationReason)
    if reason is None:
        raise FieldError("no reason is chosen", do="Choose one.")

    def doing(desk: Desk) -> MessageId:
        return trade_market.revoke_offer(desk, name, reason, form.maybe("text", TEXT_MAX) or "")

    say(visit, form, stamp, partner_in(visit, form), ["offer_revocation"], doing)
    return Done(_back(form), f"{name} is taken back.", name)


@act(SELF + "/order", Right.MARKET)
def order_offer(visit: Visit, form: Fields, stamp: Stamp) -> Done:
    """Order an open offer, whole or in part, at its price."""
    name = _offer(form)
    option = form.number("option", 1, 1000, 1)

    def doing(desk: Desk) -> MessageId:
        text = form.maybe("kw", SERIES_TEXT_MAX)
        offer = _readable(desk, name)
        series = None if text is None or offer is None else series_for(text, offer.options[0].offered_kw)
        return trade_market.order(desk, name, option, series, form.maybe("text", TEXT_MAX) or "")

    say(visit, form, stamp, partner_in(visit, form), ["order"], doing)
    return Done(_back(form), f"{name} is ordered.", name)


@act(SELF + "/counter", Right.MARKET)
def counter_offer(visit: Visit, form: Fields, stamp: Stamp) -> Done:
    """Ask for an open offer at other terms."""
    name = _offer(form)
    price = form.decimal("price", "price") if "price" in form else None

    def doing(desk: Desk) -> MessageId:
        text, offer = form.maybe("kw", SERIES_TEXT_MAX), _readable(desk, name)
        series = None if text is None or offer is None else series_for(text, offer.options[0].offered_kw)
        valid = form.instant("valid_until", "valid until")
        return trade_market.make_counter(desk, name, series, price, valid, form.maybe("text", TEXT_MAX) or "")

    say(visit, form, stamp, partner_in(visit, form), ["counter_offer"], doing)
    return Done(_back(form), f"Asked for {name} at other terms.", name)


@act(SELF + "/counter/answer", Right.MARKET)
def answer_counter(visit: Visit, form: Fields, stamp: Stamp) -> Done:
    """Accept a counter, which is an order then, or decline it."""
    name = form.matching("counter", NAME, "counter") or form.text("counter", "the counter")
    verdict = form.one_of("verdict", CounterVerdict)
    if verdict is None:
        raise FieldError("neither accepted nor declined", do="Choose one.")

    def doing(desk: Desk) -> MessageId:
        return trade_market.answer_counter(desk, name, verdict, form.maybe("text", TEXT_MAX) or "")

    say(visit, form, stamp, partner_in(visit, form), ["counter_answer"], doing)
    return Done(_back(form), f"{name} is {verdict.value}.", f"{name} {verdict.value}")


def _need(fields: Fields) -> str:
    return fields.matching("need", NAME, "need") or fields.text("need", "the need")


def _offer(fields: Fields) -> str:
    return fields.matching("offer", NAME, "offer") or fields.text("offer", "the offer")


def _back(form: Fields) -> str:
    return address(SELF, need=form.matching("need", NAME, "need"))


def _readable(desk: Desk, name: str) -> Offer | None:
    return trade_market.find_offer(desk, name).offer


def _decided(desk: Desk, name: str) -> bool:
    known = desk.drafted.offers.needs.get(name)
    return known is not None and known.phase is NeedPhase.DECIDED


def _opening(there: list[Desk], seen: MarketView) -> datetime | None:
    """From when on the keys of sealed offers go; None if nothing is sealed."""
    if seen.chosen is None or not seen.chosen.need.sealed:
        return None
    name = seen.chosen.need.need
    desk = next(one for one in there if name in one.book.offers.needs)
    return due(desk.gateway, desk.book.offers.needs[name])


ROUTES = [
    market_page,
    award_page,
    award_need,
    withdraw_need,
    revoke_offer,
    order_offer,
    counter_offer,
    answer_counter,
]
