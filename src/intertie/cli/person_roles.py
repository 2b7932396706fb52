"""`intertie person roles`: what a person does is another thing from now on."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from intertie.cli._onboarding import operator
from intertie.cli._people import people_of
from intertie.cli._shared import HERE, Dir, Json, print_json
from intertie.gateway.office.api_keys import OfficeRole
from intertie.gateway.office.people import set_roles


def roles(
    name: str,
    /,
    *,
    role: Annotated[
        tuple[OfficeRole, ...], Parameter(negative=(), help="All that they do; may be given again.")
    ],
    dir: Dir = HERE,
    json: Json = False,
) -> None:
    """Give a person other roles, at once.

    Example: intertie person roles ann --role auditor

    Parameters
    ----------
    name
        The person.
    """
    with people_of(dir) as (it, book):
        done = set_roles(it.gateway, book, name, role, it.clock(), operator())
    if json:
        print_json({"name": name, "roles": list(done.roles)})
    else:
        print(f"{name} is {', '.join(done.roles)} now.")
