"""`python -m bench [--quick | --full] [--json FILE] [PART ...]`: measure the parts named, or all, and show them side by side."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from bench import (
    at_rest,
    espi,
    exchange,
    flood,
    handshakes,
    outage,
    portal,
    portal_plot,
    portal_street,
    readings,
    receipts,
    sealing,
    settlement,
    x12,
)
from bench.machine import machine
from bench.measure import QUICK, Row, Scale, measure
from bench.report import as_json, show
from bench.world import MESSAGE_BYTES

# Where there is no terminal that says how wide it is.
PRINTED_WIDTH = 120

# Gateways at work; the others time one act against the primitives.
EXCHANGE, FLOOD, OUTAGE, READINGS, SETTLEMENT = "exchange", "flood", "outage", "readings", "settlement"
PORTAL = "portal"
# Halves of it, to be run alone.
PORTAL_STREET, PORTAL_PLOT = "portal_street", "portal_plot"
AT_WORK = (EXCHANGE, FLOOD, OUTAGE, PORTAL, READINGS, SETTLEMENT)
PARTS: Mapping[str, ModuleType] = {
    "sealing": sealing,
    "receipts": receipts,
    "handshakes": handshakes,
    "at_rest": at_rest,
    "x12": x12,
    "espi": espi,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """0. Figures depend on the machine: nothing here says whether they are good."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="only see that it runs; the figures mean nothing"
    )
    parser.add_argument(
        "--full",
        action="store_true",
        help=f"backlogs of {exchange.FULL_BACKLOG:,} messages, as in the acceptance",
    )
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="write every figure, with its spread, to a file"
    )
    parser.add_argument(
        "part", nargs="*", choices=[[], *PARTS, *AT_WORK, PORTAL_STREET, PORTAL_PLOT], help="these only"
    )
    given = parser.parse_args(arguments)
    scale = QUICK if given.quick else Scale()
    console = Console(width=None if sys.stdout.isatty() else PRINTED_WIDTH)
    before = machine()
    console.print(f"{before}; load {before.load:g} at the start", highlight=False)
    console.print(
        f"µs a message of {MESSAGE_BYTES} bytes, and how many times the bare primitives that is; "
        f"medians of {scale.runs} runs in which both took turns\n",
        highlight=False,
    )
    rows: list[Row] = []
    for name in given.part or (*PARTS, *AT_WORK):
        if name not in PARTS:
            at_work(name, console, quick=given.quick, full=given.full or not given.part)
            continue
        found = run(name, scale, console)
        show(console, name.replace("_", " "), found)
        rows += found
        if name == "x12" and not given.quick:  # figures that mean nothing are not kept
            x12.keep(found)
    if given.json:
        given.json.write_bytes(as_json(before, scale, rows))
    return 0


def at_work(name: str, console: Console, *, quick: bool, full: bool) -> None:
    """Gateways in processes of their own. `full`: as many messages as the acceptance names."""
    if name == EXCHANGE:
        if quick:  # figures that mean nothing are not kept
            exchange.run(console, exchange.QUICK, None)
        else:
            exchange.run(console, exchange.FULL if full else exchange.Scale())
    elif name == SETTLEMENT:
        settlement.run(console, quick=quick)
    elif name == FLOOD:
        flood.run(console, quick=quick)
    elif name in (PORTAL, PORTAL_STREET, PORTAL_PLOT):
        portal_at_work(name, console, quick=quick)
    elif name == READINGS:
        if quick:
            readings.run(console, readings.QUICK, None)
        else:
            readings.run(console, readings.Scale())
    else:
        outage.run(console, scale=outage.QUICK if quick else outage.FULL)


def portal_at_work(name: str, console: Console, *, quick: bool) -> None:
    """The portal, or a half of it."""
    keep = None if quick else portal.RESULTS
    if name == PORTAL_STREET:
        portal.run_street(console, portal_street.QUICK if quick else portal_street.Scale(), keep)
    elif name == PORTAL_PLOT:
        portal.run_plot(console, portal_plot.QUICK_LOADS if quick else portal_plot.LOADS, keep)
    else:
        portal.run(console, portal.QUICK if quick else portal.Scale(), keep)


def run(name: str, scale: Scale, console: Console) -> list[Row]:
    """One part, with a bar while it runs."""
    jobs = PARTS[name].plan(scale)
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        transient=True,
    )
    rows = []
    with bar:
        task = bar.add_task(name, total=len(jobs))
        for job in jobs:
            with job() as case:
                bar.update(
                    task, description=f"{name}: {case.subject}, {case.messages}, {case.act}"[:60].ljust(60)
                )
                rows.append(measure(name, case, scale))
            bar.advance(task)
    return rows


if __name__ == "__main__":
    raise SystemExit(main())
