"""What one side holds for settlement: filled with the documents it sent and received, and with nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from fractions import Fraction
from typing import NamedTuple
from zoneinfo import ZoneInfo

from intertie.demo.gateways import DemoError
from intertie.market.baseline import Reason
from intertie.market.statement import Book, Call
from intertie.market.terms import rule_of, terms_of
from intertie.model.contract import Confirmation
from intertie.model.dispatch import DispatchAnswer, DispatchCancel, DispatchInstruction, DispatchResponse
from intertie.model.ids import MeterId
from intertie.model.metering import MeterReadings, MeterReadingSet
from intertie.model.record import Record
from intertie.model.system import OutageNotice

# Statutory holidays of the feeder's region within the season and its look-back.
HOLIDAYS = frozenset({date(2026, 1, 1), date(2026, 3, 8)})


class Revised(NamedTuple):
    """A meter day of which an older revision was sent before."""

    meter: MeterId
    day: date
    older: MeterReadings
    newer: MeterReadings


class Books:
    """Readings by meter and day with all their revisions, calls with their answers, and outage days."""

    def __init__(self, zone: str) -> None:
        self.zone = zone
        self.deal: Confirmation | None = None
        self.meters: frozenset[MeterId] = frozenset()
        self._readings: dict[tuple[MeterId, date], list[MeterReadings]] = {}
        self._calls: dict[str, DispatchInstruction] = {}
        self._answers: dict[str, DispatchAnswer] = {}
        self._cancelled: set[str] = set()
        self._outages: set[date] = set()

    def note(self, body: Record) -> None:
        """Take a document that was sent or received; those that settlement does not need are passed over."""
        match body:
            case Confirmation():
                self.deal = body
            case MeterReadingSet():
                for readings in body.meters:
                    self._note_readings(readings)
            case DispatchInstruction():
                self._calls[body.dispatch] = body
            case DispatchResponse():
                self._answers[body.dispatch] = body.answer
            case DispatchCancel():
                self._cancelled.add(body.dispatch)
            case OutageNotice():
                self._outages.add(self.local_day(body.starts))
            case _:
                pass

    def local_day(self, at: datetime) -> date:
        """The feeder's calendar day of an instant."""
        return at.astimezone(ZoneInfo(self.zone)).date()

    def answer(self, dispatch: str) -> str:
        """What became of a dispatch: its answer, or `cancelled`."""
        return "cancelled" if dispatch in self._cancelled else str(self._answers.get(dispatch, "unanswered"))

    def instructions(self) -> list[DispatchInstruction]:
        """All dispatches, by time."""
        return sorted(self._calls.values(), key=lambda call: call.window.start)

    def calls(self, first: date, last: date) -> list[Call]:
        """The dispatches of these days that count: cancelled ones do not."""
        return [
            Call(one, refused=self._answers.get(one.dispatch) is DispatchAnswer.REFUSED)
            for one in self.instructions()
            if one.dispatch not in self._cancelled and first <= self.local_day(one.window.start) <= last
        ]

    def book(self, replaced: Revised | None = None) -> Book:
        """Everything a settlement needs; `replaced` puts an older revision in the place of the newer."""
        deal = self.confirmed()
        readings: dict[MeterId, dict[date, Sequence[int | None]]] = {meter: {} for meter in self.meters}
        for (meter, day), revisions in self._readings.items():
            if meter in readings:
                readings[meter][day] = revisions[-1].series.values
        if replaced is not None:
            readings[replaced.meter][replaced.day] = replaced.older.series.values
        cap = Fraction(deal.delivered_cap_fraction)
        return Book(rule_of(deal, HOLIDAYS), terms_of(deal), self.zone, readings, self._not_usable(), cap)

    def confirmed(self) -> Confirmation:
        """The deal; every chapter after the first has one."""
        if self.deal is None:
            raise DemoError("no deal is confirmed yet")
        return self.deal

    def revised(self, first: date, last: date) -> list[Revised]:
        """Meter days of a period of which more than one revision is known."""
        return [
            Revised(meter, day, revisions[-2], revisions[-1])
            for (meter, day), revisions in sorted(self._readings.items())
            if len(revisions) > 1 and first <= day <= last
        ]

    def readings_of(self, meter: MeterId, day: date) -> MeterReadings:
        """The newest revision of a meter day."""
        return self._readings[meter, day][-1]

    def _note_readings(self, readings: MeterReadings) -> None:
        known = self._readings.setdefault((readings.meter, self.local_day(readings.series.start)), [])
        if not known or readings.revision > known[-1].revision:
            known.append(readings)

    def _not_usable(self) -> Mapping[date, Reason]:
        days = dict.fromkeys(self._outages, Reason.OUTAGE_DAY)
        called = [one for one in self._calls.values() if one.dispatch not in self._cancelled]
        return days | {self.local_day(one.window.start): Reason.EVENT_DAY for one in called}
