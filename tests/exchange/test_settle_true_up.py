"""A statement that was sent is corrected on revised readings while the adjustment window is open, and its invoice follows."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
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
    stage,
)

from intertie.cli import run
from intertie.gateway.billing import billing_invoice
from intertie.gateway.settlement.settle import compare, find_statement
from intertie.gateway.settlement.settle_true_up import closes, true_up
from intertie.market.contract import DAYS_OF_A_MONTH
from intertie.model.errors import SettingsError
from intertie.model.metering import MeterReadingSet

__all__ = ["stage"]  # the fixture
NAME = "S-NWS-1-2026-01"


@pytest.fixture
def stated(stage: Settling) -> Settling:
    """The statement is sent; then M-2 turns out to have taken 900 in one quarter, and both sides learn of it."""
    stage.done(*stage.utility.say(settled(stage, UTILITY).statement))
    return stage


def corrected(stage: Settling) -> list[int | None]:
    values = shed("M-2")
    values[FIRST] = 900
    body = MeterReadingSet(meters=(day_of("M-2", EVENT_DAY, values, revision=2),))
    stage.done(stage.say(UTILITY, body, DEAL_AGREEMENT))
    return values


def test_nothing_changed(stated: Settling) -> None:
    found = true_up(stated.utility, read(stated, UTILITY), NAME)
    assert found.same and found.change == 0
    assert (found.new.statement, found.new.corrects) == (f"{NAME}-2", NAME)


def test_a_revised_reading_corrects_the_statement_on_both_sides(stated: Settling) -> None:
    before = settled(stated, UTILITY).statement
    corrected(stated)
    found = true_up(stated.utility, read(stated, UTILITY), NAME)
    after = settled(stated, UTILITY).statement
    assert found.old == before and not found.same
    assert found.new.lines == after.lines != before.lines
    change = sum(one.amount for one in after.lines) - sum(one.amount for one in before.lines)
    assert found.change == change != 0
    stated.done(*stated.utility.say(found.new))
    _, theirs = find_statement(stated.aggregator, f"{NAME}-2")
    assert theirs.corrects == NAME
    assert compare(stated.aggregator, read(stated, AGGREGATOR), theirs).same
    again = true_up(stated.utility, read(stated, UTILITY), NAME)
    assert again.same and (again.old, again.new.statement) == (found.new, f"{NAME}-3")


def test_the_invoice_follows(stated: Settling) -> None:
    first = billing_invoice.from_statement(stated.aggregator, find_statement(stated.aggregator, NAME)[1])
    stated.done(*stated.aggregator.say(first))
    corrected(stated)
    found = true_up(stated.utility, read(stated, UTILITY), NAME)
    stated.done(*stated.utility.say(found.new))
    _, body = find_statement(stated.aggregator, f"{NAME}-2")
    second = billing_invoice.from_statement(stated.aggregator, body, corrects=first.invoice)
    stated.done(*stated.aggregator.say(second))
    items = stated.utility.book.accounts.items
    assert items[first.invoice].replaced_by == second.invoice
    assert items[second.invoice].amount - items[first.invoice].invoice.total.amount == found.change


def test_the_window_closes(stated: Settling) -> None:
    corrected(stated)
    old = find_statement(stated.utility, NAME)[1]
    until = closes(stated.utility, old)
    text = next(iter(stated.utility.book.contracts.values())).text_at(stated.now)
    assert text is not None
    months = text.elections.adjustment_window_months
    assert until == old.period.end + timedelta(days=round(months * DAYS_OF_A_MONTH))
    readings = read(stated, UTILITY)
    stated.now = until
    with pytest.raises(SettingsError, match=f"window of {NAME} closed on {until.date()}"):
        true_up(stated.utility, readings, NAME)


def test_only_who_made_it_corrects_it(stated: Settling) -> None:
    with pytest.raises(SettingsError, match="example's"):
        true_up(stated.aggregator, read(stated, AGGREGATOR), NAME)
    with pytest.raises(SettingsError, match="no statement S-9"):
        true_up(stated.utility, read(stated, UTILITY), "S-9")


def test_at_the_command_line(stated: Settling, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    sent: list[Any] = []

    @contextlib.contextmanager
    def opened(dir: Path, partner: str, agreement: Any = None) -> Iterator[Any]:
        yield SimpleNamespace(desk=stated.utility, readings=read(stated, UTILITY), it=None)

    monkeypatch.setattr("intertie.cli.settle_true_up.settling", opened)
    monkeypatch.setattr("intertie.cli.settle_true_up.told", lambda it, ids, wait, json: sent.extend(ids) or 0)

    def said(*more: str) -> str:
        capsys.readouterr()
        assert run(["settle", "true-up", AGGREGATOR, NAME, *more]) == 0
        return str(capsys.readouterr().out)

    assert "Nothing changed. The adjustment window closes on" in said()
    assert "Nothing changed" in said("--send") and not sent
    revise(stated, UTILITY, "M-2", EVENT_DAY, corrected_values())
    shown = json.loads(said("--json"))
    assert not shown["same"] and shown["statement"]["corrects"] == NAME
    assert f"{Decimal(shown['change']):+,.2f} USD" in said()
    said("--send")
    assert len(sent) == 1


def corrected_values() -> list[int | None]:
    values = shed("M-2")
    values[FIRST : FIRST + 2] = [950, 950]
    return values
