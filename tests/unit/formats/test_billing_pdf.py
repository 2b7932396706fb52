"""Invoices and statements of account as pages: what a reader gets out of them, printed and as text."""

from __future__ import annotations

import os
import re
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pypdfium2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.unit.formats.pdf_pages import Printed
from tests.unit.model.document_strategies import bodies

from intertie.formats.account_pdf import account_pdf
from intertie.formats.invoice_pdf import Envelope, Named, days_of, invoice_pdf, number
from intertie.formats.payment_pdf import credit_pdf, remittance_pdf
from intertie.formats.pdf_sheet import MISSING, UNKNOWN
from intertie.gateway.billing.billing_files import FORMS
from intertie.model.account import AccountEntry, AccountStatement, CreditMemo, EntryKind
from intertie.model.billing import Invoice, LineCode, RemittanceAdvice
from intertie.model.documents import example
from intertie.model.ids import AgreementId, DocumentName, MessageId, PartyId
from intertie.model.interval import Window
from intertie.model.quantity import Money
from intertie.model.record import Record

_, INVOICE = example(DocumentName("invoice"))
_, ACCOUNT = example(DocumentName("account_statement"))
_, REMITTANCE = example(DocumentName("remittance_advice"))
_, CREDIT = example(DocumentName("credit_memo"))
assert isinstance(INVOICE, Invoice) and isinstance(ACCOUNT, AccountStatement)
assert isinstance(REMITTANCE, RemittanceAdvice) and isinstance(CREDIT, CreditMemo)
SELLER, BUYER = PartyId("aggregator.example"), PartyId("utility.example")
MESSAGE = MessageId("019c14c8-5800-733f-a81f-9b0cbf4e7af6")
ENVELOPE = Envelope(
    MESSAGE,
    Named(SELLER, "Łódź Ωmega Агрегатор"),
    Named(BUYER, "Přerovská Distribuční a. s."),
    AgreementId("GSA-2025-17"),
    "America/New_York",
)


def long(count: int, text: str = "Utilisation") -> Invoice:
    lines = tuple(
        replace(INVOICE.lines[1], line=n, text=f"{text} {n}", amount=Decimal(n) / 100, dispatch=None)
        for n in range(1, count + 1)
    )
    total = Money(amount=sum((line.amount for line in lines), Decimal("0.00")), currency="USD")
    return replace(INVOICE, lines=lines, total=total)


def test_everything_that_accounts_payable_looks_for() -> None:
    printed = Printed(invoice_pdf(INVOICE, ENVELOPE))
    assert printed.count == 1
    for said in (
        *("INV-2026-01", "Łódź Ωmega Агрегатор", "aggregator.example", "Přerovská Distribuční a. s."),
        *("GSA-2025-17", "NWS-2026-001", "Issued 31 Jan 2026", "1 Jan 2026 to 31 Jan 2026"),
        *("979.45 USD", "by 25 Feb 2026", "quote INV-2026-01 with the payment", "PS-2026-01"),
        *("Reservation January, factor 0.98", "882.00", "98.30", "-0.85", "reservation (RES)"),
        *(INVOICE.rounding, "Page 1 of 1", MESSAGE),
    ):
        assert said in printed.text, said
    assert MISSING not in printed.text
    assert (printed.metadata["Title"], printed.metadata["Producer"]) == ("Invoice INV-2026-01", "Intertie")
    assert printed.within_margins(0)


def test_the_same_invoice_is_the_same_bytes() -> None:
    first = invoice_pdf(INVOICE, ENVELOPE)
    invoice_pdf(long(3), ENVELOPE)  # another one in between changes nothing
    assert invoice_pdf(INVOICE, ENVELOPE) == first
    assert b"/CreationDate (D:20260131000000Z)" in first
    assert invoice_pdf(replace(INVOICE, text="Thank you."), ENVELOPE) != first


