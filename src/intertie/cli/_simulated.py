"""A simulated partner's gateway: its directory, its process, and how it becomes our partner."""

from __future__ import annotations

import contextlib
import io
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from intertie.cli.init import init
from intertie.cli.partner_confirm import confirm
from intertie.exchange.joining import Terms
from intertie.gateway.configuration.settings import read_settings
from intertie.gateway.partners.join_partner import invite
from intertie.gateway.partners.prove_partner import read_proof, unproven
from intertie.gateway.simulating.simulate_script import Script, read_script
from intertie.model.errors import SettingsError
from intertie.model.ids import PartyId
from intertie.model.party import Role
from intertie.run import Opened
from intertie.run.onboarding import door_address, find_joining, go_live, is_joined

COMMAND = (sys.executable, "-c", "from intertie.cli import main; main()")
# Making keys and certificates takes about a second; a laden machine may need many.
START_SECONDS = 60.0
STOP_SECONDS = 20.0
# A rehearsal's code is typed at once, or the next day.
INVITED = timedelta(hours=24)


def make(ours: Opened, name: PartyId, role: Role, place: Path) -> None:
    """Its directory, with keys, an authority and settings of its own, and our clock; nothing to do if it is there."""
    if (place / "intertie.toml").exists():
        found = read_settings(place).party
        if found.id != name:
            raise SettingsError(f"{place} is of {found.id}", do="Name another directory with --at.")
        return
    clock = ours.settings.clock.file
    file = str((ours.directory / clock).absolute()) if clock else None
    door, joining = _free_port(), _free_port()
    with contextlib.redirect_stdout(io.StringIO()):
        init(name, role=(role,), url=f"https://127.0.0.1:{door}", clock=file, dir=place)
    settings = place / "intertie.toml"
    text = settings.read_text(encoding="utf-8")
    listen = f'[joining]\nlisten = "127.0.0.1:{joining}"\n'
    settings.write_text(re.sub(r"\[joining\]\n# listen = .*\n", listen, text), encoding="utf-8")


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def meet(ours: Path, theirs: Path, us: PartyId, them: PartyId) -> None:
    """Each a partner of the other, from the start, with no agreement: the contract is made over the gateways."""
    for place, other, party in ((ours, theirs, them), (theirs, ours, us)):
        if (place / "partners" / f"{party}.toml").exists():
            continue
        root = next(iter(sorted((other / "trust").glob("*.pem"))))
        _run("partner", "add", str(other / "descriptor.json"), "--root", str(root), "--dir", str(place))


def _run(*arguments: str) -> None:
    command = [*COMMAND, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=START_SECONDS, check=False)
    if done.returncode:
        raise SettingsError(
            f"`intertie {' '.join(arguments[:2])}` failed: {done.stderr.strip()}",
            do="Mend it, and start again.",
        )


def invite_us(it: Opened, us: PartyId) -> str:
    """Open the simulated partner's joining door for us; the code."""
    now = it.clock()
    terms = Terms(party=us)
    code, _ = invite(
        it.gateway, it.joinings, terms, door_address(it.settings), now, now + INVITED, "simulated"
    )
    return code


def admit(it: Opened, us: PartyId, by: str) -> None:
    """Who joined is taken for us without anybody comparing words, and is live once everything is proven: this is a rehearsal."""
    if any(is_joined(one) and one.other and one.other.party == us for one in it.joinings.all()):
        _, other = find_joining(it, us)
        with contextlib.redirect_stdout(io.StringIO()):
            confirm(us, words=other.words, dir=it.directory)
    partner = it.partners.find(us)
    if partner is not None and partner.trial is not None:
        lines = read_proof(it.gateway, partner, partner.trial)
        if lines and not unproven(lines):
            go_live(it, us, it.clock(), by)


@contextlib.contextmanager
def served(place: Path) -> Iterator[None]:
    """Its gateway as a process, until the block ends; its log is serve.log in its directory."""
    with (place / "serve.log").open("ab") as log:
        process = subprocess.Popen([*COMMAND, "serve", "--dir", str(place)], stdout=log, stderr=log)
    try:
        _await_door(place, process)
        yield
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _await_door(place: Path, process: subprocess.Popen[bytes]) -> None:
    door = read_settings(place).street.address()
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(door, 1.0):
            return
        time.sleep(0.05)
    last = (place / "serve.log").read_text(errors="replace").splitlines()[-3:]
    raise SettingsError(
        f"the simulated partner does not serve: {' '.join(last)}", do="Look into its serve.log."
    )


class ScriptFile:
    """The script, read again when it was saved."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen = -1
        self._script = Script()

    def read(self) -> Script:
        """What it says now; SettingsError, again and again until it is mended, if it cannot be read."""
        changed = self._path.stat().st_mtime_ns
        if changed != self._seen:
            self._script = read_script(self._path.read_text(encoding="utf-8"))
            self._seen = changed
        return self._script
