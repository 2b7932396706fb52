"""The one screen, from a summary made by hand."""

from __future__ import annotations

import io

from rich.console import Console

from intertie.demo.screen import plot, progress, show
from intertie.demo.summary import Picture, Summary

PICTURE = Picture(
    "2026-01-28", [100.0] * 76 + [180.0] * 8 + [100.0] * 12, [100.0] * 76 + [150.0] * 8 + [100.0] * 12, 165.0
)
SUMMARY = Summary(
    flows={"billing aggregator>utility": 6, "system_outage utility>aggregator": 16},
    receipts=213,
    unreceipted=0,
    contracts=[{"agreement": "base-1", "with": "rival", "state": "in_force", "revision": 2,
                "deals": {"deal-1": "deemed_accepted"}}],
    tender=[{"offer": "T-1", "from": "rival.example", "kw": "14", "price": "1.20", "verdict": "not_awarded",
             "reason": "need_met", "taken_kw": "0"}],
    books=[{"with": "rival", "messages": 12, "void": 0, "digest": "abcdef0123456789" * 4, "same": True}],
    refused=[{"what": "der", "id": "charger-9", "from": "aggregator", "reason": "double_commitment: elsewhere"}],
    events=[
        {"dispatch": "D-1", "hours": "1", "answer": "accepted", "asked_kw": "15.0", "delivered_kw": "14.2",
         "factor": "0.95", "baseline": "high 5 of 10"},
        {"dispatch": "D-2", "hours": "1", "answer": "cancelled", "asked_kw": "15.0", "delivered_kw": None,
         "factor": None, "baseline": None},
    ],
    invoice={
        "invoice": "I-2", "period": "2026-02-01 to 2026-02-28", "corrects": "I-1", "disputed_total": "122.50",
        "currency": "EUR", "total": "108.24",
        "lines": [{"code": "RES", "text": "capacity kept ready", "quantity": "16.1", "unit": "kW month",
                   "rate": "6.00", "amount": "96.60"}],
    },
    paid="507.19 EUR",
    account={"statement": "A-1", "rows": 12, "closing": "0.00", "currency": "EUR", "same": True, "sha256": "ab" * 32,
             "documents": ["I-2.pdf"]},
    journals_verified=True,
    evidence="demo/invoice.evidence.json",
    carried=[
        {"flow": "billing aggregator>utility", "by": "as2", "format": "x12", "messages": 6},
        {"flow": "system_outage utility>aggregator", "by": "parcels", "format": "json", "messages": 16},
    ],
    seconds=14.2,
)  # fmt: skip


def shown(summary: Summary) -> str:
    out = io.StringIO()
    show(Console(file=out, width=110), summary, PICTURE)
    return out.getvalue()


def test_everything_is_on_it() -> None:
    text = shown(SUMMARY)
    for part in (
        "billing", "aggregator > utility", "system/outage", "high 5 of 10", "D-1", "14.2", "cancelled",
        "charger-9", "double_commitment", "Invoice I-2", "122.50 EUR", "96.60", "108.24 EUR",
        "Paid: 507.19 EUR", "Receipts: 213, messages without one: 0", "All journals verify", "14.2 s",
        "base-1", "deal-1: deemed_accepted", "not_awarded", "need_met", "the same on both sides: rival abcdef0123456789",
        "demo/invoice.evidence.json", "Transformer on 2026-01-28",
    ):  # fmt: skip
        assert part in text, part


BESIDE = {
    "same": True, "differences": [], "total": ["108.24", "108.24"], "paid": ["507.19 EUR", "507.19 EUR"],
    "native": "demo/native.json",
}  # fmt: skip
PROVED = {"folder": "demo/evidence", "files": 38, "verified": 38, "wrong": []}


def test_in_another_protocol_it_says_what_carried_what_and_what_parcels_come_to() -> None:
    text = " ".join(shown(SUMMARY).replace("│", " ").split())
    assert "as2 x12 6" in text and "parcels json 16" in text and "Beside" not in text
    spoken = SUMMARY._replace(compared=BESIDE, proved=PROVED)
    text = " ".join(shown(spoken).split())
    assert "in parcels: the same to the cent. Paid 507.19 EUR, in parcels 507.19 EUR" in text and spoken.good
    assert "38 of 38 verify" in text and "demo/evidence" in text


def test_another_outcome_and_evidence_that_does_not_verify_are_said_loudly() -> None:
    differs = SUMMARY._replace(compared=BESIDE | {"same": False, "differences": ["paid"]}, proved=PROVED)
    assert "NOT THE SAME (paid)" in " ".join(shown(differs).split()) and not differs.good
    unproved = SUMMARY._replace(compared=BESIDE, proved=PROVED | {"verified": 37})
    assert "37 of 38 verify" in " ".join(shown(unproved).split()) and not unproved.good
    assert not SUMMARY._replace(compared=BESIDE, proved=PROVED | {"files": 0, "verified": 0}).good


def test_a_journal_that_fails_is_said_loudly() -> None:
    bad = SUMMARY._replace(journals_verified=False)
    assert "DO NOT VERIFY" in shown(bad)
    apart = SUMMARY._replace(books=[{**SUMMARY.books[0], "same": False}])
    assert "NOT THE SAME" in shown(apart) and not apart.good
    assert (SUMMARY.good, bad.good, SUMMARY._replace(unreceipted=1).good) == (True, False, False)


def test_an_account_that_the_other_side_makes_otherwise_is_said_loudly() -> None:
    text = " ".join(shown(SUMMARY).split())
    assert "12 rows, closing balance 0.00 EUR, and the aggregator makes the same bytes" in text
    assert all(f"On paper: {one}" in text for one in SUMMARY.account["documents"])
    apart = SUMMARY._replace(account={**SUMMARY.account, "same": False})
    assert "BUT THE AGGREGATOR MAKES ANOTHER" in shown(apart) and not apart.good


def test_the_plot_shows_both_curves_and_the_limit() -> None:
    drawn = plot(PICTURE).plain
    assert "without dispatch" in drawn
    assert "as it was" in drawn
    assert "limit" in drawn
    assert drawn.count("•") > 3
    assert "180" in drawn


def test_progress_off_a_terminal_stays_silent() -> None:
    out = io.StringIO()
    with progress(Console(file=out)) as tell:
        tell("registering", 1, 10)
    assert "registering" not in out.getvalue()
