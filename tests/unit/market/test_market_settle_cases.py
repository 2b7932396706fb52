"""From a dispatch and readings to the invoice and the dispute, in New York in July, by hand and a second time."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from market_world import (
    EVENT_DAY,
    INDEPENDENCE_DAY,
    TEN_DAYS,
    D,
    confirmation,
    flat,
    half_up,
    instruction,
    shaped,
)

from intertie.market.baseline import Adjustment, Reason
from intertie.market.compare import Candidate, differing_inputs, disputed_lines
from intertie.market.payment import Line, total
from intertie.market.statement import Book, Call, event_of, invoice_of, result_of, settle, settle_event
from intertie.market.terms import rule_of, terms_of
from intertie.model.billing import DifferingInput, DisputeReason, Invoice, LineCode
from intertie.model.errors import SettingsError
from intertie.model.settlement import ExclusionReason, PerformanceStatement

F = Fraction
FIRST, LAST = date(2024, 7, 1), date(2024, 7, 31)
Loads = dict[str, dict[date, list[int | None]]]
ZONE = "America/New_York"
REVISED = DifferingInput(input="M1/2024-07-17", theirs="revision 1", ours="revision 2")


def loads(m1: int = 100, m2: int = 500) -> Loads:
    """M1 takes 400 Wh a quarter, M2 600; in the event what is given. The hours before are as ever."""
    history: Loads = {"M1": {day: flat(400) for day in TEN_DAYS}, "M2": {day: flat(600) for day in TEN_DAYS}}
    history["M1"][EVENT_DAY] = shaped(400, m1)
    history["M2"][EVENT_DAY] = shaped(600, m2)
    return history


def book(readings: Loads | None = None, **changes: object) -> Book:
    deal = confirmation(**changes)
    held = loads() if readings is None else readings
    return Book(rule_of(deal), terms_of(deal), ZONE, held, {EVENT_DAY: Reason.EVENT_DAY})


def month(it: Book, *calls: Call) -> tuple[PerformanceStatement, list[Line]]:
    return settle(it, confirmation(), calls or (Call(instruction([2] * 4)),), FIRST, LAST, "ST-1")


def invoice(it: Book, *calls: Call) -> Invoice:
    return invoice_of(*month(it, *calls), confirmation(), "INV-1", date(2024, 8, 5), date(2024, 9, 4))


def restated(claim: Invoice, *kept: int, **amounts: Decimal) -> Invoice:
    """The same invoice with only some lines, or other amounts (`L2="1.00"`), and the total that belongs to it."""
    lines = tuple(
        msgspec.structs.replace(line, amount=amounts.get(f"L{line.line}", line.amount))
        for line in claim.lines
        if not kept or line.line in kept
    )
    due = sum((line.amount for line in lines), D(0))
    return msgspec.structs.replace(claim, lines=lines, total=msgspec.structs.replace(claim.total, amount=due))


# --- the event and the month ------------------------------------------------------------------------------------------


def test_the_month_by_hand() -> None:
    # Baseline 1000 Wh a quarter, taken 600: 400 delivered of the 500 that 2 kW ask for. 1.6 of 2.0 kWh: 0.80.
    statement, lines = month(book())
    (event,) = statement.events
    assert event.baseline_kwh.total() == 4
    assert event.delivered_kwh.total() == D("1.6")
    assert event.performance_factor == D("0.80")
    # RES 4 x 0.80 x 10.00 = 32.00; UTL 1.6 x 0.50 = 0.80; PEN 0.4 x 2.00 = 0.80
    assert [(line.code, line.amount) for line in lines] == [
        ("RES", D("32.00")),
        ("UTL", D("0.80")),
        ("PEN", D("-0.80")),
    ]
    assert total(lines) == D("32.00")


def test_the_day_before_a_summer_evening_in_utc_is_the_local_day() -> None:
    # 01:00 UTC on the 18th is 21:00 in New York on the 17th.
    event = event_of(instruction([1], start=datetime(2024, 7, 18, 1, tzinfo=UTC)), ZONE)
    assert (event.day, event.first, event.last) == (EVENT_DAY, 84, 85)


def test_the_period_is_made_of_local_midnights() -> None:
    statement, _ = month(book())
    assert statement.period.start == datetime(2024, 7, 1, 4, tzinfo=UTC)
    assert statement.period.end == datetime(2024, 8, 1, 4, tzinfo=UTC)


def test_a_month_over_a_change_of_clocks_is_an_hour_longer() -> None:
    # November 2024 begins at 04:00 UTC (summer time) and ends at 05:00 UTC.
    deal = confirmation()
    statement, _ = settle(book(), deal, [], date(2024, 11, 1), date(2024, 11, 30), "ST-11")
    assert statement.period.hours == 30 * 24 + 1


@pytest.mark.parametrize(("before", "amount"), [(None, "40.00"), (D("0.80"), "32.00"), (D(0), "0.00")])
def test_a_month_without_a_call(before: Decimal | None, amount: str) -> None:
    statement, lines = settle(book(), confirmation(), [], FIRST, LAST, "ST-1", before)
    assert statement.events == ()
    assert [(line.code, str(line.amount)) for line in lines] == [("RES", amount)]


def test_a_refused_call_is_short_of_all_that_was_asked() -> None:
    # RES factor 0; UTL 0; PEN 2 kWh x 2.00 = 4.00, under the cap of 20.00.
    _, lines = month(book(), Call(instruction([2] * 4), refused=True))
    assert [line.amount for line in lines] == [D("0.00"), D("0.00"), D("-4.00")]


def test_a_gap_in_one_meter_is_a_quarter_of_nothing() -> None:
    held = loads()
    held["M2"][EVENT_DAY][70] = None
    (event,) = month(book(held))[0].events
    assert event.actual_kwh.values[2] is None
    # 3 x 400 of 2000 Wh: 0.60
    assert (event.delivered_kwh.total(), event.performance_factor) == (D("1.2"), D("0.60"))


def test_the_hours_before_move_the_baseline_of_all_meters_alike() -> None:
    # Before the event 1100 instead of 1000: factor 1.1, though only M1 rose.
    held = loads()
    held["M1"][EVENT_DAY][52:60] = [500] * 8
    (event,) = month(book(held))[0].events
    assert event.adjustment_factor == D("1.100000")
    assert [part.baseline_kwh.total() for part in event.meters] == [D("1.76"), D("2.64")]
    assert event.text == ""


def test_a_capped_adjustment_is_said() -> None:
    held = loads()
    held["M1"][EVENT_DAY][52:60] = [2000] * 8
    (event,) = month(book(held))[0].events
    assert (event.adjustment_factor, event.text) == (D("1.200000"), "adjustment at its cap")


def test_excluded_days_are_given_in_the_words_of_the_statement() -> None:
    held = loads()
    for meter, level in (("M1", 400), ("M2", 600)):
        for number in range(24, 29):
            held[meter][date(2024, 6, number)] = flat(level)
        held[meter][date(2024, 7, 2)] = flat(level)
        held[meter][date(2024, 7, 1)] = flat(level)
        held[meter][TEN_DAYS[4]] = flat(1)
    held["M1"][TEN_DAYS[5]] = [*flat(400, 68), None, *flat(400, 27)]
    deal = confirmation()
    it = Book(
        rule_of(deal, frozenset({INDEPENDENCE_DAY})),
        terms_of(deal),
        ZONE,
        held,
        {TEN_DAYS[0]: Reason.EVENT_DAY, TEN_DAYS[1]: Reason.OUTAGE_DAY},
    )
    found = {one.day: one.reason for one in settle_event(it, Call(instruction([2] * 4))).days_excluded}
    assert found[TEN_DAYS[0]] is ExclusionReason.EVENT_DAY
    assert found[TEN_DAYS[1]] is ExclusionReason.OUTAGE
    assert found[TEN_DAYS[4]] is ExclusionReason.LOW_USAGE
    assert found[TEN_DAYS[5]] is ExclusionReason.MISSING_DATA
    assert found[INDEPENDENCE_DAY] is ExclusionReason.HOLIDAY
    assert list(found.values()).count(ExclusionReason.NOT_AMONG_HIGHEST) == 5


def test_what_an_event_brings_is_read_from_the_statement() -> None:
    found = result_of(book(), settle_event(book(), Call(instruction([2] * 4, dispatch="D9"))))
    assert (found.dispatch, found.day, found.hours) == ("D9", EVENT_DAY, F(1))
    assert (found.asked_kwh, found.delivered_kwh, found.factor) == (D("2.000"), D("1.600"), D("0.80"))


def test_the_invoice_is_the_sum_of_its_lines_and_survives_the_wire() -> None:
    claim = invoice(book())
    assert claim.total.amount == sum(line.amount for line in claim.lines) == D("32.00")
    assert [line.line for line in claim.lines] == [1, 2, 3]
    assert msgspec.json.decode(msgspec.json.encode(claim), type=Invoice) == claim
    statement, _ = month(book())
    assert msgspec.json.decode(msgspec.json.encode(statement), type=PerformanceStatement) == statement


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32), meters=st.integers(1, 4), kilowatts=st.integers(1, 6))
def test_any_portfolio_settles_as_on_paper(seed: int, meters: int, kilowatts: int) -> None:
    chance = random.Random(seed)
    held: Loads = {
        f"M{n}": {day: [chance.randint(300, 900) for _ in range(96)] for day in (EVENT_DAY, *TEN_DAYS)}
        for n in range(meters)
    }
    statement, lines = month(book(held), Call(instruction([kilowatts] * 4)))
    (event,) = statement.events
    days = {
        day: [sum(held[m][day][i] or 0 for m in held) for i in range(96)] for day in (EVENT_DAY, *TEN_DAYS)
    }
    best = sorted(TEN_DAYS, key=lambda day: (-sum(days[day][68:72]), -day.toordinal()))[:5]
    before = F(sum(sum(days[day][52:60]) for day in best), 5)
    factor = max(F(4, 5), min(F(6, 5), sum(days[EVENT_DAY][52:60]) / before))
    delivered = [
        max(
            F(0),
            min(F(sum(days[day][i] for day in best), 5) * factor - days[EVENT_DAY][i], F(250 * kilowatts)),
        )
        for i in range(68, 72)
    ]
    assert event.days_used == tuple(sorted(best))
    assert [F(v or 0) for v in event.delivered_kwh.values] == [half_up(v * 1000, 0) for v in delivered]
    share = half_up(sum(delivered) / (1000 * kilowatts), 2)
    assert F(event.performance_factor) == share
    assert F(lines[0].amount) == 40 * share
    # Each meter's part is rounded by itself, to the milliwatt-hour.
    parts = [part.baseline_kwh.values for part in event.meters]
    for whole, column in zip(event.baseline_kwh.values, zip(*parts, strict=True), strict=True):
        assert abs((whole or 0) - sum(v or 0 for v in column)) <= meters
    assert disputed_lines(invoice(book(held)), month(book(held))[1], D(0)) == ()


# --- the dispute ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("claimed", "tolerance", "disputed"),
    [
        # 32.00 is expected; one percent of it is 0.32.
        ("32.00", "0", False),
        ("32.01", "0", True),
        ("32.32", "1", False),
        ("32.33", "1", True),
        ("31.68", "1", False),
        ("31.67", "1", True),
    ],
)
def test_the_tolerance_itself_is_no_dispute(claimed: str, tolerance: str, disputed: bool) -> None:
    claim = restated(invoice(book()), L1=D(claimed))
    found = disputed_lines(claim, month(book())[1], D(tolerance))
    assert [(one.line, one.claimed, one.expected) for one in found] == (
        [(1, D(claimed), D("32.00"))] if disputed else []
    )


def test_only_the_wrong_line_is_disputed() -> None:
    (found,) = disputed_lines(restated(invoice(book()), L2=D("0.90")), month(book())[1], D(1))
    assert (found.line, found.claimed, found.expected) == (2, D("0.90"), D("0.80"))
    assert found.reason is DisputeReason.QUANTITY


def test_a_missing_penalty_is_found_even_if_all_other_lines_agree() -> None:
    (found,) = disputed_lines(restated(invoice(book()), 1, 2), month(book())[1], D(1))
    assert (found.line, found.claimed, found.expected) == (2, D("0.80"), D("0.00"))


def test_lines_are_matched_by_what_they_are_for_and_not_by_number() -> None:
    claim = invoice(book())
    turned = msgspec.structs.replace(claim, lines=tuple(reversed(claim.lines)))
    assert disputed_lines(turned, month(book())[1], D(0)) == ()


def test_a_line_of_a_kind_that_we_do_not_have_is_expected_to_be_nothing() -> None:
    claim = invoice(book())
    tax = msgspec.structs.replace(claim.lines[0], line=9, code=LineCode.TAX, amount=D("1.00"))
    taxed = msgspec.structs.replace(
        claim, lines=(*claim.lines, tax), total=msgspec.structs.replace(claim.total, amount=D("33.00"))
    )
    (found,) = disputed_lines(taxed, month(book())[1], D(100))
    assert (found.line, found.expected) == (9, D("0.00"))


def test_the_first_candidate_that_explains_the_whole_claim_is_named() -> None:
    # With M1 at 150 instead of 100: 350 of 500 a quarter, 0.70: RES 28.00, UTL 0.70, PEN -1.20.
    claim = invoice(book(loads(m1=150)))
    assert [line.amount for line in claim.lines] == [D("28.00"), D("0.70"), D("-1.20")]
    other = DifferingInput(input="M2/2024-07-17", theirs="revision 1", ours="revision 2")
    candidates = [
        Candidate(other, lambda: month(book(loads(m2=540)))[1]),
        Candidate(REVISED, lambda: month(book(loads(m1=150)))[1]),
        Candidate(other, lambda: month(book(loads(m2=550)))[1]),  # leads to the same claim, but comes later
    ]
    found = disputed_lines(claim, month(book())[1], D(1), candidates)
    assert [(one.line, one.expected) for one in found] == [(1, D("32.00")), (2, D("0.80")), (3, D("-0.80"))]
    assert {one.inputs for one in found} == {(REVISED,)}


def test_candidates_are_not_worked_out_where_nothing_is_wrong() -> None:
    def never() -> list[Line]:
        raise AssertionError("worked out for nothing")

    assert disputed_lines(invoice(book()), month(book())[1], D(0), [Candidate(REVISED, never)]) == ()


def test_a_claim_that_is_explained_in_part_is_not_explained() -> None:
    claim = restated(invoice(book(loads(m1=150))), L1=D("29.00"))
    older = Candidate(REVISED, lambda: month(book(loads(m1=150)))[1])
    assert {one.inputs for one in disputed_lines(claim, month(book())[1], D(1), [older])} == {()}


def test_statements_name_days_asked_and_meters() -> None:
    higher = loads()
    for meter in higher:
        higher[meter][TEN_DAYS[9]] = flat(700)
    higher["M2"][EVENT_DAY][70] = 490
    ours, theirs = month(book())[0], month(book(higher), Call(instruction([2, 2, 2, 3])))[0]
    found = {one.input: (one.theirs, one.ours) for one in differing_inputs(ours, theirs)}
    # 2 kW x 4 against 2 + 2 + 2 + 3, summed over the quarters; 3 July (1400) takes the place of 10 July: 1000 / 1080.
    assert found == {
        "DISP-1/adjustment": ("0.925926", "1.000000"),
        "DISP-1/asked": ("9", "8"),
        "DISP-1/days": ("2024-07-03", "2024-07-10"),
        "DISP-1/M2": ("1.990000 kWh", "2.000000 kWh"),
    }


# --- what the deal says -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "highest", "of", "adjustment"),
    [
        ("high-10-of-10", 10, 10, Adjustment.NONE),
        ("high-4-of-5-additive", 4, 5, Adjustment.ADDITIVE),
        ("high-1-of-1-multiplicative", 1, 1, Adjustment.MULTIPLICATIVE),
        ("high-5-of-99", 5, 99, Adjustment.NONE),
    ],
)
def test_methods(method: str, highest: int, of: int, adjustment: Adjustment) -> None:
    rule = rule_of(confirmation(baseline_method=method))
    assert (rule.highest, rule.of, rule.minimum_days, rule.adjustment) == (highest, of, of, adjustment)


@pytest.mark.parametrize(
    "method",
    ["high-05-of-10", "high-5-of-10-", "HIGH-5-of-10", "high-5-of-100", "high-5-of-10-none", "high-5-of-10x"],
)
def test_methods_are_spelled_exactly(method: str) -> None:
    with pytest.raises(SettingsError, match="CONF-1: no baseline method"):
        rule_of(confirmation(baseline_method=method))


def test_money_and_caps_are_taken_from_the_deal() -> None:
    deal = confirmation(adjustment_cap_fraction=D("0.15"), penalty_cap_fraction=D("0.3"))
    assert rule_of(deal).cap == F(3, 20)
    found = terms_of(deal)
    assert found[:4] == (D("4"), D("10.00"), D("0.50"), D("2.00"))
    assert (found.penalty_cap, found.grace, found.threshold) == (D("0.3"), D(1), D(0))


def test_the_days_before_are_the_ones_the_cases_assume() -> None:
    assert all(day.weekday() < 5 for day in TEN_DAYS)
    assert TEN_DAYS[0] == EVENT_DAY - timedelta(days=1)
