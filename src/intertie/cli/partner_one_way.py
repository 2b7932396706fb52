"""`intertie partner one-way`: nothing comes back from a partner."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from intertie.cli._onboarding import operator
from intertie.cli._shared import HERE, Dir, Json, PartyOption, print_json
from intertie.run import opened
from intertie.run.onboarding import set_one_way


def one_way(
    party: PartyOption,
    /,
    *,
    undo: Annotated[bool, Parameter(negative=(), help="Receipts come back again.")] = False,
    dir: Dir = HERE,
    json: Json = False,
) -> None:
    """Say that nothing comes back from a partner: behind a data diode, say. Only flows that the catalogue calls one-way go to it.

    Example: intertie partner one-way iso.example

    Parameters
    ----------
    party
        The partner.
    """
    with opened(dir) as it:
        set_one_way(it, party, not undo, it.clock(), operator())
    if json:
        print_json({"party": party, "one_way": not undo})
    elif undo:
        print(f"Receipts of {party} are waited for.")
    else:
        print(f"Nothing comes back from {party}: only one-way flows go to it, and are done once they left.")
