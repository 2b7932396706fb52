"""`intertie trade dispatches` and `effects`: what they say of a book, and of a partner with whom nothing is agreed yet."""

from __future__ import annotations

import re
import shlex
from datetime import timedelta
from pathlib import Path

import pytest
from tests.command.gateways import AGGREGATOR, command, make_pair
from tests.unit.market.grid_cases import CALL, answer, at, call, called, event, grid_of, ground, kw, window

from intertie.cli.dispatch_show import COLUMNS, line, plot, tracked
from intertie.cli.trade_effects import LACKS, SHORT, rows
from intertie.market.dispatch_state import EMPTY
from intertie.market.effects import effects
from intertie.market.telemetry import track
from intertie.model.dispatch import DispatchTelemetry
from intertie.model.ids import ConnectionPointId
from intertie.model.system import OutageCause, OutageKind, OutageNotice

ROOT = Path(__file__).parents[2]
OUT = OutageNotice(
    outage="O1",
    kind=OutageKind.UNPLANNED,
    cause=OutageCause.VEHICLE,
    points=(ConnectionPointId("P3"),),
    starts=at(9),
    estimated_restoration=at(12),
)


@pytest.fixture(scope="module")
def utility(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_pair(tmp_path_factory.mktemp("effects"))[0]


def test_with_whom_nothing_is_agreed_nothing_is_short(utility: Path) -> None:
    none = command("dispatch", "show", AGGREGATOR, "--dir", utility)
    assert none.code == 0 and none.out.strip() == "No dispatch."
    assert command("dispatch", "show", AGGREGATOR, "--dir", utility, "--json").json == {"dispatches": []}
    found = command("trade", "effects", AGGREGATOR, "--hours", "48", "--dir", utility)
    assert found.code == 0 and "Nothing is short in the next 48 h." in found.out
    assert command("trade", "effects", AGGREGATOR, "--dir", utility, "--json").json == {
        "lacks": [],
        "short": [],
    }


def test_mistakes_say_what_to_do(utility: Path) -> None:
    unknown = command("dispatch", "show", AGGREGATOR, "X9", "--dir", utility)
    assert unknown.code == 1 and "no dispatch X9" in unknown.err and "without a name" in unknown.err
    long = command("trade", "effects", AGGREGATOR, "--hours", "745", "--dir", utility)
    assert long.code == 1 and "not between 1 and 744" in long.err


def test_a_dispatch_beside_its_telemetry() -> None:
    state = called(event(call(), 0))
    state = called(event(answer(), 1), before=state)
    measured = DispatchTelemetry(dispatch="X1", power_kw=kw(CALL, 10, 20), revision=1)
    state = called(event(measured, 12), before=state)
    (one,) = state.values()
    assert dict(zip(COLUMNS, line(one, at(13)), strict=True))["state"] == "accepted"
    went = track(one, at(13))
    shown = [tracked(row) for row in went.rows]
    assert [row[3] for row in shown] == ["10.000", "20.000"] and all(row[1] and row[2] for row in shown)
    drawn = plot(went.rows).plain
    assert "asked" in drawn and "owed" in drawn and "measured" in drawn and "kW" in drawn


def test_what_is_short_names_deal_dispatch_and_reason() -> None:
    on = ground(state=grid_of(event(OUT, 5)))
    found = effects(on, called(event(call(power=(20, 25)), 0)), [], window(0, 24), timedelta(hours=1), at(6))
    lacks, short = rows(found)
    assert dict(zip(LACKS, lacks[0], strict=True))["der"] == "D3"
    named = dict(zip(SHORT, short[0], strict=True))
    assert named["what"].startswith("deal ") and named["short_kw"] == "5" and "no supply" in named["why"]
    assert rows(effects(on, EMPTY, [], window(0, 2), timedelta(hours=1), at(1)))[1] == []


@pytest.mark.parametrize("page", ["grid.md", "dispatch.md"])
def test_the_commands_of_the_page(page: str, utility: Path) -> None:
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    (line,) = re.findall(r"^intertie (.+) --dir u$", text, re.M)
    assert AGGREGATOR in line
    said = command(*shlex.split(line), "--dir", utility)
    assert said.code == 0, said.err
