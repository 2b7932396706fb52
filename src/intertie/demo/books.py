"""What one side has on its desk: calls with their answers and readings, from the documents it sent and received. What is settled
comes from its gateway."""

from __future__ import annotations

from datetime import date, datetime
from zoneinfo import ZoneInfo

from intertie.demo.gateways import DemoError
from intertie.model.contract import Confirmation
from intertie.model.dispatch import DispatchAnswer, DispatchCancel, DispatchInstruction, DispatchResponse
from intertie.model.ids import MeterId
from intertie.model.metering import MeterReadings, MeterReadingSet
from intertie.model.record import Record

# Statutory holidays of the feeder's region within the season and its look-back.
HOLIDAYS = frozenset({date(2026, 1, 1), date(2026, 3, 8)})


class Books:
    """Readings by meter and day with all their revisions, and calls with their answers."""

    def __init__(self, zone: str) -> None:
        self.zone = zone
        self.deal: Confirmation | None = None
        self.meters: frozenset[MeterId] = frozenset()
        self._readings: dict[tuple[MeterId, date], list[MeterReadings]] = {}
        self._calls: dict[str, DispatchInstruction] = {}
        self._answers: dict[str, DispatchAnswer] = {}
        self._cancelled: set[str] = set()

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

    def confirmed(self) -> Confirmation:
        """The deal; every chapter after the first has one."""
        if self.deal is None:
            raise DemoError("no deal is confirmed yet")
        return self.deal

    def readings_of(self, meter: MeterId, day: date) -> MeterReadings:
        """The newest revision of a meter day."""
        return self._readings[meter, day][-1]

    def _note_readings(self, readings: MeterReadings) -> None:
        known = self._readings.setdefault((readings.meter, self.local_day(readings.series.start)), [])
        if not known or readings.revision > known[-1].revision:
            known.append(readings)
