"""What orders come to, over UFTP: a statement of ours as a FlexSettlement, taken in as one, and answered order by order."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace
from tests.exchange.house import AGGREGATOR, UTILITY
from tests.exchange.uftp_world import DEAL, KEYS, NEED, START, TEXT, WINDOW, Two, kw, offer_to, order_of
from tests.unit.formats.uftp_cases import invalid

from intertie.exchange.outbound import State
from intertie.formats.uftp import messages as m
from intertie.gateway.ports import Query
from intertie.gateway.translating.accept_translated import original_of
from intertie.model.billing import LineCode
from intertie.model.documents import read_message
from intertie.model.errors import Code, Refused
from intertie.model.interval import IntervalSeries, Window
from intertie.model.quantity import Unit
from intertie.model.settlement import EventPerformance, PerformanceStatement, StatementLine

# 16 January in New York.
DAY = Window(start=datetime(2026, 1, 16, 5, tzinfo=UTC), end=datetime(2026, 1, 17, 5, tzinfo=UTC))


def kwh(*milli: int) -> IntervalSeries:
    return IntervalSeries(start=START, step_seconds=900, unit=Unit.KWH, power_of_ten=-3, values=milli)


def line(code: LineCode, amount: str) -> StatementLine:
    return StatementLine(
        code=code,
        text="per order",
        quantity=Decimal(1),
        unit="kWh",
        rate=Decimal(1),
        amount=Decimal(amount),
        dispatch="D1",
    )


# The order: 60, 40, 0, 40 kW for quarter hours at 0.37 per kWh: 35 kWh, 12.95.
EVENT = EventPerformance(
    dispatch="D1",
    window=WINDOW,
    asked_kw=kw(60, 40, 0, 40),
    baseline_kwh=kwh(25_000, 25_000, 25_000, 25_000),
    actual_kwh=kwh(10_000, 15_000, 25_000, 20_000),
    delivered_kwh=kwh(15_000, 10_000, 0, 5_000),
    performance_factor=Decimal("0.8571"),
)
STATEMENT = PerformanceStatement(
    statement="PS-1",
    confirmation=DEAL.confirmation,
    service=DEAL.service,
    period=DAY,
    baseline_method="d-prognosis",
    events=(EVENT,),
    lines=(line(LineCode.UTILISATION, "11.10"), line(LineCode.PENALTY, "-1.00")),
    contracted_kw=DEAL.contracted_kw,
)


def ordered(**terms: Any) -> Two:
    """A need, an offer and an order under the deal, and a day later."""
    two = Two(deals=(DEAL,), **terms)
    assert two.exchange(UTILITY, NEED) == (State.ACCEPTED, "")
    assert two.exchange(AGGREGATOR, offer_to(two)) == (State.ACCEPTED, "")
    order = order_of(two, confirmation=DEAL.confirmation)
    assert two.exchange(UTILITY, order) == (State.ACCEPTED, "")
    two.now = DAY.end + timedelta(hours=9)
    return two


def settlement(two: Two) -> m.FlexSettlement:
    """As it is kept by who received it; valid by the schema of the specification."""
    row = two.gateways[AGGREGATOR].store.messages(Query(outgoing=False))[-1]
    signed = original_of(row.body)
    assert signed is not None
    assert invalid(signed[64:]) == ""
    message = m.read_payload(signed[64:])
    assert isinstance(message, m.FlexSettlement)
    return message


def answer(two: Two) -> m.FlexSettlementResponse:
    """What the aggregator posted last; valid by the schema."""
    party, raw = two.posted[-1]
    assert party == AGGREGATOR
    xml = m.read_signed(raw).body[64:]
    assert invalid(xml) == ""
    message = m.read_payload(xml)
    assert isinstance(message, m.FlexSettlementResponse)
    return message


def test_a_statement_goes_as_a_settlement_and_comes_as_a_statement() -> None:
    two = ordered()
    assert two.exchange(UTILITY, STATEMENT) == (State.ACCEPTED, "")
    (order,) = settlement(two).orders
    assert (order.order_reference, order.contract_id, order.baseline_reference) == (
        "D1",
        DEAL.confirmation,
        None,
    )
    # 35 kWh at 0.37; paid are 11.10 less 1.00.
    assert (order.price, order.penalty, order.net) == (Decimal("12.95"), Decimal("2.85"), Decimal("10.10"))
    assert [(isp.start, isp.ordered_power, isp.delivered_power, isp.deficiency) for isp in order.isps] == [
        (69, -60_000, -60_000, 0),
        (70, -40_000, -40_000, 0),
        (71, 0, 0, 0),
        (72, -40_000, -20_000, 20_000),
    ]
    assert next((isp.baseline_power, isp.actual_power) for isp in order.isps) == (100_000, 40_000)
    (contract,) = settlement(two).contracts
    assert {isp.reserved_power for isp in contract.periods[0].isps} == {int(DEAL.contracted_kw * 1000)}
    row = two.gateways[AGGREGATOR].store.messages(Query(outgoing=False))[-1]
    _, body = read_message(row.body)
    assert isinstance(body, PerformanceStatement)
    assert body.statement.startswith("uftp:") and body.period == DAY
    assert (body.confirmation, body.contracted_kw) == (DEAL.confirmation, DEAL.contracted_kw)
    (event,) = body.events
    assert event.performance_factor == Decimal("0.8571")
    assert event.delivered_kwh.total() == EVENT.delivered_kwh.total()
    assert [one.amount for one in body.lines] == [Decimal("12.95"), Decimal("-2.85")]
    assert body.lines[1].quantity == 5  # kWh that were missing
    assert two.book(AGGREGATOR).counted["D1"].confirmation == DEAL.confirmation


def test_the_answer_says_of_each_order_what_both_hold() -> None:
    two = ordered()
    two.exchange(UTILITY, STATEMENT)
    said = answer(two)
    assert [(one.order_reference, one.disposition) for one in said.statuses] == [("D1", "Accepted")]


def test_a_repeat_has_one_effect_and_the_same_answer() -> None:
    two = ordered()
    two.exchange(UTILITY, STATEMENT)
    posted = next(raw for party, raw in reversed(two.posted) if party == UTILITY)
    first = two.posted[-1][1]
    rows = len(two.gateways[AGGREGATOR].store.messages(Query(outgoing=False)))
    two.doors[AGGREGATOR].take(posted)
    two.carry(AGGREGATOR)
    assert m.read_signed(two.posted[-1][1]).body == m.read_signed(first).body
    assert len(two.gateways[AGGREGATOR].store.messages(Query(outgoing=False))) == rows


def changed(two: Two, **changes: Any) -> m.FlexSettlementResponse:
    """The answer to a settlement that a utility's own program might have written: ours, changed, signed by its key."""
    message = two.say(UTILITY, STATEMENT)
    row = two.gateways[UTILITY].store.message(message, outgoing=True)
    assert row is not None
    signed = original_of(row.body)
    assert signed is not None
    said = m.read_payload(signed[64:])
    assert isinstance(said, m.FlexSettlement)
    order = {key: changes.pop(key) for key in list(changes) if hasattr(said.orders[0], key)}
    forged = replace(said, **changes)
    forged = replace(forged, orders=tuple(replace(one, **order) for one in forged.orders))
    key = KEYS[UTILITY]
    foreign = two.gateways[UTILITY].partners.all()[0].foreign
    assert foreign is not None
    two.doors[AGGREGATOR].take(two.uftp[UTILITY].wrap(foreign, key.sign(m.write(forged))))
    two.carry(AGGREGATOR)
    return answer(two)


