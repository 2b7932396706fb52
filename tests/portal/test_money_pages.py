"""The pages of settlement in front of two gateways: from the calendar to the last cent, by forms as a browser sends them."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
from msgspec.structs import replace
from tests.exchange.house import AGGREGATOR, UTILITY
from tests.exchange.test_settle import EVENT_DAY, FIRST, invoiced, revise, settled, shed
from tests.portal.money_world import AUDITOR, NAME, OPERATOR, SETTLEMENT, Offices, offices
from tests.portal.visitors import Browser, signed_in

from intertie.gateway.billing.billing_desk import find_item
from intertie.gateway.office.api_keys import OfficeRole
from intertie.gateway.office.approvals import TwoPeople
from intertie.gateway.ports import Query
from intertie.journal.entry import read_entry
from intertie.model.billing import Dispute, DisputedLine, DisputeReason

EVIL = '"><script>alert(1)</script><img src=x onerror=alert(1)>'


@pytest.fixture
def both(tmp_path: Path) -> Iterator[Offices]:
    with offices(tmp_path) as found:
        yield found


@pytest.fixture(scope="module")
def stated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Offices]:
    """The utility has said what the month comes to. Nothing here changes that."""
    with offices(tmp_path_factory.mktemp("money")) as found:
        found.stage.done(*found.stage.utility.say(settled(found.stage, UTILITY).statement))
        yield found


def text(answer: httpx.Response, status: int = 200) -> str:
    """What a page says, without tags."""
    assert answer.status_code == status, answer.text
    assert "<script>alert" not in answer.text and "<img" not in answer.text
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", answer.text)).split())


def links(answer: httpx.Response) -> list[str]:
    return [html.unescape(one) for one in re.findall(r'(?:href|action|data-plot)="(/[^"]*)"', answer.text)]


def call_of(both: Offices) -> str:
    [name] = both.stage.utility.book.dispatches
    return name


# Reading


def test_the_calendar_leads_to_the_call_and_the_call_to_its_line(stated: Offices) -> None:
    browser = stated.utility.browser(AUDITOR)
    page = browser.get("/settlement?month=2026-01")
    said = text(page)
    assert "Calls in 2026-01" in said and "delivered 1.6" in said and "factor 0.64" in said
    at = stated.utility.at(f"events/{call_of(stated)}")
    assert at in links(page) and f"/settlement/{AGGREGATOR}" in links(page)
    event = browser.get(at)
    said = text(event)
    for part in (
        NAME,
        "Days the baseline rests on",
        "not among highest",
        "M-1",
        "M-2",
        "dispatch instruction",
    ):
        assert part in said, part
    assert "M-3" not in said
    plot = next(link for link in links(event) if "event-plot" in link)
    data = browser.get(plot).json()
    assert [one["label"] for one in data["series"]] == ["Asked", "Baseline", "Metered", "Delivered"]
    assert {one["unit"] for one in data["series"]} == {"kWh"}
    assert len(data["x"]) == 3 and all(len(one["values"]) == 3 for one in data["series"])
    line = next(link for link in links(event) if "/lines/2/" in link)
    explained = text(browser.get(line))
    assert "kWh × " in explained and "to the cent" in explained and "performance statement" in explained
    assert all(browser.get(link).status_code == 200 for link in links(event) if "/messages/" in link)


def test_every_link_of_the_pages_leads_somewhere(stated: Offices) -> None:
    """Walk what can be reached from the calendar of either side."""
    for office in (stated.utility, stated.aggregator):
        browser, seen, todo = office.browser(SETTLEMENT), set[str](), ["/settlement?month=2026-01"]
        while todo:
            path = todo.pop()
            seen.add(path)
            page = browser.get(path)
            assert page.status_code == 200, (path, page.text)
            if "text/html" in page.headers["content-type"]:
                gets = [
                    one
                    for one in re.findall(r'href="(/[^"]*)"', page.text)
                    if "/settlement" in one and "month=" not in one
                ]
                todo += [one for one in map(html.unescape, gets) if one not in seen and one not in todo]
        assert len(seen) > 8, seen


@pytest.mark.parametrize("month", ["2026-13", "x", EVIL, "9999-99"])
def test_a_month_that_is_none_is_said_without_quoting_it_raw(stated: Offices, month: str) -> None:
    page = stated.utility.browser(AUDITOR).get("/settlement", params={"month": month})
    assert page.status_code == 422 and "month" in text(page, 422)


def test_empty_months_and_ages_say_what_to_do(stated: Offices) -> None:
    browser = stated.utility.browser(AUDITOR)
    assert "choose another month" in text(browser.get("/settlement?month=2024-01"))
    said = text(browser.get("/settlement/ageing"))
    assert "Nothing is owed" in said and "No invoice yet" in said and "Nothing is or was in dispute" in said


@pytest.mark.parametrize(
    "path",
    [
        "events/D-404",
        "event-plot/D-404",
        f"events/{EVIL}",
        "statements/S-404",
        f"lines/9/{NAME}",
        f"lines/0/{NAME}",
        "shadow/S-404",
        "invoices/I-404",
        "disputes/X-404",
        "statements/..%2F..%2Fetc",
        "invoices/%00",
    ],
)
def test_what_is_not_there_is_a_page_that_says_so(stated: Offices, path: str) -> None:
    browser = stated.utility.browser(AUDITOR)
    assert "do" and text(browser.get(stated.utility.at(path)), 404)
    assert browser.get(f"/settlement/nobody.example/{path}").status_code == 404


def test_the_statement_beside_our_own_readings(stated: Offices) -> None:
    for office in (stated.utility, stated.aggregator):
        browser = office.browser(AUDITOR)
        page = browser.get(office.at(f"statements/{NAME}"))
        assert office.at(f"shadow/{NAME}") in links(page)
        assert "Equal to the cent" in text(browser.get(office.at(f"shadow/{NAME}")))


def test_acts_are_shown_only_where_role_and_side_allow_them(stated: Offices) -> None:
    """The seller's settlement analyst invoices; nobody else is even offered it."""
    offered = []
    for office in (stated.utility, stated.aggregator):
        for role in (SETTLEMENT, AUDITOR, OPERATOR, OfficeRole.TRADER):
            page = office.browser(role).get(office.at(f"statements/{NAME}"))
            if office.at(f"invoice/{NAME}") in links(page):
                offered.append((office.party, role))
            draft = office.browser(role).get(office.at("draft?deal=NWS-1&month=2026-01"))
            may = (office.party, role) == (UTILITY, SETTLEMENT)
            assert ("Send the statement" in draft.text) == may
    assert offered == [(AGGREGATOR, SETTLEMENT)]


