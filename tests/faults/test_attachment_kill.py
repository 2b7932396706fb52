"""A large file while either gateway is killed (-9) in the middle: it arrives whole, goes on where it was, in bounded memory.

`INTERTIE_SOAK=1` sends 600 MB instead of 60, and kills each of the two twenty times instead of once.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import pytest
from tests.command.gateways import AGGREGATOR, UTILITY, command, make_pair, outage, served

SOAK = os.environ.get("INTERTIE_SOAK") == "1"
SIZE = (600 if SOAK else 60) * 2**20
KILLS = 20 if SOAK else 1  # of each
# What issue and documentation promise for a file of 600 MB, on each side; a tenth of the file must stay far below too.
PEAK_BYTES = 150 * 10**6
OUTAGE = ("--to", AGGREGATOR, "--document", "outage_notice", "--mode", "scheduled")
# Slow enough to be caught in the middle.
QUOTA = {
    "# bytes_per_second = 33554432.0": f"bytes_per_second = {SIZE / 4}",
    "# bytes_burst = 536870912.0": "bytes_burst = 8388608.0",
    "# retry_first_seconds = 1.0": "retry_first_seconds = 0.1",
    "# retry_ceiling_seconds = 300.0": "retry_ceiling_seconds = 0.5",
}


MEASURED = """import sys
from intertie.cli import run
code = run(sys.argv[1:])
sys.stderr.write(open("/proc/self/status").read())
sys.exit(code)"""


class Ran(NamedTuple):
    """What a command printed, and the most memory it had."""

    out: str
    peak: int


def measured(*arguments: str | Path) -> Ran:
    """A command in a process of its own, which says at its end what it needed. Its parent could not: what the kernel counts
    for a child (`ru_maxrss`) begins with the parent's own memory."""
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, *map(str, arguments)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return Ran(done.stdout, _high_water(done.stderr))


def _high_water(status: str) -> int:
    """Bytes, from the text of /proc/PID/status."""
    (found,) = re.findall(r"^VmHWM:\s+(\d+) kB$", status, flags=re.M)
    return int(found) * 1024


def peak_of(process: subprocess.Popen[bytes]) -> int:
    """The most memory that a running process ever had."""
    return _high_water(Path(f"/proc/{process.pid}/status").read_text(encoding="ascii"))


def big_file(path: Path) -> str:
    """Bytes that do not repeat, made piece by piece; their SHA-256."""
    digest = hashlib.sha256()
    with path.open("wb") as out:
        for _ in range(SIZE // 2**20):
            piece = os.urandom(2**20)
            digest.update(piece)
            out.write(piece)
    return digest.hexdigest()


class Coming:
    """How much of the file is there, as it lies in the recipient's folder."""

    def __init__(self, directory: Path) -> None:
        self._folder = directory / "attachments" / "in" / UTILITY / "coming"
        self.seen = [0]

    def look(self) -> int:
        found = list(self._folder.glob("*")) if self._folder.exists() else []
        if found:
            try:
                self.seen.append(found[0].stat().st_size)
            except FileNotFoundError:  # it went to its message
                self.seen.append(SIZE)
        return self.seen[-1]

    def wait_for(self, size: int) -> None:
        end = time.monotonic() + 120
        while self.look() < size:
            assert time.monotonic() < end, self.seen[-10:]
            time.sleep(0.01)


def state_of(directory: Path, message: str) -> str:
    return str(command("message", "show", message, "--dir", directory, "--json").json["state"])


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc to see memory")
@pytest.mark.timeout(1800 if SOAK else 600)
def test_killed_on_both_sides_and_whole_at_the_end(tmp_path: Path) -> None:
    utility, aggregator = make_pair(tmp_path)
    for directory in (utility, aggregator):
        text = (directory / "intertie.toml").read_text(encoding="utf-8")
        for old, new in QUOTA.items():
            assert old in text
            text = text.replace(old, new)
        (directory / "intertie.toml").write_text(text, encoding="utf-8")
    digest, file = big_file(tmp_path / "readings.csv"), tmp_path / "readings.csv"
    sent = measured("send", outage(tmp_path / "o.json"), *OUTAGE, "--attach", file, "--dir", utility)
    message, coming = sent.out.strip(), Coming(aggregator)
    assert sent.peak < PEAK_BYTES
    file.unlink()  # what is sent was sealed then; the file may go

    with ExitStack() as all_of_them:
        running = {place: all_of_them.enter_context(served(place)) for place in (utility, aggregator)}
        peaks = []
        for count in range(2 * KILLS):
            coming.wait_for(SIZE * (count + 1) // (2 * KILLS + 2))
            victim = (aggregator, utility)[count % 2]
            peaks.append(peak_of(running[victim]))
            running[victim].kill()
            running[victim].wait(30)
            assert 0 < coming.look() < SIZE
            running[victim] = all_of_them.enter_context(served(victim))
        coming.wait_for(SIZE)
        for _ in range(200):
            if state_of(utility, message) == "accepted":
                break
        peaks += map(peak_of, running.values())
    assert coming.seen == sorted(coming.seen)  # it never began anew
    assert state_of(utility, message) == "accepted"
    assert max(peaks) < PEAK_BYTES, peaks
    pieces = [
        json.loads(line)["bytes"]
        for line in (aggregator / "serve.log").read_text(encoding="utf-8").splitlines()
        if '"file piece in"' in line
    ]
    assert sum(pieces) <= SIZE + 2**20  # no byte was taken twice

    out = tmp_path / "out.csv"
    got = measured("message", "attachment", message, "readings.csv", "--out", out, "--dir", aggregator)
    assert got.peak < PEAK_BYTES and out.stat().st_size == SIZE
    with out.open("rb") as opened:
        assert hashlib.file_digest(opened, "sha256").hexdigest() == digest
    print(f"peaks in MB: {[round(p / 1e6, 1) for p in (sent.peak, *peaks, got.peak)]}")
