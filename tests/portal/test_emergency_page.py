"""An emergency over the portal: beyond any deal, displacing what runs, by two people where the settings say so."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from tests.exchange.house import AGGREGATOR
from tests.exchange.test_acts_dispatch import instruction
from tests.exchange.trade_stage import HOUR, MINUTE, P7, P9, dealt
from tests.portal.test_dispatch_page import written
from tests.portal.two_portals import HOSTILE, Portals, harmless, portals, refused, shown
from tests.portal.visitors import signed_in

from intertie.gateway.office.api_keys import OfficeRole
from intertie.gateway.office.approvals import TwoPeople
from intertie.gateway.trading import trade_dispatch, trade_outage
from intertie.market.dispatch_state import State
from intertie.model.system import OutageCause, OutageKind, OutageNotice

SELF = "/dispatch/emergency"


@pytest.fixture
def at(tmp_path: Path) -> Iterator[Portals]:
    """A deal under which something was called."""
    stage = dealt()
    body = instruction(stage, 5, after=40 * MINUTE)
    stage.done(trade_dispatch.instruct(stage.utility, replace(body, dispatch="D-RUNS")))
    with portals(tmp_path, stage) as both:
        yield both


def form(at: Portals, **changes: Any) -> dict[str, Any]:
    starts = (at.stage.now + 10 * MINUTE).replace(second=0, microsecond=0)
    return {
        "service": "RELIABILITY", "point": P7, "kw": "25", "step": "15", "starts": written(starts),
        "ends": written(starts + HOUR), "text": "a line is down", **changes,
    }  # fmt: skip


def test_it_displaces_what_runs(at: Portals) -> None:
    page = shown(at.utility.operator.get(SELF))
    assert "It displaces D-RUNS 5 kW at F12-T7, waiting" in page and "second person" not in page
    said = at.utility.sent(at.utility.operator, SELF, **form(at, override="D-RUNS", text=HOSTILE))
    assert said == f"Emergency called at {P7}."
    book = at.stage.books()
    assert book.dispatches["D-RUNS"].state is State.OVERRIDDEN
    (called,) = [one for one in book.dispatches.values() if one.instruction.emergency]
    assert called.instruction.confirmation is None and called.instruction.target_kw.values == (25_000,) * 4
    for side in at.both:
        answer = side.operator.get(f"/dispatch/one?dispatch={called.instruction.dispatch}")
        harmless(answer.text)
        assert "emergency" in shown(answer) and "emergency" in shown(side.auditor.get("/dispatch"))


def test_a_second_person_approves_it(at: Portals) -> None:
    world = at.utility.world
    world.office = world.office._replace(two_people=frozenset({TwoPeople.OVERRIDE}))
    del world.app  # type: ignore[attr-defined]
    first = signed_in(world, OfficeRole.OPERATOR, name="first")
    second = signed_in(world, OfficeRole.OPERATOR, name="second")
    assert "A second person approves it" in shown(first.get(SELF))
    said = first.done(first.send(SELF, partner=AGGREGATOR, **form(at)))
    assert said.startswith("It waits for a second person")
    at.stage.settle_soon()
    assert len(at.stage.books().dispatches) == 1
    page = second.get("/approvals").text
    approval = page.partition('action="/approvals/')[2].partition("/")[0]
    assert "a line is down" in page and approval
    refused(first.send(f"/approvals/{approval}/approve"))
    assert "Emergency called" in second.done(second.send(f"/approvals/{approval}/approve"))
    at.stage.settle_soon()
    assert len(at.stage.books().dispatches) == 2


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"service": ""}, "the service is missing"),
        ({"point": ""}, "the point is missing"),
        ({"point": "a b"}, "has not the right form"),
        ({"kw": "much"}, "not a number"),
        ({"override": "D-NONE"}, "dispatch.nothing_to_override"),
        ({"starts": "2020-01-01T00:00", "ends": "2020-01-01T01:00"}, "respond_by"),
        ({"service": "LOVE"}, "is none of"),
    ],
)
def test_what_is_no_emergency(at: Portals, changes: dict[str, Any], why: str) -> None:
    assert why in refused(at.utility.operator.send(SELF, partner=AGGREGATOR, **form(at, **changes)))
    at.stage.settle_soon()
    assert list(at.stage.books().dispatches) == ["D-RUNS"]


def test_nobody_is_called_where_there_is_no_supply(at: Portals) -> None:
    dark = OutageNotice(
        outage="OUT-1",
        kind=OutageKind.UNPLANNED,
        points=(P9,),
        starts=at.stage.now,
        cause=OutageCause.WEATHER,
    )
    at.stage.done(trade_outage.tell(at.stage.utility, dark))
    said = refused(at.utility.operator.send(SELF, partner=AGGREGATOR, **form(at, point=P9)))
    assert "dispatch.de_energised" in said


def test_only_who_calls_for_the_utility(at: Portals) -> None:
    for role in (OfficeRole.AUDITOR, OfficeRole.SETTLEMENT, OfficeRole.ADMIN):
        refused(at.utility.by(role).send(SELF, partner=AGGREGATOR, **form(at)), 403)
    refused(at.aggregator.operator.send(SELF, partner=at.aggregator.them, **form(at)), 403)
    assert "for an operator or a trader of the utility" in shown(at.aggregator.operator.get(SELF))
    assert "Emergency" not in shown(at.utility.auditor.get("/dispatch"))
    assert "Emergency, beyond any deal" in shown(at.utility.trader.get("/dispatch"))
