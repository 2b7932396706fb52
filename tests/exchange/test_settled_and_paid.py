"""From readings to money: a statement, its invoice, the disputed part held back and the rest paid, and the account both make."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from tests.exchange import test_settle
from tests.exchange.house import AGGREGATOR, UTILITY
from tests.exchange.test_settle import (
    DEAL_AGREEMENT,
    EVENT_DAY,
    FIRST,
    Settling,
    day_of,
    read,
    revise,
    settled,
    shed,
)

from intertie.gateway.billing import billing_account, billing_invoice, billing_pay
from intertie.gateway.billing.billing_desk import due_of, find_item
from intertie.gateway.settlement import settle_dispute
from intertie.model.billing import PaymentMethod, Resolution
from intertie.model.metering import MeterReadingSet

stage = test_settle.stage


def charged(stage: Settling) -> str:
    """The aggregator's invoice of the utility's statement, made by the acts of billing."""
    stage.done(*stage.utility.say(settled(stage, UTILITY).statement))
    found = billing_invoice.find_statement(stage.aggregator, None)
    invoice = billing_invoice.from_statement(stage.aggregator, found, "I-1")
    stage.done(billing_invoice.issue(stage.aggregator, invoice))
    assert invoice.total.amount == sum(line.amount for line in found.lines)  # to the cent
    return invoice.invoice


def test_a_statement_that_settles_right_is_paid_whole(stage: Settling) -> None:
    charged(stage)
    assert not settle_dispute.check_invoice(stage.utility, read(stage, UTILITY), "I-1").lines
    lines = billing_pay.payable(stage.utility)
    stage.done(billing_pay.pay(stage.utility, lines, PaymentMethod.ACH, "T-1"))
    assert find_item(stage.aggregator, "I-1").state == "settled"


@pytest.mark.parametrize("how", [Resolution.CONCEDED, Resolution.REJECTED, Resolution.CORRECTED])
def test_the_undisputed_part_is_paid_and_then_what_was_agreed(stage: Settling, how: Resolution) -> None:
    charged(stage)
    values = shed("M-2")
    values[FIRST : FIRST + 2] = [900, 900]
    revise(stage, UTILITY, "M-2", EVENT_DAY, values)
    checked = settle_dispute.check_invoice(stage.utility, read(stage, UTILITY), "I-1")
    stage.done(*settle_dispute.dispute(stage.utility, checked, "X-1"))
    held = sum(
        (one.claimed - one.expected for one in checked.lines if one.claimed > one.expected), Decimal(0)
    )
    item = find_item(stage.utility, "I-1")
    assert held > 0 and (item.held, item.payable) == (held, item.amount - held)
    lines = billing_pay.payable(stage.utility)
    assert [(one.amount, one.dispute) for one in lines] == [(item.payable, "X-1")]
    stage.done(billing_pay.pay(stage.utility, lines, PaymentMethod.ACH, "T-1"))
    if how is Resolution.CORRECTED:
        body = MeterReadingSet(meters=(day_of("M-2", EVENT_DAY, values, revision=2),))
        stage.done(stage.say(UTILITY, body, DEAL_AGREEMENT))
    stage.done(*settle_dispute.resolve(stage.aggregator, read(stage, AGGREGATOR), "X-1", how))
    rest = billing_pay.payable(stage.utility)
    expected = {Resolution.REJECTED: held}.get(how, Decimal(0))
    assert sum((one.amount for one in rest), Decimal(0)) == expected
    if rest:
        stage.done(billing_pay.pay(stage.utility, rest, PaymentMethod.ACH, "T-2"))
    stage.now += timedelta(days=31)
    account = billing_account.make(stage.utility, billing_account.month_before(stage.utility))
    stage.done(billing_account.send(stage.utility, account))
    found = billing_account.compare(stage.aggregator, billing_account.find(stage.aggregator, None))
    assert found.same and account.closing == 0
    stage.books()


def test_on_paper_it_is_due_in_thirty_days(stage: Settling, tmp_path: Path) -> None:
    paper = next(iter(stage.utility.known.agreements)).id
    desk = stage.utility.under(paper)
    period = settled(stage, UTILITY).statement.period
    assert due_of(desk, period, EVENT_DAY) == EVENT_DAY + timedelta(days=30)
    assert due_of(stage.utility, period, EVENT_DAY) > EVENT_DAY + timedelta(days=30)
