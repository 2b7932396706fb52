"""Billing over real parcels: from a statement to its payment, by the acts of both sides; both books end equal."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import msgspec
import pytest
from tests.exchange.billing_house import settled
from tests.exchange.house import AGGREGATOR, UTILITY
from tests.exchange.trade_stage import NWS, Stage, dealt
from tests.exchange.two_sides import TEXT

from intertie.exchange.outbound import State
from intertie.gateway.billing import billing_account as account
from intertie.gateway.billing import billing_invoice as charge
from intertie.gateway.billing import billing_pay as payment
from intertie.gateway.billing.billing_desk import free_name
from intertie.market.account import balance, statement_of
from intertie.market.book import fold
from intertie.model.billing import Dispute, DisputedLine, DisputeReason, PaymentMethod, RemittanceAdvice
from intertie.model.errors import Refused, SettingsError

ACH = PaymentMethod.ACH


def charged(*amounts: str) -> Stage:
    """The aggregator has charged what the statement S-1 says, as I-S-1."""
    stage = dealt()
    settled(stage, *amounts)
    body = charge.from_statement(stage.aggregator, charge.find_statement(stage.aggregator, None))
    stage.done(charge.issue(stage.aggregator, body))
    return stage


def disputed(stage: Stage, line: int, claimed: str, expected: str) -> None:
    one = DisputedLine(
        line=line, claimed=Decimal(claimed), expected=Decimal(expected), reason=DisputeReason.QUANTITY
    )
    stage.done(*stage.utility.say(Dispute(dispute="X-1", invoice="I-S-1", lines=(one,))))


def test_from_a_statement_to_the_invoice() -> None:
    stage = charged("100.004", "20.005")
    item = stage.books().accounts.items["I-S-1"]
    assert item.amount == Decimal("120.01")  # each line by itself
    assert [line.statement for line in item.invoice.lines] == ["S-1", "S-1"]
    assert (item.invoice.confirmation, item.invoice.due) == (NWS, date(2026, 2, 20))
    with pytest.raises(SettingsError, match="every statement has its invoice"):
        charge.find_statement(stage.aggregator, None)
    with pytest.raises(SettingsError, match="no statement S-9"):
        charge.find_statement(stage.aggregator, "S-9")
    assert charge.find_statement(stage.aggregator, "S-1").statement == "S-1"


def test_the_undisputed_part_is_paid_and_the_dispute_is_named() -> None:
    stage = charged("100.00", "20.00")
    disputed(stage, 2, "20.00", "5.00")
    lines = payment.payable(stage.utility)
    assert [(one.amount, one.held, one.dispute) for one in lines] == [(105, 15, "X-1")]
    stage.done(payment.pay(stage.utility, lines, ACH, "T-1"))
    assert payment.payable(stage.utility) == []
    item = stage.books().accounts.items["I-S-1"]
    assert (item.open, item.held, item.payable) == (15, 15, 0)
    with pytest.raises(SettingsError, match="nothing is payable"):
        payment.pay(stage.utility, [], ACH, "T-2")


def test_netted_and_only_what_is_due_or_named() -> None:
    stage = charged("100.00")
    fee = charge.from_lines(stage.utility, None, [charge.Charge("data", Decimal(2), "meter", Decimal("3.5"))])
    stage.done(charge.issue(stage.utility, fee))
    assert payment.total_of(payment.payable(stage.utility)) == 93
    assert payment.payable(stage.utility, by=date(2026, 2, 1)) == []
    assert payment.total_of(payment.payable(stage.utility, ["I-S-1"])) == 100
    part = payment.payable(stage.utility, amounts={"I-S-1": Decimal(40)})
    assert payment.total_of(part) == 40
    with pytest.raises(SettingsError, match="owes more than we do: 93"):
        payment.pay(stage.aggregator, payment.payable(stage.aggregator), ACH, "T-1")
    with pytest.raises(SettingsError, match="no invoice I-9"):
        payment.payable(stage.utility, ["I-9"])
    stage.done(payment.pay(stage.utility, payment.payable(stage.utility), ACH, "T-1"))
    assert balance(stage.books().accounts, TEXT.agreement) == 0


def test_a_rule_is_said_before_anything_leaves() -> None:
    stage = charged("100.00")
    lines = payment.payable(stage.utility)
    stage.done(payment.pay(stage.utility, lines, ACH, "T-1"))
    with pytest.raises(Refused, match=r"billing.paid_twice"):
        payment.pay(stage.utility, lines, ACH, "T-2")
    with pytest.raises(Refused, match=r"billing.remittance_once"):
        payment.pay(stage.utility, lines, ACH, "T-1")


def test_what_is_on_its_way_is_not_paid_again() -> None:
    stage = charged("100.00")
    payment.pay(stage.utility, payment.payable(stage.utility), ACH, "T-1")
    assert payment.payable(stage.utility) == []  # queued, not receipted
    assert free_name(stage.utility, "P-20260115") == "P-20260115-2"


def test_a_correction_and_a_credit() -> None:
    stage = charged("100.00", "20.00")
    again = charge.from_statement(
        stage.aggregator, charge.find_statement(stage.aggregator, "S-1"), "I-S-1", "I-S-1"
    )
    assert again.invoice == "I-S-1-2"
    stage.done(charge.issue(stage.aggregator, again))
    stage.done(charge.credit(stage.aggregator, "I-S-1-2", [(1, Decimal(30))]))
    stage.done(charge.credit(stage.aggregator, "I-S-1-2", []))  # the rest
    assert stage.books().accounts.items["I-S-1-2"].state == "settled"
    with pytest.raises(Refused, match=r"billing.credit"):
        charge.credit(stage.utility, "I-S-1-2", [(1, Decimal(1))])


def test_both_make_the_same_statement_of_account_and_a_difference_shows() -> None:
    stage = charged("100.00", "20.00")
    disputed(stage, 2, "20.00", "5.00")
    stage.done(payment.pay(stage.utility, payment.payable(stage.utility), ACH, "T-1"))
    first, last = date(2026, 1, 1), date(2026, 1, 14)
    with pytest.raises(SettingsError, match="is not over"):
        account.make(stage.utility, account.days(stage.utility, first, date(2026, 1, 31)))
    with pytest.raises(SettingsError, match="is before"):
        account.days(stage.utility, last, first)
    stage.now = stage.now.replace(month=2, day=2)
    body = account.make(stage.utility, account.month_before(stage.utility))
    assert (body.account, body.closing, len(body.entries)) == ("A-20260201", 15, 3)
    message = account.send(stage.utility, body)
    stage.done(message)
    found = account.compare(stage.aggregator, account.find(stage.aggregator, None))
    assert found.same and not found.differences
    row = stage.gateways[AGGREGATOR].store.message(message, outgoing=False)
    assert row is not None and msgspec.json.encode(found.ours) in row.body  # to the byte
    events = [event for event in stage.utility.events if not isinstance(event.body, RemittanceAdvice)]
    lacking = statement_of(fold(events).book.accounts, stage.utility.text, body.account, body.period)
    parted = account.differences(lacking, found.ours)
    assert parted[0].startswith("payment P-20260115 of -105.00") and parted[0].endswith("is in ours only")
    assert parted[1] == "closing: theirs 120.00, ours 15.00"
    assert len(parted) == 3 and parted[2].startswith("ageing of utility.example: theirs not_due 105.00")
    assert account.differences(found.ours, lacking)[0].endswith("is in theirs only")
    with pytest.raises(SettingsError, match="no statement of account"):
        account.find(stage.utility, None)  # the partner made none
    assert account.find(stage.utility, body.account) == body


def test_a_statement_of_another_amount_is_refused_by_its_own_arithmetic() -> None:
    stage = charged("100.00")
    stage.now = stage.now.replace(month=2, day=2)
    body = account.make(stage.utility, account.month_before(stage.utility), "A-1")
    raw = msgspec.json.encode(body).replace(b'"closing":"100.00"', b'"closing":"99.00"')
    with pytest.raises(msgspec.ValidationError, match="closing: not the last balance"):
        msgspec.json.decode(raw, type=type(body))


def test_a_payment_that_crosses_a_correction_ends_equal_on_both_sides() -> None:
    stage = charged("100.00")
    paid = payment.pay(stage.utility, payment.payable(stage.utility), ACH, "T-1")
    again = charge.from_statement(
        stage.aggregator, charge.find_statement(stage.aggregator, "S-1"), None, "I-S-1"
    )
    charge.issue(stage.aggregator, again)
    stage.settle_soon()
    assert stage.state_of(UTILITY, paid) is State.ACCEPTED
    assert stage.books().accounts.items["I-S-1-2"].open == 0
