"""What an order may take: of an aggregation no more than was declared and not withdrawn, of a deal no more than it contracts,
with all other orders on it."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from intertie.market import offer_rules as rules
from intertie.market.offer_setting import Setting, amounts, forbid
from intertie.market.offer_state import Offers, OrderState
from intertie.model.ids import AggregationId
from intertie.model.offers import Order


def check_declared(book: Offers, order: Order, aggregation: AggregationId | None, setting: Setting) -> None:
    """All orders on an aggregation at these points stay within its declaration, where there is one."""
    if aggregation is None or setting.declared is None:
        return
    series = order.ordered_kw
    for place, kw in enumerate(amounts(series)):
        if not kw:
            continue
        start = series.start + series.step * place
        end = start + series.step
        declared = setting.declared(aggregation, order.service, order.points, order.direction, start, end)
        if declared is None:
            continue
        taken = sum(
            (
                kw_between(other.order, start, end)
                for other in book.orders.values()
                if _beside(other, aggregation, order)
            ),
            Decimal(0),
        )
        detail = f"interval {place + 1}: {declared} kW is declared, {taken} kW of it ordered already"
        forbid(kw + taken > declared, rules.ORDER_CONFLICT, detail)


def check_deal(book: Offers, order: Order, setting: Setting) -> None:
    """An order under a confirmation keeps its terms; nothing is asked of one that the book does not know."""
    deal = setting.deals.get(order.confirmation or "")
    if deal is None:
        return
    same = (order.service, order.direction) == (deal.service, deal.direction)
    forbid(not same, rules.ORDER_DEAL_PRODUCT, f"{deal.confirmation} is {deal.service}, {deal.direction}")
    for point in order.points:
        known = setting.below(point, deal.points)
        forbid(not known, rules.ORDER_DEAL_PRODUCT, f"{point} is none of {deal.confirmation}")
    inside = deal.term.start <= order.window.start and order.window.end <= deal.term.end
    said = f"{deal.confirmation} is from {deal.term.start.isoformat()} to {deal.term.end.isoformat()}"
    forbid(not inside, rules.ORDER_DEAL_TERM, said)
    others = [one.order for one in book.orders.values() if one.order.confirmation == deal.confirmation]
    series = order.ordered_kw
    for place, kw in enumerate(amounts(series)):
        start = series.start + series.step * place
        taken = sum((kw_between(other, start, start + series.step) for other in others), Decimal(0))
        detail = (
            f"interval {place + 1}: {deal.contracted_kw} kW are contracted, {taken} kW of it ordered already"
        )
        forbid(bool(kw) and kw + taken > deal.contracted_kw, rules.ORDER_DEAL_POWER, detail)


def _beside(other: OrderState, aggregation: str, order: Order) -> bool:
    return (
        other.aggregation == aggregation
        and (other.order.service, other.order.direction) == (order.service, order.direction)
        and not set(other.order.points).isdisjoint(order.points)
    )


def kw_between(order: Order, start: datetime, end: datetime) -> Decimal:
    """The most that is ordered at any time from start to end."""
    series = order.ordered_kw
    return max(
        (
            kw
            for place, kw in enumerate(amounts(series))
            if series.start + series.step * place < end and start < series.start + series.step * (place + 1)
        ),
        default=Decimal(0),
    )
