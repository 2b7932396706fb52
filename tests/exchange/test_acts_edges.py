"""Acts of the trade at their edges: names that are not known, wrong sides, revisions while others are on their way, limits."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.exchange.house import AGGREGATOR, UTILITY
from tests.exchange.test_acts_dispatch import called, instruction
from tests.exchange.test_acts_market import OPEN, RIVAL, Three, priced
from tests.exchange.test_acts_outage import declaration, news, notice
from tests.exchange.test_trade_offers import kw as kw_of
from tests.exchange.test_trade_offers import usd
from tests.exchange.trade_stage import (
    AGG,
    DEAL_TERMS,
    DERS,
    HOUR,
    MINUTE,
    NWS,
    P7,
    P9,
    Stage,
    dealt,
    der,
    kw,
    registered,
)

from intertie.gateway.trading import trade_availability as availability
from intertie.gateway.trading import trade_dispatch as dispatch
from intertie.gateway.trading import trade_market as market
from intertie.gateway.trading import trade_outage as outage
from intertie.gateway.trading import trade_registration as registration
from intertie.gateway.trading.trade_desk import AHEAD, Desk
from intertie.market.dispatch_state import ACKNOWLEDGE
from intertie.market.offer_state import CounterPhase, NeedPhase, OfferPhase
from intertie.model.aggregation import DerChange, DerState, RemovalReason, SuspensionReason
from intertie.model.contract import Service
from intertie.model.dispatch import CancelReason, DispatchAnswer, ReportKind
from intertie.model.errors import Code, Refused, SettingsError
from intertie.model.ids import AggregationId, AgreementId, ConfirmationId, DerId, PartyId
from intertie.model.message import Mode
from intertie.model.offers import CounterVerdict, RevocationReason, WithdrawalReason
from intertie.model.quantity import Kilowatts
from intertie.model.system import AssetOutageCause, OutageKind, OutageStatus

D1, D2, D3 = (one.id for one in DERS)
NOBODY = AggregationId("NOBODY")


def rule_of(refused: pytest.ExceptionInfo[Refused]) -> str:
    """The rule that a refusal names."""
    assert refused.value.code is Code.TRADE_RULE
    return refused.value.detail.partition(":")[0]


# What is not there is said as such, and nothing is queued.
UNKNOWN: list[tuple[str, Any]] = [
    ("no need N9", lambda one: market.find_need(one.aggregator, "N9")),
    ("no need N9", lambda one: market.withdraw_need(one.utility, "N9", WithdrawalReason.NO_LONGER_NEEDED)),
    ("no offer O9", lambda one: market.revoke_offer(one.aggregator, "O9", RevocationReason.SOLD_ELSEWHERE)),
    ("no offer O9", lambda one: market.order(one.utility, "O9")),
    ("no offer O9", lambda one: market.make_counter(one.utility, "O9")),
    ("no counter C9", lambda one: market.answer_counter(one.aggregator, "C9", CounterVerdict.DECLINED)),
    ("no dispatch D9", lambda one: dispatch.change(one.utility, "D9")),
    ("no dispatch D9", lambda one: dispatch.answer(one.aggregator, "D9", DispatchAnswer.ACCEPTED)),
    ("no dispatch D9", lambda one: dispatch.cancel(one.utility, "D9", CancelReason.OTHER, one.now)),
    ("no dispatch D9", lambda one: dispatch.report(one.aggregator, "D9", ReportKind.STARTED, one.now)),
    ("no dispatch D9", lambda one: dispatch.measure(one.aggregator, "D9", kw(one.now, 1))),
    ("no deal NWS-9", lambda one: dispatch.limits(one.utility, ConfirmationId("NWS-9"))),
    ("no outage OUT-1", lambda one: outage.update(one.utility, news(one, OutageStatus.SCHEDULED))),
    ("no outage OUT-9", lambda one: outage.restore(one.utility, "OUT-9", one.now)),
    ("no outage A-9 of DERs", lambda one: outage.bring_back(one.aggregator, "A-9", one.now)),
    ("no point is named", lambda one: outage.points_of(one.utility, (), ("SEC-9",))),
    ("nothing is declared for AGG", lambda one: availability.withdraw(one.aggregator, AGG)),
    ("no aggregation NOBODY", lambda one: registration.find_aggregation(one.utility, NOBODY)),
    (
        "no aggregation NOBODY",
        lambda one: registration.remove(one.aggregator, NOBODY, [D1], RemovalReason.OTHER, one.now),
    ),
]


def test_what_is_not_there_is_said_as_such_and_nothing_leaves() -> None:
    stage = registered()
    before = [stage.digest(party) for party in (UTILITY, AGGREGATOR)]
    for said, act in UNKNOWN:
        with pytest.raises(SettingsError, match=said) as caught:
            act(stage)
        assert caught.value.do, said
    assert [stage.carry(party) for party in (UTILITY, AGGREGATOR)] == [False, False]
    assert [stage.digest(party) for party in (UTILITY, AGGREGATOR)] == before


def test_acts_of_registration_are_of_one_side() -> None:
    stage = registered()
    offered = registration.Offered((DEAL_TERMS.service,), stage.now)
    for act in (
        lambda: registration.register(stage.utility, AGG, offered, DERS),
        lambda: registration.change(stage.utility, AGG, stage.now, added=[der(4)]),
        lambda: registration.decide(stage.aggregator, AGG, registration.Verdicts([D1]), stage.now),
    ):
        with pytest.raises(SettingsError, match="does not go from"):
            act()


def test_who_made_a_suspension_ends_it() -> None:
    stage = registered()
    stage.done(registration.suspend(stage.utility, AGG, "S-1", SuspensionReason.SAFETY, stage.now))
    with pytest.raises(Refused) as refused:
        registration.resume(stage.aggregator, AGG, "S-1", stage.now)
    assert rule_of(refused) == "registration.not_its_author"
    with pytest.raises(Refused) as refused:
        registration.suspend(stage.utility, AGG, "S-1", SuspensionReason.SAFETY, stage.now)
    assert rule_of(refused) == "registration.suspension_name"
    aggregation = stage.books().registry[AGG]
    assert {one.kw for one in registration.lines_of(aggregation, stage.now)} == {0}
    stage.done(registration.resume(stage.utility, AGG, "S-1", stage.now))
    later = stage.now + MINUTE
    assert [one.kw for one in registration.lines_of(stage.books().registry[AGG], later)] == [10, 10, 10]


def test_news_and_changes_count_one_row_of_revisions_before_anything_arrives() -> None:
    stage = registered()
    limited = DerChange(der=D1, state=DerState.LIMITED, available_kw=Kilowatts(Decimal(1)))
    sent = [
        registration.change(stage.aggregator, AGG, stage.now, changed=[limited]),
        registration.change(stage.aggregator, AGG, stage.now, added=[der(4)], changed=[limited]),
        registration.remove(stage.aggregator, AGG, [D3], RemovalReason.OTHER, stage.now),
    ]
    assert [stage.mode_of(AGGREGATOR, one) for one in sent] == [
        Mode.REAL_TIME,
        Mode.REGISTRATION,
        Mode.REGISTRATION,
    ]
    assert registration.find_aggregation(stage.aggregator, AGG).revision == 4
    assert stage.utility.book.registry[AGG].revision == 1
    stage.done(*sent)
    assert stage.books().registry[AGG].revision == 4
    assert registration.undecided(stage.books().registry[AGG]) == [DerId("DER-4")]


def test_declared_twice_before_the_first_arrives() -> None:
    stage = registered()
    start = stage.now + 2 * HOUR
    sent = [availability.declare(stage.aggregator, declaration(start, power)) for power in (5, 6, 7)]
    stage.done(*sent)
    (known,) = [one.body for many in stage.books().availability.declared.values() for one in many]
    assert known.revision == 3 and known.up_kw.values == (7000,)
    elsewhere = availability.declare(stage.aggregator, declaration(start + HOUR, 9))
    stage.done(elsewhere)
    revisions = [one.body.revision for many in stage.books().availability.declared.values() for one in many]
    assert sorted(revisions) == [1, 3]  # another window counts by itself


def test_what_has_ended_is_not_withdrawn() -> None:
    stage = registered()
    stage.done(availability.declare(stage.aggregator, declaration(stage.now + MINUTE, 5)))
    stage.now += 3 * HOUR
    with pytest.raises(SettingsError, match="nothing is declared"):
        availability.withdraw(stage.aggregator, AGG)


def test_ders_out_count_revisions_and_default_to_all_of_them() -> None:
    stage = registered()

    def lose(*ders: DerId, **more: Any) -> None:
        cause, kind = AssetOutageCause.FAILURE, OutageKind.UNPLANNED
        stage.done(outage.lose(stage.aggregator, "A-1", AGG, ders, kind, cause, stage.now, **more))

    lose(D1, D2)
    first = outage.find_assets(stage.utility, "A-1")
    lose(D1, kw=Kilowatts(Decimal(3)))
    second = outage.find_assets(stage.utility, "A-1")
    assert (first.revision, second.revision) == (1, 2)
    stage.done(outage.bring_back(stage.aggregator, "A-1", stage.now))
    with pytest.raises(SettingsError, match="every DER of A-1 is back"):
        outage.bring_back(stage.aggregator, "A-1", stage.now)
    with pytest.raises(Refused) as refused:
        outage.lose(
            stage.aggregator,
            "A-2",
            NOBODY,
            [D1],
            OutageKind.UNPLANNED,
            AssetOutageCause.FAILURE,
            stage.now,
            kw=Kilowatts(Decimal(1)),
        )
    assert rule_of(refused) == "asset_outage.unknown_der"


def test_an_outage_that_is_over_everywhere_is_not_restored_again() -> None:
    stage = registered()
    stage.done(outage.tell(stage.utility, notice(stage)))
    stage.done(outage.restore(stage.utility, "OUT-1", stage.now, points=[P7]))
    lost = outage.find_outage(stage.aggregator, "OUT-1").lost
    assert lost[P7].until is not None and lost[P9].until is None
    stage.done(outage.restore(stage.utility, "OUT-1", stage.now))
    with pytest.raises(SettingsError, match="every point of OUT-1 is back"):
        outage.restore(stage.utility, "OUT-1", stage.now)


def test_names_of_dispatches_do_not_repeat_before_they_arrive() -> None:
    stage = dealt()
    one = instruction(stage, power=2)
    dispatch.instruct(stage.utility, one)
    two = instruction(stage, power=2)
    assert one.dispatch.removesuffix("-1") == two.dispatch.removesuffix("-2")
    assert one.dispatch != two.dispatch


@pytest.mark.parametrize("service", list(ACKNOWLEDGE))
def test_an_answer_is_due_no_sooner_than_the_service_needs(service: Service) -> None:
    stage = Stage()
    for seconds in (0, 1, 59):
        stage.now = stage.now.replace(second=seconds)
        due = dispatch.due_by(stage.utility, service, None)
        least = stage.now + dispatch.ON_THE_WAY + ACKNOWLEDGE[service]
        assert least < due <= least + MINUTE and due.second == 0
    assert dispatch.due_by(stage.utility, service, stage.now) == stage.now  # as said


def test_what_begins_within_a_quarter_of_an_hour_happens_now() -> None:
    desk = Stage().utility
    assert desk.mode_for(desk.now + AHEAD) is Mode.REAL_TIME
    assert desk.mode_for(desk.now + AHEAD + timedelta(microseconds=1)) is Mode.SCHEDULED
    assert desk.mode_for(desk.now - HOUR, Mode.REGISTRATION) is Mode.REAL_TIME
    assert desk.mode_for(desk.now + HOUR, Mode.REGISTRATION) is Mode.REGISTRATION


def test_measurements_count_up_and_a_changed_call_is_answered_in_its_revision() -> None:
    stage, name = called(after=HOUR)
    stage.done(dispatch.change(stage.utility, name, text="once more"))
    assert dispatch.find_dispatch(stage.aggregator, name).instruction.revision == 2
    stage.done(dispatch.answer(stage.aggregator, name, DispatchAnswer.ACCEPTED))
    stage.now += HOUR
    for _ in range(2):
        stage.done(dispatch.measure(stage.aggregator, name, kw(stage.now - MINUTE, 4, step=MINUTE)))
    known = dispatch.find_dispatch(stage.utility, name).telemetry
    assert [one.revision for one in known] == [1, 2]


def test_limits_after_the_term_show_no_hours() -> None:
    stage = dealt()
    assert dispatch.limits(stage.utility, NWS).hours != ()
    stage.now = DEAL_TERMS.term.end
    assert dispatch.limits(stage.utility, NWS).hours == ()


@given(st.lists(st.one_of(st.none(), st.integers(-9_999, 9_999)), min_size=1, max_size=6), st.integers(-3, 0))
def test_a_part_of_a_gap_is_nothing_whatever_the_power_of_ten(values: list[int | None], power: int) -> None:
    asked = replace(kw(DEAL_TERMS.term.start, 1), values=tuple(values), power_of_ten=power)
    part = dispatch.part_of(asked, [Decimal(10**9)])
    whole = [asked.quantity(n) or Decimal(0) for n in range(len(values))]
    assert [part.quantity(n) for n in range(len(values))] == whole
    assert set(dispatch.part_of(asked, [Decimal(0)]).values) == {0}


def test_a_desk_of_a_stranger_and_under_no_agreement() -> None:
    stage = Stage()
    with pytest.raises(Refused):
        Desk(stage.gateways[UTILITY], PartyId("nobody.example"), stage.now)
    with pytest.raises(SettingsError, match="was not signed through the gateway"):
        _ = stage.utility.under(AgreementId("PAPER-9")).text


def open_offer() -> Three:
    """A need asked of both, and one offer to it."""
    three = Three()
    three.ask(OPEN)
    three.offer(AGGREGATOR, priced("0.5", 60, 40))
    return three


def test_acts_of_the_market_are_of_one_side() -> None:
    three = open_offer()
    utility, seller = three.desk(UTILITY), three.of(AGGREGATOR)
    for act in (
        lambda: market.publish(seller, OPEN),
        lambda: market.make_offer(utility, priced("0.5", 1, 1, name="O2")),
        lambda: market.revoke_offer(utility, "O1", RevocationReason.SOLD_ELSEWHERE),
        lambda: market.order(seller, "O1"),
        lambda: market.make_counter(seller, "O1"),
        lambda: market.withdraw_need(seller, "N1", WithdrawalReason.NO_LONGER_NEEDED),
    ):
        with pytest.raises(SettingsError, match="does not go from"):
            act()
    with pytest.raises(SettingsError, match="O1 has no option 7"):
        market.order(utility, "O1", option=7)


def test_an_offer_is_revised_revoked_and_not_revoked_again() -> None:
    three = open_offer()
    three.offer(AGGREGATOR, priced("0.4", 50, 40))
    state = market.find_offer(three.desk(UTILITY), "O1")
    assert state.revision == 2 and state.offer is not None and state.offer.options[0].price == usd("0.4")
    assert "O1" not in three.desk(UTILITY, RIVAL).book.offers.offers
    three.done(market.revoke_offer(three.of(AGGREGATOR), "O1", RevocationReason.SOLD_ELSEWHERE))
    assert market.find_offer(three.desk(UTILITY), "O1").phase is OfferPhase.REVOKED
    with pytest.raises(Refused) as refused:
        market.revoke_offer(three.of(AGGREGATOR), "O1", RevocationReason.SOLD_ELSEWHERE)
    assert rule_of(refused) == "offer.ended"


def test_a_need_is_open_up_to_its_gate_and_withdrawn_with_its_offers() -> None:
    three = open_offer()
    desk = three.of(AGGREGATOR)
    for late, names in ((timedelta(0), ["N1"]), (timedelta(microseconds=1), [])):
        at_gate = Desk(desk.gateway, UTILITY, OPEN.gate_closes + late)
        assert [one.need.need for one in market.open_needs(at_gate)] == names
    three.done(market.withdraw_need(three.desk(UTILITY), "N1", WithdrawalReason.NO_LONGER_NEEDED))
    assert market.find_need(three.of(AGGREGATOR), "N1").phase is NeedPhase.WITHDRAWN
    assert market.find_offer(three.of(AGGREGATOR), "O1").phase is OfferPhase.LAPSED
    assert market.find_need(three.of(RIVAL), "N1").phase is NeedPhase.OPEN
    assert market.open_needs(three.of(AGGREGATOR)) == []
    assert market.next_revision(three.desks, "N1") == 2 and market.next_revision([], "N1") == 1


def test_counters_that_are_on_their_way_have_names_of_their_own() -> None:
    three = open_offer()
    three.now = OPEN.gate_closes + timedelta(seconds=1)
    first = market.make_counter(three.desk(UTILITY), "O1", price=Decimal("0.30"))
    second = market.make_counter(three.desk(UTILITY), "O1", kw_of(10, 10))
    three.done(first, second)
    counters = three.of(AGGREGATOR).book.offers.counters
    assert sorted(counters) == ["C-O1-1", "C-O1-2"]
    assert [counters[name].counter.order for name in sorted(counters)] == ["O-O1-1", "O-O1-2"]
    assert counters["C-O1-1"].counter.ordered_kw == kw_of(60, 40)
    assert counters["C-O1-2"].counter.price == usd("0.5")
    three.done(market.answer_counter(three.of(AGGREGATOR), "C-O1-2", CounterVerdict.ACCEPTED))
    offers = three.desk(UTILITY).book.offers
    assert offers.counters["C-O1-1"].phase is CounterPhase.LAPSED and set(offers.orders) == {"O-O1-2"}
    with pytest.raises(Refused) as refused:
        market.order(three.desk(UTILITY), "O1")
    assert rule_of(refused) == "offer.ended"
    three.same()
