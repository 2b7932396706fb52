"""A call changed while it runs, and what was measured said by hand: from both sides, each once, and only by who may."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from tests.exchange.house import AGGREGATOR, UTILITY
from tests.exchange.test_acts_dispatch import QUARTER
from tests.exchange.trade_stage import HOUR, dealt
from tests.portal.test_dispatch_page import call, one, state, written
from tests.portal.two_portals import Portals, portals, refused, shown

from intertie.gateway.office.api_keys import OfficeRole
from intertie.journal.entry import read_entry
from intertie.market.dispatch_state import Dispatch, State

CHANGE, MEASURE = "/dispatch/change", "/dispatch/measure"


@pytest.fixture
def at(tmp_path: Path) -> Iterator[Portals]:
    """A deal that may be called."""
    with portals(tmp_path, dealt()) as both:
        yield both


def agreed(at: Portals) -> str:
    """A call of 6 kW that was accepted."""
    name = call(at)
    at.aggregator.sent(at.aggregator.operator, "/dispatch/answer", dispatch=name, answer="accepted")
    return name


def known(at: Portals, name: str) -> Dispatch:
    return at.stage.books().dispatches[name]


def change(at: Portals, name: str, **changes: object) -> dict[str, object]:
    """The form as the page shows it, with what was typed over it."""
    body = known(at, name).instruction
    return {
        "partner": AGGREGATOR,
        "dispatch": name,
        "revision": body.revision,
        "kw": "6",
        "step": "15",
        "starts": written(body.window.start),
        "ends": written(body.window.end),
        **changes,
    }


def notes(at: Portals) -> list[str]:
    return [read_entry(raw).note for _, raw, _ in at.utility.world.gateway.store.entries()]


def test_a_running_call_is_changed_and_answered_anew(at: Portals) -> None:
    name = agreed(at)
    at.stage.now = known(at, name).instruction.window.start + timedelta(minutes=2)
    page = at.utility.operator.get(one(name)).text
    assert 'id="change-kw" name="kw" type="text" value="6"' in page and 'name="revision" value="1"' in page
    fields = {**change(at, name), "kw": "6, 4"}
    del fields["partner"]
    said = at.utility.sent(at.utility.operator, CHANGE, **fields)
    assert said.startswith("Changed") and state(at, name) is State.CHANGED
    body = known(at, name).instruction
    assert body.revision == 2 and body.target_kw.values == (6000, 4000)
    assert body.window == known(at, name).agreed.window  # type: ignore[union-attr]
    assert f"change dispatch {name}" in " ".join(notes(at))
    for side in at.both:
        assert "2, received" in shown(side.operator.get(one(name)))
    assert "Your answer" in at.aggregator.operator.get(one(name)).text
    at.aggregator.sent(at.aggregator.operator, "/dispatch/answer", dispatch=name, answer="accepted")
    assert state(at, name) is State.ACCEPTED
    assert 'value="6, 4"' in at.utility.operator.get(one(name)).text


def test_the_same_change_twice_is_one_and_a_stale_one_is_none(at: Portals) -> None:
    name = agreed(at)
    browser = at.utility.trader
    fields = {"csrf": browser.token(), "once": "change-once-1", **change(at, name, kw="5")}
    first, second = browser.post(CHANGE, fields), browser.post(CHANGE, fields)
    assert first.status_code == 303 == second.status_code
    at.stage.settle_soon()
    assert known(at, name).instruction.revision == 2
    stale = {**change(at, name, kw="4"), "revision": 1}
    assert "is at revision 2 by now" in refused(browser.send(CHANGE, **stale))
    at.stage.settle_soon()
    assert known(at, name).instruction.target_kw.values == (5000, 5000)


def test_seconds_that_no_field_shows_stay(at: Portals) -> None:
    stage = at.stage
    stage.now = (stage.now + timedelta(minutes=1)).replace(second=17)
    starts = stage.now + 2 * HOUR
    name = call(at, starts=starts.isoformat(), ends=(starts + HOUR / 2).isoformat())
    page = at.utility.operator.get(one(name)).text
    assert f'value="{written(starts)}"' in page and known(at, name).instruction.window.start == starts
    fields = change(at, name, kw="3")
    at.utility.sent(at.utility.operator, CHANGE, **{k: v for k, v in fields.items() if k != "partner"})
    assert known(at, name).instruction.window.start == starts and known(at, name).instruction.revision == 2


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"kw": "21"}, "dispatch.above_contracted"),
        ({"kw": "1,2,3"}, "3 values for 2 intervals"),
        ({"kw": ""}, "kW is missing"),
        ({"revision": ""}, "revision is missing"),
        ({"revision": "7"}, "is at revision 1"),
        ({"dispatch": "NONE"}, "no dispatch NONE"),
        ({"ends": "2020-01-01T00:00"}, "until is not after from"),
        ({"ramp": "steep"}, "is no number"),
        ({"respond_by": "soon"}, "is no time"),
    ],
)
def test_a_change_that_cannot_be_made_leaves_nothing(
    idle: tuple[Portals, str], changes: dict[str, object], why: str
) -> None:
    at, name = idle
    assert why in refused(at.utility.operator.send(CHANGE, **change(at, name, **changes)))
    at.stage.settle_soon()
    assert known(at, name).instruction.revision == 1


@pytest.fixture(scope="module")
def idle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Portals, str]]:
    """A call that was accepted and nothing here changes."""
    with portals(tmp_path_factory.mktemp("idle"), dealt()) as both:
        yield both, agreed(both)


def test_what_was_measured_as_values_and_as_a_table(at: Portals) -> None:
    name = agreed(at)
    assert "Send what was measured" not in at.aggregator.operator.get(one(name)).text  # too early by an hour
    starts = known(at, name).instruction.window.start
    at.stage.now = starts + QUARTER
    page = at.aggregator.operator.get(one(name)).text
    assert f'id="measure-starts" name="starts" type="datetime-local" value="{written(starts)}"' in page
    said = at.aggregator.sent(
        at.aggregator.operator,
        MEASURE,
        dispatch=name,
        starts=written(starts),
        step="5",
        kw="5.9, -, 6.1",
        ders="2",
    )
    assert said == "3 measured values queued."
    (sent,) = known(at, name).telemetry
    assert sent.power_kw.values == (5900, None, 6100) and sent.ders_reporting == 2
    assert f'value="{written(starts + QUARTER)}"' in at.aggregator.operator.get(one(name)).text
    table = (
        f"start,power_kw\r\n{starts.isoformat()},5.5\r\n{(starts + timedelta(minutes=5)).isoformat()},5.7\r\n"
    )
    assert (
        at.aggregator.sent(at.aggregator.trader, MEASURE, dispatch=name, table=table)
        == "2 measured values queued."
    )
    newest = known(at, name).telemetry[-1]
    assert newest.revision == 2 and newest.power_kw.quantity(1) == Decimal("5.7")
    drawn = at.utility.operator.get(f"/dispatch/plot?dispatch={name}").json()
    assert drawn["series"][2]["values"][:3] == [5.5, 5.7, 6.1]


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({}, "what was measured?"),
        ({"kw": "5", "table": "start,power_kw\n"}, "and not both"),
        ({"kw": "5"}, "from is missing"),
        ({"kw": "much", "starts": "2026-01-01T00:00"}, "not a number"),
        ({"kw": "5", "starts": "2026-01-01T00:00", "step": "0"}, "a whole number from 1 to 60"),
        ({"kw": "5", "starts": "2020-01-01T00:00"}, "dispatch.telemetry_outside"),
        ({"table": "start,kw\n2026-01-01T00:00Z,5\n"}, "power_kw"),
        ({"table": "start,power_kw\n"}, "no interval"),
        ({"table": "x" * 100_001}, "more than 100000"),
        ({"kw": "5", "starts": "2026-01-01T00:00", "ders": "-1"}, "a whole number from 0"),
        ({"kw": "5", "starts": "2026-01-01T00:00", "dispatch": "NONE"}, "no dispatch NONE"),
    ],
)
def test_what_cannot_have_been_measured(
    idle: tuple[Portals, str], fields: dict[str, object], why: str
) -> None:
    at, name = idle
    said = {"partner": UTILITY, "dispatch": name, **fields}
    assert why in refused(at.aggregator.operator.send(MEASURE, **said))
    at.stage.settle_soon()
    assert known(at, name).telemetry == ()


def test_each_side_says_its_own_and_nobody_else_does(idle: tuple[Portals, str]) -> None:
    at, name = idle
    measured = {"dispatch": name, "kw": "5", "starts": "2026-01-01T00:00"}
    for side, path, fields in (
        (at.utility, CHANGE, change(at, name, kw="5")),
        (at.aggregator, MEASURE, {"partner": UTILITY, **measured}),
    ):
        for role in (OfficeRole.SETTLEMENT, OfficeRole.AUDITOR, OfficeRole.ADMIN):
            refused(side.by(role).send(path, **fields), 403)
        other = at.aggregator if side is at.utility else at.utility
        said = refused(other.operator.send(path, **{**fields, "partner": other.them}), 403)
        assert "it is not yours" in said
    for side in at.both:
        page = side.by(OfficeRole.AUDITOR).get(one(name)).text
        assert not re.search("Change the call|Send what was measured", page)
    at.stage.settle_soon()
    assert known(at, name).instruction.revision == 1 and known(at, name).telemetry == ()


def test_what_is_over_is_not_changed(at: Portals) -> None:
    name = agreed(at)
    at.stage.now = known(at, name).instruction.window.end
    assert "Change the call" not in at.utility.operator.get(one(name)).text
    fields = change(at, name, kw="5")
    assert "not before the window ends" in refused(at.utility.operator.send(CHANGE, **fields))
