"""`python -m fuzz [--seconds N] [TARGET ...]`: each target for its share of the time, one after the other."""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from fuzz.targets import TARGETS

# Bodies up to this are tried: what is longer says nothing new about a parser.
LENGTH_MAX = 64 * 1024
# libFuzzer's own: one input that takes longer is a finding too (a text that keeps a parser busy).
SECONDS_PER_INPUT = 10
MEGABYTES_MAX = 2048


def fuzz(name: str, seconds: int, keep: Path) -> tuple[int, str, float]:
    """Exit code, last line of libFuzzer, seconds taken."""
    corpus = keep / name
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(TARGETS[name].seeds()):
        (corpus / f"seed-{number}").write_bytes(seed[:LENGTH_MAX])
    options = [
        f"-max_total_time={seconds}",
        f"-max_len={LENGTH_MAX}",
        f"-timeout={SECONDS_PER_INPUT}",
        f"-rss_limit_mb={MEGABYTES_MAX}",
        f"-artifact_prefix={keep}/{name}-",
        "-print_final_stats=1",
    ]
    start = time.monotonic()
    command = [sys.executable, "-m", "fuzz.child", name, str(corpus), *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 300, check=False)
    lines = [line for line in done.stderr.splitlines() if "number_of_executed_units" in line]
    said = lines[-1].split(":")[-1].strip() if lines else "0"
    if done.returncode:
        sys.stderr.write(done.stderr[-4000:])
    return done.returncode, said, time.monotonic() - start


def main() -> int:
    """0 if nothing was found; the inputs that broke something are kept and named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=60, help="for all targets together")
    parser.add_argument("--keep", type=Path, default=None, help="a folder for corpus and findings")
    parser.add_argument("target", nargs="*", choices=[[], *TARGETS], help="these only")
    given = parser.parse_args()
    names = given.target or list(TARGETS)
    keep = given.keep or Path(tempfile.mkdtemp(prefix="intertie-fuzz-"))
    table = Table("target", "inputs tried", "seconds", "verdict", title="Fuzzing")
    found = False
    for name in names:
        code, units, took = fuzz(name, max(1, given.seconds // len(names)), keep)
        found |= bool(code)
        table.add_row(name, units, f"{took:.0f}", "FOUND, see above" if code else "nothing found")
    Console().print(table)
    if found:
        print(f"The inputs lie in {keep}; a finding becomes a case in vectors/ and a test.")
    return int(found)


if __name__ == "__main__":
    raise SystemExit(main())
