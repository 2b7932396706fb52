"""`intertie demo` as a newcomer runs it: once, in full, and then everything it claims is checked against what it left."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pypdfium2
import pytest
from tests.command.gateways import PROGRAM, apart, command
from tests.command.leaks import ALL, all_names, columns, found
from tests.portal.chromium import NARROW, WIDE, accessible, chromium, enter, fits, needs_chromium, watched
from tools.screenshots import PORTAL, found_pages

# The six directed flows of the use case.
SIX = {
    "billing aggregator>utility",
    "billing utility>aggregator",
    "system_outage utility>aggregator",
    "system_outage aggregator>utility",
    "aggregation aggregator>utility",
    "availability aggregator>utility",
}
KEYS = [
    "flows", "receipts", "unreceipted", "contracts", "tender", "books", "refused", "events",
    "invoice", "paid", "account", "journals_verified", "evidence", "carried",
    "seconds", "proved", "compared",
]  # fmt: skip
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def test_the_summary_is_one_object_with_its_keys(summary: Any) -> None:
    assert list(summary) == KEYS


def test_everything_is_receipted_and_all_journals_verify(summary: Any) -> None:
    assert summary["unreceipted"] == 0
    assert summary["journals_verified"] is True
    assert 0 < summary["receipts"] <= sum(summary["flows"].values()) + len(summary["refused"])


def test_all_six_flows_and_at_least_sixty_days_of_availability(summary: Any) -> None:
    assert set(summary["flows"]) >= SIX
    assert all(count > 0 for count in summary["flows"].values())
    assert summary["flows"]["availability aggregator>utility"] >= 60
    assert summary["flows"]["metering utility>aggregator"] >= 77


def test_refusals_of_every_kind_have_reasons(summary: Any) -> None:
    by_kind = {one["what"]: one for one in summary["refused"]}
    assert set(by_kind) == {"rule", "der", "dispatch", "message", "invoice line"}
    assert by_kind["der"]["reason"].startswith("double_commitment")
    assert by_kind["message"]["reason"].startswith("agreement_not_in_force")
    assert by_kind["dispatch"]["reason"].startswith("communication_lost")
    assert "revision 1" in by_kind["invoice line"]["reason"]
    assert "revision 2" in by_kind["invoice line"]["reason"]


def test_rules_refused_before_anything_left(summary: Any) -> None:
    rules = {one["id"]: one["reason"] for one in summary["refused"] if one["what"] == "rule"}
    assert rules["capacity-winter-2026-rival"].startswith("key.before_gate")
    again = rules["D-2026-02-23-again"]
    assert again.startswith("dispatch.assets_out") and "silence-2026-02-23" in again
    assert "D-2026-02-23-again" not in {event["dispatch"] for event in summary["events"]}


def test_contracts_are_signed_and_the_deal_is_deemed_accepted(summary: Any) -> None:
    mine, rival = summary["contracts"]
    assert mine["state"] == rival["state"] == "in_force"
    assert (mine["revision"], rival["revision"]) == (2, 1)  # one countered
    assert mine["deals"] == {"capacity-2026-01": "deemed_accepted"} and rival["deals"] == {}


def test_two_sealed_offers_were_opened_and_one_lost(summary: Any, kept: Path) -> None:
    won, lost = sorted(summary["tender"], key=lambda one: Decimal(one["price"]))
    assert (won["from"], won["verdict"], won["taken_kw"]) == ("aggregator.example", "awarded", won["kw"])
    assert (lost["from"], lost["verdict"], lost["reason"]) == ("rival.example", "not_awarded", "need_met")
    sealed = {row["id"]: row for row in bodies(kept / "utility", "inbox", "sealed_offer")}
    keys = bodies(kept / "utility", "inbox", "offer_key")
    assert len(sealed) == len(keys) == 2
    for row in sealed:  # what lay at the utility before the gate says no price
        assert "price" not in json.dumps(body_of(kept / "utility", row))


def test_both_sides_of_each_pair_hold_the_same_book(summary: Any, kept: Path) -> None:
    assert [one["with"] for one in summary["books"]] == ["aggregator", "rival"]
    for one in summary["books"]:
        assert one["same"] is True and one["void"] == 0
        here = command("trade", "show", f"{one['with']}.example", "--dir", kept / "utility", "--json").json
        there = command("trade", "show", "utility.example", "--dir", kept / one["with"], "--json").json
        assert here["digest"] == there["digest"] == one["digest"]


def test_a_dispatch_is_shown_beside_what_was_measured(summary: Any, kept: Path) -> None:
    said = command("dispatch", "show", "aggregator.example", "D-2026-01-28", "--dir", kept / "utility")
    assert said.code == 0, said.err
    assert "finished" in said.out


def test_events_say_what_was_asked_and_delivered(summary: Any) -> None:
    answers = [event["answer"] for event in summary["events"]]
    assert {"accepted", "partial", "refused", "cancelled"} == set(answers)
    assert len(answers) >= 6
    for event in summary["events"]:
        if event["answer"] == "cancelled":
            assert event["delivered_kw"] is None
            continue
        assert 0 <= Decimal(event["delivered_kw"]) <= Decimal(event["asked_kw"])
        assert "high 5 of 10" in event["baseline"]
        assert len(event["days_used"]) == 5
        assert all(day < event["start"] for day in event["days_used"])
    assert sum(Decimal(event["delivered_kw"] or 0) for event in summary["events"]) > 50


def test_the_invoice_adds_up_and_corrects_the_disputed_one(summary: Any) -> None:
    invoice = summary["invoice"]
    assert sum(Decimal(line["amount"]) for line in invoice["lines"]) == Decimal(invoice["total"])
    for line in invoice["lines"]:
        exact = Decimal(line["quantity"]) * Decimal(line["rate"])
        assert abs(exact - Decimal(line["amount"])) <= Decimal("0.005")
    assert invoice["corrects"]
    assert Decimal(invoice["disputed_total"]) > Decimal(invoice["total"])
    assert "high 5 of 10" in invoice["baseline"]
    assert {line["code"] for line in invoice["lines"]} >= {"RES", "UTL"}


def test_the_payments_are_the_invoices(summary: Any, kept: Path) -> None:
    """What was paid is the sum of the newest invoices, read back from the utility's inbox."""
    rows = [row["id"] for row in bodies(kept / "utility", "inbox", "invoice")]
    invoices = {body["invoice"]: body for body in (body_of(kept / "utility", row) for row in rows)}
    replaced = {body.get("corrects") for body in invoices.values()}
    due = sum(Decimal(b["total"]["amount"]) for name, b in invoices.items() if name not in replaced)
    assert summary["paid"] == f"{due:,.2f} EUR"


