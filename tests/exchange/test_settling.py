"""A statement and an invoice beside our own readings, and what is owed, disputed and may be done, on either side."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from msgspec.structs import replace
from tests.exchange import test_settle
from tests.exchange.house import AGGREGATOR, UTILITY
from tests.exchange.test_settle import (
    EVENT_DAY,
    FIRST,
    Settling,
    disputed,
    invoiced,
    read,
    revise,
    settled,
    shed,
)
from tests.exchange.trade_stage import NWS, Stage

from intertie.gateway.billing import billing_invoice, billing_pay
from intertie.gateway.billing.billing_desk import find_item, today
from intertie.gateway.office.office_acts import NotHere
from intertie.gateway.settlement import settle_dispute, settling
from intertie.gateway.views import view_ageing, view_settlement
from intertie.market.dispute import State
from intertie.model.billing import Dispute, DisputedLine, DisputeReason, PaymentMethod, Resolution
from intertie.model.errors import SettingsError

stage = test_settle.stage
NAME = "S-NWS-1-2026-01"
INVOICE = "I-2026-01"


def test_a_statement_that_both_hold_alike_comes_out_the_same(stage: Settling) -> None:
    stage.done(*stage.utility.say(settled(stage, UTILITY).statement))
    for party in (UTILITY, AGGREGATOR):
        found = settling.shadow_view(stage.desk(party), read(stage, party), NAME)
        assert found.same and found.theirs == found.ours and found.inputs == ()
        assert [row.number for row in found.lines] == [1, 2, 3]
        assert not any(row.difference or row.beyond for row in found.lines)
        assert found.tolerance_percent == Decimal("0.5") and found.currency == "USD"
    assert ("DER-3", "at F12-T9, which is not under a point of the deal") not in found.left_out


def test_a_statement_that_rests_on_another_reading_shows_line_and_reading(
    stage: Settling, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = shed("M-2")
    values[FIRST] = 900
    revise(stage, UTILITY, "M-2", EVENT_DAY, values)
    stage.done(*stage.utility.say(settled(stage, UTILITY).statement))
    found = settling.shadow_view(stage.aggregator, read(stage, AGGREGATOR), NAME)
    assert not found.same and found.theirs - found.ours == sum(row.difference for row in found.lines)
    assert [row.code for row in found.lines if row.beyond] == ["RES", "UTL", "PEN"]
    assert found.inputs[0].ours != found.inputs[0].theirs
    assert any(one.input.startswith("M-2/2026-01-15T13:00") for one in found.inputs)
    monkeypatch.setattr(settling, "INPUTS_MAX", 1)
    short = settling.shadow_view(stage.aggregator, read(stage, AGGREGATOR), NAME)
    assert len(short.inputs) == 1 and short.inputs_left_out == len(found.inputs) - 1
    with pytest.raises(NotHere):
        settling.shadow_view(stage.aggregator, read(stage, AGGREGATOR), "S-404")


def test_an_invoice_is_checked_and_what_is_right_stays_payable(stage: Settling) -> None:
    invoice, _ = invoiced(stage)
    found = settling.check_view(stage.utility, read(stage, UTILITY), INVOICE)
    checked = settle_dispute.check_invoice(stage.utility, read(stage, UTILITY), INVOICE)
    assert found.lines == tuple(checked.lines) and found.lines
    wrong = {one.line for one in found.lines}
    assert found.undisputed == sum(line.amount for line in invoice.lines if line.line not in wrong)
    assert found.total == invoice.total.amount


def test_what_our_side_may_do_follows_from_who_charged(stage: Settling) -> None:
    invoiced(stage)
    ours, theirs = view_ageing.owed(stage.aggregator), view_ageing.owed(stage.utility)
    assert ours.balance == theirs.balance > 0 and ours.ageing == theirs.ageing
    [mine], [its] = ours.invoices, theirs.invoices
    assert mine.ours and not its.ours and mine._replace(ours=False) == its
    assert (its.bucket, its.state, its.open) == ("not_due", "open", its.amount)
    charged = view_ageing.invoice_view(stage.utility, INVOICE)
    charging = view_ageing.invoice_view(stage.aggregator, INVOICE)
    assert charged.acts == view_ageing.Acts(check=True, dispute=True, credit=False, correct=False, pay=True)
    assert charging.acts == view_ageing.Acts(check=True, dispute=False, credit=True, correct=True, pay=False)
    assert [line.claimed for line in charged.lines] == [
        line.amount for line in settled(stage, AGGREGATOR).lines
    ]
    assert charged.statements == (NAME,) and charged.payments == () and charged.disputes == ()
    with pytest.raises(NotHere, match="I-404"):
        view_ageing.invoice_view(stage.utility, "I-404")


def test_a_dispute_is_answered_by_whoever_charged(stage: Settling) -> None:
    invoiced(stage)
    checked = disputed(stage)
    [raised], [got] = view_ageing.disputes(stage.utility), view_ageing.disputes(stage.aggregator)
    assert raised.answers == () and raised.by == UTILITY and raised.is_invoice
    assert set(got.answers) == set(Resolution)
    assert [row.line for row in got.lines] == [one.line for one in checked.lines]
    assert got.lines[0].inputs == checked.lines[0].inputs and got.lines[0].answer == ""
    held = view_ageing.invoice_view(stage.utility, INVOICE)
    assert held.row.held > 0 and held.row.state == "open, disputed" and held.disputes == ("X-1",)
    assert {line.dispute for line in held.lines if line.held} == {"X-1"}
    stage.done(*settle_dispute.resolve(stage.aggregator, read(stage, AGGREGATOR), "X-1", Resolution.SPLIT))
    after = view_ageing.dispute_view(stage.aggregator, "X-1")
    assert after.state is State.RESOLVED and after.answers == ()
    for row in after.lines:
        assert row.answer == "split" and row.agreed is not None
        assert min(row.claimed, row.expected) <= row.agreed <= max(row.claimed, row.expected)
    with pytest.raises(NotHere, match="X-404"):
        view_ageing.dispute_view(stage.utility, "X-404")


def test_a_dispute_that_is_over_time_says_where_it_goes(stage: Settling) -> None:
    invoiced(stage)
    disputed(stage)
    before = view_ageing.dispute_view(stage.aggregator, "X-1")
    assert before.stage == "open"
    stage.now = before.until + timedelta(days=1)
    late = view_ageing.dispute_view(stage.aggregator, "X-1")
    assert late.stage.startswith("open, to ") and late.answers, "it can still be answered"


def test_paid_and_late_invoices_age(stage: Settling) -> None:
    invoiced(stage)
    item = find_item(stage.utility, INVOICE)
    for late, bucket in ((1, "days_1_30"), (31, "days_31_60"), (61, "days_61_90"), (91, "days_over_90")):
        found = view_ageing.owed(stage.utility, item.invoice.due + timedelta(days=late))
        assert found.invoices[0].bucket == bucket and getattr(found.ageing[0], bucket) == item.open
        assert found.invoices[0].state == "late, open"
    lines = billing_pay.payable(stage.utility)
    stage.done(billing_pay.pay(stage.utility, lines, PaymentMethod.ACH, "T-1"))
    after = view_ageing.owed(stage.utility)
    assert after.balance == 0 and after.invoices[0].state == "settled" and after.on == today(stage.utility)
    paid = view_ageing.invoice_view(stage.utility, INVOICE)
    assert [amount for _, _, amount in paid.payments] == [item.amount] and not paid.acts.pay
    assert sum(line.paid for line in paid.lines) == item.amount


def test_more_invoices_than_a_page_holds_are_counted(
    stage: Settling, monkeypatch: pytest.MonkeyPatch
) -> None:
    invoiced(stage)
    monkeypatch.setattr(view_ageing, "INVOICES_MAX", 0)
    found = view_ageing.owed(stage.utility)
    assert found.invoices == () and found.left_out == 1 and found.ageing[0].total > 0


def test_a_dispute_of_a_statement_has_no_invoice_to_correct(stage: Settling) -> None:
    stage.done(*stage.utility.say(settled(stage, UTILITY).statement))
    raised = Dispute(
        dispute="X-S",
        invoice=NAME,
        lines=(DisputedLine(line=1, claimed=Decimal(2), expected=Decimal(1), reason=DisputeReason.QUANTITY),),
    )
    stage.done(*stage.aggregator.say(raised))
    [got] = view_ageing.disputes(stage.utility)
    assert not got.is_invoice and got.about == NAME and Resolution.CORRECTED not in got.answers
    [row] = view_settlement.statements_with(stage.gateways[UTILITY], AGGREGATOR).rows
    assert row.disputes == ("X-S",)


def test_who_has_no_contract_is_told() -> None:
    with pytest.raises(SettingsError, match="not signed through the gateway"):
        view_ageing.owed(Stage().utility)


def test_what_is_charged_by_hand_is_not_worked_out_again(stage: Settling) -> None:
    """The utility's charge for meter data names a deal, and no settlement comes to it."""
    charge = billing_invoice.Charge("meter data", Decimal(33), "meter", Decimal("1.05"))
    body = billing_invoice.from_lines(stage.utility, None, [charge], "U-1")
    stage.done(billing_invoice.issue(stage.utility, replace(body, confirmation=NWS)))
    found = view_ageing.invoice_view(stage.aggregator, "U-1")
    assert found.confirmation == NWS and found.row.open == Decimal("34.65")
    assert found.acts == view_ageing.Acts(check=False, dispute=False, credit=False, correct=False, pay=True)
