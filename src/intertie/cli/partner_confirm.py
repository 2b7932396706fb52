"""`intertie partner confirm`: the words were the same on both sides, so this is the partner."""

from __future__ import annotations

import sys
from typing import Annotated

from cyclopts import Parameter

from intertie.cli._onboarding import operator, say, terms_text
from intertie.cli._shared import HERE, Dir, Json, PartyOption, print_json
from intertie.model.errors import SettingsError
from intertie.run import opened
from intertie.run.onboarding import confirm as confirm_partner
from intertie.run.onboarding import find_joining


def confirm(
    party: PartyOption,
    /,
    *,
    words: Annotated[
        str | None, Parameter(help="The words as the other side read them out (default: asked for).")
    ] = None,
    dir: Dir = HERE,
    json: Json = False,
) -> None:
    """Confirm that the other side sees the same words. Only now are its roots trusted, for itself alone; each side does it.

    Parameters
    ----------
    party
        The party that joined, or that invited.
    """
    with opened(dir) as it:
        joining, other = find_joining(it, party)
        if not json:
            say(f"{party}: {terms_text(joining.terms, other.covers)}")
        said = words if words is not None else _asked()
        standing = confirm_partner(it, party, said, it.clock(), operator())
    if json:
        print_json({"party": party, "state": standing.state, "words": standing.words})
        return
    print(f"{party} is confirmed here; nothing but its test conversation is taken yet.")
    print(f"When both sides have confirmed, one of them runs: intertie partner prove {party}")


def _asked() -> str:
    if not sys.stdin.isatty():
        raise SettingsError("which words did the other side read out?", do='Give them: --words "..."')
    sys.stderr.write("Type the words that the other side reads out: ")
    sys.stderr.flush()
    return sys.stdin.readline()
