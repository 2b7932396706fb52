"""ESPI feeds: a year of quarter hours, a block a day, read to typed readings and written; beside lxml alone, which takes the same
numbers out and checks nothing, and beside greenbutton-objects, which only reads. In CPU time, as x12."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from lxml import etree

from bench.measure import OURS, PRIMITIVES, QUICK, Call, Case, Job, Scale, Took
from bench.peers.environment import Unavailable
from bench.peers.talk import driver
from intertie.formats.espi.names import espi
from intertie.formats.espi.series import EspiRead, EspiRules, meter_named_by
from intertie.formats.espi.stream import read_feed
from intertie.formats.espi.write import Stamped, write_feed
from intertie.model.ids import MeterId
from intertie.model.interval import IntervalSeries
from intertie.model.metering import Channel, MeterReadings, Quality
from intertie.model.quantity import Unit

PEER = "greenbutton-objects"
DAYS, A_DAY = 365, 96
START = datetime(2026, 1, 1, 5, tzinfo=UTC)
ABOUT = Stamped("bench", "America/New_York", datetime(2027, 1, 1, tzinfo=UTC))


def plan(scale: Scale) -> list[Job]:
    """Both ways; a week instead of a year to see that it runs."""
    days = 7 if scale is QUICK else DAYS
    return [partial(case, act, days, scale is not QUICK) for act in ("read", "write")]


def readings(days: int) -> list[MeterReadings]:
    """So many days of one meter."""
    return [
        MeterReadings(
            meter=MeterId("M1"),
            channel=Channel.IMPORT,
            quality=Quality.VALIDATED,
            series=IntervalSeries(
                start=START + timedelta(days=day),
                step_seconds=900,
                unit=Unit.KWH,
                power_of_ten=-3,
                values=tuple((day * A_DAY + place) * 37 % 3000 for place in range(A_DAY)),
            ),
        )
        for day in range(days)
    ]


def written(said: list[MeterReadings]) -> bytes:
    """The feed."""
    out = io.BytesIO()
    write_feed(out, [("M1", said)], ABOUT)
    return out.getvalue()


def read(data: bytes) -> list[MeterReadings]:
    """The readings of a feed."""
    return list(EspiRead(read_feed(io.BytesIO(data)), EspiRules(meter_named_by)))


def bare(data: bytes) -> list[tuple[int, int, int]]:
    """Start, length and value of each reading, by lxml as it comes."""
    period, start, duration, value = espi("timePeriod"), espi("start"), espi("duration"), espi("value")
    found = []
    for _, element in etree.iterparse(io.BytesIO(data), events=("end",), tag=espi("IntervalReading")):
        when = element.find(period)
        found.append((int(when.findtext(start)), int(when.findtext(duration)), int(element.findtext(value))))
        element.clear()
    return found


@contextmanager
def case(act: str, days: int, with_peer: bool) -> Iterator[Case]:
    """µs are for one reading."""
    said = readings(days)
    data = written(said)
    if read(data) != said:
        raise AssertionError("what was written does not come back")
    calls: dict[str, Call] = {
        OURS: (lambda: read(data)) if act == "read" else (lambda: written(said)),
        PRIMITIVES: lambda: bare(data),
    }
    with ExitStack() as stack:
        if with_peer and act == "read":
            add_peer(calls, data, stack)
        yield Case(f"ESPI, {days * A_DAY:,} readings", days * A_DAY, act, calls, cpu=True)


def add_peer(calls: dict[str, Call], data: bytes, stack: ExitStack) -> None:
    """greenbutton-objects in a process of its own, by that process's CPU time. Left out if it is not to be had."""
    try:
        peer = stack.enter_context(driver("espi"))
    except Unavailable:
        return
    file = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "feed.xml"
    file.write_bytes(data)
    calls[PEER] = lambda: Took(peer.ask(do="time", file=str(file))["seconds"])
