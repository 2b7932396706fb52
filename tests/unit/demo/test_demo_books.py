"""A desk's books hold what was said and nothing else: readings with their revisions, calls with their answers."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "market"))

from market_cases import DAY, DEAL, START, A, call

from intertie.demo.books import Books
from intertie.demo.gateways import DemoError
from intertie.model.dispatch import (
    CancelReason,
    DispatchAnswer,
    DispatchCancel,
    DispatchResponse,
    RefusalReason,
)
from intertie.model.interval import IntervalSeries
from intertie.model.metering import Channel, MeterReadings, MeterReadingSet, Quality
from intertie.model.quantity import Unit

MIDNIGHT = datetime(2026, 2, 15, 23, tzinfo=UTC)  # of the 16th in Berlin


def reading(value: int, revision: int = 1) -> MeterReadings:
    series = IntervalSeries(start=MIDNIGHT, step_seconds=900, unit=Unit.KWH, values=(value,) * 96)
    return MeterReadings(
        meter=A, channel=Channel.NET, quality=Quality.VALID, series=series, revision=revision
    )


@pytest.fixture
def books() -> Books:
    found = Books("Europe/Berlin")
    found.note(DEAL)
    return found


def test_readings_belong_to_the_local_day_and_a_higher_revision_replaces_a_lower_one(books: Books) -> None:
    for value, revision in ((5, 1), (7, 2), (6, 1), (8, 2)):
        books.note(MeterReadingSet(meters=(reading(value, revision),)))
    assert books.readings_of(A, DAY).series.values[0] == 7


def test_calls_and_what_became_of_them(books: Books) -> None:
    one = call().instruction
    books.note(one)
    assert books.answer("D-1") == "unanswered"
    books.note(DispatchResponse(dispatch="D-1", answer=DispatchAnswer.ACCEPTED))
    assert books.answer("D-1") == "accepted"
    books.note(DispatchResponse(dispatch="D-1", answer=DispatchAnswer.REFUSED, reason=RefusalReason.SAFETY))
    assert books.answer("D-1") == "refused"
    books.note(DispatchCancel(dispatch="D-1", effective=START, reason=CancelReason.FORECAST_CHANGED))
    assert books.answer("D-1") == "cancelled"
    assert [one.dispatch for one in books.instructions()] == ["D-1"]


def test_other_documents_are_passed_over(books: Books) -> None:
    books.note(reading(1))  # a part of a document is none
    with pytest.raises(KeyError):
        books.readings_of(A, DAY)


def test_without_a_deal_there_is_nothing_to_settle(books: Books) -> None:
    assert books.confirmed() == DEAL
    with pytest.raises(DemoError, match="no deal"):
        Books("Europe/Berlin").confirmed()
