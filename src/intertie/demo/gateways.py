"""A utility and two aggregators on one machine: their directories, made by the commands anyone would use, and their processes."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from intertie.gateway.configuration.settings import FILE, read_settings
from intertie.model.errors import IntertieError
from intertie.model.ids import AgreementId, PartyId
from intertie.model.party import Role

# The agreement of the year before: over at the utility, and still in the aggregator's file.
OLD_AGREEMENT = "base-2025"
CERTIFICATES_FROM = datetime(2025, 12, 1, tzinfo=UTC)
SEASON_OPENS = datetime(2026, 1, 2, 8, tzinfo=UTC)
COMMAND = (sys.executable, "-c", "from intertie.cli import main; main()")
# Making keys and certificates takes about a second; a laden machine may need many.
COMMAND_SECONDS = 120.0
START_SECONDS = 60.0
STOP_SECONDS = 20.0


class DemoError(IntertieError):
    """The season could not go on; `why` says where it stands."""


class Organisation(NamedTuple):
    """One of the three. An aggregator has the base contract that the utility proposes to it."""

    short: str
    party: PartyId
    name: str
    roles: tuple[Role, ...]
    agreement: AgreementId | None = None


UTILITY = Organisation(
    "utility",
    PartyId("utility.example"),
    "Example Distribution Utility",
    (Role.DISTRIBUTION_UTILITY, Role.SCADA_DMS, Role.BACK_OFFICE),
)
AGGREGATOR = Organisation(
    "aggregator",
    PartyId("aggregator.example"),
    "Example Aggregator",
    (Role.DER_AGGREGATOR,),
    AgreementId("base-2026-a"),
)
# Competes for the capacity of the winter, and loses.
RIVAL = Organisation(
    "rival", PartyId("rival.example"), "Example Rival", (Role.DER_AGGREGATOR,), AgreementId("base-2026-b")
)
AGGREGATORS = (AGGREGATOR, RIVAL)
ALL = (UTILITY, *AGGREGATORS)


class SeasonClock:
    """The time that all gateways read from a file, and that moves when the season says so."""

    # A gateway looks at the file at most every 20 ms; after this wait all know.
    SETTLE_SECONDS = 0.025

    def __init__(self, path: Path, start: datetime) -> None:
        self.path = path
        self.now = start
        self._write()

    def advance(self, to: datetime) -> None:
        """Set the clock; time never runs backwards."""
        if to > self.now:
            self.now = to
            self._write()
            time.sleep(self.SETTLE_SECONDS)

    def _write(self) -> None:
        fresh = self.path.with_suffix(".new")
        fresh.write_text(self.now.isoformat(), encoding="ascii")
        fresh.replace(self.path)


def make_directories(root: Path, zone: str, *, portals: bool = False, natively: bool = True) -> None:
    """Gateway directories, whose readings have their days in a zone, with their own authorities, the aggregators partners of the
    utility and it of them, and `trust-root.pem` with all roots. No agreement yet but an old one: contracts are made through the
    gateways. The clock file must be there. `portals`: the utility and the aggregator get an office door, too. Not `natively`:
    these two are no partners yet. Raises DemoError with what a command said."""
    years = max(3, datetime.now(UTC).year - CERTIFICATES_FROM.year + 2)
    ports = free_ports(len(ALL))
    run_commands(
        [
            [
                "init", who.party, "--name", who.name, *_options("--role", who.roles),
                "--url", f"https://127.0.0.1:{port}", "--not-before", CERTIFICATES_FROM.isoformat(),
                "--years", str(years), "--clock", "../clock.txt", "--dir", str(root / who.short),
            ]
            for who, port in zip(ALL, ports, strict=True)
        ]
    )  # fmt: skip
    for who in ALL:
        _set_zone(root / who.short / FILE, zone)
    if portals:
        for who, port in zip((UTILITY, AGGREGATOR), free_ports(2), strict=True):
            _set_office(root / who.short / FILE, port)
    roots = {who: root_of(root / who.short) for who in ALL}
    (root / "trust-root.pem").write_bytes(b"".join(path.read_bytes() for path in roots.values()))
    joining = AGGREGATORS if natively else (RIVAL,)
    run_commands([_partner(root, who, UTILITY, roots[UTILITY]) for who in joining])
    for who in joining:
        run_commands([_partner(root, UTILITY, who, roots[who])])


def _set_zone(settings: Path, zone: str) -> None:
    """As somebody does who edits the file that `init` wrote: what is settled is of local days."""
    lines = settings.read_text(encoding="utf-8").splitlines(keepends=True)
    changed = [f'zone = "{zone}"\n' if line.startswith("# zone = ") else line for line in lines]
    settings.write_text("".join(changed), encoding="utf-8")


def _set_office(settings: Path, port: int) -> None:
    """A door for people on this machine, without TLS: it goes nowhere else."""
    text = settings.read_text(encoding="utf-8")
    opened = text.replace("[office]\n", f'[office]\nlisten = "127.0.0.1:{port}"\n', 1)
    settings.write_text(opened, encoding="utf-8")


def root_of(directory: Path) -> Path:
    """The trust root that `init` made."""
    return next(iter(sorted((directory / "trust").glob("*.pem"))))


def _partner(root: Path, who: Organisation, partner: Organisation, trust: Path) -> list[str]:
    old = ["--agreement", OLD_AGREEMENT, "--from", "2025-12-31"] if who is AGGREGATOR else []
    return [
        "partner", "add", str(root / partner.short / "descriptor.json"), "--root", str(trust), *old,
        "--dir", str(root / who.short),
    ]  # fmt: skip


def _options(name: str, values: Sequence[str]) -> Iterator[str]:
    for value in values:
        yield from (name, str(value))


def run_commands(commands: Sequence[Sequence[str]]) -> None:
    """Run commands of this program side by side; DemoError with the first complaint."""
    running = [
        subprocess.Popen([*COMMAND, *command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        for command in commands
    ]
    said = [process.communicate(timeout=COMMAND_SECONDS)[0] for process in running]
    for command, process, output in zip(commands, running, said, strict=True):
        if process.returncode:
            text = output.decode(errors="replace").strip()
            raise DemoError(f"`intertie {' '.join(command[:2])}` failed: {text}")


def free_ports(count: int) -> list[int]:
    """Ports of this machine that nobody has now, each another one."""
    with contextlib.ExitStack() as stack:
        doors = [stack.enter_context(socket.socket()) for _ in range(count)]
        for door in doors:
            door.bind(("127.0.0.1", 0))
        return [door.getsockname()[1] for door in doors]


@contextlib.contextmanager
def serving(root: Path) -> Iterator[list[subprocess.Popen[bytes]]]:
    """All gateways as processes, until the block ends; their logs are in `serve.log` of each directory."""
    processes: list[subprocess.Popen[bytes]] = []
    try:
        for who in ALL:
            processes.append(_start(root / who.short))
        for who, process in zip(ALL, processes, strict=True):
            _await_door(root / who.short, process)
        yield processes
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _start(directory: Path) -> subprocess.Popen[bytes]:
    with (directory / "serve.log").open("ab") as log:
        return subprocess.Popen(
            [*COMMAND, "serve", "--dir", str(directory), "--log", "info"],
            stdout=log,
            stderr=log,
            env=os.environ | {"PYTHONUNBUFFERED": "1"},
        )


def _await_door(directory: Path, process: subprocess.Popen[bytes]) -> None:
    door = read_settings(directory).street.address()
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until:
        if process.poll() is not None:
            raise DemoError(f"`intertie serve` ended: {last_log(directory)}")
        with contextlib.suppress(OSError), socket.create_connection(door, 1.0):
            return
        time.sleep(0.05)
    raise DemoError(f"{directory} does not listen after {START_SECONDS:g} s: {last_log(directory)}")


def last_log(directory: Path) -> str:
    """The last lines of a gateway's log."""
    try:
        return "\n".join((directory / "serve.log").read_text(errors="replace").splitlines()[-5:])
    except OSError:
        return ""
