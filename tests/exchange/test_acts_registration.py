"""Acts of registration: what each says, in which mode, and what it refuses to say."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from tests.exchange.house import AGGREGATOR, UTILITY
from tests.exchange.trade_stage import AGG, DEAL_TERMS, DERS, HOUR, P9, Stage, der, registered

from intertie.gateway.trading import trade_registration as act
from intertie.market.registry import Standing, waiting
from intertie.model.aggregation import (
    DecisionReason,
    DerChange,
    DerMove,
    DerState,
    RemovalReason,
    SuspensionReason,
)
from intertie.model.errors import Refused, SettingsError
from intertie.model.ids import AggregationId, DerId, MeterId
from intertie.model.message import Mode
from intertie.model.quantity import Kilowatts

D1, D2, D3 = (one.id for one in DERS)


def offered(stage: Stage) -> act.Offered:
    return act.Offered((DEAL_TERMS.service,), stage.now)


def test_registered_anew_who_is_not_on_the_list_leaves() -> None:
    stage = registered()
    stage.done(act.register(stage.aggregator, AGG, offered(stage), DERS[:2]))
    book = stage.books()
    assert book.registry[AGG].revision == 2
    assert book.registry[AGG].ders[D3][-1].standing is Standing.REMOVED
    assert book.registry[AGG].ders[D1][-1].standing is Standing.ACCEPTED


def test_one_change_says_many_things() -> None:
    stage = registered()
    message = act.change(
        stage.aggregator,
        AGG,
        stage.now,
        added=[der(4)],
        replaced=[der(1, kw=12)],
        moved=[DerMove(der=D2, feeder="F12", point=P9, meter=MeterId("M-9"), premises="P-9")],
    )
    assert stage.mode_of(AGGREGATOR, message) is Mode.REGISTRATION
    stage.done(message)
    aggregation = stage.books().registry[AGG]
    assert sorted(act.undecided(aggregation)) == [D1, D2, DerId("DER-4")]
    assert [one.der for one in waiting({AGG: aggregation}, stage.now)] == [D1, D2, DerId("DER-4")]
    assert aggregation.ders[D2][-1].der.point == P9


def test_what_a_der_can_do_just_now_is_news() -> None:
    stage = registered()
    limited = DerChange(der=D1, state=DerState.LIMITED, available_kw=Kilowatts(Decimal(4)))
    message = act.change(stage.aggregator, AGG, stage.now, changed=[limited])
    assert stage.mode_of(AGGREGATOR, message) is Mode.REAL_TIME
    stage.done(message)
    lines = {line.der: line for line in act.lines_of(stage.books().registry[AGG], stage.now)}
    assert (lines[D1].kw, lines[D2].kw) == (4, 10)
    away = DerChange(der=D1, state=DerState.NOT_REACHABLE)
    stage.done(act.change(stage.aggregator, AGG, stage.now, changed=[away]))
    lines = {line.der: line for line in act.lines_of(stage.books().registry[AGG], stage.now)}
    assert lines[D1].kw == 0


def test_removed_for_a_reason_from_a_time_on() -> None:
    stage = registered()
    later = stage.now + 2 * HOUR
    stage.done(act.remove(stage.aggregator, AGG, [D1], RemovalReason.CUSTOMER_LEFT, later))
    aggregation = stage.books().registry[AGG]
    assert D1 in aggregation.counting(stage.now) and D1 not in aggregation.counting(later)
    with pytest.raises(Refused, match=r"registration.unknown_der"):
        act.remove(stage.aggregator, AGG, [D1], RemovalReason.CUSTOMER_LEFT, later)


def test_decisions_say_one_thing_of_each_der() -> None:
    stage = Stage()
    stage.agree()
    stage.done(act.register(stage.aggregator, AGG, offered(stage), DERS))
    desk = stage.utility
    for verdicts, said in (
        (act.Verdicts([D1], {D1: DecisionReason.OTHER}), "is accepted and refused"),
        (act.Verdicts([D1], {}, {D2: Decimal(3)}), "has a limit and is not accepted"),
        (act.Verdicts([]), "nothing was said"),
    ):
        with pytest.raises(SettingsError, match=said):
            act.decide(desk, AGG, verdicts, stage.now)
    refuse = {D3: DecisionReason.CONSENT_MISSING}
    said = act.Verdicts([D1, D2], refuse, {D2: Decimal("7.5")}, "the form is not signed")
    stage.done(act.decide(desk, AGG, said, stage.now))
    lines = {line.der: line for line in act.lines_of(stage.books().registry[AGG], stage.now)}
    assert [lines[one].kw for one in (D1, D2, D3)] == [10, Decimal("7.5"), 0]
    assert lines[D3].newest.reason is DecisionReason.CONSENT_MISSING
    assert lines[D3].newest.detail == "the form is not signed" and lines[D3].counting is None


def test_a_decision_names_the_revision_that_was_seen() -> None:
    """The aggregator changes a record while the utility decides: what was decided is the old one."""
    stage = Stage()
    stage.agree()
    stage.done(act.register(stage.aggregator, AGG, offered(stage), DERS))
    desk = stage.utility
    message = act.change(stage.aggregator, AGG, stage.now, replaced=[der(1, kw=12)])
    stage.done(message)
    decided = act.decide(desk, AGG, act.Verdicts([one.id for one in DERS]), stage.now)
    stage.done(decided)
    aggregation = stage.books().registry[AGG]
    assert [one.standing for one in aggregation.ders[D1]] == [Standing.REPLACED, Standing.OFFERED]
    assert aggregation.ders[D2][-1].standing is Standing.ACCEPTED


@pytest.mark.parametrize("side", [UTILITY, AGGREGATOR])
def test_either_side_suspends_now_or_later(side: object) -> None:
    stage = registered()
    party = UTILITY if side == UTILITY else AGGREGATOR
    now = act.suspend(stage.desk(party), AGG, "S-1", SuspensionReason.SAFETY, stage.now, ders=[D1])
    later = act.suspend(
        stage.desk(party), AGG, "S-2", SuspensionReason.OTHER, stage.now + HOUR, until=stage.now + 2 * HOUR
    )
    assert stage.mode_of(party, now) is Mode.REAL_TIME
    assert stage.mode_of(party, later) is Mode.REGISTRATION
    stage.done(now, later)
    aggregation = stage.books().registry[AGG]
    lines = {line.der: line for line in act.lines_of(aggregation, stage.now)}
    assert lines[D1].suspension == f"S-1 ({party})" and lines[D1].kw == 0 and lines[D2].suspension == ""
    for at, out in ((90, {D1, D2, D3}), (150, {D1})):
        lines = {line.der: line for line in act.lines_of(aggregation, stage.now + timedelta(minutes=at))}
        assert {one for one, line in lines.items() if line.suspension} == out
    stage.done(act.resume(stage.desk(party), AGG, "S-1", stage.now))
    assert stage.books().registry[AGG].suspended(D1, stage.now + timedelta(seconds=10)) is None


def test_what_is_not_registered_is_not_changed() -> None:
    stage = registered()
    other = AggregationId("OTHER")
    with pytest.raises(SettingsError, match="no aggregation OTHER"):
        act.change(stage.aggregator, other, stage.now, added=[der(9)])
    with pytest.raises(SettingsError, match="no aggregation OTHER"):
        act.decide(stage.utility, other, act.Verdicts([D1]), stage.now)
    with pytest.raises(Refused, match=r"registration.unknown_aggregation"):
        act.suspend(stage.utility, other, "S-1", SuspensionReason.OTHER, stage.now)


def test_what_cannot_be_is_said_as_such() -> None:
    stage = registered()
    with pytest.raises(SettingsError, match="does not fit together"):
        act.change(stage.aggregator, AGG, stage.now)
    with pytest.raises(SettingsError, match="ders"):
        act.register(stage.aggregator, AGG, offered(stage), [der(1), der(1)])
    with pytest.raises(SettingsError, match="until"):
        act.suspend(stage.utility, AGG, "S", SuspensionReason.OTHER, stage.now, until=stage.now)
    with pytest.raises(SettingsError, match="suspension"):
        act.suspend(stage.utility, AGG, "two words", SuspensionReason.OTHER, stage.now)
