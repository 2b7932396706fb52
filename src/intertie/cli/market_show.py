"""`intertie market show`: needs, offers, counters, orders and results with a partner."""

from __future__ import annotations

from intertie.cli._market import span_of
from intertie.cli._shared import HERE, Dir, Json, PartyOption, print_json, print_table, when
from intertie.cli._trade import desk_with
from intertie.cli.market_needs import COLUMNS as NEEDS
from intertie.cli.market_needs import row_of
from intertie.gateway.trading.trade_desk import Desk
from intertie.market.offer_state import CounterState, OfferState, Standing, counter_standing, offer_standing
from intertie.model.quantity import Money

OFFERS = ("offer", "revision", "state", "need", "options", "valid", "order", "result")
COUNTERS = ("counter", "offer", "state", "kw", "price", "valid")
ORDERS = ("order", "offer", "kw", "price", "from", "to")


def show(partner: PartyOption, /, *, dir: Dir = HERE, json: Json = False) -> None:
    """Show needs with the time left until their gates close, offers, counters, orders and results with a partner.

    Example:

        intertie market show aggregator.example

    Parameters
    ----------
    partner
        The other side.
    """
    with desk_with(dir, partner) as (_, desk):
        offers = desk.book.offers
        needs = [row_of(desk, one) for one in offers.needs.values()]
        offered = [_offer(desk, one) for one in offers.offers.values()]
        counters = [_counter(desk, one) for one in offers.counters.values()]
        orders = [
            [one.order.order, one.order.offer or "", span_of(one.order.ordered_kw), _money(one.order.price),
             when(one.order.window.start), when(one.order.window.end)]
            for one in offers.orders.values()
        ]  # fmt: skip
    tables = (
        ("Needs", NEEDS, needs),
        ("Offers", OFFERS, offered),
        ("Counters", COUNTERS, counters),
        ("Orders", ORDERS, orders),
    )
    if json:
        print_json(
            {
                title.lower(): [dict(zip(names, row, strict=True)) for row in rows]
                for title, names, rows in tables
            }
        )
        return
    for title, names, rows in tables:
        print_table(title, names, rows, empty=f"No {title.lower()[:-1]}.")


def _offer(desk: Desk, one: OfferState) -> list[object]:
    standing = offer_standing(one, desk.book.offers, desk.now)
    state = one.phase.value if standing is Standing.ENDED else standing.value
    options = (
        "sealed"
        if one.offer is None
        else "; ".join(
            f"{o.option}: {span_of(o.offered_kw)} kW at {_money(o.price)}" for o in one.offer.options
        )
    )
    valid = "" if one.offer is None else when(one.offer.valid_until)
    return [
        one.name,
        one.revision,
        state,
        one.need or "",
        options,
        valid,
        one.order or "",
        _result(desk, one),
    ]


def _result(desk: Desk, one: OfferState) -> str:
    need = desk.book.offers.needs.get(one.need or "")
    told = need.result.offers if need is not None and need.result is not None else ()
    said = next((each for each in told if each.offer == one.name), None)
    return "" if said is None else f"{said.verdict} {said.reason or ''}".strip()


def _counter(desk: Desk, one: CounterState) -> list[object]:
    body = one.counter
    standing = counter_standing(one, desk.now)
    state = one.phase.value if standing is Standing.ENDED else standing.value
    return [
        body.counter,
        body.offer,
        state,
        span_of(body.ordered_kw),
        _money(body.price),
        when(body.valid_until),
    ]


def _money(price: Money) -> str:
    return f"{price.amount.normalize():f} {price.currency}"