def test_an_administrator_reads_nothing_of_the_business(stated: Offices) -> None:
    browser = stated.utility.browser(OfficeRole.ADMIN)
    for path in ("/settlement", "/settlement/ageing", stated.utility.at(f"statements/{NAME}")):
        assert browser.get(path).status_code == 403
    assert 'href="/settlement"' not in browser.get("/").text


# Acting


def done(browser: Browser, path: str, **fields: Any) -> str:
    return browser.done(browser.send(path, **fields))


def test_a_month_from_the_draft_to_the_payment(both: Offices) -> None:
    utility, aggregator = both.utility.browser(SETTLEMENT), both.aggregator.browser(SETTLEMENT)
    draft = utility.get(both.utility.at("draft?deal=NWS-1&month=2026-01"))
    assert "Total" in text(draft) and call_of(both) in draft.text
    assert "queued" in done(utility, both.utility.at("draft"), deal="NWS-1", month="2026-01")
    both.arrive()
    assert NAME in text(aggregator.get(f"/settlement/{UTILITY}"))
    done(aggregator, both.aggregator.at(f"invoice/{NAME}"))
    both.arrive()
    invoice = f"I-{NAME}"
    page = utility.get(both.utility.at(f"invoices/{invoice}"))
    item = find_item(both.stage.utility, invoice)
    assert f"{item.amount:,.2f} USD" in text(page) and "It was paid" in page.text
    assert "It was paid" not in aggregator.get(both.aggregator.at(f"invoices/{invoice}")).text
    checked = utility.get(both.utility.at(f"check/{invoice}"))
    assert (
        "there is nothing to dispute" in text(checked)
        and "Dispute these lines" not in checked.text
        and both.utility.at(f"check/{invoice}") in links(page)
    )
    paying = {"amount": str(item.amount), "method": "ach", "reference": "T-1"}
    done(utility, both.utility.at(f"pay/{invoice}"), **paying)
    both.arrive()
    assert find_item(both.stage.aggregator, invoice).state == "settled"
    assert "settled" in text(aggregator.get("/settlement/ageing"))
    assert find_item(both.stage.aggregator, invoice).payments[0].amount == item.amount


