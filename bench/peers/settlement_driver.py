"""`settlement_driver.py ENGINE FILE EVENT_DAYS`: the bare high 5 of 10 of some events in hand-written DuckDB SQL or Polars.

Prints seconds (from Parquet, and of the queries alone on rows in memory), peak memory and the sum of what was delivered.
"""

from __future__ import annotations

import json
import resource
import sys
import time

import duckdb
import polars as pl

FIRST, LAST = 64, 80
BEFORE, UNTIL = 48, 56

SQL = """
with ev as (select meter, slot, wh from r where d = {ev}),
     score as (select meter, d, sum(wh) s from r where d in {days} and slot >= {e0} and slot < {e1} group by all),
     top as (select meter, d from score qualify row_number() over (partition by meter order by s desc, d desc) <= 5),
     base as (select r.meter, r.slot, avg(r.wh) b from r join top using (meter, d)
              where slot >= {a0} and slot < {e1} group by all),
     adj as (select b.meter, greatest(0.8, least(1.2, avg(e.wh) / avg(b.b))) f
             from base b join ev e using (meter, slot) where slot >= {a0} and slot < {a1} group by all)
select sum(b.b * f - e.wh) from base b join ev e using (meter, slot) join adj using (meter)
where slot >= {e0} and slot < {e1}
"""


def eligible(event: int, events: list[int]) -> list[int]:
    """The ten latest weekdays before; day 0 is a Monday."""
    return [d for d in range(event - 1, -1, -1) if d % 7 < 5 and d not in events][:10]


def with_duckdb(path: str, events: list[int]) -> tuple[float, float]:
    """The hours that count are read once; then one query for each event."""
    link = duckdb.connect()
    link.execute("set threads = 2")
    hours = f"slot >= {BEFORE} and slot < {LAST}"
    link.execute(f"create temp table r as select * from '{path}' where {hours}")
    total, start = 0.0, time.perf_counter()
    for event in events:
        days = tuple(eligible(event, events))
        query = SQL.format(ev=event, days=days, e0=FIRST, e1=LAST, a0=BEFORE, a1=UNTIL)
        total += link.execute(query).fetchall()[0][0]
    return total, time.perf_counter() - start


def with_polars(path: str, events: list[int]) -> tuple[float, float]:
    """The hours that count are read once; then one query for each event."""
    kept = pl.scan_parquet(path).filter(pl.col("slot").is_between(BEFORE, LAST - 1)).collect()
    total, start = 0.0, time.perf_counter()
    for event in events:
        rows = kept.lazy()
        within = pl.col("slot").is_between(FIRST, LAST - 1)
        w = rows.filter(
            pl.col("d").is_in(eligible(event, events)), pl.col("slot").is_between(BEFORE, LAST - 1)
        )
        score = pl.col("wh").cast(pl.Int64).sum() * 64 + pl.col("d").first()
        top = (
            w.filter(within)
            .group_by("meter", "d")
            .agg(s=score)
            .filter(pl.col("s").rank("ordinal", descending=True).over("meter") <= 5)
            .select("meter", "d")
        )
        base = w.join(top, on=["meter", "d"]).group_by("meter", "slot").agg(b=pl.col("wh").mean())
        today = rows.filter(pl.col("d") == event).select("meter", "slot", "wh")
        both = base.join(today, on=["meter", "slot"])
        window = both.filter(pl.col("slot").is_between(BEFORE, UNTIL - 1))
        ratio = window.group_by("meter").agg(f=(pl.col("wh").mean() / pl.col("b").mean()).clip(0.8, 1.2))
        paid = both.filter(within).join(ratio, on="meter")
        total += paid.select((pl.col("b") * pl.col("f") - pl.col("wh")).sum()).collect().item()
    return total, time.perf_counter() - start


def main() -> None:
    """One measurement."""
    engine, path, days = sys.argv[1], sys.argv[2], [int(one) for one in sys.argv[3].split(",")]
    start = time.perf_counter()
    total, memory = (with_duckdb if engine == "duckdb" else with_polars)(path, days)
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": seconds, "memory": memory, "peak_mb": peak, "delivered": total}))


if __name__ == "__main__":
    main()