@pytest.mark.parametrize(
    ("who", "partner"), [("utility", "aggregator.example"), ("aggregator", "utility.example")]
)
def test_each_side_settles_again_from_what_its_gateway_holds(
    summary: Any, kept: Path, who: str, partner: str
) -> None:
    """The season's own sums are of its own books; these are of stores and Parquet files, and come to the same cent."""
    for month in ("2026-01", "2026-02", "2026-03"):
        said = command("settle", "compare", partner, f"S-{month}", "--dir", kept / who, "--json").json
        assert said["same"] is True and said["inputs"] == []
        assert all(line["difference"] == "0.00" for line in said["lines"])


def test_the_disputed_invoice_is_found_wrong_by_working_it_out(summary: Any, kept: Path) -> None:
    here = ("--dir", kept / "utility", "--json")
    lines = command("settle", "dispute", "aggregator.example", "I-2026-02", *here).json["lines"]
    assert lines and all(float(one["claimed"]) > float(one["expected"]) for one in lines)
    [cause] = {one["because of"] for one in lines}
    assert cause.endswith("-meter/2026-02-16") and {one["theirs"][:10] for one in lines} == {"revision 1"}
    fine = command("settle", "dispute", "aggregator.example", summary["invoice"]["invoice"], *here).json
    assert fine["lines"] == []
    explained = command("settle", "explain", "aggregator.example", "S-2026-02", "3", *here[:2])
    assert explained.code == 0 and "days used" in explained.out and "to the cent" in explained.out


