"""Green Button feeds as a format of files: all readings of a feed are one message, and what could not be read is refused with its
entry. ESPI has no word for an answer, so a table of results is one (docs/espi.md)."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from datetime import datetime

import msgspec

from intertie.formats.espi.entries import EspiError
from intertie.formats.espi.series import EspiRead, Unread
from intertie.formats.espi.stream import feed_title, read_feed
from intertie.formats.espi.terms import EspiTerms
from intertie.formats.espi.write import Stamped, write_feed
from intertie.formats.tables.write import write_lines
from intertie.gateway.translating.accept_translated import Said
from intertie.gateway.translating.file_csv import answers_in, is_results
from intertie.gateway.translating.files import File, FileError, Item, Judged
from intertie.gateway.translating.foreign import Foreign
from intertie.market.reading_days import KEPT, SAID, Fault
from intertie.model.errors import Fault as Whose
from intertie.model.errors import IntertieError, SettingsError
from intertie.model.ids import UUID7, MessageId, PartyId
from intertie.model.message import MESSAGE_BYTES_MAX, Header, utc
from intertie.model.metering import METERS_MAX, MeterReadings, MeterReadingSet
from intertie.model.record import Record

KIND = "application/atom+xml"
RESULTS = ("place", "status", "code", "detail", "message", "received")
# Refusals of one file that are told one by one: who mends these knows how to mend the rest.
TOLD_MAX = 50
# Header and frame of a message beside its body and the file in base64.
FRAME_BYTES = 64 * 1024
ALL_READINGS = "the readings"


class BadFeed(FileError):
    """A part of a feed that could not be taken; says what to mend."""

    fault = Whose.THEIRS


class EspiFormat:
    """`files.FileFormat`."""

    name = "espi"
    suffix = "xml"
    kinds: tuple[str, ...] = (KIND, "application/xml", "text/xml", "application/octet-stream")

    def knows(self, content: bytes) -> bool:
        """XML, or the results of a feed of ours."""
        return content.lstrip()[:1] == b"<" or is_results(content, ",")

    def read(self, content: bytes, foreign: Foreign, sender: PartyId) -> Sequence[Item]:
        """Its readings as one message, and each thing that is wrong; or the results of a feed of ours."""
        if is_results(content, ","):
            return [answers_in(content, ",")]
        reading = EspiRead(read_feed(io.BytesIO(content)), terms_of(foreign).rules)
        series, again = _each_once(reading)
        wrong = [one for one in (*reading.unread, *again) if one.fault not in KEPT]
        items = [Item(_place(one), content, error=_error(one)) for one in wrong[:TOLD_MAX]]
        if len(wrong) > TOLD_MAX:
            more = f"{len(wrong) - TOLD_MAX} things more are wrong"
            items.append(Item("the rest", content, error=BadFeed(more, do="Mend the first ones.")))
        if not series and not items:
            raise BadFeed(
                _nothing(reading), do="Send interval blocks with their MeterReading and ReadingType."
            )
        return [*([_message(series, content)] if series else []), *items]

    def write(self, foreign: Foreign, header: Header, body: Record, number: int) -> File:
        """A feed of readings; FileError for anything else."""
        if not isinstance(body, MeterReadingSet):
            raise FileError(
                f"ESPI has no words for {header.document}",
                do="Only meter_readings go to this partner; see its legacy file.",
            )
        meters: dict[str, list[MeterReadings]] = {}
        for one in body.meters:
            meters.setdefault(one.meter, []).append(one)
        out = io.BytesIO()
        write_feed(out, meters.items(), Stamped(header.id, terms_of(foreign).zone, header.created))
        name = f"{header.document}-{header.id}.{self.suffix}"
        return File(name=name, kind=KIND, content=out.getvalue(), about=header.id)

    def answer(
        self, judged: Sequence[Judged], foreign: Foreign, us: PartyId, at: datetime, number: int
    ) -> Sequence[File]:
        """A line for the readings, and one for each thing that was refused."""
        if not terms_of(foreign).results or any(one.item.replies for one in judged):
            return []
        lines = [list(RESULTS), *(_result(one, at) for one in judged)]
        return [File(name=f"results-{number}.csv", kind="text/csv", content=write_lines(lines, ","))]


def terms_of(foreign: Foreign) -> EspiTerms:
    """SettingsError if its files are no feeds."""
    if foreign.espi is None:
        raise SettingsError(f"{foreign.name} sends no Green Button feeds", do="See its legacy file.")
    return foreign.espi


def _each_once(reading: EspiRead) -> tuple[list[MeterReadings], list[Unread]]:
    """Series, and those that stand there before: a message says each meter, channel and start once."""
    found: dict[tuple[object, ...], MeterReadings] = {}
    again: list[Unread] = []
    for one in reading:
        key = one.meter, one.channel, one.series.start
        before = found.setdefault(key, one)
        if before is one:
            if len(found) > METERS_MAX:
                raise EspiError("feed", f"more than {METERS_MAX} blocks; send it in several files")
            continue
        if one.revision > before.revision:
            found[key] = one
        elif one.series != before.series:
            at = f"{one.meter}, {one.channel}, {one.series.start.isoformat()}"
            again.append(Unread(0, Fault.OVERLAPPING, len(one.series.values), one.meter, at))
    return list(found.values()), again


def _message(series: Sequence[MeterReadings], content: bytes) -> Item:
    body = MeterReadingSet(meters=tuple(series))
    size = len(msgspec.json.encode(body)) + len(content) * 4 // 3 + FRAME_BYTES
    if size > MESSAGE_BYTES_MAX:
        error = BadFeed("the feed and its readings do not fit a message; send fewer days in a file")
        return Item(ALL_READINGS, content, error=error)
    named = feed_title(content)
    message = MessageId(named) if re.fullmatch(UUID7, named) else None
    return Item(ALL_READINGS, content, Said(body, mode=None, id=message), source=message)


def _place(one: Unread) -> str:
    return f"entry {one.entry}" if one.entry else ALL_READINGS


def _error(one: Unread) -> IntertieError:
    readings = "reading" if one.readings == 1 else "readings"
    return BadFeed(f"{one.readings} {readings} not taken: {SAID[one.fault]} ({one.why}). {_MEND[one.fault]}")


def _nothing(reading: EspiRead) -> str:
    others = ", ".join(f"{count} {name}" for name, count in reading.others.most_common(5))
    return f"no interval readings in it{f', but {others}' if others else ''}"


def _result(one: Judged, at: datetime) -> list[str]:
    detail = one.outcome.detail.removeprefix(f"{one.item.place}: ")
    status = "refused" if one.outcome.status == "refused" else "accepted"
    named = one.item.source if isinstance(one.item.source, str) else ""
    return [one.item.place, status, one.outcome.code or "", detail, named, utc(at).isoformat()]


# What to do about what a reader of feeds finds; other faults it does not find.
_MEND = dict.fromkeys(Fault, "Mend it, and send the file again.") | {
    Fault.FOREIGN_METER: "Name the usage point and its meter in [espi.usage_points] of the legacy file.",
    Fault.UNREADABLE: "Link the blocks to their MeterReading, and that to its ReadingType.",
    Fault.WRONG_UNIT: "Send energy of electricity by interval: uom 72, accumulationBehaviour 4.",
    Fault.CLOCK: "Send intervals that divide an hour or a day.",
    Fault.BAD_LINE: "Say a timePeriod in each reading, or in none and an interval in their block.",
    Fault.OVERLAPPING: "Send one value for each interval.",
    Fault.NEGATIVE: "Say flowDirection 4 if it is net energy.",
    Fault.TOO_FINE: "Send a powerOfTenMultiplier of -3 or more.",
}
