"""`intertie person list`: who may come in at the portal."""

from __future__ import annotations

from intertie.cli._people import people_of
from intertie.cli._shared import HERE, Dir, Json, print_json, print_table, when
from intertie.gateway.office.people import Person, Session

COLUMNS = ("name", "roles", "signs in by", "signed in", "disabled")


def list_people(*, dir: Dir = HERE, json: Json = False) -> None:
    """List the people of the portal: roles, what they sign in with, and in how many browsers they are signed in now.

    Example: intertie person list
    """
    with people_of(dir) as (it, book):
        now = it.clock()
        rows = [_line(one, [s for s in book.sessions(one.name) if s.valid(now)]) for one in book.people()]
    if json:
        print_json({"people": [dict(zip(COLUMNS, row, strict=True)) for row in rows]})
    else:
        print_table("People", COLUMNS, rows, empty="There is nobody: `intertie person add` adds somebody.")


def _line(one: Person, sessions: list[Session]) -> list[str]:
    ways = [f"{len(one.passkeys)} passkeys"] if one.passkeys else []
    if one.password is not None and one.totp is not None:
        ways.append("password and one-time code")
    by = ", ".join(ways) or "a sign-in code only"
    return [one.name, ", ".join(one.roles), by, str(len(sessions)), when(one.disabled)]
