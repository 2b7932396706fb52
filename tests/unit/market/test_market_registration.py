"""The utility's decision on each DER: every rule refuses what it is for, and nothing else."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import msgspec
import pytest

from intertie.market.registration import Connection, Records, decide, decide_der
from intertie.model.aggregation import AggregationRegistration, DecisionReason, Der, Programme, Technology
from intertie.model.contract import Service
from intertie.model.ids import AggregationId, ConnectionPointId, DerId, MeterId
from intertie.model.interval import Window
from intertie.model.quantity import Kilowatts

START = datetime(2026, 1, 12, tzinfo=UTC)
TERM = Window(start=START, end=START + timedelta(days=70))
POINT, METER, DER = ConnectionPointId("bus-7"), MeterId("meter-7"), DerId("battery-7")
RECORDS = Records(
    feeders={POINT: "feeder-1", ConnectionPointId("bus-8"): "feeder-1"},
    connections={DER: Connection(POINT, METER, Decimal("10.000"))},
    consents=frozenset({"consent-7"}),
)


def der(**changes: object) -> Der:
    good = Der(
        id=DER,
        technology=Technology.BATTERY,
        nameplate_kw=Kilowatts(Decimal(10)),
        feeder="feeder-1",
        point=POINT,
        meter=METER,
        premises="premises-7",
        consent="consent-7",
    )
    return msgspec.structs.replace(good, **changes)


def other(start: datetime, days: int) -> tuple[Programme, ...]:
    window = Window(start=start, end=start + timedelta(days=days))
    return (Programme(programme="night", operator="Supplier", term=window),)


def test_a_der_as_in_the_books_is_accepted() -> None:
    found = decide_der(der(), RECORDS, [TERM])
    assert (found.accepted, found.reason) == (True, None)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"point": ConnectionPointId("bus-9")}, DecisionReason.UNKNOWN_CONNECTION_POINT),
        ({"feeder": "feeder-2"}, DecisionReason.WRONG_FEEDER),
        ({"id": DerId("battery-9")}, DecisionReason.NOT_INTERCONNECTED),
        ({"point": ConnectionPointId("bus-8")}, DecisionReason.NOT_INTERCONNECTED),
        ({"meter": MeterId("meter-8")}, DecisionReason.METER_MISSING),
        ({"nameplate_kw": Kilowatts(Decimal("10.21"))}, DecisionReason.NAMEPLATE_MISMATCH),
        ({"nameplate_kw": Kilowatts(Decimal("9.79"))}, DecisionReason.NAMEPLATE_MISMATCH),
        ({"consent": None}, DecisionReason.CONSENT_MISSING),
        ({"consent": "consent-8"}, DecisionReason.CONSENT_MISSING),
        ({"other_programmes": other(START + timedelta(days=69), 30)}, DecisionReason.DOUBLE_COMMITMENT),
        ({"other_programmes": other(START - timedelta(days=1), 2)}, DecisionReason.DOUBLE_COMMITMENT),
    ],
)
def test_every_rule_refuses(changes: dict[str, object], reason: DecisionReason) -> None:
    found = decide_der(der(**changes), RECORDS, [TERM])
    assert (found.accepted, found.reason) == (False, reason)
    assert found.detail


@pytest.mark.parametrize(
    "changes",
    [
        {"nameplate_kw": Kilowatts(Decimal("10.2"))},  # two percent: rounded in one of the books
        {"other_programmes": other(START - timedelta(days=30), 30)},  # ends as ours begins
        {"other_programmes": other(START + timedelta(days=70), 30)},  # begins as ours ends
    ],
)
def test_on_the_line_is_accepted(changes: dict[str, object]) -> None:
    assert decide_der(der(**changes), RECORDS, [TERM]).accepted


def test_a_der_of_another_aggregation_is_refused() -> None:
    found = decide_der(der(), RECORDS._replace(registered=frozenset({DER})), [TERM])
    assert found.reason is DecisionReason.ALREADY_REGISTERED


def test_one_decision_for_each() -> None:
    registration = AggregationRegistration(
        aggregation=AggregationId("winter"),
        services=(Service.DIST_CAPACITY,),
        effective=START,
        ders=(der(), der(id=DerId("battery-9"))),
    )
    found = decide(registration, RECORDS, TERM)
    assert [(one.der, one.accepted) for one in found.decisions] == [("battery-7", True), ("battery-9", False)]
    assert (found.aggregation, found.effective) == ("winter", START)