def test_a_long_table_goes_over_pages_with_its_head_and_no_line_is_lost() -> None:
    body = long(150)
    printed = Printed(invoice_pdf(body, ENVELOPE))
    assert printed.count > 3
    for page, text in enumerate(printed.texts, 1):
        assert f"Page {page} of {printed.count}" in text and "INV-2026-01" in text
        assert "Description" in text
        assert printed.within_margins(page - 1)
    found = re.findall(r"Utilisation (\d+)\b", printed.text)
    assert [int(one) for one in found] == list(range(1, 151))
    amounts = [Decimal(one) for one in re.findall(r"kWh\s+1\.00\s+([\d.]+)", printed.text)]
    assert sum(amounts) == body.total.amount
    assert f"{body.total.amount:,.2f}" in printed.texts[-1]


def test_a_long_description_is_whole_and_in_its_column() -> None:
    said = "a dispatch of the evening of a cold day " * 4
    printed = Printed(invoice_pdf(long(40, said.strip()), ENVELOPE))
    assert " ".join(printed.text.split()).count(said.strip()) == 40
    assert all(printed.within_margins(page) for page in range(printed.count))


def test_a_word_that_no_column_holds_is_cut_into_pieces() -> None:
    printed = Printed(invoice_pdf(long(1, "x" * 180), ENVELOPE))
    assert re.sub(r"\s", "", printed.text).count("x" * 180) == 1
    assert printed.within_margins(0)


def test_characters_of_other_scripts_and_those_that_no_font_here_has() -> None:
    georgian = ENVELOPE._replace(sender=Named(SELLER, "საქართველო ไทย"))
    assert "საქართველო" in Printed(invoice_pdf(INVOICE, georgian)).text
    chinese = ENVELOPE._replace(sender=Named(SELLER, "漢字 Power"))
    text = Printed(invoice_pdf(INVOICE, chinese)).text
    assert f"{UNKNOWN}{UNKNOWN} Power" in text and "the message itself has it" in text


def test_a_correction_a_credit_and_a_note() -> None:
    line = replace(INVOICE.lines[2], amount=Decimal("-5.00"))
    body = replace(
        INVOICE,
        lines=(line,),
        total=Money(amount=Decimal("-5.00"), currency="USD"),
        corrects="INV-2025-12",
        text="As agreed\non the phone.",
    )
    text = Printed(invoice_pdf(body, ENVELOPE)).text
    for said in (
        "Corrected invoice",
        "Replaces invoice INV-2025-12",
        "This is a credit",
        "As agreed on the phone.",
    ):
        assert said in text
    assert "Please pay" not in text and "penalty (PEN)" not in text  # of one kind only the total


def test_every_kind_of_line_has_a_name_on_paper() -> None:
    lines = tuple(
        replace(INVOICE.lines[2], line=n, code=code, late="I-1" if code is LineCode.INTEREST else None)
        for n, code in enumerate(LineCode, 1)
    )
    total = Money(amount=sum((line.amount for line in lines), Decimal(0)), currency="USD")
    text = Printed(invoice_pdf(replace(INVOICE, lines=lines, total=total), ENVELOPE)).text
    assert all(f"({code})" in text for code in LineCode)


@pytest.mark.parametrize(
    ("window", "said"),
    [
        (INVOICE.period, "1 Jan 2026 to 31 Jan 2026"),
        (
            Window(start=datetime(2026, 1, 1, 12, tzinfo=UTC), end=datetime(2026, 1, 2, 12, tzinfo=UTC)),
            "01 Jan 2026 07:00 to 02 Jan 2026 07:00 (America/New_York)",
        ),
    ],
)
def test_periods(window: Window, said: str) -> None:
    assert days_of(window, "America/New_York") == said


def test_numbers_have_no_exponent() -> None:
    assert [number(Decimal(one)) for one in ("1E+3", "0.000000001", "-1234567.5")] == [
        "1,000",
        "0.000000001",
        "-1,234,567.5",
    ]


def test_the_account_with_its_balance_and_ageing() -> None:
    raw = account_pdf(ACCOUNT, ENVELOPE)
    assert raw == account_pdf(ACCOUNT, ENVELOPE)
    printed = Printed(raw)
    for said in (
        *("Statement of account", "SOA-2025-12", "Opening balance", "979.45", "CR-2025-11", "-1.20"),
        *("978.25", "Closing balance USD", "78.25", "Ageing on 2025-12-31", "48.25", "30.00"),
        *("1 Dec 2025 to 31 Dec 2025", "Přerovská Distribuční a. s.", "Page 1 of 1"),
    ):
        assert said in printed.text, said
    assert printed.within_margins(0)


