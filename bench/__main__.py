"""Run the benchmarks, print a table, write bench/results.json."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from rich.console import Console
from rich.progress import track
from rich.table import Table

from bench import sealing
from bench.machine import machine

PARTS = {"sealing": sealing.rows}


def main(names: list[str]) -> int:
    """Run the parts named, or all."""
    unknown = set(names) - set(PARTS)
    if unknown:
        sys.stderr.write(f"no part {', '.join(unknown)}; there are: {', '.join(PARTS)}\n")
        return 2
    console = Console()
    found = []
    for name in names or list(PARTS):
        found += list(track(PARTS[name](), description=name, console=console))
    table = Table(title=f"{machine()}; 2 KB messages, medians of five runs")
    for column in ("protection", "messages in a parcel", "what", "µs a message", "least", "most"):
        table.add_column(column, justify="left" if column in {"protection", "what"} else "right")
    for row in found:
        table.add_row(
            *(str(row[k]) for k in ("protection", "messages", "what", "us_per_msg", "least", "most"))
        )
    console.print(table)
    result = {"machine": machine(), "rows": found}
    Path(__file__).with_name("results.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
