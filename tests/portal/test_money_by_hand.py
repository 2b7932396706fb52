"""Money that no statement comes to by itself: a true-up, lines by hand, interest, a credit memo, and the statement of account."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from msgspec.structs import replace
from tests.exchange import billing_house
from tests.exchange.house import AGGREGATOR, UTILITY
from tests.exchange.test_acts_billing import charged
from tests.exchange.test_settle import settled
from tests.exchange.test_settle_true_up import corrected
from tests.exchange.trade_stage import Stage, registered
from tests.portal.money_world import AUDITOR, NAME, SETTLEMENT, Offices, offices
from tests.portal.test_money_pages import done, links, text
from tests.portal.two_portals import Desk, Portals, portals, refused, shown
from tests.portal.visitors import Browser, signed_in

from intertie.formats.billing_csv import account_csv
from intertie.gateway.billing import billing_account, billing_invoice
from intertie.gateway.billing.billing_desk import find_item
from intertie.gateway.office.api_keys import OfficeRole
from intertie.gateway.office.approvals import TwoPeople
from intertie.gateway.settlement.settle import find_statement
from intertie.gateway.trading import trade_contract
from intertie.journal.entry import read_entry
from intertie.model.account import CreditMemo
from intertie.model.billing import Invoice, LineCode

INVOICE = f"I-{NAME}"


@pytest.fixture
def both(tmp_path: Path) -> Iterator[Offices]:
    """The utility has said what the month comes to, and the aggregator has charged for it."""
    with offices(tmp_path) as found:
        found.stage.done(*found.stage.utility.say(settled(found.stage, UTILITY).statement))
        done(found.aggregator.browser(SETTLEMENT), found.aggregator.at(f"invoice/{NAME}"))
        found.arrive()
        yield found


# True-up


def test_nothing_changed_and_nothing_leaves(both: Offices) -> None:
    browser = both.utility.browser(SETTLEMENT)
    at = both.utility.at(f"true-up/{NAME}")
    assert at in links(browser.get(both.utility.at(f"statements/{NAME}")))
    page = browser.get(at)
    assert "Nothing changed" in text(page) and f'action="{at}"' not in page.text
    assert "nothing changed" in text(browser.send(at, change="0.00"), 422)


def test_a_true_up_is_seen_sent_once_and_its_invoice_replaces_the_old_one(both: Offices) -> None:
    corrected(both.stage)
    browser, at = both.utility.browser(SETTLEMENT), both.utility.at(f"true-up/{NAME}")
    page = browser.get(at)
    said = text(page)
    assert "On the readings that count now it comes to -" in said and "It may be corrected until" in said
    assert f"Send {NAME}-2" in said
    assert f'action="{at}"' not in both.utility.browser(AUDITOR).get(at).text
    change = page.text.partition('name="change" value="')[2].partition('"')[0]
    assert "by now, not" in text(browser.send(at, change="1.00"), 422)
    form = {"csrf": browser.token(), "once": "true-up-once", "change": change}
    answers = [browser.post(at, form) for _ in range(2)]
    assert {one.status_code for one in answers} == {303}
    both.arrive()
    _, body = find_statement(both.stage.aggregator, f"{NAME}-2")
    assert body.corrects == NAME
    aggregator = both.aggregator.browser(SETTLEMENT)
    page = aggregator.get(both.aggregator.at(f"statements/{NAME}-2"))
    assert f"invoice {INVOICE}; what was paid of it is taken over" in text(page)
    assert both.aggregator.at(f"true-up/{NAME}-2") not in links(page)
    assert "'s" in text(aggregator.get(both.aggregator.at(f"true-up/{NAME}-2")), 422)
    done(aggregator, both.aggregator.at(f"invoice/{NAME}-2"), corrects=INVOICE)
    both.arrive()
    items = both.stage.utility.book.accounts.items
    assert items[INVOICE].replaced_by == f"{INVOICE}-2"
    assert items[f"{INVOICE}-2"].amount - items[INVOICE].invoice.total.amount == Decimal(change)
    assert "Nothing changed" in text(browser.get(at))


def test_after_its_window_nothing_is_corrected(both: Offices) -> None:
    both.stage.now += timedelta(days=3 * 365)
    browser = both.utility.browser(OfficeRole.AUDITOR, SETTLEMENT)
    assert "the adjustment window" in text(browser.get(both.utility.at(f"true-up/{NAME}")), 422)


# By hand, over a contract with interest


@pytest.fixture
def at(tmp_path: Path) -> Iterator[Portals]:
    """The aggregator has charged 100 and 20 as I-S-1."""
    with portals(tmp_path, charged("100.00", "20.00")) as found:
        yield found


@pytest.fixture(scope="module")
def idle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Portals]:
    """The same for what changes nothing."""
    with portals(tmp_path_factory.mktemp("idle"), charged("100.00", "20.00")) as found:
        yield found


def analyst(desk: Desk) -> Browser:
    return desk.by(SETTLEMENT)


def path(desk: Desk, more: str) -> str:
    return f"/settlement/{desk.them}/{more}"


def items(at: Portals) -> dict[str, Any]:
    return dict(at.stage.books().accounts.items)


def row(n: int, what: str, quantity: str, unit: str, rate: str, code: str = "ADJ") -> dict[str, str]:
    parts = {"text": what, "quantity": quantity, "unit": unit, "rate": rate, "code": code}
    return {f"{part}-{n}": value for part, value in parts.items()}


def test_lines_by_hand_are_worked_out_seen_and_sent_once(at: Portals) -> None:
    browser, where = analyst(at.utility), path(at.utility, "charge")
    assert "Work it out" in shown(browser.get(where))
    fields = {
        **row(1, "Meter data", "12", "meter month", "0.355"),
        **row(3, "Tax", "1", "rate", "0.5", "TAX"),
    }
    page = browser.get(f"{where}?{urlencode(fields)}")
    assert "4.76 USD" in shown(page) and 'value="Meter data"' in page.text  # 12 x 0.355, to the cent
    assert items(at).keys() == {"I-S-1"}
    form = {"csrf": browser.token(), "once": "charge-once", "total": "4.76", **fields}
    answers = [browser.post(where, form) for _ in range(2)]
    assert {one.status_code for one in answers} == {303}
    at.stage.settle_soon()
    (made,) = [one for name, one in items(at).items() if name != "I-S-1"]
    assert made.issuer == UTILITY and [line.code for line in made.invoice.lines] == [
        LineCode.ADJUSTMENT,
        LineCode.TAX,
    ]
    notes = " ".join(read_entry(raw).note for _, raw, _ in at.utility.world.gateway.store.entries())
    assert "charge lines 4.76" in notes


def test_an_invoice_by_hand_replaces_another(at: Portals) -> None:
    browser = analyst(at.aggregator)
    page = browser.get(path(at.aggregator, "invoices/I-S-1"))
    assert path(at.aggregator, "charge?corrects=I-S-1") in page.text
    assert "In place of I-S-1" in shown(browser.get(path(at.aggregator, "charge?corrects=I-S-1")))
    fields = {**row(1, "As agreed", "1", "month", "110.00"), "corrects": "I-S-1", "name": "I-AGREED"}
    page = browser.get(path(at.aggregator, f"charge?{urlencode(fields)}"))
    assert "in place of I-S-1" in shown(page)
    answer = browser.send(path(at.aggregator, "charge"), total="110.00", **fields)
    assert answer.status_code == 303
    at.stage.settle_soon()
    assert items(at)["I-S-1"].replaced_by == "I-AGREED"


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({}, "nothing is charged"),
        ({"text-1": "x"}, "line 1: unit is missing"),
        ({"text-1": "x", "unit-1": "h"}, "line 1: quantity is missing"),
        (row(1, "x", "much", "h", "1"), "is no number"),
        (row(1, "x", "1", "h", "NaN"), "is no number"),
        (row(1, "x" * 201, "1", "h", "1"), "more than 200"),
        (row(1, "x", "1", "h", "1", "GIFT"), "is none of"),
        ({**row(1, "x", "1", "h", "1"), "first": "2026-01-01"}, "one day of the period"),
        ({**row(1, "x", "1", "h", "1"), "first": "2026-01-02", "last": "2026-01-01"}, "is before"),
        ({**row(1, "x", "1", "h", "1"), "name": "a b"}, "has not the right form"),
        ({**row(1, "x", "1", "h", "1"), "total": "2.00"}, "it comes to 1.00 by now, not 2.00"),
        ({**row(1, "x", "1", "h", "1"), "corrects": "I-9"}, "invoice"),
        (row(1, "x", "1", "h", "1", "INT"), ""),
    ],
)
def test_what_cannot_be_charged(idle: Portals, fields: dict[str, str], why: str) -> None:
    answer = analyst(idle.aggregator).send(path(idle.aggregator, "charge"), **{"total": "1.00", **fields})
    assert why in refused(answer)
    idle.stage.settle_soon()
    assert items(idle).keys() == {"I-S-1"}


def with_interest() -> Stage:
    """An invoice over 1000 under a contract that was amended to state a rate."""
    stage = registered()
    amended = replace(billing_house.text(), revision=2, effective=stage.now)
    stage.done(trade_contract.propose(stage.utility, amended))
    for desk in (stage.utility, stage.aggregator):
        stage.done(trade_contract.sign(desk, amended.agreement))
    line = billing_invoice.Charge("capacity", Decimal(1000), "kW", Decimal("1.00"))
    desk = stage.aggregator
    stage.done(billing_invoice.issue(desk, billing_invoice.from_lines(desk, None, [line], "I-S-1")))
    return stage


def test_interest_is_worked_out_and_charged_once(tmp_path: Path) -> None:
    with portals(tmp_path, with_interest()) as late:
        browser, where = analyst(late.aggregator), path(late.aggregator, "interest")
        assert "nothing is owed for late payment" in shown(browser.get(where))
        late.stage.now += timedelta(days=60)
        browser = analyst(late.aggregator)
        page = browser.get(where)
        total = page.text.partition('name="total" value="')[2].partition('"')[0]
        assert Decimal(total) > 0 and "Interest on I-S-1" in shown(page)
        assert "by now, not" in refused(browser.send(where, total="0.01"))
        assert browser.send(where, total=total).status_code == 303
        late.stage.settle_soon()
        (made,) = [one for name, one in items(late).items() if name != "I-S-1"]
        assert made.amount == Decimal(total)
        assert "nothing is owed for late payment" in shown(browser.get(where))


def test_no_rate_no_interest(idle: Portals) -> None:
    said = shown(analyst(idle.aggregator).get(path(idle.aggregator, "interest")))
    assert "states no rate" in said and "late_interest_percent_per_year" in said
    refused(analyst(idle.aggregator).send(path(idle.aggregator, "interest"), total="1.00"))


# Credit


def test_a_credit_memo_lowers_a_line(at: Portals) -> None:
    browser = analyst(at.aggregator)
    page = browser.get(path(at.aggregator, "invoices/I-S-1"))
    assert "Lower it" in shown(page) and 'name="line-2"' in page.text
    assert "Lower it" not in analyst(at.utility).get(path(at.utility, "invoices/I-S-1")).text
    fields = {"line-2": "12.50", "reason": "meter_data", "text": "M-2"}
    assert browser.send(path(at.aggregator, "credit/I-S-1"), **fields).status_code == 303
    at.stage.settle_soon()
    item = find_item(at.stage.utility, "I-S-1")
    assert item.lines[1].credited == Decimal("12.50") and item.open == Decimal("107.50")
    assert "credit memo C-I-S-1" in shown(analyst(at.utility).get(path(at.utility, "invoices/I-S-1")))
    assert browser.send(path(at.aggregator, "credit/I-S-1"), whole="yes", reason="other").status_code == 303
    at.stage.settle_soon()
    assert find_item(at.stage.utility, "I-S-1").open == 0


@pytest.mark.parametrize(
    ("name", "fields", "why"),
    [
        ("I-S-1", {"reason": "other"}, "by how much?"),
        ("I-S-1", {"reason": "other", "whole": "yes", "line-1": "5"}, "and not both"),
        ("I-S-1", {"line-1": "5"}, "why it is lowered is missing"),
        ("I-S-1", {"line-1": "5", "reason": "whim"}, "is none of"),
        ("I-S-1", {"line-1": "999", "reason": "other"}, "credit|agreed|line"),
        ("I-S-1", {"line-1": "-5", "reason": "other"}, "fit together|amount"),
        ("I-9", {"whole": "yes", "reason": "other"}, "no invoice I-9"),
    ],
)
def test_what_cannot_be_credited(idle: Portals, name: str, fields: dict[str, str], why: str) -> None:
    answer = analyst(idle.aggregator).send(path(idle.aggregator, f"credit/{name}"), **fields)
    said = refused(answer)
    assert any(part in said for part in why.split("|")), said
    idle.stage.settle_soon()
    assert not any(isinstance(one.body, CreditMemo) for one in idle.stage.utility.events)


def test_a_credit_memo_may_need_a_second_person(at: Portals) -> None:
    world = at.aggregator.world
    world.office = world.office._replace(two_people=frozenset({TwoPeople.PAYMENT}))
    app = type(world).app(world)
    world.app = lambda: app  # type: ignore[method-assign]
    world.now = at.stage.now
    first, second = (signed_in(world, SETTLEMENT, name=name) for name in ("ann", "ben"))
    said = first.done(first.send(path(at.aggregator, "credit/I-S-1"), **{"line-1": "5", "reason": "rate"}))
    assert said.startswith("It waits for a second person")
    (waiting,) = world.people.approvals()
    refused(first.send(f"/approvals/{waiting.id}/approve"), 422)
    assert second.send(f"/approvals/{waiting.id}/approve").status_code == 303
    at.stage.settle_soon()
    assert find_item(at.stage.utility, "I-S-1").open == Decimal("115.00")


# The statement of account


def test_the_account_is_shown_sent_once_and_compared(at: Portals) -> None:
    at.stage.now += timedelta(days=31)
    browser, where = analyst(at.aggregator), path(at.aggregator, "account")
    assert where in analyst(at.aggregator).get("/settlement/ageing").text
    page = browser.get(where)
    said = shown(page)
    assert f"{UTILITY} owes {AGGREGATOR} 120.00 USD" in said and "invoice I-S-1 120.00 120.00" in said
    assert "None was sent yet" in said
    field = {
        name: page.text.partition(f'type="hidden" name="{name}" value="')[2].partition('"')[0]
        for name in ("first", "last", "account", "sha256")
    }
    csv = browser.get(f"{where}-file?first={field['first']}&last={field['last']}")
    assert csv.headers["content-disposition"] == f'attachment; filename="{field["account"]}.csv"'
    json = browser.get(f"{where}-file?as=json").json()
    assert json["account"] == field["account"] and json["closing"] == "120.00"
    assert "has changed" in refused(browser.send(where, **{**field, "sha256": "0" * 64}))
    form = {"csrf": browser.token(), "once": "account-once", **field}
    assert {browser.post(where, form).status_code for _ in range(2)} == {303}
    at.stage.settle_soon()
    theirs = billing_account.find(at.stage.utility, None)
    assert theirs.account == field["account"] and account_csv(theirs) == csv.content
    auditor = at.utility.auditor
    page = auditor.get(path(at.utility, "account"))
    assert f"Compare {theirs.account} with our own" in shown(page)
    for kind, begins in (("pdf", b"%PDF-"), ("csv", b"")):
        found = auditor.get(path(at.utility, f"files/{theirs.account}?as={kind}"))
        assert found.status_code == 200 and found.content.startswith(begins)
    assert "The same bytes from both books" in shown(
        auditor.get(path(at.utility, f"account-compared/{theirs.account}"))
    )


def test_an_account_that_parts_says_where(at: Portals, monkeypatch: pytest.MonkeyPatch) -> None:
    at.stage.now += timedelta(days=31)
    at.stage.done(
        billing_account.send(
            at.stage.aggregator,
            billing_account.make(
                at.stage.aggregator, billing_account.month_before(at.stage.aggregator), "A-1"
            ),
        )
    )
    real = billing_account.make
    monkeypatch.setattr(
        "intertie.gateway.billing.billing_account.make",
        lambda desk, period, name: real(
            desk, billing_account.days(desk, *(2 * [billing_account.today(desk) - timedelta(days=9)])), name
        ),
    )
    said = shown(at.utility.auditor.get(path(at.utility, "account-compared/A-1")))
    assert "They part" in said and "invoice I-S-1 of 120.00" in said and "is in theirs only" in said


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ("first=2026-01-01", "one day of the period"),
        ("first=2026-01-02&last=2026-01-01", "is before"),
        ("first=2026-01-01&last=2099-01-01", "is not over"),
        ("first=x&last=y", "is no day"),
        ("agreement=NONE", "NONE"),
    ],
)
def test_an_account_that_cannot_be_made(idle: Portals, query: str, why: str) -> None:
    assert why in refused(idle.utility.auditor.get(path(idle.utility, f"account?{query}")))


def test_what_is_not_there(idle: Portals) -> None:
    browser = idle.utility.auditor
    assert "no statement of account" in refused(browser.get(path(idle.utility, "account-compared/A-9")))
    refused(analyst(idle.utility).send(path(idle.utility, "account")))
    refused(browser.get("/settlement/nobody.example/account"), 404)
    refused(browser.get(path(idle.utility, "charge")), 403)
    refused(browser.get(path(idle.utility, "interest")), 403)


@pytest.mark.parametrize("act", ["charge", "interest", "credit/I-S-1", "account"])
def test_only_settlement_charges_credits_and_sends(idle: Portals, act: str) -> None:
    for side in idle.both:
        for role in set(OfficeRole) - {SETTLEMENT}:
            refused(side.by(role).send(path(side, act), total="1.00", whole="yes", reason="other"), 403)
    idle.stage.settle_soon()
    assert not any(
        isinstance(one.body, Invoice) and one.body.invoice != "I-S-1" for one in idle.stage.utility.events
    )