def test_the_account_closes_at_nothing_and_is_on_paper(summary: Any, kept: Path) -> None:
    """The statement that the utility sent is the one that the aggregator made again, and says what was invoiced and paid."""
    account = summary["account"]
    assert account["same"] is True and account["closing"] == "0.00"
    bodies_ = [
        body_of(kept / "aggregator", row["id"])
        for row in bodies(kept / "aggregator", "inbox", "account_statement")
    ]
    assert [one["account"] for one in bodies_] == [account["statement"]]
    paid = [Decimal(row["amount"]) for row in bodies_[0]["entries"] if row["kind"] == "payment"]
    assert f"{-sum(amount for amount in paid if amount < 0):,.2f} EUR" == summary["paid"]
    again = command(
        "billing", "account", "utility.example", "--compare", "--json", "--dir", kept / "aggregator"
    )
    assert again.json["same"] and again.json["ours"] == account["sha256"]
    for name in account["documents"]:
        text = pypdfium2.PdfDocument(Path(name).read_bytes())[0].get_textpage().get_text_range()
        assert Path(name).stem in text
    assert (
        summary["invoice"]["total"]
        in pypdfium2.PdfDocument(Path(account["documents"][0]).read_bytes())[0]
        .get_textpage()
        .get_text_range()
    )


