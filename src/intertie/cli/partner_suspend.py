"""`intertie partner suspend`: nothing goes to a partner or comes from it, until it is said again."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from intertie.cli._onboarding import operator
from intertie.cli._shared import HERE, Dir, Json, PartyOption, print_json
from intertie.run import opened
from intertie.run.onboarding import suspend as suspend_partner


def suspend(
    party: PartyOption,
    /,
    *,
    undo: Annotated[bool, Parameter(negative=(), help="Let it go and come again.")] = False,
    dir: Dir = HERE,
    json: Json = False,
) -> None:
    """Suspend a partner: its parcels are refused and nothing is sent to it, within a second. What waits is kept until it expires.

    Example: intertie partner suspend aggregator.example

    Parameters
    ----------
    party
        The partner.
    """
    with opened(dir) as it:
        suspend_partner(it, party, not undo, it.clock(), operator())
    if json:
        print_json({"party": party, "suspended": not undo})
    else:
        print(f"{party} is {'no longer ' if undo else ''}suspended.")
