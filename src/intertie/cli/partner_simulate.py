"""`intertie partner simulate`: a partner that plays the other side by a script, so that one side can be developed alone."""

from __future__ import annotations

import signal
import sys
import time
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from intertie.cli._onboarding import operator, say
from intertie.cli._shared import HERE, Dir, PartyOption, read_file, write_file
from intertie.cli._simulated import ScriptFile, admit, invite_us, make, meet, served
from intertie.gateway.simulating.simulate import Memory, play
from intertie.gateway.simulating.simulate_script import DEFAULT, read_script
from intertie.model.errors import IntertieError, SettingsError
from intertie.model.ids import PartyId
from intertie.model.party import Role
from intertie.run import Opened, opened

# How often the simulated partner looks at what came: a person does not notice it.
LOOK_SECONDS = 0.2
SIDES = {
    Role.DER_AGGREGATOR: Role.DISTRIBUTION_UTILITY,
    Role.DISTRIBUTION_UTILITY: Role.DER_AGGREGATOR,
}


def simulate(
    name: PartyOption,
    /,
    *,
    role: Annotated[Role | None, Parameter(help="Default: the side that this gateway is not.")] = None,
    at: Annotated[
        Path | None, Parameter(help="Its directory (default: simulated/NAME in this gateway's).")
    ] = None,
    script: Annotated[Path | None, Parameter(help="What it says by itself (default: a useful one).")] = None,
    invite: Annotated[
        bool,
        Parameter(
            negative=(), help="It invites us, and prints the code; else both are partners from the start."
        ),
    ] = False,
    print_script: Annotated[
        bool, Parameter(negative=(), help="Print the default script, with every line explained, and end.")
    ] = False,
    dir: Dir = HERE,
) -> int:
    """Run a simulated partner until Ctrl-C: a whole gateway of its own on this machine, with keys, a store and a door, that
    answers by a script what this one says.

    It signs and proposes contracts; a utility decides on DERs, confirms a deal, publishes needs, orders and dispatches; an
    aggregator registers DERs, declares, offers, answers and measures. script.toml in its directory says how often it refuses,
    answers late, in part or not at all; it is read again when it is saved. What it does is said on stderr. This gateway is served
    by you: `intertie serve`.

    Example:

        intertie partner simulate utility.sim
        intertie partner simulate utility.sim --invite --script script.toml

    Parameters
    ----------
    name
        The id of the simulated party.
    """
    if print_script:
        sys.stdout.write(DEFAULT)
        return 0
    with opened(dir) as ours:
        place = at or ours.directory / "simulated" / name
        make(ours, name, role or _other_side(ours), place)
        _keep_script(script, place / "script.toml")
        us = ours.settings.party.id
    if not invite:
        meet(dir, place, us, name)
    # Ended by a signal, it must not leave a gateway behind.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with opened(place) as theirs, served(place):
        say(f"{name} serves at {theirs.settings.street.url}, in {place}; Ctrl-C ends it.")
        if invite and theirs.partners.find(us) is None:
            print(invite_us(theirs, us), flush=True)
        try:
            _play(theirs, us, ScriptFile(place / "script.toml"))
        except KeyboardInterrupt:
            say("Ends.")
    return 0


def _other_side(ours: Opened) -> Role:
    for role, other in SIDES.items():
        if role in ours.settings.party.roles:
            return other
    raise SettingsError("this gateway is neither of the two sides of the trade", do="Name --role.")


def _keep_script(given: Path | None, place: Path) -> None:
    """In its directory, to be changed there; one that is there stays, unless another is given."""
    text = read_file(given).decode("utf-8", "replace") if given is not None else DEFAULT
    read_script(text)
    if given is not None:
        place.unlink(missing_ok=True)
    if not place.exists():
        write_file(place, text.encode())


def _play(it: Opened, us: PartyId, script: ScriptFile) -> None:
    """Turn after turn; what goes wrong is said, and the next turn begins anew."""
    memory, trouble = Memory(), ""
    while True:
        try:
            admit(it, us, operator())
            partner = it.partners.find(us)
            if partner is not None and partner.trial is None:
                for line in play(it.gateway, it.sealed, us, memory, script.read(), it.clock()):
                    say(f"{it.clock():%H:%M:%S} {line}")
            trouble = ""
        except IntertieError as error:
            if str(error) != trouble:
                say(str(error))
            trouble = str(error)
        time.sleep(LOOK_SECONDS)
