"""`python -m bench.settlement_run write|full|bare METERS FOLDER`: one measurement in a process of its own, for its memory.

`full` settles every meter as its own resource from Parquet on disk: newest revision, baseline with exclusions and capped
adjustment, delivery, factors, reservation, utilisation, penalties. `bare` is the baseline kernel on blocks in memory.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from intertie.market.baseline_rule import Reason, Rule
from intertie.market.block_events import BlockEvent, look, place
from intertie.market.block_payment import Terms, deliver, month
from intertie.market.block_tables import block_of_table
from intertie.market.blocks import Block
from intertie.market.shapes import grace_and_slope, threshold
from intertie.model.interval import Window, local_day

DAYS, SLOTS, FIRST, ZONE = 60, 96, date(2026, 6, 1), "America/New_York"
# From 16:00 to 20:00 on days 37 to 58, all of them weekdays; day 0 is a Monday.
EVENTS = (37, 43, 46, 50, 53, 58)
# So many meters at a time: their blocks fit in a cache's neighbourhood and memory stays flat.
CHUNK = 500
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


def write(meters: int, folder: Path) -> None:
    """Rows of a meter's day for us; at up to 10,000 meters, rows of a reading for the others."""
    for_us, for_them = folder / f"days-{meters}.parquet", folder / f"readings-{meters}.parquet"
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
    for block in blocks(folder / f"days-{meters}.parquet"):
        some, money, raw = settle(block)
        lines, cents = lines + some, cents + money
        digest.update(raw)
    seconds = time.perf_counter() - start
    return {"seconds": seconds, "lines": lines, "cents": cents, "sha256": digest.hexdigest()}


def bare(meters: int, folder: Path) -> dict[str, object]:
    """The baseline kernel and the difference to the load, blocks in memory; the making of the blocks is not counted."""
    seconds, total = 0.0, Fraction(0)
    for block in blocks(folder / f"days-{meters}.parquet"):
        start = time.perf_counter()
        found = [look(block, one, RULE, barred()) for one in events()]
        sums = [(one.expected.top.sum(1), one.expected.bottom, one.actual.sum(1)) for one in found]
        seconds += time.perf_counter() - start
        total += sum(float((top / bottom - load).sum()) for top, bottom, load in sums)
    return {"seconds": seconds, "delivered": float(total)}


def main() -> None:
    """One measurement, as a line of JSON."""
    act, meters, folder = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])
    if act == "write":
        write(meters, folder)
        return
    result = (full if act == "full" else bare)(meters, folder)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({**result, "peak_mb": peak}))


if __name__ == "__main__":
    main()
