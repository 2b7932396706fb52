"""Remittances: matched with invoices in both directions; what is unknown, wrong, said twice or paid twice is void."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from billing_world import Ledgers, bill, disputes, elected, pays, sold
from trade_world import AGGREGATOR, GSA, UTILITY

from intertie.market.account import balance
from intertie.market.billing_state import State
from intertie.model.agreement import Netting
from intertie.model.billing import PaymentMethod
from intertie.model.ids import AgreementId

GROSS = elected(netting=Netting.GROSS)


def test_in_parts_to_the_end() -> None:
    world = sold("100.00")
    for number, left in enumerate((60, 20, 0), 1):
        paid = {1: "40.00", 2: "40.00", 3: "20.00"}[number]
        world.tell(UTILITY, pays(f"P-{number}", {"I-1": paid}))
        assert world.item("I-1").open == left
    assert (world.item("I-1").state, len(world.item("I-1").payments)) == (State.SETTLED, 3)


def test_more_than_is_owed_is_a_credit() -> None:
    world = sold("100.00")
    world.tell(UTILITY, pays("P-1", {"I-1": "130.00"}))
    assert (world.item("I-1").state, world.item("I-1").open) == (State.IN_CREDIT, -30)
    assert balance(world.accounts, GSA) == -30


@pytest.mark.rule("billing.paid_twice")
def test_what_is_settled_is_not_paid_again() -> None:
    world = sold("100.00")
    world.tell(UTILITY, pays("P-1", {"I-1": "100.00"}), pays("P-2", {"I-1": "100.00"}))
    world.tell(UTILITY, pays("P-3", {"I-1": "0.00"}))  # says nothing
    world.tell(AGGREGATOR, bill("I-2", "10.00"))
    world.tell(UTILITY, pays("P-4", {"I-2": "15.00"}), pays("P-5", {"I-2": "1.00"}))
    assert world.void() == ["billing.paid_twice"] * 2
    assert world.item("I-1").paid == 100


@pytest.mark.rule("billing.paid_twice")
def test_an_invoice_and_what_replaced_it_in_one_payment() -> None:
    world = sold("100.00")
    world.tell(AGGREGATOR, bill("I-1-2", "90.00", corrects="I-1"))
    world.tell(UTILITY, pays("P-1", {"I-1": "90.00", "I-1-2": "90.00"}))
    assert world.void() == ["billing.paid_twice"]
    assert world.item("I-1-2").open == 90


@pytest.mark.rule("billing.remittance_once")
def test_a_remittance_is_said_once() -> None:
    world = sold("100.00")
    world.tell(UTILITY, pays("P-1", {"I-1": "10.00"}), pays("P-1", {"I-1": "10.00"}, reference="T-2"))
    world.tell(UTILITY, pays("P-2", {"I-1": "10.00"}, reference="T-P-1"))
    world.tell(UTILITY, pays("P-3", {"I-1": "10.00"}, reference="T-P-1", method=PaymentMethod.WIRE))
    assert world.void() == ["billing.remittance_once"] * 2
    assert world.item("I-1").open == 80


@pytest.mark.rule("billing.unknown_invoice")
def test_a_payment_of_what_nobody_charged() -> None:
    world = sold("100.00")
    world.tell(UTILITY, pays("P-1", {"I-1": "10.00", "I-2": "10.00"}))
    assert world.void() == ["billing.unknown_invoice"]
    assert world.item("I-1").open == 100  # all of it or nothing


@pytest.mark.rule("billing.paid_on")
def test_a_payment_was_made() -> None:
    world = sold("100.00")
    world.tell(UTILITY, pays("P-1", {"I-1": "10.00"}, on=date(2026, 7, 3)))
    assert world.void() == ["billing.paid_on"]


@pytest.mark.rule("billing.credit_used")
def test_no_more_of_a_credit_than_there_is() -> None:
    world = sold("100.00")
    world.tell(AGGREGATOR, bill("I-2", "50.00"), bill("I-3", "-20.00"))
    assert world.item("I-3").state is State.IN_CREDIT
    world.tell(UTILITY, pays("P-1", {"I-1": "100.00", "I-3": "-20.01"}))
    world.tell(UTILITY, pays("P-2", {"I-1": "100.00", "I-2": "-5.00"}))  # has none
    assert world.void() == ["billing.credit_used"] * 2
    world.tell(UTILITY, pays("P-3", {"I-1": "100.00", "I-3": "-5.00"}))
    assert (world.item("I-3").state, world.item("I-3").open) == (State.IN_CREDIT, -15)
    world.tell(UTILITY, pays("P-4", {"I-2": "50.00", "I-3": "-15.00"}))
    assert (world.item("I-3").state, balance(world.accounts, GSA)) == (State.SETTLED, 0)


def test_both_directions_in_one_payment() -> None:
    world = sold("100.00")
    world.tell(UTILITY, bill("U-1", "30.00"))
    world.tell(UTILITY, pays("P-1", {"I-1": "100.00", "U-1": "-30.00"}))
    assert [world.item(name).state for name in ("I-1", "U-1")] == [State.SETTLED] * 2
    assert (balance(world.accounts, GSA), world.void()) == (0, [])


def test_what_comes_to_nothing_is_still_said() -> None:
    world = sold("30.00")
    world.tell(UTILITY, bill("U-1", "30.00"), pays("P-1", {"I-1": "30.00", "U-1": "-30.00"}))
    assert (balance(world.accounts, GSA), world.void()) == (0, [])


@pytest.mark.rule("billing.netting")
def test_gross_is_gross() -> None:
    world = sold("100.00", text=GROSS)
    world.tell(UTILITY, bill("U-1", "30.00"), pays("P-1", {"I-1": "100.00", "U-1": "-30.00"}))
    assert world.void() == ["billing.netting"]
    world.tell(UTILITY, pays("P-2", {"I-1": "100.00"}))
    world.tell(AGGREGATOR, pays("P-3", {"U-1": "30.00"}))
    assert (balance(world.accounts, GSA), world.void()) == (0, ["billing.netting"])


@pytest.mark.rule("billing.netting")
def test_not_what_the_other_side_disputes() -> None:
    world = sold("100.00")
    world.tell(UTILITY, bill("U-1", "30.00"))
    world.tell(AGGREGATOR, disputes("X-1", "U-1", l1=("30.00", "10.00")))
    world.tell(UTILITY, pays("P-1", {"I-1": "100.00", "U-1": "-30.00"}))
    world.tell(UTILITY, pays("P-2", {"I-1": "100.00", "U-1": "-10.00"}))
    assert world.void() == ["billing.netting"]
    assert (world.item("U-1").open, world.item("U-1").payable) == (20, 0)


@pytest.mark.rule("billing.held_back")
def test_the_dispute_is_of_that_invoice() -> None:
    world = sold("100.00")
    world.tell(AGGREGATOR, bill("I-2", "10.00"))
    world.tell(UTILITY, disputes("X-1", "I-1", l1=("100.00", "90.00")))
    world.tell(
        UTILITY, pays("P-1", {"I-2": "9.00"}, dispute="X-1"), pays("P-2", {"I-1": "9.00"}, dispute="X-9")
    )
    world.tell(UTILITY, pays("P-3", {"I-1": "90.00"}, dispute="X-1"))
    assert world.void() == ["billing.held_back"] * 2
    assert world.item("I-1").payable == 0


def test_accounts_of_two_agreements_are_apart() -> None:
    world = sold("100.00")
    assert balance(world.accounts, AgreementId("OTHER")) == 0
    assert [entry.amount for entry in world.accounts.entries] == [Decimal("100.00")]


def test_nothing_is_known_at_first() -> None:
    world = Ledgers()
    world.tell(UTILITY, pays("P-1", {"I-1": "1.00"}))
    assert world.accounts.remittances == {}
