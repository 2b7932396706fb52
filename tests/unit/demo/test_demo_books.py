"""Books hold what was said and nothing else: revisions, answers, days that no baseline may use."""

from __future__ import annotations

import sys
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import msgspec
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "market"))

from market_cases import DAY, DEAL, START, A, B, call

from intertie.demo.books import HOLIDAYS, Books
from intertie.demo.gateways import DemoError
from intertie.market.baseline import Reason
from intertie.model.dispatch import (
    CancelReason,
    DispatchAnswer,
    DispatchCancel,
    DispatchResponse,
    RefusalReason,
)
from intertie.model.ids import ConnectionPointId
from intertie.model.interval import IntervalSeries
from intertie.model.metering import Channel, MeterReadings, MeterReadingSet, Quality
from intertie.model.quantity import Unit
from intertie.model.system import OutageCause, OutageKind, OutageNotice

MIDNIGHT = datetime(2026, 2, 15, 23, tzinfo=UTC)  # of the 16th in Berlin


def reading(value: int, revision: int = 1) -> MeterReadings:
    series = IntervalSeries(start=MIDNIGHT, step_seconds=900, unit=Unit.KWH, values=(value,) * 96)
    return MeterReadings(
        meter=A, channel=Channel.NET, quality=Quality.VALID, series=series, revision=revision
    )


@pytest.fixture
def books() -> Books:
    found = Books("Europe/Berlin")
    found.meters = frozenset({A})
    found.note(DEAL)
    return found


def test_readings_belong_to_the_local_day(books: Books) -> None:
    books.note(MeterReadingSet(meters=(reading(5),)))
    assert books.book().readings[A][DAY] == (5,) * 96


def test_a_higher_revision_replaces_a_lower_one_never_the_reverse(books: Books) -> None:
    for value, revision in ((5, 1), (7, 2), (6, 1), (8, 2)):
        books.note(MeterReadingSet(meters=(reading(value, revision),)))
    assert books.readings_of(A, DAY).series.values[0] == 7
    found = books.revised(DAY, DAY)
    assert [(one.older.series.values[0], one.newer.series.values[0]) for one in found] == [(5, 7)]
    assert books.revised(DAY + timedelta(days=1), DAY + timedelta(days=9)) == []
    assert books.book(found[0]).readings[A][DAY][0] == 5


def test_meters_of_others_are_left_out(books: Books) -> None:
    books.meters = frozenset({B})
    books.note(MeterReadingSet(meters=(reading(5),)))
    assert books.book().readings == {B: {}}


def test_calls_and_what_became_of_them(books: Books) -> None:
    one = call().instruction
    books.note(one)
    assert books.answer("D-1") == "unanswered"
    books.note(DispatchResponse(dispatch="D-1", answer=DispatchAnswer.ACCEPTED))
    assert (books.answer("D-1"), [c.refused for c in books.calls(DAY, DAY)]) == ("accepted", [False])
    refusal = DispatchResponse(dispatch="D-1", answer=DispatchAnswer.REFUSED, reason=RefusalReason.SAFETY)
    books.note(refusal)
    assert [c.refused for c in books.calls(DAY, DAY)] == [True]
    assert books.calls(date(2026, 2, 1), date(2026, 2, 15)) == []
    assert books.book().not_usable == {DAY: Reason.EVENT_DAY}


def test_a_call_that_was_taken_back_counts_for_nothing(books: Books) -> None:
    books.note(call().instruction)
    books.note(DispatchCancel(dispatch="D-1", effective=START, reason=CancelReason.FORECAST_CHANGED))
    assert (books.answer("D-1"), books.calls(DAY, DAY), books.book().not_usable) == ("cancelled", [], {})
    assert [one.dispatch for one in books.instructions()] == ["D-1"]


def test_outage_days_and_holidays_serve_no_baseline(books: Books) -> None:
    notice = OutageNotice(
        outage="fault",
        kind=OutageKind.UNPLANNED,
        points=(ConnectionPointId("n1"),),
        starts=MIDNIGHT,
        cause=OutageCause.UNKNOWN,
    )
    books.note(notice)
    assert books.book().not_usable == {DAY: Reason.OUTAGE_DAY}
    assert books.book().rule.holidays == HOLIDAYS


def test_other_documents_are_passed_over(books: Books) -> None:
    before = msgspec.json.encode(books.book().readings)
    books.note(reading(1))  # a part of a document is none
    assert msgspec.json.encode(books.book().readings) == before


def test_without_a_deal_there_is_nothing_to_settle() -> None:
    with pytest.raises(DemoError, match="no deal"):
        Books("Europe/Berlin").book()


def test_the_deal_says_how_far_delivery_counts(books: Books) -> None:
    books.note(msgspec.structs.replace(DEAL, delivered_cap_fraction=Decimal("1.1")))
    assert books.book().delivered_cap == Fraction(11, 10)
