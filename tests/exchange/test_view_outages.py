"""The page of outages: who was told and has acknowledged since when, what is out, and what it does to deals and dispatches."""

from __future__ import annotations

from datetime import timedelta

import pytest
from msgspec.structs import replace
from tests.exchange.house import AGGREGATOR, NOW, UTILITY
from tests.exchange.test_acts_dispatch import instruction
from tests.exchange.test_acts_market import RIVAL, Three
from tests.exchange.test_acts_outage import D1, D3, MODEL, news, notice
from tests.exchange.trade_stage import AGG, HOUR, NWS, P7, P9, Stage, dealt, registered

from intertie.exchange.outbound import State as Sent
from intertie.gateway.trading import trade_dispatch
from intertie.gateway.trading import trade_outage as act
from intertie.gateway.views import view_outages
from intertie.gateway.views.view_outages import OutageLine, OutagesView, affected, outages_view, preview
from intertie.model.errors import SettingsError
from intertie.model.system import (
    AssetOutageCause,
    OutageCause,
    OutageKind,
    OutageNotice,
    OutageStatus,
)


def sides(stage: Stage) -> tuple[OutagesView, OutagesView]:
    return outages_view([stage.utility], ours=True), outages_view([stage.aggregator], ours=False)


def only(seen: OutagesView) -> OutageLine:
    (line,) = seen.lines
    return line


def test_who_has_acknowledged_and_since_when() -> None:
    stage = registered()
    said = stage.now
    message = act.tell(stage.utility, notice(stage))
    before, unheard = sides(stage)
    (told,) = only(before).told
    assert only(before).state == "not_acknowledged" and told.acknowledged is None and told.state == ""
    assert [(word.state, word.said, word.message) for word in told.words] == [("queued", said, message)]
    assert only(before).out == (P7, P9) and unheard.lines == ()
    stage.done(message)
    ours, theirs = sides(stage)
    (told,) = only(ours).told
    assert told.partner == AGGREGATOR and told.acknowledged is not None and told.acknowledged > said
    assert only(theirs).told[0].words[0]._replace(outgoing=True) == told.words[0]
    assert not only(theirs).told[0].words[0].outgoing
    act.update(stage.utility, news(stage, OutageStatus.REPAIRING))
    (told,) = only(sides(stage)[0]).told
    assert told.acknowledged is None and [word.document for word in told.words] == [
        "outage_notice",
        "outage_update",
    ]
    stage.settle_soon()
    assert (
        only(sides(stage)[0]).told[0].acknowledged is not None and only(sides(stage)[0]).news == "repairing"
    )


def test_one_that_never_arrived_is_not_over() -> None:
    stage = registered()
    message = act.tell(stage.utility, notice(stage))
    stage.now += timedelta(days=40)
    stage.gateways[UTILITY].store.expire(stage.now)
    assert stage.state_of(UTILITY, message) is Sent.EXPIRED
    line = only(sides(stage)[0])
    assert line.told[0].words[0].state == "expired" and not line.over and line.state == "not_acknowledged"


def test_restored_part_by_part() -> None:
    stage = registered()
    stage.done(act.tell(stage.utility, notice(stage)))
    stage.done(act.restore(stage.utility, "OUT-1", stage.now, points=[P9]))
    part = only(sides(stage)[0])
    assert (part.out, part.back, part.state, part.over) == ((P7,), (P9,), "partly_restored", False)
    stage.done(act.restore(stage.utility, "OUT-1", stage.now))
    whole = only(sides(stage)[1])
    assert (whole.out, whole.over, whole.state) == ((), True, "restored")
    stage.done(act.tell(stage.utility, notice(stage, "OUT-0")))
    assert [line.name for line in sides(stage)[0].lines] == ["OUT-0", "OUT-1"]


def test_ders_that_are_out_and_what_it_does() -> None:
    stage = dealt()
    stage.done(trade_dispatch.instruct(stage.utility, instruction(stage, 15)))
    lost = act.lose(
        stage.aggregator,
        "A-1",
        AGG,
        [D1, D3],
        OutageKind.UNPLANNED,
        AssetOutageCause.FAILURE,
        stage.now,
        text="fire",
    )
    assert only(sides(stage)[1]).state == "not_acknowledged" and only(sides(stage)[1]).missing_kw == 20
    stage.done(lost)
    for seen in sides(stage):
        line = only(seen)
        assert (line.aggregation, line.out, line.missing_kw, line.text) == (AGG, (D1, D3), 20, "fire")
        assert {lack.der for lack in seen.reach.lacks} == {D1, D3} and seen.reach.more == 0
        (harm,) = seen.reach.harms
        assert harm.what == f"deal {NWS}" and harm.short_kw == 10 and harm.why == ("out by A-1",)
    stage.done(act.bring_back(stage.aggregator, "A-1", stage.now))
    ours, _ = sides(stage)
    assert only(ours).over and set(only(ours).back) == {D1, D3} and ours.reach.harms == ()


def test_a_preview_says_nothing_and_shows_what_would_come() -> None:
    stage = dealt()
    stage.done(*stage.utility.say(replace(MODEL, effective=stage.now - HOUR)))
    body = notice(stage, points=(P9,), sections=("F12-S2",))
    reach = preview(stage.utility, body)
    assert {lack.der for lack in reach.lacks} == {"DER-1", "DER-2", "DER-3"}
    assert [(harm.what, harm.short_kw) for harm in reach.harms] == [(f"deal {NWS}", 20)]
    assert sides(stage)[0].lines == () and stage.books().grid.outages == {}
    assert affected(stage.utility, {P9}) == ("DER-3",) and affected(stage.utility, ()) == ()
    with pytest.raises(SettingsError, match=r"outage.no_section"):
        preview(stage.utility, replace(body, sections=("NOWHERE",)))
    stage.done(act.tell(stage.utility, body))
    with pytest.raises(SettingsError, match=r"outage.name"):
        preview(stage.utility, body)
    again = preview(stage.utility, replace(body, outage="OUT-2"))
    assert again.harms == ()  # what is short already is not short by this


def test_one_outage_told_to_two_is_one_line() -> None:
    three = Three()
    body = OutageNotice(
        outage="OUT-1",
        kind=OutageKind.UNPLANNED,
        points=(P7,),
        starts=NOW,
        cause=OutageCause.ANIMAL,
        text="<b>bird</b>",
    )
    first = act.tell(three.desk(UTILITY, AGGREGATOR), body)
    three.done(first)
    act.tell(three.desk(UTILITY, RIVAL), body)
    line = only(outages_view(three.desks, ours=True))
    told = {one.partner: one.acknowledged is not None for one in line.told}
    assert told == {AGGREGATOR: True, RIVAL: False} and line.text == "<b>bird</b>" and line.out == (P7,)
    three.carry()
    line = only(outages_view(three.desks, ours=True))
    assert all(one.acknowledged for one in line.told) and not line.over
    apart = outages_view(three.desks, ours=False)
    assert len(apart.lines) == 2


def test_a_page_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = registered()
    for number in range(3):
        stage.done(act.tell(stage.utility, notice(stage, f"OUT-{number}", points=(P7,))))
    monkeypatch.setattr(view_outages, "OUTAGES_PAGE", 2)
    monkeypatch.setattr(view_outages, "LACKS_SHOWN", 0)
    seen = sides(stage)[0]
    assert len(seen.lines) == 2 and seen.more == 1
