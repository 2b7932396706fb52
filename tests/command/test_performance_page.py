"""The commands of docs/performance.md are run, but quickly, with their file elsewhere, and of `make bench` with all parts only
those that no other test runs: the others are in tests/unit/bench and test_bench_exchange.py."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

from bench.__main__ import PARTS
from bench.measure import PRIMITIVES

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "docs" / "performance.md").read_text(encoding="utf-8")
COMMANDS = [
    line for block in re.findall(r"^```sh\n(.*?)^```", PAGE, re.S | re.M) for line in block.splitlines()
]
# `make bench` names no part.
NOT_RUN_ELSEWHERE = ("flood", "outage", "settlement")


def run(command: str, figures: Path) -> subprocess.CompletedProcess[str]:
    """`make` with this interpreter and without setting up another one."""
    words = shlex.split(command.replace("figures.json", str(figures)))
    only = [word.removeprefix("ONLY=") for word in words if word.startswith("ONLY=")]
    given = [word for word in words if not word.startswith("ONLY=")]
    only = only or list(NOT_RUN_ELSEWHERE)
    given += ["-o", "setup", f"BIN={Path(sys.executable).parent}", f"ONLY=--quick {' '.join(only)}"]
    here = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    return subprocess.run(given, cwd=ROOT, env=here, capture_output=True, text=True, timeout=200)


def test_the_commands_of_the_page(tmp_path: Path) -> None:
    assert len(COMMANDS) == 2
    figures = tmp_path / "figures.json"
    for command in COMMANDS:
        done = run(command, figures)
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
        assert "cores" in done.stdout
        shown = "X25519MLKEM768, ML-DSA-65" if "ONLY" in command else "settlement"
        assert shown in done.stdout
    rows = json.loads(figures.read_bytes())["rows"]
    assert {row["part"] for row in rows} == {"handshakes"}
    assert all(row["against"][PRIMITIVES]["ratio"]["median"] > 0 for row in rows)


def test_the_page_names_every_part() -> None:
    assert all(f"`{part}`" in PAGE for part in PARTS)