def test_the_evidence_verifies_anywhere_and_any_other_byte_does_not(
    summary: Any, kept: Path, tmp_path: Path
) -> None:
    evidence, root = tmp_path / "e.json", tmp_path / "trust-root.pem"
    shutil.copy(summary["evidence"], evidence)
    shutil.copy(kept / "trust-root.pem", root)
    good = command("evidence", "verify", evidence.name, "--trust", root.name, cwd=tmp_path)
    assert good.code == 0, good.err
    assert "invoice" in good.out
    raw = bytearray(evidence.read_bytes())
    raw[len(raw) // 2] ^= 1
    evidence.write_bytes(raw)
    bad = command("evidence", "verify", evidence.name, "--trust", root.name, cwd=tmp_path)
    assert bad.code == 1
    assert "step" in bad.err


def test_the_directories_are_gateways_one_can_ask(summary: Any, kept: Path) -> None:
    for who in ("utility", "aggregator", "rival"):
        assert command("journal", "verify", "--dir", kept / who, "--json").json["verified"] is True
        assert "Traceback" not in (kept / who / "serve.log").read_text()
    assert [
        p["party"] for p in command("partner", "list", "--dir", kept / "utility", "--json").json["partners"]
    ] == ["aggregator.example", "rival.example"]


def test_what_was_accepted_is_held_on_both_sides(summary: Any, kept: Path) -> None:
    sent = {who: accepted(kept / who, "outbox") for who in ("utility", "aggregator", "rival")}
    received = {who: accepted(kept / who, "inbox") for who in sent}
    assert received["utility"] == sent["aggregator"] | sent["rival"]
    assert sent["utility"] == received["aggregator"] | received["rival"]


def test_a_folder_that_is_in_use_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("precious")
    said = apart("demo", "--keep", tmp_path)
    assert said.code == 1
    assert "not empty" in said.err
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_without_load_data_it_says_what_to_do(tmp_path: Path) -> None:
    said = command("demo", "--feeder", tmp_path)
    assert said.code == 1
    assert "--feeder" in said.err


def test_ended_in_the_middle_it_leaves_no_process_behind(tmp_path: Path) -> None:
    """By SIGTERM; by SIGINT it is ended at the end (the last test of this file)."""
    keep = tmp_path / "kept"
    demo = subprocess.Popen(
        [*PROGRAM, "demo", "--json", "--keep", keep], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        wait_for((keep / "rival" / "serve.lock").exists)
        time.sleep(1.5)
        demo.send_signal(signal.SIGTERM)
        demo.communicate(timeout=60)
    finally:
        demo.kill()
        demo.communicate()
    assert demo.returncode != 0
    assert serving(keep) == []


# No meter, DER, premises or customer of any document stands anywhere but in its body: searched is everything that the
# gateways wrote: every byte of every file, every column of the store but the ciphertexts, what is inside signed things, logs.
# What is handed out on purpose (evidence files, the demo's own summary) is no part of it.


@pytest.fixture(scope="module")
def names(summary: Any, kept: Path) -> set[str]:
    utility, *others = (all_names(kept / who) for who in ALL)
    assert utility == set[str]().union(*others)
    return utility


def test_the_season_names_many(names: set[str]) -> None:
    assert len(names) > 100
    for kind in ("load-", "-meter", "-premises", "consent-"):
        assert any(kind in name for name in names)


@pytest.mark.parametrize("who", ALL)
def test_no_file_of_a_gateway_holds_a_name(names: set[str], kept: Path, who: str) -> None:
    files = [path for path in (kept / who).rglob("*") if path.is_file()]
    assert {"store.db", "serve.log", "descriptor.json"} <= {path.name for path in files}
    assert (kept / who / "serve.log").stat().st_size > 1000
    for path in files:
        assert not found(path.read_bytes(), names), path


@pytest.mark.parametrize("who", ALL)
def test_no_column_holds_a_name(names: set[str], kept: Path, who: str) -> None:
    tables = set()
    for table, value in columns(kept / who / "store.db"):
        tables.add(table)
        assert not found(value, names), (table, value[:200])
    assert {"messages", "parcels", "journal", "data_keys"} <= tables


@needs_chromium
@pytest.mark.parametrize("side", [0, 1])
def test_both_sides_of_the_season_are_walked_through_in_a_browser(
    summary: Any, kept: Path, side: int
) -> None:
    """Every page that a link leads to: axe finds nothing, nothing is wider than a telephone, and no console error."""
    portals = PORTAL.findall((kept.parent / "err").read_text())
    assert len(portals) == 2
    url, person, code = portals[side]
    with chromium() as browser, watched(browser, bypass_csp=True) as seen:
        page = seen.page()
        enter(page, url, code)
        pages = found_pages(page, url)
        assert {"today", "messages", "messages-one", "partners", "partners-one", "settings"} <= set(pages), (
            pages
        )
        for path in pages.values():
            page.set_viewport_size(WIDE)
            page.goto(url + path)
            page.wait_for_selector("html[data-ready]")
            accessible(page, path)
            page.set_viewport_size(NARROW)
            fits(page, path)
    assert person in ("ann", "ben")


def test_serve_leaves_all_running_until_it_is_interrupted(
    summary: Any, kept: Path, playing: subprocess.Popen[bytes]
) -> None:
    """The last one: it ends what the season left running."""
    assert len(serving(kept)) == 3
    assert "Ctrl-C ends them" in (kept.parent / "err").read_text()
    playing.send_signal(signal.SIGINT)
    assert playing.wait(60) == 0
    assert serving(kept) == []


def bodies(directory: Path, box: str, document: str | None = None) -> list[dict[str, Any]]:
    """Rows of an inbox or outbox."""
    more = ["--document", document] if document else []
    said = command(box, "--dir", directory, "--json", "--limit", "1000", *more).json
    rows: list[dict[str, Any]] = said["messages"] if isinstance(said, dict) else said
    return rows


def accepted(directory: Path, box: str) -> set[str]:
    return {row["id"] for row in bodies(directory, box) if box == "inbox" or row["state"] == "accepted"}


def body_of(directory: Path, message: str) -> dict[str, Any]:
    raw = command("message", "show", message, "--dir", directory, "--body")
    assert raw.code == 0, raw.err
    body: dict[str, Any] = json.loads(raw.out)["body"]
    return body


def serving(keep: Path) -> list[int]:
    """Processes that serve one of these directories."""
    return [pid for pid, line in command_lines() if str(keep) in line and "serve" in line.split("\0")]


def command_lines() -> Iterator[tuple[int, str]]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                yield int(entry.name), (entry / "cmdline").read_text(errors="replace")
            except OSError:
                continue


def wait_for(what: Any, seconds: float = 90) -> None:
    until = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < until
        time.sleep(0.1)
