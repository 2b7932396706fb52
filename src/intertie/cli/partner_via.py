"""`intertie partner via`: the relay between us and a partner."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from intertie.cli._onboarding import operator
from intertie.cli._shared import HERE, Dir, Json, PartyOption, print_json
from intertie.model.errors import SettingsError
from intertie.run import opened
from intertie.run.onboarding import set_via


def via(
    party: PartyOption,
    relay: PartyOption | None = None,
    /,
    *,
    direct: Annotated[bool, Parameter(negative=(), help="Nobody stands between any more.")] = False,
    dir: Dir = HERE,
    json: Json = False,
) -> None:
    """Let parcels to a partner go by a relay, and take the partner's parcels from it. Both are partners; the relay has a door.

    Example: intertie partner via home.example hub.example

    Parameters
    ----------
    party
        The partner.
    relay
        The partner that relays.
    """
    if (relay is None) is not direct:
        raise SettingsError("nothing is changed", do="Name the relay, or say --direct.")
    with opened(dir) as it:
        set_via(it, party, relay, it.clock(), operator())
    if json:
        print_json({"party": party, "via": relay})
    elif relay is None:
        print(f"Parcels to {party} go to its own door.")
    else:
        print(
            f"Parcels to {party} go by {relay}, and its parcels may come by it. They stay sealed on the way."
        )
