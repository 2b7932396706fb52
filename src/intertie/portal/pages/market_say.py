"""The market's two forms: a need that is asked of aggregators, and an offer, open or sealed."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from intertie.gateway.office.office_once import Stamp
from intertie.gateway.office.office_rights import Right
from intertie.gateway.trading import trade_market
from intertie.gateway.trading.trade_compose import NeedSaid, OfferSaid, OptionSaid, need_of, offer_of
from intertie.gateway.trading.trade_desk import Desk
from intertie.gateway.trading.trade_said import series_in
from intertie.gateway.views.view_trade import other_side
from intertie.model.contract import Direction, Service
from intertie.model.ids import NAME, AggregationId, ConnectionPointId, MessageId
from intertie.model.interval import IntervalSeries
from intertie.model.offers import Clearing, Need
from intertie.portal.pages.reading import FieldError, Fields
from intertie.portal.pages.trading import (
    SERIES_TEXT_MAX,
    STEPS,
    about,
    address,
    chosen,
    desks,
    field_time,
    flag,
    partner_in,
    partners_in,
    power_in,
    say,
    say_to_all,
    says,
    soon,
    window_in,
)
from intertie.portal.pages.visit import Done, View, Visit
from intertie.portal.pages.web import act, page

MARKET = "/market"
TEXT_MAX = 2_000
# Options of one offer in the form; who has more uses `intertie market offer` or the office API.
OPTIONS = (1, 2, 3)


@page(MARKET + "/need", Right.READ)
def need_page(visit: Visit) -> View:
    """A new need, or another revision of one whose gate is open."""
    all = [one for one in other_side(visit.gateway) if says(visit, one, "need")]
    there = desks(visit)
    name = visit.query.matching("need", NAME, "need")
    known = [one.need for desk in there if name and (one := desk.drafted.offers.needs.get(name)) is not None]
    before = max(known, key=lambda one: one.revision, default=None)
    if name and before is None:
        raise FieldError(f"no need {name} was published", do="Choose one of the list.")
    starts = soon(visit.now, timedelta(days=1))
    fresh = {
        "starts": field_time(starts),
        "ends": field_time(starts + timedelta(hours=2)),
        "gate": field_time(soon(visit.now, timedelta(hours=4))),
    }
    return View(
        "need.html",
        f"Revise {name}" if before else "A new need",
        {
            "partners": all,
            "before": before,
            "given": _given(before) if before else fresh,
            "revision": trade_market.next_revision(there, name) if name else 1,
            "steps": STEPS,
            "services": list(Service),
            "directions": list(Direction),
            "clearings": list(Clearing),
        },
    )


@act(MARKET + "/need", Right.MARKET)
def publish_need(visit: Visit, form: Fields, stamp: Stamp) -> Done:
    """Ask those that were ticked; to whom a rule forbids it, the answer says why."""
    name = form.matching("need", NAME, "name") or form.text("need", "a name")
    service = form.one_of("service", Service)
    gate = form.instant("gate", "the gate")
    if service is None or gate is None:
        raise FieldError("the service or the gate is missing", do="Fill them in.")
    revision = form.number("revision", 1, 10**6, 1)
    said = NeedSaid(
        service,
        points_in(form.text("points", "points")),
        power_in(form, window_in(form)),
        gate,
        form.instant("decide_by", "decided by"),
        form.one_of("direction", Direction) or Direction.UP,
        flag(form, "sealed"),
        form.instant("keys_by", "keys by"),
        form.one_of("clearing", Clearing) or Clearing.PAY_AS_BID,
        form.decimal("cap", "price cap") if "cap" in form else None,
        form.decimal("least_kw", "least") if "least_kw" in form else None,
        form.maybe("text", TEXT_MAX) or "",
    )

    def doing(desk: Desk) -> MessageId:
        return trade_market.publish(desk, need_of(desk, name, revision, said))

    told = say_to_all(visit, form, stamp, partners_in(visit, form), ["need"], doing)
    return Done(MARKET, f"{name}: {told}", f"{name} revision {revision}")


@page(MARKET + "/offer", Right.READ)
def offer_page(visit: Visit) -> View:
    """An offer to a need, or one that nobody asked for."""
    found = chosen(visit)
    if found is None:
        raise FieldError("there is nobody to offer to", do="Partners says how somebody is invited.")
    name = visit.query.matching("need", NAME, "need")
    need = trade_market.find_need(found.desk, name).need if name else None
    starts = soon(visit.now, timedelta(days=1))
    return View(
        "offer.html",
        f"An offer to {name}" if name else "An offer",
        {
            **about(found),
            "need": need,
            "can_offer": says(visit, found.partner, "offer"),
            "aggregations": sorted(found.desk.book.registry),
            "numbers": OPTIONS,
            "steps": STEPS,
            "services": list(Service),
            "directions": list(Direction),
            "starts": field_time(starts),
            "ends": field_time(starts + timedelta(hours=2)),
        },
    )


@act(MARKET + "/offer", Right.MARKET)
def make_offer(visit: Visit, form: Fields, stamp: Stamp) -> Done:
    """Offer. To a need whose offers are sealed the key stays here until its gate has closed."""
    name = form.matching("offer", NAME, "name") or form.text("offer", "a name")
    asked = form.matching("need", NAME, "need")
    aggregation = form.matching("aggregation", NAME, "aggregation")

    def doing(desk: Desk) -> MessageId:
        need = trade_market.find_need(desk, asked).need if asked else None
        said = OfferSaid(
            [option for number in OPTIONS if (option := _option(form, number, need)) is not None],
            None if aggregation is None else AggregationId(aggregation),
            points_in(form.maybe("points") or ""),
            form.instant("valid_until", "valid until"),
            form.one_of("service", Service),
            form.one_of("direction", Direction) or Direction.UP,
            form.maybe("text", TEXT_MAX) or "",
        )
        return trade_market.make_offer(desk, offer_of(desk, name, said, need), visit.office.sealed)

    say(visit, form, stamp, partner_in(visit, form), ["offer", "sealed_offer"], doing)
    return Done(address(MARKET, need=asked), f"{name} is offered.", f"{name} {asked or ''}".strip())


def points_in(text: str) -> tuple[ConnectionPointId, ...]:
    """Points as a person writes them, divided by commas or blanks."""
    return tuple(ConnectionPointId(one) for one in text.replace(",", " ").split())


def _option(form: Fields, number: int, need: Need | None) -> OptionSaid | None:
    """An option with its kW and its price; None for a row that was left empty."""
    kw, price, least = (f"{name}{number}" for name in ("kw", "price", "least"))
    if kw not in form and price not in form:
        return None
    text = form.text(kw, f"kW of option {number}", SERIES_TEXT_MAX)
    if need is None:
        series: IntervalSeries = power_in(form, window_in(form), kw)
    else:
        series = series_in("kW", text, need.window, need.requested_kw.step)
    fraction = form.decimal(least, f"least of option {number}") / 100 if least in form else Decimal(1)
    return OptionSaid(series, form.decimal(price, f"price of option {number}"), fraction)


def _given(need: Need) -> dict[str, str]:
    """What a need says, as its form has it."""
    values = [need.requested_kw.quantity(n) for n in range(len(need.requested_kw.values))]
    same = len(set(values)) == 1
    shown = ["-" if value is None else f"{value.normalize():f}" for value in (values[:1] if same else values)]
    said = {
        "points": ", ".join(need.points),
        "kw": ", ".join(shown),
        "step": str(need.requested_kw.step_seconds // 60),
        "starts": field_time(need.window.start),
        "ends": field_time(need.window.end),
        "gate": field_time(need.gate_closes),
        "decide_by": field_time(need.decide_by),
        "keys_by": field_time(need.keys_by) if need.keys_by else "",
        "cap": f"{need.price_cap.amount.normalize():f}" if need.price_cap else "",
        "least_kw": f"{need.min_offer_kw.normalize():f}" if need.min_offer_kw is not None else "",
        "text": need.text,
    }
    return said


ROUTES = [need_page, publish_need, offer_page, make_offer]
