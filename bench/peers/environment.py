"""Each peer in an environment of its own, made at first use from pinned requirements; it stays below `.venv`."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
ENVIRONMENTS = ROOT / ".venv" / "peers"
MADE = "made-from.txt"
LOCK = "package-lock.json"  # of a peer from npm: its pins, with their hashes
# An installation that takes longer has no registry to install from.
INSTALL_SECONDS = 240.0
# One load takes seconds: a driver that says nothing for so long hangs.
PATIENCE_SECONDS = 60.0


class Unavailable(Exception):
    """A peer cannot be measured here; says why, in one line."""


class Peer(NamedTuple):
    """A package, its driver, and what it does to a message."""

    name: str
    driver: str
    protection: str
    flags: tuple[str, ...] = ()


PEERS = (
    Peer("pyas2lib", "pyas2lib_driver.py", "signed, encrypted, signed MDN"),
    Peer("as4", "as4_driver.py", "signed, encrypted, signed receipt"),
    Peer("shapeshifter-uftp", "shapeshifter_uftp_driver.py", "signed, signed answer"),
    Peer("shapeshifter-uftp", "shapeshifter_uftp_driver.py", "signed, no answer", ("--unsigned",)),
)


def installed(name: str) -> Path | None:
    """The interpreter of a peer's environment, if it is there and made from today's pins."""
    made = ENVIRONMENTS / name / MADE
    there = made.exists() and made.read_bytes() == (HERE / f"{name}.txt").read_bytes()
    return made.parent / "bin" / "python" if there else None


def python_of(name: str) -> Path:
    """The interpreter of a peer's environment, made now if it is not there or its pins have changed. Raises Unavailable."""
    if (there := installed(name)) is not None:
        return there
    pins, folder = HERE / f"{name}.txt", ENVIRONMENTS / name
    python, made = folder / "bin" / "python", folder / MADE
    shutil.rmtree(folder, ignore_errors=True)
    _run([sys.executable, "-m", "venv", str(folder)], name)
    install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes"]
    _run([str(python), *install, "-r", str(pins)], name)
    made.write_bytes(pins.read_bytes())
    return python


def node_packages(name: str) -> Path | None:
    """The folder of a peer from npm, with its `node_modules`, if it is there and made from today's pins."""
    made = ENVIRONMENTS / name / LOCK
    there = (
        made.exists()
        and made.read_bytes() == (HERE / name / LOCK).read_bytes()
        and shutil.which("node") is not None
    )
    return made.parent if there else None


def node_packages_of(name: str) -> Path:
    """The same, made now if it is not there or its pins have changed. Raises Unavailable; also without Node.js."""
    if (there := node_packages(name)) is not None:
        return there
    npm = shutil.which("npm")
    if npm is None:
        raise Unavailable(f"no environment for {name}: Node.js and npm are not here")
    folder, fresh = ENVIRONMENTS / name, ENVIRONMENTS / f"{name}.new"
    for old in (folder, fresh):
        shutil.rmtree(old, ignore_errors=True)
    shutil.copytree(HERE / name, fresh)
    # By the hashes of the lock, and nothing of a package is run.
    _run([npm, "ci", "--prefix", str(fresh), "--ignore-scripts", "--no-audit", "--no-fund"], name)
    fresh.rename(folder)
    return folder


def _run(command: Sequence[str], name: str) -> None:
    try:
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=INSTALL_SECONDS)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unavailable(f"no environment for {name}: {error}"[:300]) from error
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if "ERROR" in line] or done.stderr.splitlines()
        raise Unavailable(f"no environment for {name}: {' '.join(said[:1])}"[:300])


def rows_of(command: Sequence[str], name: str) -> Iterator[dict[str, Any]]:
    """What a driver prints, as it comes. Raises Unavailable when it fails or is silent for too long."""
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as driver:
        assert driver.stdout is not None and driver.stderr is not None
        while True:
            alarm = threading.Timer(PATIENCE_SECONDS, driver.kill)
            alarm.start()
            line = driver.stdout.readline()
            alarm.cancel()
            if not line:
                break
            yield json.loads(line)
        said = driver.stderr.read().strip().splitlines()
        if driver.wait():
            raise Unavailable(f"{name} failed: {said[-1] if said else 'it hung'}"[:300])
