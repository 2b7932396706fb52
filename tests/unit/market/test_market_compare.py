"""A claim against one's own result: what is disputed, and which input is named."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from market_cases import DEAL, book, call
from msgspec.structs import replace

from intertie.market.compare import Candidate, differing_inputs, disputed_lines
from intertie.market.payment import Line
from intertie.market.statement import Book, Call, invoice_of, settle
from intertie.model.billing import DifferingInput, DisputeReason, Invoice
from intertie.model.settlement import PerformanceStatement

FIRST, LAST = date(2026, 2, 1), date(2026, 2, 28)
TOLERANCE = Decimal("0.5")
HELD = DifferingInput(input="meter-a/2026-02-16", theirs="revision 1", ours="revision 2")


def run(it: Book, *calls: Call) -> tuple[PerformanceStatement, list[Line]]:
    return settle(it, DEAL, calls or (call(),), FIRST, LAST, "S-1")


def invoice(it: Book, *calls: Call) -> Invoice:
    return invoice_of(*run(it, *calls), DEAL, "I-1", date(2026, 3, 2), date(2026, 4, 1))


def test_equal_books_dispute_nothing() -> None:
    assert disputed_lines(invoice(book()), run(book())[1], TOLERANCE) == ()


def test_a_revised_reading_is_found_and_named() -> None:
    older, newer = book(a_event=200), book(a_event=500)
    # Older: 3000 - 1200 = 1800 Wh a quarter: 7.2 of 8 kWh, factor 0.90. Newer: 6 of 8 kWh, factor 0.75.
    candidates = [Candidate(HELD, lambda: run(newer)[1]), Candidate(HELD, lambda: run(older)[1])]
    found = disputed_lines(invoice(older), run(newer)[1], TOLERANCE, candidates)
    # RES 10 x 0.90 x 6 = 54.00 against 45.00; UTL 7.20 against 6.00; PEN 0.8 x 0.75 = 0.60 against 1.50.
    assert [(one.line, one.claimed, one.expected) for one in found] == [
        (1, Decimal("54.00"), Decimal("45.00")),
        (2, Decimal("7.20"), Decimal("6.00")),
        (3, Decimal("-0.60"), Decimal("-1.50")),
    ]
    assert all(one.inputs == (HELD,) and one.reason is DisputeReason.METER_DATA for one in found)


def test_what_no_candidate_explains_names_nothing() -> None:
    found = disputed_lines(
        invoice(book(a_event=200)),
        run(book())[1],
        TOLERANCE,
        [Candidate(HELD, lambda: run(book(a_event=300))[1])],
    )
    assert found
    assert all(one.inputs == () and one.reason is DisputeReason.QUANTITY for one in found)


def test_a_penalty_that_the_invoice_lacks_is_expected_with_its_utilisation() -> None:
    full = book(a_event=0, b_event=0)  # 3000 Wh a quarter, 2000 asked: all 8 kWh, no penalty
    found = disputed_lines(invoice(full), run(book())[1], TOLERANCE)
    # UTL 6.00 - PEN 1.50
    assert [(one.line, one.expected) for one in found] == [(1, Decimal("45.00")), (2, Decimal("4.50"))]


def test_a_penalty_of_a_call_that_the_invoice_leaves_out_is_on_its_largest_line() -> None:
    full = invoice(book())
    (kept,) = (line for line in full.lines if line.dispatch is None)
    left_out = replace(full, lines=(kept,), total=replace(full.total, amount=kept.amount))
    (found,) = disputed_lines(left_out, run(book())[1], TOLERANCE)
    # RES 45.00 less PEN 1.50; our own UTL is no reason to dispute what asks for less.
    assert (found.line, found.claimed, found.expected) == (1, Decimal("45.00"), Decimal("43.50"))
    assert found.text == "less the penalty of D-1, which the invoice leaves out"


def test_another_adjustment_is_named() -> None:
    ours, _ = run(book())
    (event,) = ours.events
    theirs = replace(ours, events=(replace(event, adjustment_factor=Decimal("1.2")),))
    assert differing_inputs(ours, theirs) == (
        DifferingInput(input="D-1/adjustment", theirs="1.2", ours="1.000000"),
    )


def test_a_line_for_a_call_we_do_not_know_is_expected_to_be_nothing() -> None:
    claimed = invoice(book(), call(), call(name="D-2"))
    found = disputed_lines(claimed, run(book())[1], TOLERANCE)
    assert {one.line: one.expected for one in found} == {4: Decimal("0.00"), 5: Decimal("0.00")}


def test_the_tolerance_is_a_percentage_of_what_we_expect() -> None:
    claimed, own = invoice(book(a_event=200)), run(book())[1]
    # RES is 20 % over, UTL 20 %, PEN 60 % under.
    assert len(disputed_lines(claimed, own, Decimal(20))) == 1
    assert disputed_lines(claimed, own, Decimal(60)) == ()


def test_equal_statements_differ_in_nothing() -> None:
    assert differing_inputs(run(book())[0], run(book())[0]) == ()


def test_a_meter_that_reads_otherwise_is_named() -> None:
    found = differing_inputs(run(book())[0], run(book(a_event=200))[0])
    assert [(one.input, one.theirs, one.ours) for one in found] == [
        ("D-1/meter-a", "0.800000 kWh", "2.000000 kWh")
    ]


def test_other_differences_are_named() -> None:
    ours, _ = run(book())
    other_days = book()
    for days in other_days.readings.values():
        days[date(2026, 2, 11)] = (9000,) * 96  # type: ignore[index]
    assert "D-1/days" in {one.input for one in differing_inputs(ours, run(other_days)[0])}
    assert [one.input for one in differing_inputs(ours, run(book(), call(9))[0])] == ["D-1/asked"]
    two = run(book(), call(), call(name="D-2"))[0]
    assert [(one.input, one.theirs) for one in differing_inputs(ours, two)] == [("D-2", "settled")]
    assert [(one.input, one.ours) for one in differing_inputs(two, ours)] == [("D-2", "settled")]
    fewer = book()
    del fewer.readings["meter-b"]  # type: ignore[attr-defined]
    found = differing_inputs(ours, run(fewer)[0])
    assert ("D-1/meter-b", "not counted", "counted") in [(one.input, one.theirs, one.ours) for one in found]
