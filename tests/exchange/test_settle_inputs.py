"""What a settlement takes of what a gateway holds, and what it leaves out with a reason."""

from __future__ import annotations

from datetime import datetime, timedelta
from fractions import Fraction
from typing import NamedTuple, cast

import pytest
from tests.exchange.house import UTILITY
from tests.exchange.test_acts_dispatch import instruction
from tests.exchange.test_settle import (
    DEAL_AGREEMENT,
    EVENT_DAY,
    METERS,
    ZONE,
    Settling,
    day_of,
    read,
    settled,
    stage,
    usual,
)
from tests.exchange.trade_stage import HOUR, NWS, P9, der

from intertie.gateway.settlement.settle_inputs import find_deal, held, period_of
from intertie.gateway.trading import trade_dispatch, trade_outage
from intertie.gateway.trading.trade_desk import Desk
from intertie.market.baseline_rule import Reason
from intertie.market.book import Book
from intertie.market.statement import settle_event
from intertie.model.dispatch import CancelReason
from intertie.model.ids import DerId, MeterId, PartyId
from intertie.model.interval import local_day
from intertie.model.metering import Channel, MeterReadingSet
from intertie.model.system import OutageCause, OutageKind, OutageNotice

__all__ = ["stage"]  # the fixture


def test_a_call_that_was_taken_back_is_left_out_and_its_day_is_a_day_like_others(stage: Settling) -> None:
    later = instruction(stage, after=26 * HOUR)
    stage.done(trade_dispatch.instruct(stage.utility, later))
    stage.done(
        trade_dispatch.cancel(
            stage.utility, later.dispatch, CancelReason.FORECAST_CHANGED, later.window.start
        )
    )
    deal = find_deal(stage.utility, NWS)
    month = later.window.start.astimezone().strftime("%Y-%m")
    found = held(stage.utility, read(stage, UTILITY), deal, period_of(deal, month), 15)
    assert (later.dispatch, "taken back before it began") in found.left_out
    assert later.dispatch not in {call.instruction.dispatch for call in found.calls}
    assert later.window.start.date() not in found.book.not_usable


def test_days_of_calls_and_outages_serve_no_baseline(stage: Settling) -> None:
    notice = OutageNotice(
        outage="fault",
        kind=OutageKind.UNPLANNED,
        points=(P9,),
        starts=stage.now - 2 * HOUR,
        cause=OutageCause.UNKNOWN,
    )
    stage.done(trade_outage.tell(stage.utility, notice))
    stage.now += timedelta(days=2)
    deal = find_deal(stage.utility, NWS)
    found = held(stage.utility, read(stage, UTILITY), deal, period_of(deal, "2026-01"), 15)
    days = found.book.not_usable
    assert days[EVENT_DAY] is Reason.EVENT_DAY
    out = [day for day, reason in days.items() if reason is Reason.OUTAGE_DAY]
    first = notice.starts.astimezone().date()
    assert sorted(out) == [first, first + timedelta(days=1), first + timedelta(days=2)], (
        "until it is restored"
    )


def test_net_is_import_less_export_and_a_gap_in_either_is_a_gap(stage: Settling) -> None:
    day = EVENT_DAY - timedelta(days=1)
    export: list[int | None] = [250] * 95 + [None]
    body = MeterReadingSet(meters=(day_of("M-1", day, export, channel=Channel.EXPORT),))
    stage.done(stage.say(UTILITY, body, DEAL_AGREEMENT))
    deal = find_deal(stage.utility, NWS)
    found = held(stage.utility, read(stage, UTILITY), deal, period_of(deal, "2026-01"), 15)
    taken = usual("M-1", day)[0] or 0
    assert found.book.readings[MeterId("M-1")][day] == (*(taken - 250,) * 95, None)
    assert found.book.readings[MeterId("M-2")][day] == tuple(usual("M-2", day)), "it has no export at all"


def test_the_terms_and_the_meters_are_those_of_the_deal(stage: Settling) -> None:
    deal = find_deal(stage.utility, NWS)
    period = period_of(deal, "2026-01")
    found = held(stage.utility, read(stage, UTILITY), deal, period, 15)
    assert sorted(found.book.readings) == METERS
    assert found.book.delivered_cap == Fraction(deal.delivered_cap_fraction)
    assert (
        found.book.zone == ZONE and local_day(period.first, ZONE).start >= local_day(period.first, ZONE).start
    )
    other = found.deal.__class__(
        **{name: getattr(deal, name) for name in deal.__struct_fields__} | {"points": (P9,)}
    )
    only = held(stage.utility, read(stage, UTILITY), other, period, 15)
    assert sorted(only.book.readings) == [der(3).meter]
    assert any("not under a point" in why for _, why in only.left_out)


def test_settled_twice_is_the_same(stage: Settling) -> None:
    first, second = settled(stage, UTILITY), settled(stage, UTILITY)
    assert first.statement == second.statement
    with pytest.raises(AttributeError):
        first.statement.text = "changed"  # type: ignore[misc]


class Other(NamedTuple):
    """A desk whose book was changed."""

    partner: PartyId
    now: datetime
    book: Book


def test_a_der_that_joins_within_the_month_counts_from_its_day_on(stage: Settling) -> None:
    """M-2 joins the day after the call: the call is settled on M-1. Had it joined on the day itself, on both."""
    deal, desk = find_deal(stage.utility, NWS), stage.utility
    period = period_of(deal, "2026-01")
    [(name, aggregation)] = desk.book.registry.items()
    midnight = local_day(EVENT_DAY, ZONE).start
    for after, meters in ((25, {"M-1"}), (23, {"M-1", "M-2"})):
        joins = aggregation.ders[DerId("DER-2")][-1]._replace(starts=midnight + after * HOUR)
        ders = {**aggregation.ders, DerId("DER-2"): (joins,)}
        book = desk.book._replace(registry={name: aggregation._replace(ders=ders)})
        found = held(cast(Desk, Other(desk.partner, desk.now, book)), read(stage, UTILITY), deal, period, 15)
        [call] = found.calls
        event = settle_event(found.book, call)
        assert {one.meter for one in event.meters} == meters
        joined = [what for what, why in found.left_out if "settled from that day on" in why]
        assert ("DER-2 (counted)" in joined) is True
