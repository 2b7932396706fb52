"""Availability: revisions and overlaps, what DER outages take from it, and the utility's view of a point."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from types import MappingProxyType
from typing import Any, NamedTuple

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from offer_world import P1, P2, SELLER, START, T0, UTILITY, at, kw, order

from intertie.market import asset_outage, availability
from intertie.market.asset_outage import AssetOutages
from intertie.market.availability import Availability, Grounds, Key, Place, declared_at, least_declared
from intertie.market.availability_view import Question, Row, callable_in, share, view
from intertie.market.event import Broken, Event
from intertie.market.grid import EMPTY as EMPTY_GRID
from intertie.market.grid import able
from intertie.market.registry import Aggregation, Standing, Version
from intertie.model.aggregation import AggregationRegistration
from intertie.model.availability import AvailabilityDeclaration
from intertie.model.contract import Confirmation, Direction, Service, ServiceHours, Weekday
from intertie.model.documents import example
from intertie.model.ids import AggregationId, ConnectionPointId, DerId, DocumentName, MessageId
from intertie.model.interval import Window
from intertie.model.record import Record
from intertie.model.system import AssetOutage, AssetOutageCause, AssetReturn, OutageKind

AGG, OTHER = AggregationId("AGG-1"), AggregationId("AGG-2")
D1, D2 = DerId("DER-1"), DerId("DER-2")
DERS = {AGG: {D1: Place(P1, Decimal(30)), D2: Place(P2, Decimal(10))}}
GROUNDS = Grounds(SELLER, T0, frozenset({Service.DIST_CAPACITY}), DERS)
BARE = Grounds(SELLER, T0)
KEY = Key(AGG, Service.DIST_CAPACITY, P1)
HOUR = timedelta(hours=1)
UP = Direction.UP


def declare(
    *up: int | None, start: datetime = START, step: int = 3600, **changes: Any
) -> AvailabilityDeclaration:
    series = msgspec.structs.replace(kw(*up, step=step), start=start)
    base: dict[str, Any] = {
        "aggregation": AGG,
        "service": Service.DIST_CAPACITY,
        "point": P1,
        "window": Window(start=start, end=series.end),
        "revision": 1,
        "up_kw": series,
        "down_kw": msgspec.structs.replace(series, values=tuple(None if v is None else v // 2 for v in up)),
    }
    return AvailabilityDeclaration(**{**base, **changes})


def out(much: int = 20, *ders: DerId, starts: datetime = START, **changes: Any) -> AssetOutage:
    return AssetOutage(
        outage="A1",
        aggregation=AGG,
        kind=OutageKind.UNPLANNED,
        ders=ders or (D1,),
        starts=starts,
        cause=AssetOutageCause.FAILURE,
        unavailable_kw=Decimal(much),
        **changes,
    )


def back(hours: float, *ders: DerId, complete: bool = True) -> AssetReturn:
    return AssetReturn(
        outage="A1", aggregation=AGG, ders=ders or (D1,), returned=at(hours), complete=complete
    )


def registered(aggregation: AggregationId) -> Aggregation:
    """The aggregation of DERS, as the registry has it."""
    _, body = example(DocumentName("aggregation_registration"))
    assert isinstance(body, AggregationRegistration)
    ders = {
        der: (
            Version(
                msgspec.structs.replace(body.ders[0], id=der, point=one.point, nameplate_kw=one.kw),
                1,
                T0,
                T0,
                Standing.ACCEPTED,
                T0,
            ),
        )
        for der, one in DERS[AGG].items()
    }
    return Aggregation(aggregation, body.services, 1, T0, None, (), None, ders)


REGISTRY = {AGG: registered(AGG)}


def event(body: Record, hours: float, **changes: Any) -> Event:
    name = MessageId(f"{type(body).__name__}-{hours}-{getattr(body, 'revision', '')}")
    return Event(name, SELLER, UTILITY, at(hours), at(hours), body)._replace(**changes)


class Said(NamedTuple):
    """What a fold of messages comes to: declarations, and DERs that are out."""

    state: Availability = availability.EMPTY
    outages: AssetOutages = MappingProxyType({})

    def then(self, one: Event, grounds: Grounds = GROUNDS) -> Said:
        """After one more. Raises Broken."""
        outages = asset_outage.apply(self.outages, one, REGISTRY)
        return Said(availability.apply(self.state, one, grounds), outages)

    def seen(self, grounds: Grounds = GROUNDS, now: float = 0) -> Grounds:
        """The grounds, as of a time, with what is out."""
        return grounds._replace(outages=self.outages, now=at(now))


def play(*events: Event, grounds: Grounds = GROUNDS) -> Said:
    said = Said()
    for one in events:
        said = said.then(one, grounds)
    return said


def left(
    said: Said, hours: float, grounds: Grounds = GROUNDS, key: Key = KEY, now: float = 0
) -> Decimal | None:
    found = declared_at(said.state, key, UP, at(hours), said.seen(grounds, now))
    return None if found is None else found.left_kw


BROKEN: list[tuple[str, list[Event], Event]] = [
    ("availability.wrong_side", [], event(declare(5, 5), 0, sender=UTILITY)),
    ("availability.already_submitted", [event(declare(5, 5), 0)], event(declare(6, 6), 1)),
    (
        "availability.stale_revision",
        [event(declare(5, 5, revision=3), 0)],
        event(declare(6, 6, revision=2), 1),
    ),
    ("availability.period", [], event(declare(5, 5), 10)),
    ("availability.unknown_aggregation", [], event(declare(5, 5, aggregation=OTHER), 0)),
    ("availability.point", [], event(declare(5, 5, point=ConnectionPointId("F13-T1")), 0)),
    ("availability.service_off", [], event(declare(5, 5, service=Service.ENERGY), 0)),
    ("availability.wrong_side", [], event(out(), 0, sender=UTILITY)),
]


@pytest.mark.rule("availability.wrong_side")
@pytest.mark.rule("availability.already_submitted")
@pytest.mark.rule("availability.stale_revision")
@pytest.mark.rule("availability.period")
@pytest.mark.rule("availability.unknown_aggregation")
@pytest.mark.rule("availability.point")
@pytest.mark.rule("availability.service_off")
@pytest.mark.parametrize(("name", "before", "broken"), BROKEN)
def test_a_broken_rule_is_named(name: str, before: list[Event], broken: Event) -> None:
    said = play(*before)
    with pytest.raises(Broken) as caught:
        availability.apply(said.state, broken, GROUNDS)
    assert caught.value.rule.name == name


def test_every_rule_has_a_case() -> None:
    assert {case[0] for case in BROKEN} == {rule.name for rule in availability.RULES}


def test_other_documents_are_of_another_family() -> None:
    with pytest.raises(KeyError):
        play(event(order(), 0))


def test_a_higher_revision_replaces_and_a_gap_is_nothing() -> None:
    state = play(event(declare(50, 40), 0), event(declare(30, None, revision=2), 1))
    assert [left(state, 8.5), left(state, 9.5), left(state, 10.5)] == [30, None, None]
    found = declared_at(state.state, KEY, Direction.DOWN, at(8), GROUNDS)
    assert found is not None and found.declared_kw == 15


def test_real_time_counts_over_the_day_before_where_they_overlap() -> None:
    state = play(event(declare(50, 40), 0), event(declare(9, start=at(8.5), step=1800), 8.4))
    assert [left(state, h) for h in (8, 8.5, 8.9, 9)] == [50, 9, 9, 40]


def test_what_ended_long_ago_is_let_go() -> None:
    later = START + timedelta(days=60)
    state = play(event(declare(5, 5), 0), event(declare(6, 6, start=later), 24 * 59))
    assert len(state.state.declared[KEY.text]) == 1


def test_an_outage_withdraws_without_a_new_declaration() -> None:
    state = play(event(declare(50, 40), 0), event(out(20, starts=at(8.5)), 1))
    assert [left(state, h) for h in (8, 8.5, 9)] == [50, 30, 20]
    found = declared_at(state.state, KEY, UP, at(9), state.seen())
    assert found is not None and (found.declared_kw, found.withdrawn_kw) == (40, 20)


def test_never_more_is_withdrawn_than_was_declared() -> None:
    assert left(play(event(declare(5, 5), 0), event(out(20), 1)), 8) == 0


def test_a_declaration_after_the_outage_knows_of_it() -> None:
    state = play(event(declare(50, 40), 0), event(out(20), 1), event(declare(30, 20, revision=2), 2))
    assert left(state, 8) == 30


def test_return_in_part_and_whole() -> None:
    both = event(out(20, D1, D2), 1)
    state = play(event(declare(50, 50), 0), both, event(back(8.5, D1, complete=False), 2))
    assert [left(state, 8), left(state, 8.5)] == [35, 50]
    p2 = KEY._replace(point=P2)
    state = play(event(declare(50, 50, point=P2), 0), both, event(back(8.5, D1, complete=False), 2))
    assert left(state, 8.5, key=p2) == 45
    state = state.then(event(back(9, D2), 3))
    assert [left(state, 8.5, key=p2), left(state, 9, key=p2)] == [45, 50]


def test_past_its_expected_return_it_is_out_until_it_is_back() -> None:
    state = play(event(declare(50, 50), 0), event(out(20, expected_return=at(9)), 1))
    assert [left(state, 8.5), left(state, 9)] == [30, 50]
    assert left(state, 9.2, now=9.1) == 30
    longer = out(20, expected_return=at(9.5), revision=2)
    state = state.then(event(longer, 2))
    assert [left(state, 9), left(state, 9.5)] == [30, 50]
    state = state.then(event(back(9.25), 9.25))
    assert [left(state, 9.2, now=9.3), left(state, 9.3, now=9.6)] == [30, 50]


def test_an_outage_is_felt_where_its_ders_are() -> None:
    both = [event(declare(50, 50), 0), event(declare(50, 50, point=P2), 0.1), event(out(20, D1, D2), 1)]
    state = play(*both)
    assert left(state, 8) == 35 and left(state, 8, key=KEY._replace(point=P2)) == 45
    # Without a registration it is not known where: it is counted on nowhere.
    assert left(state, 8, BARE) == 30 and left(state, 8, BARE, KEY._replace(point=P2)) == 30


def test_the_least_over_an_interval() -> None:
    state = play(event(declare(50, 40), 0), event(out(20, starts=at(8.25), expected_return=at(8.5)), 1))
    found = least_declared(state.state, [KEY], UP, at(8), at(9), state.seen())
    assert found is not None and found.left_kw == 30
    both = [KEY, KEY._replace(point=P2)]
    assert least_declared(state.state, both, UP, at(8), at(9), state.seen()) is None


def deal(**changes: Any) -> Confirmation:
    _, body = example(DocumentName("confirmation"))
    base = {
        "service": Service.DIST_CAPACITY,
        "points": (P1,),
        "contracted_kw": Decimal(45),
        "term": Window(start=T0, end=T0 + timedelta(days=400)),
        "service_hours": (),
        "direction": UP,
    }
    return msgspec.structs.replace(body, **{**base, **changes})  # type: ignore[no-any-return]


QUESTION = Question(Service.DIST_CAPACITY, P1, UP, Window(start=START, end=START + 2 * HOUR), HOUR)


def test_firm_declared_and_remaining() -> None:
    state = play(event(declare(50, 40), 0), event(out(8, starts=at(9)), 1))
    rows = view(state.state, [deal()], [], QUESTION, state.seen())
    assert rows == [
        Row(at(8), at(9), Decimal(45), Decimal(0), Decimal(50), Decimal(0), Decimal(5)),
        Row(at(9), at(10), Decimal(45), Decimal(0), Decimal(40), Decimal(8), Decimal(-13)),
    ]
    assert [row.short for row in rows] == [False, True]


def test_orders_take_like_deals_and_nothing_declared_is_none() -> None:
    rows = view(availability.EMPTY, [], [order()], QUESTION, GROUNDS)
    assert [(row.ordered_kw, row.declared_kw, row.remaining_kw) for row in rows] == [
        (60, None, -60),
        (40, None, -40),
    ]
    elsewhere = QUESTION._replace(point=P2)
    assert all(row.ordered_kw == 0 for row in view(availability.EMPTY, [], [order()], elsewhere, GROUNDS))


def test_aggregations_at_a_point_add_up() -> None:
    mine = event(declare(50, 40), 0)
    theirs = event(declare(7, None, aggregation=OTHER), 0.1)
    rows = view(play(mine, theirs, grounds=BARE).state, [], [], QUESTION, BARE)
    assert [row.declared_kw for row in rows] == [57, 40]


def test_a_deal_over_points_is_shared_to_the_watt() -> None:
    points = [P1, P2, ConnectionPointId("F12-T11")]
    shares = [share(Decimal(100), points, point) for point in points]
    assert sum(shares) == 100 and shares[1] == shares[2] == Decimal("33.333")
    assert share(Decimal(100), points, ConnectionPointId("X")) == 0


def test_hours_of_a_deal_on_the_day_the_clock_goes_back() -> None:
    """1 November 2026, New York: 01:00 to 02:00 comes twice, and is callable twice."""
    hours = (ServiceHours(weekday=Weekday.SUNDAY, start=time(1), end=time(2)),)
    autumn = deal(service_hours=hours, zone="America/New_York")
    first = datetime(2026, 11, 1, 5, tzinfo=UTC)
    called = [callable_in(autumn, first + HOUR * n, first + HOUR * (n + 1)) for n in range(-1, 4)]
    assert called == [False, True, True, False, False]


def test_a_deal_outside_its_term_is_not_firm() -> None:
    ended = deal(term=Window(start=T0, end=at(9)))
    assert [row.firm_kw for row in view(availability.EMPTY, [ended], [], QUESTION, GROUNDS)] == [45, 0]


MESSAGES = st.lists(
    st.tuples(
        st.sampled_from(
            [
                *(declare(10 * n, 5, revision=n) for n in (1, 2, 3)),
                declare(7, start=at(8.5), step=1800),
                out(20),
                out(5, starts=at(9), revision=2),
                out(30, D1, D2, revision=3, expected_return=at(9.5)),
                back(8.5, D1, complete=False),
                back(9),
            ]
        ),
        st.integers(0, 90),
    ),
    max_size=12,
    unique_by=lambda said: said[1],
)


def fold(some: list[Event]) -> Said:
    said = Said()
    for one in sorted(some, key=lambda e: e.order):
        with contextlib.suppress(Broken):
            said = said.then(one)
    return said


@settings(max_examples=80)
@given(MESSAGES, st.randoms())
def test_what_is_said_in_any_order_is_folded_to_one_state(messages: list[Any], random: Any) -> None:
    events = [event(body, tenths / 10) for body, tenths in messages]
    shuffled = list(events)
    random.shuffle(shuffled)
    said = fold(events)
    assert fold(shuffled) == said
    for row in view(said.state, [], [], QUESTION, said.seen()):
        declared = row.declared_kw or Decimal(0)
        assert 0 <= row.withdrawn_kw <= declared and row.remaining_kw == declared - row.withdrawn_kw


@settings(max_examples=60)
@given(MESSAGES, st.integers(0, 110), st.integers(70, 110))
def test_what_is_withdrawn_is_what_the_grid_says_is_out(messages: list[Any], now: int, asked: int) -> None:
    """One account of DERs that are out, for availability and for dispatch."""
    known = [
        event(body, tenths / 10) for body, tenths in messages if not isinstance(body, AvailabilityDeclaration)
    ]
    said = fold(known)
    withdrawn = {}
    for point in (P1, P2):
        whole = said.then(event(declare(99, 99, 99, 99, 99, start=at(7), point=point), -1))
        found = declared_at(
            whole.state, KEY._replace(point=point), UP, at(asked / 10), said.seen(now=now / 10)
        )
        withdrawn[point] = found.withdrawn_kw if found else Decimal(0)
    grid = EMPTY_GRID._replace(assets=said.outages)
    ders = able(grid, REGISTRY, (P1, P2), AGG, at(asked / 10), at(now / 10))
    for one in ders:
        assert withdrawn[one.version.der.point] == one.version.kw - one.kw
