"""A trade in which every page of the trade has something to show: a feeder with load, a limit and an outage; DERs that wait, are
suspended or refused; needs open and awarded; dispatches that wait, ran and run."""

from __future__ import annotations

from decimal import Decimal

from msgspec.structs import replace
from tests.exchange.test_acts_dispatch import QUARTER, instruction
from tests.exchange.test_acts_outage import MODEL, notice
from tests.exchange.test_simulate import Keys
from tests.exchange.test_trade_offers import NEED, OFFER, usd
from tests.exchange.test_trade_offers import kw as whole_kw
from tests.exchange.test_view_feeder import condition
from tests.exchange.trade_stage import AGG, DEAL_TERMS, DERS, HOUR, MINUTE, P7, P9, Stage, dealt, der, kw

from intertie.gateway.trading import trade_dispatch, trade_market, trade_outage
from intertie.gateway.trading import trade_registration as registration
from intertie.gateway.trading.trade_availability import declare
from intertie.model.aggregation import DecisionReason, SuspensionReason
from intertie.model.availability import AvailabilityDeclaration
from intertie.model.dispatch import DispatchAnswer, RefusalReason, ReportKind
from intertie.model.interval import Window
from intertie.model.system import AssetOutageCause, ConditionKind, OutageKind

SEALED, UNASKED = "N-SEALED", "U-1"


def busy(keys: Keys) -> Stage:
    """It, after all that was said has arrived. The aggregator's keys of sealed offers are kept in `keys`."""
    stage = dealt()
    stage.done(*stage.utility.say(replace(MODEL, effective=stage.now - HOUR)))
    _grid(stage)
    _registry(stage)
    _market(stage, keys)
    _dispatches(stage)
    return stage


def _grid(stage: Stage) -> None:
    start = stage.now.replace(minute=0, second=0, microsecond=0)
    hours = Window(start=start, end=start + 3 * HOUR)
    load = condition(stage, ConditionKind.FORECAST, P7, forecast_kw=kw(start + HOUR, 180))
    load = replace(load, window=hours, forecast_kw=kw(start, 150, 180, 210))
    limit = condition(stage, ConditionKind.LIMIT, P9, limit_kw=kw(start + HOUR, 190))
    limit = replace(limit, window=hours, limit_kw=kw(start, 200, 190, 180))
    stage.done(*stage.utility.say(load), *stage.utility.say(limit))
    series = kw(start, 12, 15, 9)
    said = AvailabilityDeclaration(
        aggregation=AGG,
        service=DEAL_TERMS.service,
        point=P7,
        window=Window(start=start, end=series.end),
        revision=1,
        up_kw=series,
        down_kw=kw(start, 0, 0, 0),
    )
    stage.done(declare(stage.aggregator, said))
    body = notice(stage, points=(P9,), estimated_restoration=stage.now + 8 * HOUR, text="a tree on the line")
    stage.done(trade_outage.tell(stage.utility, body))
    stage.done(
        trade_outage.lose(
            stage.aggregator,
            "A-1",
            AGG,
            [DERS[0].id],
            OutageKind.UNPLANNED,
            AssetOutageCause.FAILURE,
            stage.now,
        )
    )


def _registry(stage: Stage) -> None:
    stage.done(
        registration.change(stage.aggregator, AGG, stage.now, added=[der(4, P9, kw=3), der(5), der(6)]),
    )
    refusal = registration.Verdicts(
        [], {der(6).id: DecisionReason.HOSTING_CAPACITY}, {}, "the transformer is full"
    )
    stage.done(registration.decide(stage.utility, AGG, refusal, stage.now))
    held = registration.suspend(
        stage.utility, AGG, "S-1", SuspensionReason.SAFETY, stage.now + 12 * HOUR, ders=[DERS[1].id]
    )
    stage.done(held)


def _market(stage: Stage, keys: Keys) -> None:
    body = replace(NEED, need=SEALED, price_cap=usd("1"), text="evening peak")
    stage.done(trade_market.publish(stage.utility, body))
    option = replace(
        OFFER.options[0], price=usd("0.43"), offered_kw=whole_kw(7, 7), minimum_fraction=Decimal(0)
    )
    sealed = replace(OFFER, offer="O-1", need=SEALED, aggregation=AGG, options=(option,))
    stage.done(trade_market.make_offer(stage.aggregator, sealed, keys))
    unasked = replace(sealed, offer=UNASKED, need=None, need_revision=None)
    stage.done(trade_market.make_offer(stage.aggregator, unasked))
    stage.done(trade_market.make_counter(stage.utility, UNASKED, price=Decimal("0.40")))


def _dispatches(stage: Stage) -> None:
    first = instruction(stage, 6, after=31 * MINUTE)
    stage.done(trade_dispatch.instruct(stage.utility, first))
    part = trade_dispatch.part_of(first.target_kw, [Decimal(4)])
    answered = trade_dispatch.answer(
        stage.aggregator,
        first.dispatch,
        DispatchAnswer.PARTIAL,
        reason=RefusalReason.ASSET_OUTAGE,
        committed=part,
    )
    stage.done(answered)
    stage.now = first.window.start
    stage.done(trade_dispatch.report(stage.aggregator, first.dispatch, ReportKind.STARTED, stage.now))
    stage.now += QUARTER
    series = kw(first.window.start, *(3.0 + n / 15 for n in range(15)), step=MINUTE)
    stage.done(trade_dispatch.measure(stage.aggregator, first.dispatch, series))
    later = instruction(stage, 3, after=4 * HOUR)
    stage.done(trade_dispatch.instruct(stage.utility, later))
