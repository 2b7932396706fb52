"""The commands of billing, on two real gateways in this process: what one side says the other is shown."""

from __future__ import annotations

import csv
import io
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pypdfium2
import pytest
from tests.exchange.billing_house import House, settled, text
from tests.exchange.house import AGGREGATOR, UTILITY
from tests.exchange.trade_stage import Stage, dealt, registered

from intertie.gateway.trading import trade_contract
from intertie.model.billing import (
    Dispute,
    DisputeAnswer,
    DisputedLine,
    DisputeReason,
    LineAnswer,
    Resolution,
)


@pytest.fixture
def house(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> House:
    stage = dealt()
    settled(stage, "100.00", "20.00")
    return House(stage, monkeypatch, capsys)


def dispute(stage: Stage, invoice: str, line: int, claimed: str, expected: str) -> None:
    body = Dispute(
        dispute="X-1",
        invoice=invoice,
        lines=(
            DisputedLine(
                line=line, claimed=Decimal(claimed), expected=Decimal(expected), reason=DisputeReason.RATE
            ),
        ),
    )
    stage.done(*stage.utility.say(body))


def test_from_the_invoice_to_the_account(house: House, tmp_path: Path) -> None:
    said = house.did(AGGREGATOR, "invoice", "THEM")
    assert "Invoice I-S-1, due 2026-02-20: 120.00 USD" in said.out and "Queued as" in said.out
    house.did(UTILITY, "invoice", "THEM", "--line", "Meter data; 4; meter month; 0.3575", "--name", "U-1")
    found = {one["invoice"]: one for one in house.shown(UTILITY, "show", "THEM")["invoices"]}
    assert {name: (one["from"], one["open"]) for name, one in found.items()} == {
        "I-S-1": (AGGREGATOR, "120.00"),
        "U-1": (UTILITY, "1.43"),
    }
    planned = house.shown(UTILITY, "pay", "THEM", "--dry-run")
    assert planned["total"] == "118.57"
    house.did(UTILITY, "pay", "THEM", "--reference", "TRACE-1")
    assert "settled" in house.did(AGGREGATOR, "show", "THEM").out
    assert "Nothing is payable" in house.did(UTILITY, "pay", "THEM", "--dry-run").out
    house.later(date(2026, 2, 2))
    made = house.did(UTILITY, "account", "THEM", "--send")
    assert "owes aggregator.example 0.00 USD" in made.out and "opening balance" in made.out
    same = house.did(AGGREGATOR, "account", "THEM", "--compare")
    assert "the same bytes from both books" in same.out
    compared = house.shown(AGGREGATOR, "account", "THEM", "--compare")
    assert compared["same"] and compared["theirs"] == compared["ours"]
    files = [tmp_path / name for name in ("a.json", "b.json", "a.pdf", "b.pdf", "a.csv", "b.csv")]
    for file in files:
        side = AGGREGATOR if file.name[0] == "a" else UTILITY
        house.did(side, "export", "THEM", "A-20260201", file)
    for one, other in zip(files[::2], files[1::2], strict=True):
        assert one.read_bytes() == other.read_bytes()  # on either side


def test_an_invoice_line_by_line_and_as_files(house: House, tmp_path: Path) -> None:
    house.did(AGGREGATOR, "invoice", "THEM", "--statement", "S-1", "--name", "I-1")
    dispute(house.stage, "I-1", 2, "20.00", "5.00")
    house.did(UTILITY, "pay", "THEM", "--reference", "TRACE-1", "--method", "wire")
    shown = house.shown(AGGREGATOR, "show", "THEM", "I-1")
    assert (shown["state"], shown["held"], shown["disputes"]) == ("partly_paid, disputed", "15.00", ["X-1"])
    assert [one["paid"] for one in shown["lines"]] == ["100.00", "5.00"]
    assert shown["payments"] == [{"remittance": "P-20260115", "on": "2026-01-15", "amount": "105.00"}]
    people = house.did(AGGREGATOR, "show", "THEM", "I-1").out
    assert "Disputes: X-1" in people and "P-20260115" in people
    pdf, table = tmp_path / "I-1.pdf", tmp_path / "I-1.csv"
    house.did(UTILITY, "export", "THEM", "I-1", pdf)
    house.did(UTILITY, "export", "THEM", "I-1", table)
    page = pypdfium2.PdfDocument(pdf.read_bytes())[0].get_textpage().get_text_range()
    assert "I-1" in page and "120.00 USD" in page and "GSA-2026-01" in page
    rows = list(csv.DictReader(io.StringIO(table.read_text())))
    assert [row["amount"] for row in rows] == ["100.00", "20.00"]
    house.did(AGGREGATOR, "export", "THEM", "P-20260115", tmp_path / "P.pdf")
    advice = pypdfium2.PdfDocument((tmp_path / "P.pdf").read_bytes())[0].get_textpage().get_text_range()
    assert "By wire, reference TRACE-1" in advice and "X-1" in advice and "105.00" in advice
    for wrong, why in (
        (("I-1", pdf), "is there already"),
        (("I-9", tmp_path / "I-9.pdf"), "no invoice, credit memo, remittance or statement"),
        (("I-1", tmp_path / "I-1.docx"), "is none of .pdf"),
    ):
        refused = house.runs(UTILITY, "export", "THEM", *wrong)
        assert refused.code == 1 and why in refused.err


def test_a_credit_and_what_it_leaves(house: House) -> None:
    house.did(AGGREGATOR, "invoice", "THEM", "--name", "I-1")
    house.did(AGGREGATOR, "credit", "THEM", "I-1", "--line", "2=12.50", "--reason", "meter_data")
    assert house.shown(UTILITY, "show", "THEM", "I-1")["amount"] == "107.50"
    assert "Credit memos: C-I-1" in house.did(UTILITY, "show", "THEM", "I-1").out
    house.did(UTILITY, "pay", "THEM", "--amount", "I-1=50.00", "--reference", "T-1")
    house.did(AGGREGATOR, "invoice", "THEM", "--statement", "S-1", "--corrects", "I-1", "--name", "I-2")
    found = {one["invoice"]: one for one in house.shown(UTILITY, "show", "THEM")["invoices"]}
    assert found["I-1"]["state"] == "replaced by I-2" and found["I-2"]["open"] == "70.00"


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("invoice", "THEM", "--line", "data;many;meter;1"), "'many' is no number"),
        (("invoice", "THEM", "--line", "data;1;meter"), "is not 'text;quantity;unit;rate[;code]'"),
        (("invoice", "THEM", "--line", "data;1;meter;1;XXX"), "Codes: RES"),
        (("invoice", "THEM", "--line", "data;1;meter;1;INT"), "late"),
        (("invoice", "THEM", "--line", "data;1;meter;1", "--interest"), "three kinds of invoice"),
        (("invoice", "THEM", "--line", "data;1;meter;1", "--from", "2026-01-01"), "one day of a period"),
        (("invoice", "THEM", "--interest"), "states no rate for late payment"),
        (("invoice", "THEM", "--statement", "S-9"), "no statement S-9"),
        (("credit", "THEM", "I-9"), "no invoice I-9"),
        (("credit", "THEM", "I-9", "--line", "2"), "is not NAME=AMOUNT"),
        (("pay", "THEM"), "a payment has a bank reference"),
        (("pay", "THEM", "--reference", "T", "--invoice", "I-9"), "no invoice I-9"),
        (("pay", "THEM", "--reference", "T"), "nothing is payable"),
        (("account", "THEM", "--compare"), "no statement of account from"),
        (("account", "THEM", "--from", "2026-01-01", "--to", "2026-12-31"), "is not over"),
        (("show", "THEM", "I-9"), "intertie billing show"),
    ],
)
def test_what_cannot_be_done_says_what_to_do(house: House, arguments: tuple[str, ...], why: str) -> None:
    refused = house.runs(AGGREGATOR, *arguments)
    assert refused.code == 1 and why in refused.err
    assert refused.err.count("\n") == 1  # a sentence, and no traceback


