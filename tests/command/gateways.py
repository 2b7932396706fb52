"""Commands run as a person would run them, and gateways as processes of their own."""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, NamedTuple

from tests.ports import free_port

from intertie.cli import run

PROGRAM = [sys.executable, "-c", "from intertie.cli import main; main()"]
UTILITY, AGGREGATOR = "utility.example", "aggregator.example"
AGREEMENT = "BASE-1"


class Said(NamedTuple):
    """What a command left."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        assert self.code == 0, self.err
        return json.loads(self.out)


def command(*arguments: str | Path, cwd: Path | None = None) -> Said:
    """One command in this process: it does and says the same, and nobody waits for another interpreter."""
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2))
    with contextlib.chdir(cwd or Path.cwd()), redirect_stdout(out), redirect_stderr(err):
        code = run([str(argument) for argument in arguments])
    return Said(code, *(said.buffer.getvalue().decode() for said in (out, err)))  # type: ignore[attr-defined]


def apart(*arguments: str | Path, cwd: Path | None = None, stdin: bytes = b"", **env: str) -> Said:
    """One command in a process of its own."""
    done = subprocess.run(
        [*PROGRAM, *map(str, arguments)],
        cwd=cwd,
        input=stdin,
        capture_output=True,
        env=os.environ | env,
        timeout=120,
    )
    return Said(done.returncode, done.stdout.decode(), done.stderr.decode())


def here(capsys: Any, *arguments: str | Path) -> Said:
    """One command in this process: faster."""
    capsys.readouterr()
    code = run([str(argument) for argument in arguments])
    said = capsys.readouterr()
    return Said(code, said.out, said.err)


def make_pair(base: Path) -> tuple[Path, Path]:
    """Two gateways under one trial authority that know each other; neither is served."""
    utility, aggregator = base / "utility", base / "aggregator"
    for directory, party, role in (
        (utility, UTILITY, "distribution_utility"),
        (aggregator, AGGREGATOR, "der_aggregator"),
    ):
        url = f"https://127.0.0.1:{free_port()}"
        more = ["--ca", str(utility / "ca")] if directory is aggregator else []
        assert run(["init", party, "--role", role, "--url", url, "--dir", str(directory), *more]) == 0
    for directory, other in ((utility, aggregator), (aggregator, utility)):
        add = [
            "partner",
            "add",
            str(other / "descriptor.json"),
            "--agreement",
            AGREEMENT,
            "--dir",
            str(directory),
        ]
        assert run(add) == 0
    return utility, aggregator


@contextmanager
def served(directory: Path, ending: int = signal.SIGTERM) -> Iterator[subprocess.Popen[bytes]]:
    """A gateway that serves, once it says that it listens."""
    log = directory / "serve.log"
    begun = log.stat().st_size if log.exists() else 0
    with log.open("ab") as out:
        process = subprocess.Popen([*PROGRAM, "serve", "--dir", str(directory)], stderr=out)
    doorless = '\nlisten = ""' in (directory / "intertie.toml").read_text()
    try:
        wait_for_line(log, begun, '"serving without a door"' if doorless else '"listening"', process)
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(ending)
        process.wait(30)


def wait_for_line(log: Path, begun: int, text: str, process: subprocess.Popen[bytes]) -> None:
    for _ in range(1200):
        if text in log.read_bytes()[begun:].decode():
            return
        assert process.poll() is None, log.read_text(encoding="utf-8")
        try:
            process.wait(0.05)
        except subprocess.TimeoutExpired:
            continue
    raise AssertionError(f"no {text} in {log}")


def outage(path: Path, name: str = "OUT-1") -> Path:
    """A body to send."""
    body = {
        "outage": name,
        "kind": "planned",
        "points": ["F12-T9"],
        "starts": "2027-01-20T14:00:00Z",
        "estimated_restoration": "2027-01-20T18:00:00Z",
        "cause": "maintenance",
    }
    path.write_text(json.dumps(body), encoding="utf-8")
    return path
