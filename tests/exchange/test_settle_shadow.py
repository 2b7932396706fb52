"""Shadow settlement by itself: a statement or an invoice arrives, is worked out again from what is held here, and is accepted or
disputed with the reading that explains it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
import pytest
from tests.exchange.house import AGGREGATOR, UTILITY
from tests.exchange.test_settle import (
    EVENT_DAY,
    FIRST,
    ZONE,
    Settling,
    invoiced,
    read,
    revise,
    settled,
    shed,
    stage,
    usual,
)

from intertie.gateway.configuration.settlement_settings import SettlementSettings, Shadow
from intertie.gateway.settlement import settle
from intertie.gateway.settlement.settle import bodies_of
from intertie.gateway.settlement.settle_shadow import Judged, Outcome, Shadowing
from intertie.model.billing import Dispute, DisputeReason, Invoice
from intertie.model.ids import DocumentName, PartyId
from intertie.model.interval import local_day

__all__ = ["stage"]  # the fixture
NAME = "S-NWS-1-2026-01"


def shadowing(stage: Settling, party: PartyId, how: Shadow, hours: float = 0.0) -> Shadowing:
    settings = SettlementSettings(shadow=how, wait_hours=hours)
    return Shadowing(stage.gateways[party], read(stage, party), settings)


def judged(stage: Settling, party: PartyId, how: Shadow) -> list[Judged]:
    """What comes of it, once it has arrived at the other side."""
    found = list(shadowing(stage, party, how).judge(stage.now))
    stage.settle_soon()
    return found


def said(stage: Settling, party: PartyId, document: str) -> list[Any]:
    """The documents of a kind that a side has from the other."""
    return [body for row, body in bodies_of(stage.desk(party), DocumentName(document)) if not row.outgoing]


def stated(stage: Settling) -> None:
    stage.done(*stage.utility.say(settled(stage, UTILITY).statement))


def shown(found: list[Judged]) -> list[tuple[str, str, Outcome, str]]:
    return [(one.document, one.name, one.outcome, one.answer) for one in found]


def test_a_statement_that_is_right_is_answered_by_its_invoice(stage: Settling) -> None:
    stated(stage)
    found = judged(stage, AGGREGATOR, Shadow.ANSWER)
    assert shown(found) == [("statement", NAME, Outcome.RIGHT, f"I-{NAME}")]
    [invoice] = said(stage, UTILITY, "invoice")
    assert isinstance(invoice, Invoice) and {line.statement for line in invoice.lines} == {NAME}
    assert invoice.total.amount == sum(line.amount for line in settled(stage, UTILITY).statement.lines)
    # and the utility's own gateway finds the invoice right
    assert shown(judged(stage, UTILITY, Shadow.ANSWER)) == [("invoice", f"I-{NAME}", Outcome.RIGHT, "")]
    assert not said(stage, AGGREGATOR, "dispute")


def test_a_statement_that_rests_on_another_reading_is_disputed_and_the_reading_named(stage: Settling) -> None:
    values = shed("M-2")
    values[FIRST] = 900
    revise(stage, UTILITY, "M-2", EVENT_DAY, values)
    stated(stage)
    found = judged(stage, AGGREGATOR, Shadow.DISPUTE)
    assert shown(found) == [("statement", NAME, Outcome.WRONG, f"X-{NAME}")]
    [dispute] = said(stage, UTILITY, "dispute")
    assert isinstance(dispute, Dispute) and dispute.invoice == NAME
    ours, theirs = settled(stage, AGGREGATOR).statement, settled(stage, UTILITY).statement
    for line in dispute.lines:
        assert line.claimed == theirs.lines[line.line - 1].amount
        assert line.expected == ours.lines[line.line - 1].amount
        assert line.reason is DisputeReason.METER_DATA
        at = local_day(EVENT_DAY, ZONE).start + timedelta(minutes=15 * FIRST)
        assert line.inputs[0].input == f"M-2/{at:%Y-%m-%dT%H:%MZ}" and line.inputs[0].theirs == "0.900 kWh"
    assert not said(stage, UTILITY, "invoice"), "what is disputed is not invoiced"


def test_an_invoice_that_rests_on_an_old_reading_is_disputed(stage: Settling) -> None:
    invoiced(stage)
    found = judged(stage, UTILITY, Shadow.DISPUTE)
    assert shown(found) == [("invoice", "I-2026-01", Outcome.WRONG, "X-I-2026-01")]
    [dispute] = said(stage, AGGREGATOR, "dispute")
    assert {one.inputs[0].input for one in dispute.lines} == {f"M-2/{EVENT_DAY}"}


@pytest.mark.parametrize("how", [Shadow.OFF, Shadow.WATCH, Shadow.DISPUTE])
def test_less_is_done_where_less_is_set(stage: Settling, how: Shadow) -> None:
    stated(stage)
    found = judged(stage, AGGREGATOR, how)
    expected = [] if how is Shadow.OFF else [("statement", NAME, Outcome.RIGHT, "")]
    assert shown(found) == expected
    assert not said(stage, UTILITY, "invoice")


def test_watching_disputes_nothing(stage: Settling) -> None:
    invoiced(stage)
    stated(stage)
    assert shown(judged(stage, UTILITY, Shadow.WATCH)) == [("invoice", "I-2026-01", Outcome.WRONG, "")]
    revise(stage, AGGREGATOR, "M-1", EVENT_DAY, usual("M-1", EVENT_DAY))
    assert shown(judged(stage, AGGREGATOR, Shadow.WATCH)) == [("statement", NAME, Outcome.WRONG, "")]
    assert not said(stage, AGGREGATOR, "dispute") and not said(stage, UTILITY, "dispute")


def test_nothing_is_said_twice(stage: Settling) -> None:
    stated(stage)
    invoiced(stage)
    for _ in range(2):  # another process, which remembers nothing
        judged(stage, UTILITY, Shadow.ANSWER)
        judged(stage, AGGREGATOR, Shadow.ANSWER)
    assert len(said(stage, AGGREGATOR, "dispute")) == 1
    names = [one.invoice for one in said(stage, UTILITY, "invoice")]
    assert len(names) == len(set(names)) == 2 - (f"I-{NAME}" not in names)
    one = shadowing(stage, UTILITY, Shadow.WATCH)
    first = list(one.judge(stage.now))
    assert list(one.judge(stage.now)) == [], "it looks at each once"
    assert all(each.outcome is Outcome.RIGHT for each in first if each.name != "I-2026-01")


def test_readings_that_are_on_their_way_are_waited_for(stage: Settling) -> None:
    stated(stage)
    one = shadowing(stage, AGGREGATOR, Shadow.ANSWER, hours=24)
    assert list(one.judge(stage.now)) == []
    stage.now += timedelta(hours=23)
    assert list(one.judge(stage.now)) == []
    stage.now += timedelta(hours=2)
    assert shown(list(one.judge(stage.now))) == [("statement", NAME, Outcome.RIGHT, f"I-{NAME}")]


def test_what_cannot_be_worked_out_is_said_and_does_not_stop_the_rest(stage: Settling) -> None:
    stated(stage)
    side = stage.sides[AGGREGATOR]
    one = Shadowing(
        stage.gateways[AGGREGATOR],
        msgspec.structs.replace(side.readings, zone="UTC")
        if isinstance(side.readings, msgspec.Struct)
        else side.readings._replace(zone="UTC"),
        SettlementSettings(shadow=Shadow.ANSWER, wait_hours=0.0),
    )
    [found] = one.judge(stage.now)
    assert found.outcome is Outcome.NOT_SETTLED and "the days of readings are those of UTC" in found.detail
    assert found.logged()["code"] == "not_settled" and set(found.logged()) <= {
        "partner",
        "message_id",
        "code",
        "why",
    }


def test_a_statement_that_was_corrected_is_passed_over(stage: Settling) -> None:
    first = settled(stage, UTILITY).statement
    stage.done(*stage.utility.say(first))
    stage.done(*stage.utility.say(msgspec.structs.replace(first, statement="S-2", corrects=NAME)))
    assert [one.name for one in judged(stage, AGGREGATOR, Shadow.WATCH)] == ["S-2"]
    assert settle.find_statement(stage.aggregator, NAME)[1] == first
