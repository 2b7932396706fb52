"""One season for all who look at what it left."""

from __future__ import annotations

import json
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
def playing(kept: Path) -> Iterator[subprocess.Popen[bytes]]:
    """`intertie demo --json --serve`: its output is in the files `out` and `err` beside the directories."""
    command = [*PROGRAM, "demo", "--json", "--serve", "--keep", str(kept)]
    with (kept.parent / "out").open("wb") as out, (kept.parent / "err").open("wb") as err:
        demo = subprocess.Popen(command, stdout=out, stderr=err)
    yield demo
    demo.terminate()
    demo.wait(60)


@pytest.fixture(scope="session")
def summary(kept: Path, playing: subprocess.Popen[bytes]) -> Any:
    """The season's summary; every test looks at what it left, and changes nothing of it. The gateways go on serving."""
    until = time.monotonic() + SEASON_SECONDS
    while "Ctrl-C ends them" not in (kept.parent / "err").read_text():
        assert playing.poll() is None and time.monotonic() < until, (kept.parent / "err").read_text()
        time.sleep(0.2)
    return json.loads((kept.parent / "out").read_bytes())