def test_an_invoice_on_paper_and_as_data(both: Offices) -> None:
    invoiced(both.stage)
    browser = both.utility.browser(AUDITOR)
    for kind, begins, media in (
        ("pdf", b"%PDF-", "application/pdf"),
        ("csv", b"", "text/csv"),
        ("json", b"{", "application/json"),
    ):
        found = browser.get(both.utility.at(f"files/I-2026-01?as={kind}"))
        assert found.status_code == 200 and found.content.startswith(begins)
        assert found.headers["content-type"].startswith(media)
        assert found.headers["content-disposition"] == f'attachment; filename="I-2026-01.{kind}"'
    assert browser.get(both.utility.at("files/I-2026-01?as=exe")).status_code == 422
    same = both.aggregator.browser(AUDITOR).get(both.aggregator.at("files/I-2026-01"))
    assert same.content == browser.get(both.utility.at("files/I-2026-01")).content, (
        "the same bytes on either side"
    )


@pytest.mark.parametrize("how", ["conceded", "split", "rejected"])
def test_a_dispute_is_raised_shown_and_answered(both: Offices, how: str) -> None:
    invoiced(both.stage)
    utility, aggregator = both.utility.browser(SETTLEMENT), both.aggregator.browser(SETTLEMENT)
    check = utility.get(both.utility.at("check/I-2026-01"))
    assert f"M-2/{EVENT_DAY}" in text(check) and "Dispute these lines" in check.text
    assert (
        "Dispute these lines"
        not in both.utility.browser(AUDITOR).get(both.utility.at("check/I-2026-01")).text
    )
    utility.send(both.utility.at("dispute/I-2026-01"), dispute="X-1")
    both.arrive()
    raised = utility.get(both.utility.at("disputes/X-1"))
    assert "Answer it" not in raised.text and f"M-2/{EVENT_DAY}" in text(raised)
    got = aggregator.get(both.aggregator.at("disputes/X-1"))
    assert "Answer it" in got.text and "ours to answer" in text(aggregator.get("/settlement/ageing"))
    assert "Answer it" not in both.aggregator.browser(AUDITOR).get(both.aggregator.at("disputes/X-1")).text
    aggregator.send(both.aggregator.at("resolve/X-1"), how=how, text="As agreed by telephone.")
    both.arrive()
    after = text(utility.get(both.utility.at("disputes/X-1")))
    assert how in after and ("resolved" if how != "rejected" else "rejected") in after


def test_a_split_takes_amounts_and_a_wrong_one_is_refused(both: Offices) -> None:
    invoiced(both.stage)
    utility, aggregator = both.utility.browser(SETTLEMENT), both.aggregator.browser(SETTLEMENT)
    utility.send(both.utility.at("dispute/I-2026-01"), dispute="X-1")
    both.arrive()
    [one] = both.stage.aggregator.drafted.disputes.values()
    line = one.body.lines[0]
    at = both.aggregator.at("resolve/X-1")
    for wrong in ("999999", "1e999", "nan", EVIL, "12,50"):
        answer = aggregator.send(at, how="split", **{f"line-{line.line}": wrong})
        assert answer.status_code == 422, wrong
        text(answer, 422)
    assert aggregator.send(at, how="sold").status_code == 422 and aggregator.send(at).status_code == 422
    aggregator.send(at, how="split", **{f"line-{line.line}": str(line.expected)})
    both.arrive()
    [after] = both.stage.utility.book.disputes.values()
    assert after.answers[str(line.line)].agreed == line.expected


def test_a_correction_waits_for_the_reading(both: Offices) -> None:
    invoiced(both.stage)
    utility, aggregator = both.utility.browser(SETTLEMENT), both.aggregator.browser(SETTLEMENT)
    utility.send(both.utility.at("dispute/I-2026-01"), dispute="X-1")
    both.arrive()
    refused = aggregator.send(both.aggregator.at("resolve/X-1"), how="corrected")
    assert "does not come to what" in text(refused, 422) and "readings" in text(refused, 422)
    values = shed("M-2")
    values[FIRST : FIRST + 2] = [900, 900]
    revise(both.stage, AGGREGATOR, "M-2", EVENT_DAY, values)
    aggregator.send(both.aggregator.at("resolve/X-1"), how="corrected")
    both.arrive()
    page = utility.get(both.utility.at("invoices/I-2026-01"))
    assert "I-2026-01-corrected" in text(page) and "It was paid" not in page.text


