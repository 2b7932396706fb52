"""`intertie partner cancel`: take an invitation back, or drop a partner that is not live."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from intertie.cli._onboarding import operator
from intertie.cli._shared import HERE, Dir, Json, print_json
from intertie.exchange.joining import FINAL
from intertie.gateway.join_partner import Joining
from intertie.gateway.join_partner import cancel as take_back
from intertie.model.errors import SettingsError
from intertie.run import Opened, opened
from intertie.stores.joining_files import drop_partner


def cancel(
    which: Annotated[str, Parameter(help="The invitation's id, or the party that joined by it.")],
    /,
    *,
    dir: Dir = HERE,
    json: Json = False,
) -> None:
    """Cancel an invitation, a joining, or a partner that is not live yet: nothing of it is trusted any more."""
    with opened(dir) as it:
        joining = _find(it, which)
        now, by = it.clock(), operator()
        if joining.other is not None:
            entry = next((e for e in it.partners.entries() if e.standing.joining == joining.id), None)
            if entry is not None and entry.partner.trial is not None:
                drop_partner(it.places, entry.partner.party)
        ended = take_back(it.gateway, it.joinings, joining.id, now, by)
    if json:
        print_json({"invitation": ended.id, "state": ended.state.value})
    else:
        print(f"Cancelled {ended.id}{f' of {ended.other.party}' if ended.other else ''}.")


def _find(it: Opened, which: str) -> Joining:
    for joining in reversed(it.joinings.all()):
        named = which in (joining.id, joining.other.party if joining.other else None)
        if named and joining.state not in FINAL:
            return joining
    raise SettingsError(
        f"there is no invitation or joining {which} here that is not over",
        do="`intertie partner list` shows them.",
    )