DISPUTED = {
    "Price is not the order's 12.9500": {"price": Decimal(13), "net": Decimal("10.15")},
    "NetSettlement is not Price less Penalty": {"net": Decimal(9)},
    "OrderedFlexPower is not what was ordered": {
        "isps": (
            m.SettlementIsp(
                start=69, baseline_power=1, ordered_power=-1, actual_power=1, delivered_power=0, deficiency=1
            ),
        )
    },
    "there is a Penalty, and no PowerDeficiency": {
        "isps": tuple(
            m.SettlementIsp(
                start=69 + n, baseline_power=1, ordered_power=-1000 * w, actual_power=1, delivered_power=0
            )
            for n, w in enumerate((60, 40, 0, 40))
        )
    },
    "PowerDeficiency is more than was ordered": {
        "isps": tuple(
            m.SettlementIsp(
                start=69 + n,
                baseline_power=1,
                ordered_power=-1000 * w,
                actual_power=1,
                delivered_power=0,
                deficiency=50_000,
            )
            for n, w in enumerate((60, 40, 0, 40))
        )
    },
    "the order is of ean.871685900012636543": {"congestion_point": "ean.871685900012636544"},
}


@pytest.mark.parametrize("why", DISPUTED)
def test_what_is_not_as_both_hold_is_disputed_with_the_reason(why: str) -> None:
    said = changed(ordered(), **DISPUTED[why])
    assert said.result == "Accepted"
    assert [(one.disposition, one.dispute_reason) for one in said.statuses] == [("Disputed", why)]


