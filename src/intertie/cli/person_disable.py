"""`intertie person disable`: somebody comes in no more."""

from __future__ import annotations

from intertie.cli._onboarding import operator
from intertie.cli._people import people_of
from intertie.cli._shared import HERE, Dir, Json, print_json
from intertie.gateway.office.people import disable


def disable_person(name: str, /, *, dir: Dir = HERE, json: Json = False) -> None:
    """Let a person in no more, from the next request on: their sessions end.

    Example: intertie person disable ann

    Parameters
    ----------
    name
        The person.
    """
    with people_of(dir) as (it, book):
        disable(it.gateway, book, name, it.clock(), operator())
    print_json({"name": name, "disabled": True}) if json else print(f"{name} comes in no more.")
