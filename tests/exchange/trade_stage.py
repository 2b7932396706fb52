"""Two gateways under a signed contract, with an aggregation of three DERs and a deal over it: where acts of the trade begin."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from msgspec.structs import replace
from tests.exchange.house import AGGREGATOR, UTILITY
from tests.exchange.test_trade import DEAL, GSA, Two

from intertie.exchange.outbound import State
from intertie.gateway.trading import trade_contract, trade_registration
from intertie.gateway.trading.trade_desk import Desk
from intertie.market.book import Book
from intertie.model.aggregation import Der, Technology
from intertie.model.contract import Confirmation
from intertie.model.ids import (
    AggregationId,
    ConfirmationId,
    ConnectionPointId,
    DerId,
    MessageId,
    MeterId,
    PartyId,
)
from intertie.model.interval import IntervalSeries, Window
from intertie.model.message import Mode
from intertie.model.quantity import Kilowatts, Unit

AGG = AggregationId("AGG")
P7, P9 = ConnectionPointId("F12-T7"), ConnectionPointId("F12-T9")
NWS = ConfirmationId("NWS-1")
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


def der(number: int, point: ConnectionPointId = P7, kw: int = 10, **changes: Any) -> Der:
    good = Der(
        id=DerId(f"DER-{number}"),
        technology=Technology.BATTERY,
        nameplate_kw=Kilowatts(Decimal(kw)),
        feeder="F12",
        point=point,
        meter=MeterId(f"M-{number}"),
        premises=f"P-{number}",
        consent=f"C-{number}",
    )
    return replace(good, **changes)


DERS = (der(1), der(2), der(3, P9))


def kw(start: datetime, *values: float, step: timedelta = HOUR) -> IntervalSeries:
    return IntervalSeries(
        start=start,
        step_seconds=int(step.total_seconds()),
        unit=Unit.KW,
        power_of_ten=-3,
        values=tuple(int(value * 1000) for value in values),
    )


class Soon(Two):
    """Two sides, and all that they queued carried in some seconds: gates do not close meanwhile."""

    def settle_soon(self) -> None:
        for _ in range(4):
            if not any([self.carry(UTILITY), self.carry(AGGREGATOR)]):
                return


class Stage(Soon):
    """Both sides, each with its desk; what is said is carried at once."""

    def desk(self, party: PartyId) -> Desk:
        there = AGGREGATOR if party == UTILITY else UTILITY
        return Desk(self.gateways[party], there, self.now)

    @property
    def utility(self) -> Desk:
        return self.desk(UTILITY)

    @property
    def aggregator(self) -> Desk:
        return self.desk(AGGREGATOR)

    def done(self, *messages: MessageId) -> None:
        """What was queued arrives, and is accepted."""
        self.settle_soon()
        for message in messages:
            states = [self.state_of(party, message) for party in (UTILITY, AGGREGATOR)]
            assert State.ACCEPTED in states, states

    def state_of(self, party: PartyId, message: MessageId) -> State | None:
        row = self.gateways[party].store.message(message, outgoing=True)
        return None if row is None else row.state

    def mode_of(self, party: PartyId, message: MessageId) -> Mode:
        row = self.gateways[party].store.message(message, outgoing=True)
        assert row is not None
        return Mode(row.mode)

    def books(self) -> Book:
        """The book, which is the same on both sides."""
        ours, theirs = self.utility, self.aggregator
        assert self.digest(UTILITY) == self.digest(AGGREGATOR)
        assert ours.book == theirs.book
        return ours.book


def registered() -> Stage:
    """A contract, and DERs that were accepted."""
    stage = Stage()
    stage.agree()
    offered = trade_registration.Offered((DEAL_TERMS.service,), stage.now)
    stage.done(trade_registration.register(stage.aggregator, AGG, offered, DERS))
    accept = trade_registration.Verdicts([one.id for one in DERS])
    stage.done(trade_registration.decide(stage.utility, AGG, accept, stage.now))
    return stage


def dealt(**changes: Any) -> Stage:
    """And a deal at both points that the aggregator accepted."""
    stage = registered()
    stage.done(trade_contract.confirm(stage.utility, replace(DEAL_TERMS, **changes)))
    stage.done(trade_contract.answer_deal(stage.aggregator, NWS))
    return stage


DEAL_TERMS: Confirmation = replace(
    DEAL,
    confirmation=NWS,
    agreement=GSA,
    points=(P7, P9),
    contracted_kw=Kilowatts(Decimal(20)),
    term=Window(start=DEAL.term.start - HOUR, end=DEAL.term.end),
    aggregation=AGG,
    service_hours=(),
    notice_minutes=30,
    max_calls=3,
    max_duration_minutes=120,
)
