"""`intertie partner cancel`: take an invitation back, or drop a partner that is not live."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from intertie.cli._onboarding import operator
from intertie.cli._shared import HERE, Dir, Json, print_json
from intertie.run import opened
from intertie.run.onboarding import cancel as take_back


def cancel(
    which: Annotated[str, Parameter(help="The invitation's id, or the party that joined by it.")],
    /,
    *,
    dir: Dir = HERE,
    json: Json = False,
) -> None:
    """Cancel an invitation, a joining, or a partner that is not live yet: nothing of it is trusted any more."""
    with opened(dir) as it:
        ended = take_back(it, which, it.clock(), operator())
    if json:
        print_json({"invitation": ended.id, "state": ended.state.value})
    else:
        print(f"Cancelled {ended.id}{f' of {ended.other.party}' if ended.other else ''}.")
