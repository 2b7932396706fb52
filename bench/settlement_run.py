"""`python -m bench.settlement_run write|full|bare|pool METERS FOLDER`: one measurement in a process of its own, for its memory.

`full` settles every meter as its own resource from Parquet on disk: newest revision, baseline with exclusions and capped
adjustment, delivery, factors, reservation, utilisation, penalties. `bare` is the baseline kernel: `memory` on blocks that are
there, `seconds` from Parquet. `pool` is `intertie settle many`: lines on disk in parts, by two processes, and then once more with
nothing new.
"""

from __future__ import annotations

import json
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from intertie.formats.many_job import Job, JobDay, JobMeter
from intertie.gateway.settlement.settle_many import settle_many
from intertie.market.baseline_rule import Reason, Rule
from intertie.market.block_events import BlockEvent, look, place
from intertie.market.block_payment import Terms, deliver, month
from intertie.market.block_tables import block_of_table
from intertie.market.blocks import Block
from intertie.market.shapes import grace_and_slope, threshold
from intertie.model.contract import Confirmation
from intertie.model.dispatch import DispatchInstruction, Instruction
from intertie.model.documents import example
from intertie.model.ids import DocumentName
from intertie.model.interval import IntervalSeries, Window, local_day
from intertie.model.quantity import Kilowatts, Unit
from intertie.run.many_engines import Pool
from intertie.stores.many_files import LinesFolder, ReadingsFolder

DAYS, SLOTS, FIRST, ZONE = 60, 96, date(2026, 6, 1), "America/New_York"
# From 16:00 to 20:00 on days 37 to 58, all of them weekdays; day 0 is a Monday.
EVENTS = (37, 43, 46, 50, 53, 58)
# So many meters at a time: their blocks fit in a cache's neighbourhood and memory stays flat.
CHUNK = 500
# As many as the machine of the figures has cores.
PROCESSES = 2
RULE = Rule()
ASKED = (Fraction(500),) * 16


def values_of(first: int, last: int) -> Any:
    """The load of some meters; the same for each run."""
    chance = np.random.default_rng(first)
    count = last - first
    shape = 1 + 0.5 * np.sin((np.arange(SLOTS) - 40) / SLOTS * 2 * np.pi)
    level = chance.uniform(0.2, 3, (count, 1, 1)) * chance.uniform(0.7, 1.4, (count, DAYS, 1))
    made = np.round(level * shape * chance.uniform(0.9, 1.1, (count, DAYS, SLOTS)) * 1000)
    for event in EVENTS:
        made[:, event, 64:80] = np.round(made[:, event, 64:80] * 0.7)
    return made.astype(np.int32)


def days_of(meters: int, folder: Path) -> Path:
    """The file of meter days, in a folder of its own."""
    return folder / f"days-{meters}" / "all.parquet"


def write(meters: int, folder: Path) -> None:
    """Rows of a meter's day for us; at up to 10,000 meters, rows of a reading for the others."""
    for_us, for_them = days_of(meters, folder), folder / f"readings-{meters}.parquet"
    for_us.parent.mkdir()
    with_peers = meters <= 10_000
    ours = theirs = None
    for first in range(0, meters, CHUNK):
        last = min(meters, first + CHUNK)
        loads, count = values_of(first, last), last - first
        names = np.repeat([f"m{i:07}" for i in range(first, last)], DAYS)
        days = np.tile(
            np.arange(DAYS, dtype=np.int32) + FIRST.toordinal() - date(1970, 1, 1).toordinal(), count
        )
        lists = pa.ListArray.from_arrays(
            np.arange(0, loads.size + 1, SLOTS, dtype=np.int32), pa.array(loads.reshape(-1))
        )
        table = pa.table(
            {
                "meter": pa.array(names),
                "day": pa.array(days).cast(pa.date32()),
                "revision": np.ones(len(days), np.int32),
                "values": lists,
            }
        )
        ours = ours or pq.ParquetWriter(for_us, table.schema, compression="zstd")
        ours.write_table(table)
        if with_peers:
            rows = pa.table(
                {
                    "meter": np.repeat(np.arange(first, last, dtype=np.int32), DAYS * SLOTS),
                    "d": np.tile(np.repeat(np.arange(DAYS, dtype=np.int16), SLOTS), count),
                    "slot": np.tile(np.arange(SLOTS, dtype=np.int16), count * DAYS),
                    "wh": loads.reshape(-1),
                }
            )
            theirs = theirs or pq.ParquetWriter(for_them, rows.schema, compression="zstd")
            theirs.write_table(rows)
    for writer in (ours, theirs):
        if writer is not None:
            writer.close()


def events() -> list[BlockEvent]:
    """The six events in local time."""
    made = []
    for number in EVENTS:
        start = local_day(FIRST + timedelta(days=number), ZONE).start
        window = Window(start=start + timedelta(hours=16), end=start + timedelta(hours=20))
        made.append(place(f"d{number}", window, RULE, ZONE, 15))
    return made


def barred() -> dict[date, Reason]:
    """No event is an example for another."""
    return {FIRST + timedelta(days=number): Reason.EVENT_DAY for number in EVENTS}


def blocks(path: Path) -> Iterator[Block]:
    """The file, a row group at a time."""
    file = pq.ParquetFile(path)
    for group in range(file.num_row_groups):
        yield block_of_table(file.read_row_group(group), FIRST, DAYS, ZONE)


