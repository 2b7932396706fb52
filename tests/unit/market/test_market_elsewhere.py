"""A DER that counts for another partner of the utility: for how long, and what follows for decisions and deals."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.market.grid_cases import (
    AGG,
    HEAD,
    POINTS,
    SELLER,
    at,
    breaks,
    change,
    deal,
    decision,
    der,
    event,
    feeder,
    registered,
    registration,
    three_ders,
    window,
)

from intertie.market import elsewhere
from intertie.market.elsewhere import Found, check_deal, check_decision, counted_elsewhere
from intertie.market.feeder import tree_at
from intertie.market.registering import apply
from intertie.market.registry import Registry
from intertie.model.aggregation import DerRemoval, RemovalReason
from intertie.model.ids import AggregationId, DerId, PartyId

THEM = PartyId("other.example")
ONE = DerId("D1")
TREE = tree_at({"F1": (feeder(),)}, at())


def theirs(**changes: Any) -> dict[PartyId, Registry]:
    """Another partner has the first DER, from a day before."""
    body = registration(der(1), name=AggregationId("THEIRS"), effective=at(-24), **changes)
    said = decision("D1", aggregation=AggregationId("THEIRS"), effective=at(-24))
    return {THEM: registered([event(body, -24, SELLER), event(said, -24)])}


def test_it_counts_from_its_acceptance_until_it_leaves() -> None:
    assert counted_elsewhere(ONE, window(0, 24), theirs()) == Found(THEM, AggregationId("THEIRS"), at(0))
    assert counted_elsewhere(ONE, window(-48, -24), theirs()) is None
    assert counted_elsewhere(DerId("D2"), window(0, 24), theirs()) is None
    assert counted_elsewhere(ONE, window(10, 24), theirs(ends=at(10))) is None
    assert counted_elsewhere(ONE, window(9, 24), theirs(ends=at(10))) is not None
    gone = DerRemoval(der=ONE, reason=RemovalReason.CUSTOMER_LEFT)
    registry = theirs()[THEM]
    left = change(effective=5, removed=(gone,))
    registry = apply({AGG: registry[AggregationId("THEIRS")]._replace(name=AGG)}, event(left, 1, SELLER))
    assert counted_elsewhere(ONE, window(5, 24), {THEM: registry}) is None
    assert counted_elsewhere(ONE, window(4, 24), {THEM: registry}) is not None


def test_what_only_waits_for_a_decision_does_not_count() -> None:
    waiting = registered([event(registration(der(1)), 0, SELLER)])
    assert counted_elsewhere(ONE, window(0, 24), {THEM: waiting}) is None


@pytest.mark.rule("elsewhere.counted")
def test_a_der_is_accepted_for_one_partner() -> None:
    body = decision("D1", "D2", "D3", effective=at(-23))
    with breaks(elsewhere.ELSEWHERE) as broken:
        check_decision(body, three_ders(), theirs())
    assert "D1 counts in THEIRS of other.example from 2026-03-01T13:00:00+00:00" in str(broken.value)
    check_decision(body, three_ders(), theirs(ends=at(-23)))
    check_decision(decision("D2", "D3", effective=at(-23)), three_ders(), theirs())


@pytest.mark.rule("elsewhere.counted")
def test_a_deal_draws_on_ders_that_no_other_partner_has() -> None:
    with breaks(elsewhere.ELSEWHERE):
        check_deal(deal(), three_ders(), TREE, theirs())
    check_deal(deal(points=POINTS[1:]), three_ders(), TREE, theirs())
    check_deal(deal(aggregation=AggregationId("AGG-2")), three_ders(), TREE, theirs())
    check_deal(deal(term=window(24, 48)), three_ders(), TREE, theirs(ends=at(24)))
    with breaks(elsewhere.ELSEWHERE):
        check_deal(deal(term=window(23, 48), points=(HEAD,)), three_ders(), TREE, theirs(ends=at(24)))
