"""`intertie person add`: somebody may come in at the portal."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from cyclopts import Parameter

from intertie.cli._onboarding import operator
from intertie.cli._people import people_of
from intertie.cli._shared import HERE, Dir, Json, print_json
from intertie.cli.person_code import print_code
from intertie.gateway.office.api_keys import OfficeRole
from intertie.gateway.office.people import CODE_LIFE, add_person, make_code

HOURS = CODE_LIFE / timedelta(hours=1)


def add(
    name: str,
    /,
    *,
    role: Annotated[
        tuple[OfficeRole, ...],
        Parameter(
            negative=(), help="What they do; may be given again. docs/portal.md says what each role may."
        ),
    ],
    hours: Annotated[float, Parameter(help="How long the sign-in code works.")] = HOURS,
    dir: Dir = HERE,
    json: Json = False,
) -> None:
    """Add a person, and print the sign-in code by which they come in the first time.

    Example: intertie person add ann --role operator --role trader

    Parameters
    ----------
    name
        A short name in small letters: the journal says it with each act.
    """
    with people_of(dir) as (it, book):
        now, by = it.clock(), operator()
        add_person(it.gateway, book, name, role, now, by)
        made = make_code(it.gateway, book, name, timedelta(hours=hours), now, by)
    if json:
        print_json({"name": name, "roles": list(role), "code": made})
    else:
        print_code(name, made, hours, it)
