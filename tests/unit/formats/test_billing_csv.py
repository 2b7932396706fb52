"""Invoice lines, accounts and ageing for spreadsheets: nothing that a partner writes is worked out there."""

from __future__ import annotations

import csv
import io
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from intertie.formats.billing_csv import (
    FORMULA,
    account_csv,
    ageing_csv,
    cell,
    credit_csv,
    invoice_csv,
    remittance_csv,
)
from intertie.model.account import AccountStatement, CreditMemo
from intertie.model.billing import Invoice, RemittanceAdvice
from intertie.model.documents import example
from intertie.model.ids import DocumentName

_, INVOICE = example(DocumentName("invoice"))
_, ACCOUNT = example(DocumentName("account_statement"))
_, REMITTANCE = example(DocumentName("remittance_advice"))
_, CREDIT = example(DocumentName("credit_memo"))
assert isinstance(REMITTANCE, RemittanceAdvice) and isinstance(CREDIT, CreditMemo)
assert isinstance(INVOICE, Invoice) and isinstance(ACCOUNT, AccountStatement)


def rows(raw: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(raw.decode(), newline="")))


def test_the_lines_of_an_invoice() -> None:
    found = rows(invoice_csv(INVOICE))
    assert [row["amount"] for row in found] == ["882.00", "98.30", "-0.85"]  # a number is no formula
    assert sum(Decimal(row["amount"]) for row in found) == INVOICE.total.amount
    assert found[1]["dispatch"] == "D-2026-01-14-1" and found[0]["dispatch"] == ""
    assert {row["currency"] for row in found} == {"USD"}


def test_the_account_and_the_ageing() -> None:
    found = rows(account_csv(ACCOUNT))
    assert [row["kind"] for row in found] == ["opening", "credit", "payment"]
    assert found[-1]["balance"] == str(ACCOUNT.closing)
    buyer, seller = rows(ageing_csv(ACCOUNT.ageing))
    assert (buyer["debtor"], buyer["disputed"], seller["total"]) == ("utility.example", "30.00", "0.00")


def test_a_remittance_and_a_credit() -> None:
    paid = rows(remittance_csv(REMITTANCE))
    assert [(row["invoice"], row["amount"], row["dispute"]) for row in paid] == [
        ("INV-2025-12", "612.40", "DSP-2026-0001"),
        ("CR-2025-11", "-12.00", ""),
    ]
    assert {(row["method"], row["reference"]) for row in paid} == {("ach", REMITTANCE.reference)}
    lowered = rows(credit_csv(replace(CREDIT, lines=(replace(CREDIT.lines[0], text="=1+1"),))))
    assert [(row["line"], row["amount"], row["text"]) for row in lowered] == [("2", "1.20", "'=1+1")]


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", '=HYPERLINK("http://x")'])
def test_a_text_that_would_be_a_formula_stays_a_text(text: str) -> None:
    line = replace(INVOICE.lines[0], text=text, unit=text)
    body = replace(INVOICE, lines=(line,), total=replace(INVOICE.total, amount=line.amount))
    row = rows(invoice_csv(body))[0]
    assert row["text"] == row["unit"] == f"'{text}"


@given(st.text(max_size=30))
def test_no_cell_begins_a_formula_and_no_text_is_lost(text: str) -> None:
    shown = cell(text)
    assert not shown.startswith(FORMULA)
    assert shown.removeprefix("'") == text or shown == text


def test_numbers_are_plain() -> None:
    assert [cell(Decimal("1E+3")), cell(Decimal("-0.5")), cell(-3), cell(None)] == ["1000", "-0.5", "-3", ""]