def test_a_long_account() -> None:
    at, balance, entries = ACCOUNT.period.start, ACCOUNT.opening, []
    for n in range(1, 121):
        amount = Decimal(n if n % 2 else -n)
        balance += amount
        entries.append(
            AccountEntry(
                received=at + timedelta(hours=n),
                message=MESSAGE,
                kind=EntryKind.INVOICE if n % 2 else EntryKind.PAYMENT,
                name=f"D-{n:03}",
                amount=amount,
                balance=balance,
            )
        )
    buyer = replace(ACCOUNT.ageing[0], days_1_30=balance - 30, total=balance)
    body = replace(ACCOUNT, entries=tuple(entries), closing=balance, ageing=(buyer, ACCOUNT.ageing[1]))
    printed = Printed(account_pdf(body, ENVELOPE))
    assert printed.count > 2
    assert re.findall(r"D-\d{3}", printed.text) == [f"D-{n:03}" for n in range(1, 121)]
    assert all(printed.within_margins(page) for page in range(printed.count))


def test_the_fonts_are_inside() -> None:
    raw = invoice_pdf(INVOICE, ENVELOPE)
    fonts = set(re.findall(rb"/BaseFont /([A-Za-z0-9+-]+)", raw))
    assert fonts and all(b"+" in font for font in fonts), fonts  # subsets, by their tag
    assert raw.count(b"/FontFile2") >= 2
    assert pypdfium2.PdfDocument(raw).get_version() >= 14
    assert ENVELOPE.recipient.lines() == ("Přerovská Distribuční a. s.", BUYER)
    assert Named(BUYER, BUYER).lines() == (BUYER,)
    assert date(2026, 1, 31) == INVOICE.issued


def test_a_remittance_names_its_invoices_and_the_bank_s_reference() -> None:
    raw = remittance_pdf(REMITTANCE, ENVELOPE)
    assert raw == remittance_pdf(REMITTANCE, ENVELOPE)
    printed = Printed(raw)
    for said in (
        *("Remittance advice", "RA-2026-0004", "TRACE-091000019-4471", "By ach", "Paid on 30 Jan 2026"),
        *("INV-2025-12", "612.40", "DSP-2026-0001", "CR-2025-11", "-12.00", "Total paid USD", "600.40"),
        *("own claim that was netted", "GSA-2025-17", "Page 1 of 1"),
    ):
        assert said in printed.text, said
    assert printed.within_margins(0)
    one = replace(
        REMITTANCE, invoices=REMITTANCE.invoices[:1], total=Money(amount=Decimal("612.40"), currency="USD")
    )
    assert "netted" not in Printed(remittance_pdf(replace(one, text="Early."), ENVELOPE)).text


def test_a_credit_memo_names_the_invoice_and_its_lines() -> None:
    raw = credit_pdf(CREDIT, ENVELOPE)
    assert raw == credit_pdf(CREDIT, ENVELOPE) != credit_pdf(replace(CREDIT, text="Sorry."), ENVELOPE)
    printed = Printed(raw)
    for said in (
        *("Credit memo", "CR-2026-01", "Lowers invoice INV-2026-01", "Reason: meter data"),
        *("Meter M-0007 read twice", "1.20", "Total credit USD", "Issued 31 Jan 2026"),
    ):
        assert said in printed.text, said
    assert printed.within_margins(0)


@settings(max_examples=200 if os.environ.get("INTERTIE_SOAK") == "1" else 4, deadline=None)
@given(st.sampled_from(list(FORMS)), st.data(), st.text(max_size=60))
def test_whatever_a_partner_writes_can_be_printed(kind: type[Record], data: st.DataObject, name: str) -> None:
    forms = FORMS[kind]
    body = data.draw(bodies(kind))
    raw = forms.pdf(body, ENVELOPE._replace(sender=Named(SELLER, name)))
    assert Printed(raw).count >= 1
    assert forms.pdf(body, ENVELOPE._replace(sender=Named(SELLER, name))) == raw
    assert forms.csv(body).count(b"\r\n") >= 1
