"""`intertie partner live`: business may begin, because every agreed flow is proven."""

from __future__ import annotations

from intertie.cli._onboarding import operator
from intertie.cli._shared import HERE, Dir, Json, PartyOption, print_json
from intertie.run import opened
from intertie.run.onboarding import go_live


def live(party: PartyOption, /, *, dir: Dir = HERE, json: Json = False) -> None:
    """Go live with a partner whose every agreed flow is proven, in both directions. Each side does it.

    Parameters
    ----------
    party
        The partner; its state is `proving`.
    """
    with opened(dir) as it:
        go_live(it, party, it.clock(), operator())
    if json:
        print_json({"party": party, "state": "live"})
    else:
        print(f"{party} is live: business may begin, and its test conversation is over.")