def settle(block: Block) -> tuple[int, int, bytes]:
    """Lines, cents and the bytes of both, of a chunk of meters."""
    count = len(block.meters)
    terms = Terms(
        np.full(count, 8000, np.int64),
        Decimal("18"),
        Decimal("1.00"),
        Decimal("0.50"),
        threshold(Fraction(1, 2)),
        grace_and_slope(Fraction(1, 20), Fraction(3)),
        grace=Fraction(9, 10),
    )
    results = [deliver(look(block, one, RULE, barred()), ASKED, Fraction(1), 15) for one in events()]
    found = month(results, terms, Fraction(1))
    raw = b"".join(part.astype("<i8").tobytes() for a in found.amounts for part in (a.quantity, a.cents))
    return len(found.amounts) * count, int(found.total().sum()), raw


def full(meters: int, folder: Path) -> dict[str, object]:
    """From Parquet to lines."""
    lines = cents = 0
    digest = sha256()
    start = time.perf_counter()
    for block in blocks(days_of(meters, folder)):
        some, money, raw = settle(block)
        lines, cents = lines + some, cents + money
        digest.update(raw)
    seconds = time.perf_counter() - start
    return {"seconds": seconds, "lines": lines, "cents": cents, "sha256": digest.hexdigest()}


def bare(meters: int, folder: Path) -> dict[str, object]:
    """The baseline kernel and the difference to the load, blocks in memory; the making of the blocks is not counted."""
    memory, total = 0.0, 0.0
    whole = time.perf_counter()
    for block in blocks(days_of(meters, folder)):
        start = time.perf_counter()
        found = [look(block, one, RULE, barred()) for one in events()]
        sums = [(one.expected.top.sum(1), one.expected.bottom, one.actual.sum(1)) for one in found]
        memory += time.perf_counter() - start
        total += sum(float((top / bottom - load).sum()) for top, bottom, load in sums)
    return {"seconds": time.perf_counter() - whole, "memory": memory, "delivered": total}


def job(meters: int) -> Job:
    """July, with the six calls: 2 kW of 8 for four hours."""
    _, body = example(DocumentName("confirmation"))
    start, end = local_day(date(2026, 1, 1), ZONE).start, local_day(date(2026, 12, 31), ZONE).end
    deal = msgspec.structs.replace(
        body,
        contracted_kw=Decimal(8),
        baseline_method="high-5-of-10-multiplicative",
        adjustment_cap_fraction=Decimal("0.2"),
        delivered_cap_fraction=Decimal(1),
        zone=ZONE,
        term=Window(start=start, end=end),
    )
    assert isinstance(deal, Confirmation)
    return Job(
        deal=deal,
        first=date(2026, 7, 1),
        last=FIRST + timedelta(days=DAYS - 1),
        calls=tuple(call(deal, number) for number in EVENTS),
        not_usable=tuple(JobDay(day=day, reason=reason) for day, reason in barred().items()),
        meters=tuple(
            JobMeter(meter=f"m{number:07}", contracted_kw=Kilowatts(Decimal(8))) for number in range(meters)
        ),
    )


def call(deal: Confirmation, number: int) -> DispatchInstruction:
    """From 16:00 to 20:00."""
    start = local_day(FIRST + timedelta(days=number), ZONE).start + timedelta(hours=16)
    series = IntervalSeries(start=start, step_seconds=900, unit=Unit.KW, power_of_ten=0, values=(2,) * 16)
    return DispatchInstruction(
        dispatch=f"D{number}",
        service=deal.service,
        point=deal.points[0],
        window=Window(start=start, end=series.end),
        instruction=Instruction.RELATIVE,
        target_kw=series,
        respond_by=start - timedelta(hours=1),
        confirmation=deal.confirmation,
    )


def pool(meters: int, folder: Path) -> dict[str, object]:
    """From Parquet to lines on disk; `again` is a second run, which has nothing to do."""
    readings, asked = ReadingsFolder(days_of(meters, folder).parent), job(meters)
    with tempfile.TemporaryDirectory(dir=folder) as out:
        start = time.perf_counter()
        done = settle_many(asked, readings, LinesFolder(Path(out)), Pool(readings, PROCESSES))
        seconds = time.perf_counter() - start
        again = settle_many(asked, readings, LinesFolder(Path(out)), Pool(readings, PROCESSES))
        second = time.perf_counter() - start - seconds
    if (done.settled, again.settled, again.sha256) != (meters, 0, done.sha256):
        raise RuntimeError(f"not all of it was settled once: {done}, {again}")
    return {
        "seconds": seconds,
        "again": second,
        "lines": done.lines,
        "cents": done.cents,
        "sha256": done.sha256,
    }


ACTS = {"full": full, "bare": bare, "pool": pool}


def main() -> None:
    """One measurement, as a line of JSON."""
    act, meters, folder = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])
    if act == "write":
        write(meters, folder)
        return
    result = ACTS[act](meters, folder)
    # of the largest process: each of a pool has about as much
    whose = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    peak = max(resource.getrusage(one).ru_maxrss for one in whose) / 1024
    print(json.dumps({**result, "peak_mb": peak}))


if __name__ == "__main__":
    main()
