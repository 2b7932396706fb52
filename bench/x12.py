"""X12 to and from typed documents: a month of quarter hours in an 867, a thousand lines in an 810; beside a bare split of the
same bytes, and beside pyx12 (segments and envelopes only: it has no map of these sets). In CPU time: a call
of milliseconds is interrupted by other work where one of microseconds is not."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

from bench.machine import machine
from bench.measure import OURS, PRIMITIVES, QUICK, Call, Case, Job, Row, Scale, Took
from bench.peers.environment import ROOT, Unavailable
from bench.peers.talk import driver
from intertie.formats.x12.interchange import read_sets
from intertie.formats.x12.layout import profile
from intertie.formats.x12.sets import read_document, write_document, write_file
from intertie.formats.x12.trading import Trading, X12Party
from intertie.model.billing import Invoice, InvoiceLine, LineCode
from intertie.model.ids import MeterId, PartyId
from intertie.model.interval import IntervalSeries, Stamp, Window
from intertie.model.metering import Channel, MeterReadings, MeterReadingSet, Quality
from intertie.model.quantity import Money, Unit
from intertie.model.record import Record

PYX12 = "pyx12"
READINGS, LINES = 2976, 1000
NOW = datetime(2026, 8, 1, 13, 30, tzinfo=UTC)
TRADING = Trading(
    profile="ny",
    utility=X12Party(party=PartyId("utility.example"), name="UTILITY", number="123456789"),
    aggregator=X12Party(
        party=PartyId("aggregator.example"), name="AGGREGATOR", number="9876543210000", qualifier="09"
    ),
)


def plan(scale: Scale) -> list[Job]:
    """Both sets, both ways."""
    with_peer = scale is not QUICK
    return [
        partial(case, subject, act, with_peer)
        for subject in (f"867, {READINGS:,} readings", f"810, {LINES:,} lines")
        for act in ("read", "write")
    ]


def readings() -> MeterReadingSet:
    """July at 15 minutes."""
    series = IntervalSeries(
        start=datetime(2026, 7, 1, 4, tzinfo=UTC),
        step_seconds=900,
        unit=Unit.KWH,
        stamped=Stamp.END,
        values=tuple(number * 37 % 9999 for number in range(READINGS)),
    )
    meter = MeterReadings(
        meter=MeterId("M123456"), channel=Channel.IMPORT, quality=Quality.VALID, series=series
    )
    return MeterReadingSet(meters=(meter,))


def invoice() -> Invoice:
    """Every other line is for a dispatch."""
    lines = tuple(_line(number) for number in range(1, LINES + 1))
    return Invoice(
        invoice="INV0000001",
        period=Window(start=datetime(2026, 7, 1, 4, tzinfo=UTC), end=datetime(2026, 8, 1, 4, tzinfo=UTC)),
        issued=date(2026, 8, 1),
        due=date(2026, 8, 31),
        lines=lines,
        total=Money(amount=sum((line.amount for line in lines), Decimal(0)), currency="USD"),
    )


def _line(number: int) -> InvoiceLine:
    quantity, rate = Decimal(10 + number % 90), Decimal(f"{4 + number % 7}.25")
    return InvoiceLine(
        line=number,
        code=LineCode.UTILISATION if number % 2 else LineCode.RESERVATION,
        text=f"Demand response performance {number}",
        quantity=quantity,
        unit="kWh",
        rate=rate,
        amount=quantity * rate,
        dispatch=f"D-{number:05}" if number % 2 else None,
        statement="PS-2026-07",
    )


def written(body: Record) -> bytes:
    """The interchange of one document."""
    made = write_document(body, TRADING, reference="R0001", at=NOW)
    return write_file([made], TRADING, TRADING.utility, control=1, at=NOW)


def read(data: bytes) -> Record:
    """The document of an interchange."""
    [one] = read_sets(data)
    return read_document(one, profile("ny"))


@contextmanager
def case(subject: str, act: str, with_peer: bool) -> Iterator[Case]:
    """µs are for the whole set. The floor both ways is a split of the set's text into elements, and a join of them."""
    body: Record = readings() if subject.startswith("867") else invoice()
    data = written(body)
    if read(data) != body:
        raise AssertionError("what was written does not come back")
    text = data.decode("ascii")
    rows = split(text)
    calls: dict[str, Call] = {
        OURS: (lambda: read(data)) if act == "read" else (lambda: written(body)),
        PRIMITIVES: lambda: split(text),
    }
    if act == "write":
        calls["join"] = lambda: "~".join(["*".join(row) for row in rows])
    with ExitStack() as stack:
        if with_peer:
            add_peer(calls, data, act, stack)
        # Waiting for the peer's process leaves the caches cold, which would be held against whoever comes first.
        yield Case(subject, 1, act, calls, lambda: warm(calls), cpu=True)


def warm(calls: dict[str, Call]) -> None:
    """Once before each turn, and not timed."""
    calls[OURS]()
    calls[PRIMITIVES]()


def split(text: str) -> list[list[str]]:
    """What anybody has to do at least who wants the elements."""
    return [segment.split("*") for segment in text.split("~")]


def add_peer(calls: dict[str, Call], data: bytes, act: str, stack: ExitStack) -> None:
    """pyx12 in a process of its own, by that process's CPU time. Left out if it is not to be had."""
    try:
        peer = stack.enter_context(driver())
    except Unavailable:
        return
    file = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "held.x12"
    file.write_bytes(data)
    peer.ask(do="hold", file=str(file))
    calls[PYX12] = lambda: Took(peer.ask(do="time", act=act)["seconds"])


def keep(rows: Sequence[Row], path: Path = ROOT / "bench" / "results.json") -> None:
    """The rows in the shape of those of `exchange`, in its file, beside them."""
    said: dict[str, Any] = {"machine": str(machine()), "rows": []}
    if path.exists():
        said = json.loads(path.read_text(encoding="utf-8"))
    others = [row for row in said["rows"] if not str(row.get("protection", "")).startswith("X12 ")]
    path.write_text(
        json.dumps({**said, "rows": [*others, *_shaped(rows)]}, indent=1) + "\n", encoding="utf-8"
    )


def _shaped(rows: Sequence[Row]) -> Iterator[dict[str, Any]]:
    names = {PRIMITIVES: "bare split", "join": "bare join"}
    for row in rows:
        took = {
            "intertie": row.us,
            **{names.get(name, name): other.us for name, other in row.against.items()},
        }
        for system, us in took.items():
            yield {
                "system": system,
                "protection": f"X12 {row.subject}, {row.act}",
                "store": "memory",
                "size": len(written(readings() if row.subject.startswith("867") else invoice())),
                "callers": 1,
                "backlog": 0,
                "msgs_per_s": round(1e6 / us.median, 1),
                "p50_ms": round(us.median / 1000, 3),
                "p95_ms": None,
                "p99_ms": None,
                "cpu_us_per_msg": None,
                "rss_mb": None,
            }
