"""The page of registrations: bounded pages of DERs, what was decided and why, and what happened before."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from tests.exchange.house import AGGREGATOR, UTILITY
from tests.exchange.test_acts_outage import notice
from tests.exchange.trade_stage import AGG, DEAL_TERMS, DERS, HOUR, P9, Stage, der, registered

from intertie.gateway.trading import trade_outage
from intertie.gateway.trading import trade_registration as act
from intertie.gateway.views import view_registration
from intertie.gateway.views.view_registration import RegistrationView, Wanted, der_view, registration_view
from intertie.market.registry import REVIEW, Standing
from intertie.model.aggregation import DecisionReason, DerChange, DerState, SuspensionReason
from intertie.model.errors import SettingsError
from intertie.model.ids import AggregationId, DerId
from intertie.model.system import AssetOutageCause, OutageKind

OTHER = AggregationId("AGG-2")


def both(stage: Stage, **wanted: object) -> RegistrationView:
    """The page of either side, which is the same, but for who may resume what is suspended: who did that."""
    seen = registration_view(stage.utility, Wanted(**wanted))  # type: ignore[arg-type]
    theirs = registration_view(stage.aggregator, Wanted(**wanted))  # type: ignore[arg-type]
    for one, view in ((UTILITY, seen), (AGGREGATOR, theirs)):
        assert all(line.can_resume == (line.by == one) for line in view.suspensions)
    assert nobodys(seen) == nobodys(theirs)
    return seen


def nobodys(view: RegistrationView) -> RegistrationView:
    return view._replace(suspensions=tuple(line._replace(can_resume=False) for line in view.suspensions))


def offered() -> Stage:
    stage = Stage()
    stage.agree()
    stage.done(act.register(stage.aggregator, AGG, act.Offered((DEAL_TERMS.service,), stage.now), DERS))
    return stage


def test_what_waits_and_until_when() -> None:
    stage = offered()
    seen = both(stage)
    (line,) = seen.aggregations
    assert (line.name, line.waiting, line.accepted, line.counting_kw) == (AGG, 3, 0, 0)
    assert [one.der for one in seen.ders] == ["DER-1", "DER-2", "DER-3"] and seen.matching == 3
    assert all(one.waits and one.counts_kw is None and one.able_kw == 0 for one in seen.ders)
    first = seen.ders[0]
    assert first.decide_by == first.newest.offered + REVIEW
    assert [step.what for step in seen.history] == ["registered"] and seen.history[0].by == AGGREGATOR


def test_decisions_with_their_reasons() -> None:
    stage = offered()
    said = act.Verdicts(
        [DERS[0].id, DERS[1].id],
        {DERS[2].id: DecisionReason.HOSTING_CAPACITY},
        {DERS[0].id: Decimal(4)},
        "full",
    )
    stage.done(act.decide(stage.utility, AGG, said, stage.now))
    seen = both(stage)
    (line,) = seen.aggregations
    assert (line.waiting, line.accepted, line.refused, line.counting_kw) == (0, 2, 1, 14)
    less, whole, refused = seen.ders
    assert (less.counts_kw, less.able_kw, whole.counts_kw, refused.counts_kw) == (4, 4, 10, None)
    assert refused.newest.reason is DecisionReason.HOSTING_CAPACITY and refused.newest.detail == "full"
    assert refused.decide_by is None and not refused.waits
    assert [(one.what, one.by) for one in seen.history[:2]] in (
        [("accepted", UTILITY), ("refused", UTILITY)],
        [("refused", UTILITY), ("accepted", UTILITY)],
    )


def test_filters_find_what_they_name() -> None:
    stage = registered()
    stage.done(act.change(stage.aggregator, AGG, stage.now, added=[der(4, P9)]))
    assert [one.der for one in both(stage, standing=Standing.OFFERED).ders] == ["DER-4"]
    assert [one.der for one in both(stage, text="t9").ders] == ["DER-3", "DER-4"]
    assert [one.der for one in both(stage, text=" m-2 ").ders] == ["DER-2"]
    assert both(stage, text="<script>").ders == () and both(stage, aggregation=OTHER).matching == 0
    assert both(stage, standing=Standing.OFFERED, text="T7").matching == 0


def test_pages_hold_each_der_once(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = registered()
    offered_for = act.Offered((DEAL_TERMS.service,), stage.now)
    more = [der(number) for number in range(20, 27)]
    stage.done(act.register(stage.aggregator, OTHER, offered_for, more))
    monkeypatch.setattr(view_registration, "DERS_PAGE", 4)
    seen: list[tuple[str, str]] = []
    after: str | None = ""
    while after is not None:
        page = both(stage, after=after)
        assert page.matching == 10 and len(page.ders) <= 4
        seen += [(one.aggregation, one.der) for one in page.ders]
        after = page.next
    assert len(seen) == 10 and seen == sorted(set(seen))
    assert both(stage, after="~").ders == () and both(stage, after="AGG ~").ders[0].aggregation == OTHER


def test_suspended_limited_and_replaced() -> None:
    stage = registered()
    stage.done(
        act.suspend(stage.utility, AGG, "S-1", SuspensionReason.SAFETY, stage.now, ders=[DERS[0].id]),
        act.change(
            stage.aggregator,
            AGG,
            stage.now,
            changed=[DerChange(der=DERS[1].id, state=DerState.OUT_OF_SERVICE)],
        ),
    )
    stage.done(act.change(stage.aggregator, AGG, stage.now, replaced=[der(3, P9, kw=12)]))
    held, out, newer = both(stage).ders
    assert held.suspended_by.startswith("S-1") and UTILITY in held.suspended_by and held.able_kw == 0
    assert held.counts_kw == 10 and (out.counts_kw, out.able_kw) == (10, 0)
    assert newer.waits and newer.newest.der.nameplate_kw == 12 and newer.counts_kw == 10
    one = der_view(stage.utility, AGG, DerId("DER-3"))
    assert [version.revision for version in one.versions] == [one.line.newest.revision, 1]
    assert [step.what for step in one.history][:1] == ["replaced"] and one.history[-1].what == "registered"
    with pytest.raises(SettingsError, match="no DER NONE"):
        der_view(stage.utility, AGG, DerId("NONE"))
    with pytest.raises(SettingsError, match="no DER"):
        der_view(stage.utility, OTHER, DERS[0].id)


def test_what_is_out_can_do_less() -> None:
    stage = registered()
    dark = notice(stage, points=(P9,))
    lost = trade_outage.lose(
        stage.aggregator, "A-1", AGG, [DERS[0].id], OutageKind.UNPLANNED, AssetOutageCause.FAILURE, stage.now
    )
    stage.done(trade_outage.tell(stage.utility, dark), lost)
    out, whole, without = both(stage).ders
    assert (out.counts_kw, out.able_kw, out.why) == (10, 0, "out by A-1")
    assert (whole.able_kw, whole.why, without.able_kw, without.why) == (10, "", 0, "no supply")


def test_an_aggregation_that_ended_counts_nothing() -> None:
    stage = Stage()
    stage.agree()
    ends = stage.now + 2 * HOUR
    offered_for = act.Offered((DEAL_TERMS.service,), stage.now, ends)
    stage.done(act.register(stage.aggregator, AGG, offered_for, DERS))
    stage.done(act.decide(stage.utility, AGG, act.Verdicts([one.id for one in DERS]), stage.now))
    assert both(stage).aggregations[0].counting_kw == 30
    stage.now = ends + timedelta(minutes=1)
    seen = both(stage)
    assert seen.aggregations[0].counting_kw == 0 and seen.ders[0].counts_kw is None


def test_the_names_of_a_step_are_few() -> None:
    stage = registered()
    many = [der(number) for number in range(30, 40)]
    stage.done(act.change(stage.aggregator, AGG, stage.now, added=many))
    step = both(stage).history[0]
    assert step.what == "added" and len(step.ders) + step.more == 10 and len(step.ders) == 5