def test_interest_and_ageing(monkeypatch: pytest.MonkeyPatch, capsys: Any, tmp_path: Path) -> None:
    stage = registered()
    amended = text()
    amended = type(amended)(
        **{name: getattr(amended, name) for name in amended.__struct_fields__}
        | {"revision": 2, "effective": stage.now}
    )
    stage.done(trade_contract.propose(stage.utility, amended))
    for desk in (stage.utility, stage.aggregator):
        stage.done(trade_contract.sign(desk, amended.agreement))
    house = House(stage, monkeypatch, capsys)
    house.did(AGGREGATOR, "invoice", "THEM", "--line", "capacity;1000;kW;1.00", "--name", "I-1")
    house.did(UTILITY, "pay", "THEM", "--amount", "I-1=500.00", "--reference", "T-1")
    house.later(date(2026, 3, 2))  # due on 20 February: ten days late, 500 x 7.3 % x 10 / 365 = 1.00
    assert house.shown(UTILITY, "show", "THEM", "I-1")["interest"] == "1.00"
    assert house.shown(UTILITY, "show", "THEM", "I-1")["state"] == "late, partly_paid"
    house.did(AGGREGATOR, "invoice", "THEM", "--interest", "--name", "F-1")
    nothing = house.runs(AGGREGATOR, "invoice", "THEM", "--interest")
    assert nothing.code == 1 and "nothing is owed for late payment" in nothing.err
    out = tmp_path / "ageing.csv"
    buyer, _ = house.shown(UTILITY, "ageing", "THEM", "--csv", out)["ageing"]
    assert (buyer["days_1_30"], buyer["not_due"], buyer["total"]) == ("500.00", "1.00", "501.00")
    assert out.read_text().splitlines()[1].startswith("utility.example,1.00,500.00")
    assert "over 90" in house.did(UTILITY, "ageing", "THEM", "--on", "2026-12-01").out


def test_disputes_are_shown_with_their_answers_and_where_they_go(house: House) -> None:
    stage = house.stage
    house.did(AGGREGATOR, "invoice", "THEM")
    assert "Nothing is or was in dispute" in house.did(UTILITY, "disputes", "THEM").out
    dispute(stage, "I-S-1", 2, "20.00", "15.00")
    [row] = house.shown(AGGREGATOR, "disputes", "THEM")
    assert (row["of"], row["by"], row["line"], row["claimed"], row["expected"]) == (
        *("I-S-1", UTILITY, "2", "20.00", "15.00"),
    )
    assert (row["answer"], row["state"]) == ("", "open")
    answer = DisputeAnswer(
        dispute="X-1",
        resolution=Resolution.SPLIT,
        lines=(LineAnswer(line=2, resolution=Resolution.REJECTED, agreed=Decimal("20.00")),),
    )
    stage.done(*stage.aggregator.say(answer))
    stage.now += timedelta(days=31)
    [row] = house.shown(UTILITY, "disputes", "THEM")
    assert (row["answer"], row["agreed"]) == ("rejected", "20.00")
    assert row["state"] == f"rejected, to arbitration since {row['until']}"