def test_one_form_is_one_act_and_its_person_is_in_the_journal(both: Offices) -> None:
    browser = both.utility.browser(SETTLEMENT)
    form = {"csrf": browser.token(), "once": "the-same", "deal": "NWS-1", "month": "2026-01"}
    first = browser.post(both.utility.at("draft"), form)
    again = browser.post(both.utility.at("draft"), form)
    assert (
        first.status_code == again.status_code == 303
        and first.headers["location"] == again.headers["location"]
    )
    store = both.stage.gateways[UTILITY].store
    rows = store.messages(Query(outgoing=True))
    assert sum(row.document == "performance_statement" for row in rows) == 1
    notes = [read_entry(raw).note for _, raw, _ in store.entries()]
    [said] = [note for note in notes if "send statement" in note]
    assert "settlement" in said and NAME[2:7] in said


@pytest.mark.parametrize("path", ["draft", f"invoice/{NAME}", "dispute/I-1", "pay/I-1", "resolve/X-1"])
def test_an_act_needs_role_token_and_origin(both: Offices, path: str) -> None:
    at = both.utility.at(path)
    for role in (AUDITOR, OPERATOR, OfficeRole.TRADER, OfficeRole.ADMIN):
        browser = both.utility.browser(role)
        assert browser.send(at, deal="NWS-1", month="2026-01").status_code == 403, role
    analyst = both.utility.browser(SETTLEMENT)
    forged = {"csrf": "A" * 43, "once": "x", "deal": "NWS-1", "month": "2026-01"}
    assert analyst.post(at, forged).status_code == 403
    good = {**forged, "csrf": analyst.token()}
    assert analyst.post(at, good, origin="https://evil.example").status_code == 403
    assert analyst.post(at, good, **{"sec-fetch-site": "cross-site"}).status_code == 403
    both.arrive()
    assert not both.stage.aggregator.book.accounts.items


def test_a_payment_of_another_amount_than_was_seen_is_not_made(both: Offices) -> None:
    invoiced(both.stage)
    browser = both.utility.browser(SETTLEMENT)
    at = both.utility.at("pay/I-2026-01")
    for fields in (
        {"amount": "1.00", "method": "ach", "reference": "T-1"},
        {"amount": "x", "method": "ach", "reference": "T-1"},
        {"method": "ach", "reference": "T-1"},
        {"amount": "1.00", "reference": "T-1"},
        {"amount": "1.00", "method": "gold", "reference": "T-1"},
        {"amount": "1.00", "method": "ach"},
        {"amount": "1.00", "method": "ach", "reference": "DE89 3704 0044 0532 0130 00\r\nX: y"},
    ):
        text(browser.send(at, **fields), 422)
    assert find_item(both.stage.utility, "I-2026-01").paid == 0


def test_hostile_text_of_a_partner_is_shown_as_text(both: Offices) -> None:
    both.stage.done(*both.stage.utility.say(replace(settled(both.stage, UTILITY).statement, text=EVIL)))
    line = DisputedLine(
        line=1,
        claimed=settled(both.stage, UTILITY).lines[0].amount,
        expected=Decimal(0),
        reason=DisputeReason.OTHER,
        text=EVIL,
    )
    both.stage.done(
        *both.stage.aggregator.say(Dispute(dispute="X-S", invoice=NAME, lines=(line,), text=EVIL))
    )
    browser = both.utility.browser(SETTLEMENT)
    for path in (f"statements/{NAME}", "disputes/X-S", f"lines/1/{NAME}", f"events/{call_of(both)}"):
        page = browser.get(both.utility.at(path))
        assert "<script>alert" not in page.text and "<img" not in page.text, path
    assert "alert(1)" in text(browser.get(both.utility.at("disputes/X-S")))
    assert "script-src 'self'" in browser.get("/settlement").headers["content-security-policy"]