REJECTED: dict[str, dict[str, Any]] = {
    "Missing Settlement Items": {"order_reference": "D9"},
    "Unknown ContractID": {"contract_id": "C-9", "contracts": ()},
    "PeriodStart rejected, PeriodEnd rejected": {"period_end": date(2026, 1, 20)},
    "PeriodStart/End rejected": {"period_end": date(2026, 1, 10)},
    "Invalid Message: Currency is USD": {"currency": "EUR"},
    "ISP conflict": {
        "isps": (
            m.SettlementIsp(
                start=69, duration=90, baseline_power=1, ordered_power=-1, actual_power=1, delivered_power=0
            ),
        )
    },
}


@pytest.mark.parametrize("reason", REJECTED)
def test_a_settlement_is_rejected_with_the_reason_of_the_specification(reason: str) -> None:
    two = ordered()
    said = changed(two, **REJECTED[reason])
    assert said.result == "Rejected" and (said.rejection_reason or "").startswith(reason)
    assert {one.disposition for one in said.statuses} == {"Disputed"}  # the schema wants one for each order
    assert two.book(AGGREGATOR).counted == {}


def test_its_disputes_are_in_the_detail_of_the_message_that_was_accepted() -> None:
    two = ordered()
    # The aggregator holds another price: it was ordered under other words there.
    message = two.say(UTILITY, STATEMENT)
    two.carry(UTILITY)
    row = two.gateways[UTILITY].store.message(message, outgoing=True)
    assert row is not None and row.parcel is not None
    foreign = two.gateways[AGGREGATOR].partners.all()[0].foreign
    assert foreign is not None
    said = m.FlexSettlementResponse(
        sender_domain="agr.example",
        recipient_domain="dso.example",
        time_stamp=two.now,
        message_id=message[:-1] + ("0" if message[-1] != "0" else "1"),
        conversation_id=message,
        reference=message,
        statuses=(
            m.OrderSettlementStatus(
                order_reference="D1",
                disposition=m.f.SettlementDisposition.DISPUTED,
                dispute_reason="not metered so",
            ),
        ),
    )
    key = KEYS[AGGREGATOR]
    two.doors[UTILITY].take(two.uftp[AGGREGATOR].wrap(foreign, key.sign(m.write(said))))
    assert two.state(UTILITY, message) == (State.ACCEPTED, "disputed: D1 (not metered so)")


