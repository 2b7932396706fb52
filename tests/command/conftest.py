"""One season for all who look at what it left."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.command.gateways import PROGRAM

# On a laden machine.
SEASON_SECONDS = 600


@pytest.fixture(scope="session")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo") / "kept"


@pytest.fixture(scope="session")
def told(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the season of this run is told to other processes: `pid` once it is played, `summary` once it is over."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "season"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def playing(kept: Path, told: Path) -> Iterator[subprocess.Popen[bytes]]:
    """`intertie demo --json --serve`: its output is in the files `out` and `err` beside the directories."""
    command = [*PROGRAM, "demo", "--json", "--serve", "--keep", str(kept)]
    with (kept.parent / "out").open("wb") as out, (kept.parent / "err").open("wb") as err:
        demo = subprocess.Popen(command, stdout=out, stderr=err)
    put(told / "pid", str(demo.pid).encode())
    yield demo
    demo.terminate()
    demo.wait(60)


@pytest.fixture(scope="session")
def summary(kept: Path, playing: subprocess.Popen[bytes], told: Path) -> Any:
    """The season's summary; every test looks at what it left, and changes nothing of it. The gateways go on serving."""
    until = time.monotonic() + SEASON_SECONDS
    while "Ctrl-C ends them" not in (kept.parent / "err").read_text():
        assert playing.poll() is None and time.monotonic() < until, (kept.parent / "err").read_text()
        time.sleep(0.2)
    raw = (kept.parent / "out").read_bytes()
    put(told / "summary", raw)
    return json.loads(raw)


@pytest.fixture(scope="session")
def summary_file(told: Path, request: pytest.FixtureRequest) -> Path:
    """The summary as a file, for who needs nothing else of the season: of the one that test_demo.py plays in another process of
    this run, if it does, since a season takes more than a minute. That file comes first, and waits for no other."""
    file, pid = told / "summary", told / "pid"
    if "PYTEST_XDIST_WORKER" not in os.environ or not _plays_too(request.session):
        request.getfixturevalue("summary")
    until = time.monotonic() + SEASON_SECONDS
    while not file.exists():
        begun = not pid.exists() or Path("/proc", pid.read_text()).exists()
        assert begun and time.monotonic() < until, "no season came of it"
        time.sleep(0.2)
    return file


def _plays_too(session: pytest.Session) -> bool:
    return any(item.path.name == "test_demo.py" for item in session.items)


def put(path: Path, raw: bytes) -> None:
    """There at once and whole."""
    part = path.with_suffix(f".{os.getpid()}")
    part.write_bytes(raw)
    part.replace(path)