def test_names_with_strokes_and_signs_are_reached(both: Offices) -> None:
    name = "S/2026#1+a@b"
    both.stage.done(*both.stage.utility.say(replace(settled(both.stage, UTILITY).statement, statement=name)))
    browser = both.aggregator.browser(AUDITOR)
    listed = browser.get(f"/settlement/{UTILITY}")
    [at] = [one for one in links(listed) if "/statements/" in one]
    page = browser.get(at)
    assert f"Statement {name}" in text(page)
    for link in links(page):
        if "/lines/" in link or "/shadow/" in link or "/events/" in link:
            assert browser.get(link).status_code == 200, link


def test_a_late_invoice_is_late_on_a_day_that_is_asked_for(both: Offices) -> None:
    invoiced(both.stage)
    due = find_item(both.stage.utility, "I-2026-01").invoice.due
    browser = both.utility.browser(AUDITOR)
    late = text(browser.get(f"/settlement/ageing?partner={AGGREGATOR}&on={due + timedelta(days=40)}"))
    assert "late" in late and "31–60" in late
    assert browser.get("/settlement/ageing?on=someday").status_code == 422
    assert browser.get("/settlement/ageing?partner=nobody.example").status_code == 404


def test_a_payment_may_need_a_second_person(both: Offices) -> None:
    """Where the settings ask for two, the first one's form pays nothing, and the second one's yes pays once."""
    invoiced(both.stage)
    office = both.utility
    office.office = office.office._replace(two_people=frozenset({TwoPeople.PAYMENT}))
    office.now = both.stage.now
    first = signed_in(office, SETTLEMENT, name="ann")
    item = find_item(both.stage.utility, "I-2026-01")
    fields = {"amount": str(item.amount), "method": "ach", "reference": "T-1"}
    asked = first.send(office.at("pay/I-2026-01"), **fields)
    assert asked.status_code == 303
    both.arrive()
    assert find_item(both.stage.utility, "I-2026-01").paid == 0
    [waiting] = office.people.approvals()
    assert (waiting.act, waiting.person) == ("pay_invoice", "ann")
    office.now = both.stage.now
    second = signed_in(office, SETTLEMENT, name="bob")
    page = second.get("/approvals")
    [form] = [one for one in links(page) if waiting.id in one and "refuse" not in one and "approve" in one]
    assert first.send(form).status_code != 303 or not find_item(both.stage.utility, "I-2026-01").paid
    second.send(form)
    both.arrive()
    assert find_item(both.stage.aggregator, "I-2026-01").paid == item.amount


def test_today_leads_to_a_dispute_that_waits_for_us(both: Offices) -> None:
    invoiced(both.stage)
    both.utility.browser(SETTLEMENT).send(both.utility.at("dispute/I-2026-01"), dispute="X/1#a")
    both.arrive()
    browser = both.aggregator.browser(SETTLEMENT)
    [at] = [one for one in links(browser.get("/")) if "/disputes/" in one]
    assert "Answer it" in browser.get(at).text


def test_a_statement_is_disputed_before_anybody_charges_for_it(both: Offices) -> None:
    values = shed("M-2")
    values[FIRST] = 900
    revise(both.stage, UTILITY, "M-2", EVENT_DAY, values)
    both.stage.done(*both.stage.utility.say(settled(both.stage, UTILITY).statement))
    theirs, ours = both.aggregator.browser(SETTLEMENT), both.utility.browser(SETTLEMENT)
    at = both.aggregator.at(f"dispute-statement/{NAME}")
    page = theirs.get(both.aggregator.at(f"shadow/{NAME}"))
    assert at in links(page) and "M-2/2026-01-15T13:00Z" in text(page) and "beyond" in text(page)
    assert at not in links(both.aggregator.browser(AUDITOR).get(both.aggregator.at(f"shadow/{NAME}")))
    assert "Dispute this statement" not in ours.get(both.utility.at(f"shadow/{NAME}")).text
    assert ours.send(both.utility.at(f"dispute-statement/{NAME}")).status_code == 422, "it is their own"
    assert theirs.send(at).status_code == 303
    both.arrive()
    [raised] = both.stage.utility.book.disputes.values()
    assert raised.body.invoice == NAME and [line.line for line in raised.body.lines] == [1, 2, 3]
    got = ours.get(both.utility.at(f"disputes/X-{NAME}"))
    assert "Answer it" in got.text and "Correct:" not in got.text
    assert at not in links(theirs.get(both.aggregator.at(f"shadow/{NAME}"))), "it is disputed already"
