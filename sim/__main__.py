"""`python -m sim [--seeds N] [--first M]`: many runs; `--seed N [--steps M] [--trace]`: one run again, to look at it."""

from __future__ import annotations

import argparse
import sys
import time

from rich.console import Console
from rich.table import Table

from sim.disk import WRITES, Strike
from sim.seeds import Total, Verdict, run_seed, run_seeds


def main() -> int:
    """0 if no rule was broken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=1000, help="how many runs")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--seed", type=int, default=None, help="this run only")
    parser.add_argument("--steps", type=int, default=0, help="stop it after so many steps")
    parser.add_argument("--trace", action="store_true", help="print what happened")
    parser.add_argument("--real-keys", action="store_true", help="sign and seal for good")
    given = parser.parse_args()
    if given.seed is not None:
        verdict = run_seed(given.seed, given.steps, real_keys=given.real_keys)
        _print_run(verdict, trace=given.trace or bool(verdict.broken))
        return int(bool(verdict.broken))
    began = time.process_time()
    total = run_seeds(range(given.first, given.first + given.seeds))
    _print_total(total, time.process_time() - began)
    for verdict in total.bad[:1]:
        _print_run(verdict, trace=True)
    return int(bool(total.bad))


def _print_run(verdict: Verdict, *, trace: bool) -> None:
    result = verdict.result
    out = sys.stdout.write
    out(f"seed {result.seed}: {result.rates}\n")
    if trace:
        out("\n".join(result.trace) + "\n")
    out(f"{result.steps} steps, trace {result.digest[:16]}\n")
    for line in verdict.broken:
        out(f"BROKEN: {line}\n")


def _print_total(total: Total, seconds: float) -> None:
    console = Console(width=None if sys.stdout.isatty() else 120)
    table = Table("write", *Strike, title="Writes that were struck", title_justify="left")
    for name in sorted(WRITES):
        table.add_row(name, *(str(total.struck[name, strike]) for strike in Strike))
    console.print(table)
    ends = ", ".join(f"{count} {state}" for state, count in sorted(total.states.items()))
    console.print(f"messages: {ends}")
    rate = total.steps / seconds if seconds else 0.0
    console.print(
        f"{total.seeds} seeds, {total.steps} steps in {seconds:.1f} s of CPU ({rate:.0f} a second): "
        f"{len(total.bad)} broke a rule" + (f", the first is {total.bad[0].result.seed}" if total.bad else "")
    )


if __name__ == "__main__":
    sys.exit(main())