UNSAYABLE: dict[str, dict[str, Any]] = {
    "no line RES": {"lines": (replace(line(LineCode.RESERVATION, "5"), dispatch=None),)},
    "no line TAX": {"lines": (line(LineCode.TAX, "5"),)},
    "there is none in it": {"events": (), "corrects": "PS-0", "lines": ()},
    "whole days": {"period": Window(start=DAY.start, end=DAY.end + timedelta(hours=1))},
    "paid more than its order's": {"lines": (line(LineCode.UTILISATION, "13.00"),)},
    "has a gap": {
        "events": (replace(EVENT, baseline_kwh=replace(EVENT.baseline_kwh, values=(1, None, 1, 1))),)
    },
    "other intervals": {
        "events": (
            replace(
                EVENT,
                **{
                    name: IntervalSeries(start=START, step_seconds=3600, unit=Unit.KWH, values=(1,))
                    for name in ("baseline_kwh", "actual_kwh", "delivered_kwh")
                },
            ),
        )
    },
}


@pytest.mark.parametrize("why", UNSAYABLE)
def test_the_author_hears_of_what_a_settlement_cannot_say(why: str) -> None:
    two = ordered()
    with pytest.raises(Refused) as caught:
        two.say(UTILITY, replace(STATEMENT, **UNSAYABLE[why]))
    assert caught.value.code is Code.SCHEMA and why in caught.value.detail


@pytest.mark.rule("statement.items")
def test_the_author_hears_of_an_order_that_is_left_out() -> None:
    two = ordered()
    with pytest.raises(Refused) as caught:
        two.say(UTILITY, replace(STATEMENT, events=(replace(EVENT, dispatch="D2"),), lines=()))
    assert "statement.items: D1 is not in it" in caught.value.detail


def test_what_is_not_in_whole_watts_is_rounded_half_up_and_what_was_asked_in_half_hours_is_split() -> None:
    two = ordered()
    event = replace(
        EVENT,
        asked_kw=IntervalSeries(
            start=START, step_seconds=1800, unit=Unit.KW, power_of_ten=0, values=(50, 20)
        ),
        baseline_kwh=replace(EVENT.baseline_kwh, power_of_ten=-6, values=(250_125, 250_124, -125, 0)),
    )
    two.exchange(UTILITY, replace(STATEMENT, events=(event,)))
    isps = settlement(two).orders[0].isps
    assert [one.baseline_power for one in isps] == [1001, 1000, -1, 0]
    assert [one.ordered_power for one in isps] == [-50_000, -50_000, -20_000, -20_000]
    assert [one.dispute_reason for one in answer(two).statuses] == [
        "OrderedFlexPower is not what was ordered"
    ]


def test_a_partner_that_counts_reductions_above_zero_is_settled_so() -> None:
    two = ordered(positive_reduces=True)
    assert two.exchange(UTILITY, STATEMENT) == (State.ACCEPTED, "")
    assert settlement(two).orders[0].isps[0].ordered_power == 60_000
    assert [one.disposition for one in answer(two).statuses] == ["Accepted"]


def test_another_baseline_is_named_and_comes_back() -> None:
    two = ordered()
    two.exchange(UTILITY, replace(STATEMENT, baseline_method="high_5_of_10", contracted_kw=None))
    assert settlement(two).orders[0].baseline_reference == "high_5_of_10"
    row = two.gateways[AGGREGATOR].store.messages(Query(outgoing=False))[-1]
    _, body = read_message(row.body)
    assert isinstance(body, PerformanceStatement)
    assert (body.baseline_method, body.contracted_kw) == ("high_5_of_10", None)


def test_without_a_deal_on_paper_there_is_nothing_to_settle_under() -> None:
    two = Two()
    two.now = DAY.end + timedelta(hours=9)
    with pytest.raises(Refused) as caught:
        two.say(UTILITY, STATEMENT)
    assert caught.value.code is Code.TRADE_RULE and "statement.unknown_deal" in caught.value.detail
    assert TEXT.agreement
