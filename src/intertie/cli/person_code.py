"""`intertie person code`: a code by which a person comes in once."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from cyclopts import Parameter

from intertie.cli._onboarding import operator
from intertie.cli._people import people_of
from intertie.cli._shared import HERE, Dir, Json, print_json
from intertie.gateway.office.people import CODE_LIFE, make_code
from intertie.run import Opened


def code(
    name: str,
    /,
    *,
    hours: Annotated[float, Parameter(help="How long it works.")] = CODE_LIFE / timedelta(hours=1),
    dir: Dir = HERE,
    json: Json = False,
) -> None:
    """Print a sign-in code: for who begins, or has lost their telephone. It lets in once; an older one counts no more.

    Example: intertie person code ann

    Parameters
    ----------
    name
        The person.
    """
    with people_of(dir) as (it, book):
        made = make_code(it.gateway, book, name, timedelta(hours=hours), it.clock(), operator())
    if json:
        print_json({"name": name, "code": made})
    else:
        print_code(name, made, hours, it)


def print_code(name: str, made: str, hours: float, it: Opened) -> None:
    """The code, and where to use it."""
    print(made)
    where = it.settings.office.listen
    door = f"at the portal ({where})" if where else "at the portal, once [office] listen is set"
    print(f"It lets {name} in once within {hours:g} hours, {door}. It is not shown again.")
