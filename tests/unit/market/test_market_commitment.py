"""Nothing is sold twice: in no interval, across deals and services, other programmes, and the utility's other partners."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.market.grid_cases import (
    AGG,
    DEAL,
    POINTS,
    SELLER,
    ZONE,
    at,
    breaks,
    change,
    deal,
    decision,
    der,
    event,
    feeder,
    kw,
    programme,
    registered,
    registration,
    three_ders,
    window,
)

from intertie.market import commitment
from intertie.market.commitment import NOTHING, check_deal, oversold, settle
from intertie.market.feeder import tree_at
from intertie.market.hours import windows_of
from intertie.market.registering import apply, programme_claims
from intertie.market.registration import lent_kw
from intertie.market.registry import Registry
from intertie.model.aggregation import DerRemoval, Programme, RemovalReason
from intertie.model.contract import Confirmation, Service, ServiceHours, Weekday
from intertie.model.ids import ConfirmationId, DerId, MeterId
from intertie.model.interval import Window
from intertie.model.quantity import Kilowatts, Unit
from intertie.model.settlement import EventPerformance, MeterPerformance, PerformanceStatement

TREE = tree_at({"F1": (feeder(),)}, at())


def kilowatts(number: int) -> Kilowatts:
    return Kilowatts(Decimal(number))


def second(**changes: object) -> Confirmation:
    said = {"confirmation": ConfirmationId("DEAL-2"), "service": Service.RELIABILITY, **changes}
    return deal(**said)


def hours(start: int, end: int) -> tuple[ServiceHours, ...]:
    return tuple(ServiceHours(weekday=day, start=time(start), end=time(end % 24)) for day in Weekday)


def with_programme(*others: Programme) -> Registry:
    """Three DERs of 10 kW, offered from 19:00 to 22:00 for a month; the third has other programmes, within or beside that."""
    offered = {"ends": at(24 * 30), "service_hours": hours(19, 22), "zone": ZONE}
    body = registration(der(1), der(2), der(3), **offered)
    registry = registered([event(body, 0, SELLER), event(decision("D1", "D2", "D3"), 0)])
    changed = apply(registry, event(change(2, replaced=(der(3, 20, other_programmes=others),)), 0, SELLER))
    return apply(changed, event(decision("D3", revision=2, accepted_kw=kilowatts(10)), 0))


@pytest.mark.rule("commitment.sold_twice")
def test_two_services_in_the_same_hours() -> None:
    check_deal(second(contracted_kw=kilowatts(5)), [deal()], three_ders(), TREE)
    with breaks(commitment.SOLD_TWICE) as broken:
        check_deal(second(contracted_kw=kilowatts(6)), [deal()], three_ders(), TREE)
    assert "1 kW are taken twice" in str(broken.value)


@pytest.mark.rule("commitment.sold_twice")
def test_two_services_in_other_hours() -> None:
    check_deal(second(service_hours=hours(8, 17)), [deal()], three_ders(), TREE)
    with breaks(commitment.SOLD_TWICE):
        check_deal(second(service_hours=hours(8, 18)), [deal()], three_ders(), TREE)


@pytest.mark.rule("commitment.sold_twice")
def test_hours_of_two_zones_meet_only_once_the_clocks_have_changed() -> None:
    """17:00 to 22:00 in New York is 22:00 to 03:00 UTC until 8 March, and 21:00 to 02:00 UTC from then on."""
    utc = {"service_hours": hours(20, 22), "zone": "UTC"}
    winter = second(**utc, term=window(0, 24 * 6))
    check_deal(winter, [deal()], three_ders(), TREE)
    with breaks(commitment.SOLD_TWICE) as broken:
        check_deal(second(**utc, term=window(0, 24 * 7)), [deal()], three_ders(), TREE)
    assert "from 2026-03-08T21:00:00+00:00" in str(broken.value)


@pytest.mark.rule("commitment.sold_twice")
def test_the_hour_that_comes_twice_is_sold_once() -> None:
    """On 1 November 01:00 to 02:00 is two hours in New York, the second of which is 06:00 to 07:00 UTC."""
    term = Window(
        start=datetime.fromisoformat("2026-11-01T00:00Z"), end=datetime.fromisoformat("2026-11-02T00:00Z")
    )
    night = deal(service_hours=hours(1, 2), term=term)
    ders = registered(
        [event(registration(der(1), der(2), der(3)), 0, SELLER), event(decision("D1", "D2", "D3"), 0)]
    )
    for hour, twice in ((4, False), (5, True), (6, True), (7, False)):
        other = second(service_hours=hours(hour, hour + 1), zone="UTC", term=term)
        found = oversold([other, night], ders, TREE)
        assert (found is not None) is twice, hour


@pytest.mark.rule("commitment.sold_twice")
def test_a_deal_that_stands_alone_may_come_before_its_ders() -> None:
    check_deal(deal(contracted_kw=kilowatts(500)), [], {}, TREE)
    check_deal(deal(contracted_kw=kilowatts(500)), [], three_ders(), TREE)
    with breaks(commitment.SOLD_TWICE):
        check_deal(second(), [deal(contracted_kw=kilowatts(500))], {}, TREE)


@pytest.mark.rule("commitment.sold_twice")
def test_another_programme_has_the_same_kilowatts() -> None:
    registry = with_programme(programme(24 * 2, 24 * 60, 20, service_hours=hours(17, 19), zone=ZONE))
    check_deal(deal(contracted_kw=kilowatts(30), service_hours=hours(19, 22)), [], registry, TREE)
    check_deal(deal(contracted_kw=kilowatts(20)), [], registry, TREE)
    check_deal(deal(contracted_kw=kilowatts(30), term=window(0, 24 * 2)), [], registry, TREE)
    with breaks(commitment.SOLD_TWICE) as broken:
        check_deal(deal(contracted_kw=kilowatts(21)), [], registry, TREE)
    assert "1 kW are taken twice from 2026-03-04T22:00:00+00:00" in str(broken.value)


@pytest.mark.rule("commitment.sold_twice")
def test_a_programme_takes_first_what_nobody_accepted() -> None:
    """A nameplate of 20 kW of which 10 were accepted has 10 to lend."""
    registry = with_programme(programme(0, 24 * 60, 10))
    check_deal(deal(contracted_kw=kilowatts(30)), [], registry, TREE)
    registry = with_programme(programme(0, 24 * 60, 14, service_hours=hours(17, 19), zone=ZONE))
    check_deal(deal(contracted_kw=kilowatts(26)), [], registry, TREE)
    with breaks(commitment.SOLD_TWICE):
        check_deal(deal(contracted_kw=kilowatts(27)), [], registry, TREE)


@pytest.mark.rule("commitment.sold_twice")
def test_an_aggregation_is_sold_no_longer_than_it_is_offered() -> None:
    """A month of 30 kW: a second deal finds nothing after it that the first has not."""
    registry = with_programme()
    within, beyond = window(24 * 20, 24 * 30), window(24 * 30, 24 * 40)
    check_deal(second(contracted_kw=kilowatts(5), term=within), [deal()], registry, TREE)
    with breaks(commitment.SOLD_TWICE):
        check_deal(second(contracted_kw=kilowatts(5), term=beyond), [deal()], registry, TREE)


@pytest.mark.rule("commitment.sold_twice")
def test_deals_on_overlapping_points_are_possible_together() -> None:
    """P1 and P2, P2 and P3: 15 kW each fit into 30; with a third of 5 kW on P2 alone they do not."""
    left = deal(points=POINTS[:2], contracted_kw=kilowatts(15))
    right = second(points=POINTS[1:], contracted_kw=kilowatts(15))
    check_deal(right, [left], three_ders(), TREE)
    middle = deal(confirmation=ConfirmationId("DEAL-3"), points=POINTS[1:2], contracted_kw=kilowatts(5))
    check_deal(middle, [left], three_ders(), TREE)
    with breaks(commitment.SOLD_TWICE):
        check_deal(middle, [left, right], three_ders(), TREE)


def test_the_points_behind_a_transformer_are_its_pool() -> None:
    assert oversold([second(), deal()], three_ders(), TREE) is not None
    elsewhere = second(points=POINTS[:1], contracted_kw=kilowatts(10))
    assert oversold([elsewhere, deal(contracted_kw=kilowatts(20))], three_ders(), TREE) is None
    assert oversold([elsewhere, deal(contracted_kw=kilowatts(21))], three_ders(), TREE) is not None


@pytest.mark.rule("commitment.sold_twice")
def test_a_der_that_leaves_is_missing_from_then_on() -> None:
    removal = DerRemoval(der=DerId("D1"), reason=RemovalReason.CUSTOMER_LEFT)
    registry = apply(three_ders(), event(change(2, 24 * 10, removed=(removal,)), 0, SELLER))
    small = {"contracted_kw": kilowatts(5)}
    check_deal(second(**small, term=window(0, 24 * 10)), [deal()], registry, TREE)
    with breaks(commitment.SOLD_TWICE):
        check_deal(second(**small, term=window(0, 24 * 11)), [deal()], registry, TREE)


@pytest.mark.rule("commitment.hours")
def test_hours_that_cannot_be_laid_out() -> None:
    with breaks(commitment.UNKNOWN_HOURS):
        check_deal(deal(zone="Mars/Olympus"), [], {}, TREE)
    with breaks(commitment.UNKNOWN_HOURS):
        check_deal(deal(term=window(0, 24 * 4000)), [], {}, TREE)


SPANS = st.tuples(st.integers(0, 6), st.integers(1, 4), st.integers(1, 15))


@settings(max_examples=150, deadline=None)
@given(st.lists(SPANS, min_size=1, max_size=4), st.lists(SPANS, max_size=3))
def test_it_is_oversold_exactly_where_the_sum_of_every_hour_says_so(
    deals: list[tuple[int, int, int]], others: list[tuple[int, int, int]]
) -> None:
    """Beside the sweep over beginnings and ends: one hour after the other, added up by hand. The DER has 20 kW."""
    registry = registered([event(registration(der(1, 20)), 0, SELLER), event(decision("D1"), 0)])
    programmes = tuple(programme(a * 24, (a + long) * 24, kw * 2) for a, long, kw in others)
    version = registry[AGG].ders[DerId("D1")][0]
    lent = msgspec.structs.replace(version.der, other_programmes=programmes)
    aggregation = registry[AGG]._replace(ders={DerId("D1"): (version._replace(der=lent),)})
    made = [
        deal(
            confirmation=ConfirmationId(f"DEAL-{i}"),
            term=window(a * 24, (a + long) * 24),
            contracted_kw=kilowatts(power),
            service_hours=(),
        )
        for i, (a, long, power) in enumerate(deals)
    ]
    found = oversold(made, {AGG: aggregation}, TREE)
    expected = None
    for day in range(12):
        moment = at(day * 24 + 1)
        mine = made[0].contracted_kw if made[0].term.holds(moment) else Decimal(0)
        beside = sum((one.contracted_kw for one in made[1:] if one.term.holds(moment)), Decimal(0))
        taken = sum((one.committed_kw or 0 for one in programmes if one.term.holds(moment)), Decimal(0))
        total = mine + beside + min(taken, Decimal(20))
        if mine and total > 20 and total > mine and expected is None:
            expected = at(day * 24)
    assert (found.start if found else None) == expected


def statement(
    name: str, dispatch: str, span: Window, *meters: str, confirmation: str = DEAL
) -> PerformanceStatement:
    one = EventPerformance(
        dispatch=dispatch,
        window=span,
        asked_kw=kw(span, 10, 10),
        baseline_kwh=msgspec.structs.replace(kw(span, 10, 10), unit=Unit.KWH),
        actual_kwh=msgspec.structs.replace(kw(span, 5, 5), unit=Unit.KWH),
        delivered_kwh=msgspec.structs.replace(kw(span, 5, 5), unit=Unit.KWH),
        performance_factor=Decimal("0.5"),
        meters=tuple(
            MeterPerformance(
                meter=MeterId(meter),
                baseline_kwh=msgspec.structs.replace(kw(span, 10, 10), unit=Unit.KWH),
                actual_kwh=msgspec.structs.replace(kw(span, 5, 5), unit=Unit.KWH),
            )
            for meter in meters
        ),
        days_used=(),
    )
    return PerformanceStatement(
        statement=name,
        confirmation=ConfirmationId(confirmation),
        service=Service.DIST_CAPACITY,
        period=Window(start=at(), end=at(24 * 28)),
        baseline_method="high-5-of-10",
        events=(one,),
        lines=(),
        contracted_kw=kilowatts(25),
        performance_factor=Decimal("0.5"),
    )


@pytest.mark.rule("commitment.settled_twice")
def test_a_meter_is_counted_under_one_deal_at_a_time() -> None:
    counted = settle(NOTHING, event(statement("ST-1", "X1", window(10, 12), "M1", "M2"), 100), three_ders())
    for span, meter, twice in (
        (window(11, 13), "M2", True),
        (window(11, 13), "M3", False),
        (window(12, 14), "M2", False),
    ):
        body = statement("ST-2", "X2", span, meter, confirmation="DEAL-2")
        if twice:
            with breaks(commitment.SETTLED_TWICE):
                settle(counted, event(body, 101), three_ders())
        else:
            settle(counted, event(body, 101), three_ders())


@pytest.mark.rule("commitment.settled_twice")
def test_a_statement_that_is_made_again_replaces_itself() -> None:
    first = settle(NOTHING, event(statement("ST-1", "X1", window(10, 12), "M1", "M2"), 100), three_ders())
    again = settle(first, event(statement("ST-1b", "X1", window(10, 12), "M1"), 101), three_ders())
    other = statement("ST-2", "X2", window(10, 12), "M2", confirmation="DEAL-2")
    assert len(settle(again, event(other, 102), three_ders())) == 2


@pytest.mark.rule("commitment.other_programme")
def test_a_meter_that_is_another_programmes_then() -> None:
    registry = with_programme(programme(24 * 2, 24 * 60, 20, service_hours=hours(17, 19), zone=ZONE))
    before = statement("ST-1", "X1", window(10, 12), "M3")
    settle(NOTHING, event(before, 100), registry)
    later = statement("ST-1", "X1", window(24 * 2 + 10, 24 * 2 + 12), "M3")
    with breaks(commitment.OTHER_PROGRAMME):
        settle(NOTHING, event(later, 100), registry)


def test_what_programmes_lend_over_time() -> None:
    one = der(1, other_programmes=(programme(0, 48, 4), programme(24, 72, 3)))
    assert lent_kw(one, [window(0, 24)]) == 4
    assert lent_kw(one, [window(0, 72)]) == 7
    assert lent_kw(one, [window(72, 96)]) == 0
    whole = windows_of(window(0, 72), (), None)[0]
    assert len(programme_claims(one, whole)) == 2
    assert lent_kw(der(1, other_programmes=(programme(0, 48),)), [window(47, 49)]) == 10
    assert timedelta(hours=72) == whole.end - whole.start
