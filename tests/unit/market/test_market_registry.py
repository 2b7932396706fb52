"""Registration as a fold: versions, decisions, moves, suspensions by either side, history; every rule and both sides of it."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from tests.unit.market.grid_cases import (
    AGG,
    BUYER,
    POINTS,
    SELLER,
    at,
    breaks,
    call,
    change,
    decision,
    der,
    event,
    programme,
    registered,
    registration,
    three_ders,
)

from intertie.market import registry as rules
from intertie.market.registering import apply
from intertie.market.registry import REVIEW, Standing, at_points, waiting
from intertie.model.aggregation import (
    DecisionReason,
    DerChange,
    DerMove,
    DerRemoval,
    DerResumption,
    DerState,
    DerSuspension,
    RemovalReason,
    SuspensionReason,
)
from intertie.model.contract import ServiceHours, Weekday
from intertie.model.ids import AggregationId, ConnectionPointId, DerId, MeterId, PartyId
from intertie.model.quantity import Kilowatts

D1, D2, D4 = DerId("D1"), DerId("D2"), DerId("D4")
MOVE = DerMove(der=D1, feeder="F1", point=POINTS[2], meter=MeterId("M9"), premises="H9")
REMOVAL = DerRemoval(der=D1, reason=RemovalReason.CUSTOMER_LEFT)


def suspension(name: str = "S1", sender: PartyId = BUYER, **changes: object) -> DerSuspension:
    said: dict[str, object] = {
        "effective": at(2),
        "reason": SuspensionReason.SAFETY,
        "ders": (D1,),
        **changes,
    }
    return DerSuspension(suspension=name, aggregation=AGG, **said)  # type: ignore[arg-type]


def resumption(name: str = "S1", hours: float = 5) -> DerResumption:
    return DerResumption(suspension=name, aggregation=AGG, effective=at(hours))


def kw_at(registry: rules.Registry, hours: float) -> Decimal:
    return sum((one.kw for one in registry[AGG].counting(at(hours)).values()), Decimal(0))


def test_it_counts_from_the_later_of_both_dates_and_only_once_accepted() -> None:
    registry = registered([event(registration(der(1), effective=at(4)), 0, SELLER)])
    assert kw_at(registry, 10) == 0
    registry = apply(registry, event(decision("D1", effective=at(6)), 1))
    assert (kw_at(registry, 5), kw_at(registry, 6)) == (0, 10)
    early = apply(
        registered([event(registration(der(1), effective=at(4)), 0, SELLER)]), event(decision("D1"), 1)
    )
    assert (kw_at(early, 3), kw_at(early, 4)) == (0, 10)


def test_a_decision_for_less_than_the_nameplate() -> None:
    registry = registered([event(registration(der(1)), 0, SELLER)])
    assert kw_at(apply(registry, event(decision("D1", accepted_kw=Kilowatts(Decimal(6))), 1)), 2) == 6


def test_what_is_refused_does_not_count_and_may_be_accepted_later() -> None:
    registry = registered([event(registration(der(1)), 0, SELLER)])
    registry = apply(registry, event(decision("D1", refused=DecisionReason.METER_MISSING), 1))
    assert registry[AGG].ders[D1][-1].reason is DecisionReason.METER_MISSING and kw_at(registry, 2) == 0
    assert kw_at(apply(registry, event(decision("D1", effective=at(3)), 3)), 4) == 10


@pytest.mark.rule("registration.revision")
@pytest.mark.parametrize("revision", [1, 2])
def test_a_revision_that_is_not_newer(revision: int) -> None:
    registry = apply(three_ders(), event(change(2, added=(der(4),)), 1, SELLER))
    with breaks(rules.NEW):
        apply(registry, event(change(revision, added=(der(5),)), 2, SELLER))
    with breaks(rules.NEW):
        apply(registry, event(registration(der(1), revision=revision), 2, SELLER))
    assert apply(registry, event(change(3, added=(der(5),)), 2, SELLER))[AGG].revision == 3


@pytest.mark.rule("registration.unknown_aggregation")
def test_what_was_not_registered() -> None:
    for body, sender in ((change(added=(der(1),)), SELLER), (decision("D1"), BUYER), (suspension(), BUYER)):
        with breaks(rules.UNKNOWN_AGGREGATION):
            apply({}, event(body, 1, sender))


@pytest.mark.rule("registration.unknown_der")
def test_a_der_that_is_not_there() -> None:
    registry = apply(three_ders(), event(change(removed=(REMOVAL,)), 1, SELLER))
    gone = DerChange(der=D1, state=DerState.OUT_OF_SERVICE)
    for changes in (
        {"removed": (REMOVAL,)},
        {"moved": (MOVE,)},
        {"changed": (gone,)},
        {"replaced": (der(1),)},
    ):
        with breaks(rules.UNKNOWN_DER):
            apply(registry, event(change(3, **changes), 2, SELLER))
    with breaks(rules.UNKNOWN_DER):
        apply(registry, event(suspension(), 2))
    with breaks(rules.UNKNOWN_DER):
        apply(registry, event(decision("D9"), 2))


@pytest.mark.rule("registration.der_there")
def test_a_der_is_added_once() -> None:
    with breaks(rules.DER_THERE):
        apply(three_ders(), event(change(added=(der(1),)), 1, SELLER))
    left = apply(three_ders(), event(change(removed=(REMOVAL,)), 1, SELLER))
    back = apply(left, event(change(3, added=(der(1),)), 2, SELLER))
    assert [one.standing for one in back[AGG].ders[D1]] == [Standing.REMOVED, Standing.OFFERED]


@pytest.mark.rule("registration.unknown_revision")
def test_a_decision_about_what_nobody_registered() -> None:
    with breaks(rules.UNKNOWN_REVISION):
        apply(three_ders(), event(decision("D1", revision=2), 1))


@pytest.mark.rule("registration.decided")
def test_an_acceptance_stays() -> None:
    with breaks(rules.DECIDED):
        apply(three_ders(), event(decision("D1", refused=DecisionReason.OTHER), 1))


@pytest.mark.rule("registration.above_nameplate")
def test_no_more_is_accepted_than_there_is() -> None:
    registry = registered([event(registration(der(1)), 0, SELLER)])
    with breaks(rules.ABOVE_NAMEPLATE):
        apply(registry, event(decision("D1", accepted_kw=Kilowatts(Decimal("10.001"))), 1))


@pytest.mark.rule("registration.consent")
def test_no_consent_no_acceptance() -> None:
    registry = registered([event(registration(der(1, consent=None)), 0, SELLER)])
    with breaks(rules.CONSENT):
        apply(registry, event(decision("D1"), 1))
    assert apply(registry, event(decision("D1", refused=DecisionReason.CONSENT_MISSING), 1))


@pytest.mark.rule("registration.counted_once")
def test_a_der_in_two_aggregations() -> None:
    other = AggregationId("AGG-2")
    twice = apply(three_ders(), event(registration(der(1), name=other), 1, SELLER))
    with breaks(rules.COUNTED_ONCE):
        apply(twice, event(decision("D1", aggregation=other), 2))
    left = apply(twice, event(change(2, 30, removed=(REMOVAL,)), 2, SELLER))
    with breaks(rules.COUNTED_ONCE):
        apply(left, event(decision("D1", aggregation=other, effective=at(29)), 3))
    assert apply(left, event(decision("D1", aggregation=other, effective=at(30)), 3))


@pytest.mark.rule("registration.double_commitment")
def test_another_programme_in_some_interval() -> None:
    def offered(*others: object, **changes: object) -> rules.Registry:
        body = registration(der(1, other_programmes=others), ends=at(24 * 30), **changes)
        return registered([event(body, 0, SELLER)])

    with breaks(rules.DOUBLE):
        apply(offered(programme(24 * 29, 24 * 40)), event(decision("D1"), 1))
    assert apply(offered(programme(24 * 31, 24 * 40)), event(decision("D1"), 1))
    six = Kilowatts(Decimal(6))
    part = offered(programme(0, 24 * 40, 4))
    with breaks(rules.DOUBLE):
        apply(part, event(decision("D1"), 1))
    assert kw_at(apply(part, event(decision("D1", accepted_kw=six), 1)), 2) == 6


def hours(start: int, end: int) -> tuple[ServiceHours, ...]:
    from_, to = timedelta(hours=start), timedelta(hours=end)
    return tuple(
        ServiceHours(weekday=day, start=(at(-12) + from_).time(), end=(at(-12) + to).time())
        for day in Weekday
    )


@pytest.mark.rule("registration.double_commitment")
@pytest.mark.rule("registration.counted_once")
def test_a_der_is_free_where_its_aggregation_is_not_offered_any_more() -> None:
    first = registration(der(1), ends=at(24 * 30))
    registry = registered([event(first, 0, SELLER), event(decision("D1"), 1)])
    assert set(registry[AGG].counting(at(24 * 30 - 1))) == {"D1"} and not registry[AGG].counting(at(24 * 30))
    name = AggregationId("AGG-2")
    later = registration(der(1), name=name)
    registry = apply(registry, event(later, 2, SELLER))
    apply(registry, event(decision("D1", aggregation=name, effective=at(24 * 30)), 3))
    with breaks(rules.COUNTED_ONCE):
        apply(registry, event(decision("D1", aggregation=name, effective=at(24 * 30 - 1)), 3))


@pytest.mark.parametrize(
    ("until", "refused"),
    # From 17:00 in New York is 22:00 UTC in winter. The other programme runs from 21:00 to 22:00 UTC: before 8 March nothing
    # is taken twice; from then on the aggregation's hours begin at 21:00 UTC.
    [(24 * 5, False), (24 * 8, True)],
)
def test_double_commitment_begins_when_the_clocks_change(until: int, refused: bool) -> None:
    other = programme(0, 24 * 60, service_hours=hours(21, 22), zone="UTC")
    body = registration(
        der(1, other_programmes=(other,)),
        ends=at(until),
        service_hours=hours(17, 22),
        zone="America/New_York",
    )
    registry = registered([event(body, 0, SELLER)])
    if refused:
        with breaks(rules.DOUBLE) as broken:
            apply(registry, event(decision("D1"), 1))
        assert "from 2026-03-08T21:00:00+00:00" in str(broken.value)
    else:
        assert apply(registry, event(decision("D1"), 1))


@pytest.mark.rule("registration.hours")
def test_hours_that_cannot_be_laid_out() -> None:
    with breaks(rules.HOURS):
        registered([event(registration(der(1), service_hours=hours(1, 2), zone="Mars/Olympus"), 0, SELLER)])
    with breaks(rules.HOURS):
        registered([event(registration(der(1), ends=at(24 * 4000)), 0, SELLER)])
    other = programme(0, 24, service_hours=hours(1, 2), zone="Mars/Olympus")
    with breaks(rules.HOURS):
        apply(three_ders(), event(change(added=(der(4, other_programmes=(other,)),)), 1, SELLER))


def test_a_new_record_counts_when_it_is_accepted_and_the_old_one_until_then() -> None:
    bigger = der(1, 14)
    registry = apply(three_ders(), event(change(2, 2, replaced=(bigger,)), 1, SELLER))
    assert kw_at(registry, 3) == 30
    registry = apply(registry, event(decision("D1", revision=2, effective=at(5)), 4))
    assert (kw_at(registry, 4), kw_at(registry, 5)) == (30, 34)


def test_a_der_that_moves_has_left_at_once() -> None:
    registry = apply(three_ders(), event(change(2, 2, moved=(MOVE,)), 1, SELLER))
    assert (kw_at(registry, 1.5), kw_at(registry, 2)) == (30, 20)
    registry = apply(registry, event(decision("D1", revision=2, effective=at(3)), 3))
    assert [
        version.der.point for _, id, version in at_points(registry, [POINTS[2]], AGG, at(4)) if id == D1
    ] == [POINTS[2]]
    assert not [id for _, id, _ in at_points(registry, [POINTS[0]], None, at(4)) if id == D1]


def test_who_leaves_owes_until_the_message_arrived() -> None:
    registry = apply(three_ders(), event(change(2, -10, removed=(REMOVAL,)), 1, SELLER))
    assert (kw_at(registry, 0.5), kw_at(registry, 1)) == (30, 20)


def test_a_new_list_removes_who_is_not_on_it_and_keeps_who_did_not_change() -> None:
    body = registration(der(2), der(3, 12), der(4), revision=2, effective=at(2))
    registry = apply(three_ders(), event(body, 1, SELLER))
    ders = registry[AGG].ders
    assert [ders[DerId(f"D{i}")][-1].standing for i in (1, 2, 3, 4)] == [
        Standing.REMOVED,
        Standing.ACCEPTED,
        Standing.OFFERED,
        Standing.OFFERED,
    ]
    assert kw_at(registry, 3) == 20


def test_a_decision_that_crosses_with_a_newer_record_is_about_the_old_one() -> None:
    registry = registered([event(registration(der(1)), 0, SELLER)])
    registry = apply(registry, event(change(2, 0, replaced=(der(1, 14),)), 1, SELLER))
    after = apply(registry, event(decision("D1", revision=1), 2))
    assert [one.standing for one in after[AGG].ders[D1]] == [Standing.REPLACED, Standing.OFFERED]
    assert kw_at(apply(after, event(decision("D1", revision=2), 3)), 4) == 14


def test_the_review_clock_runs_and_nothing_is_accepted_by_silence() -> None:
    registry = registered([event(registration(der(1), der(2)), 0, SELLER)])
    registry = apply(registry, event(decision("D1"), 1))
    (one,) = waiting(registry, at(24))
    assert (one.der, one.due, one.overdue) == (D2, at() + REVIEW, False)
    late = at() + REVIEW
    (one,) = waiting(registry, late)
    assert one.overdue and D2 not in registry[AGG].counting(late)
    (short,) = waiting(registry, at(24), timedelta(hours=24))
    assert short.overdue


def test_either_side_suspends_and_time_ends_it() -> None:
    registry = apply(three_ders(), event(suspension(until=at(4)), 1))
    registry = apply(registry, event(suspension("S2", effective=at(6), ders=()), 1, SELLER))
    aggregation = registry[AGG]
    held = [aggregation.suspended(D1, at(hour)) for hour in (1.5, 2, 4, 6)]
    assert [one and one.name for one in held] == [None, "S1", None, "S2"]
    assert aggregation.suspended(D2, at(3)) is None and aggregation.suspended(D2, at(7)) is not None


def test_a_suspension_does_not_begin_before_it_is_known() -> None:
    registry = apply(three_ders(), event(suspension(effective=at(-5)), 1))
    assert registry[AGG].suspended(D1, at(0.5)) is None and registry[AGG].suspended(D1, at(1)) is not None


@pytest.mark.rule("registration.suspension_name")
def test_a_suspension_has_its_own_name() -> None:
    with breaks(rules.SUSPENSION_NAME):
        apply(apply(three_ders(), event(suspension(), 1)), event(suspension(), 2, SELLER))


@pytest.mark.rule("registration.unknown_suspension")
def test_what_is_lifted_holds() -> None:
    with breaks(rules.UNKNOWN_SUSPENSION):
        apply(three_ders(), event(resumption(), 1))
    over = apply(three_ders(), event(suspension(until=at(4)), 1))
    with breaks(rules.UNKNOWN_SUSPENSION):
        apply(over, event(resumption(), 4))


@pytest.mark.rule("registration.not_its_author")
def test_only_its_author_lifts_it() -> None:
    registry = apply(three_ders(), event(suspension(), 1))
    with breaks(rules.NOT_ITS_AUTHOR):
        apply(registry, event(resumption(), 3, SELLER))
    lifted = apply(registry, event(resumption(hours=5), 3))
    assert [lifted[AGG].suspended(D1, at(hour)) is None for hour in (3, 4.9, 5)] == [False, False, True]


def test_what_a_der_can_do_just_now() -> None:
    limited = DerChange(der=D1, state=DerState.LIMITED, available_kw=Kilowatts(Decimal(4)))
    registry = apply(three_ders(), event(change(2, 1, changed=(limited,)), 1, SELLER))
    lost = DerChange(der=D1, state=DerState.NOT_REACHABLE)
    registry = apply(registry, event(change(3, 3, changed=(lost,)), 2, SELLER))
    back = DerChange(der=D1, state=DerState.IN_SERVICE)
    registry = apply(registry, event(change(4, 5, changed=(back,)), 4, SELLER))
    aggregation = registry[AGG]
    version = aggregation.ders[D1][-1]
    assert [aggregation.working_kw(D1, version, at(h)) for h in (3, 5)] == [0, 10]
    assert len(aggregation.live[D1]) == 2, "words that no longer count are dropped"


def test_the_history_says_who_did_what() -> None:
    registry = apply(three_ders(), event(suspension(), 1))
    registry = apply(registry, event(change(2, 2, removed=(REMOVAL,), added=(der(4),)), 2, SELLER))
    lines = [(one.what, one.by, one.ders) for one in registry[AGG].history]
    assert lines == [
        ("registered", SELLER, (D1, D2, DerId("D3"))),
        ("accepted", BUYER, (D1, D2, DerId("D3"))),
        ("suspended", BUYER, (D1,)),
        ("removed", SELLER, (D1,)),
        ("added", SELLER, (D4,)),
    ]


def test_a_message_about_something_else_changes_nothing() -> None:
    registry = three_ders()
    assert apply(registry, event(call(), 1)) is registry
    assert at_points(registry, [ConnectionPointId("P99")], None, at(1)) == []
