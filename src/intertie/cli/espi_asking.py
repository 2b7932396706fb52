"""`intertie espi asking`: customers who wait for an answer."""

from __future__ import annotations

from intertie.cli._shared import HERE, Dir, Json, print_json, print_table, when
from intertie.gateway.espi.espi_grants import ASKING_LIFE
from intertie.run import opened
from intertie.run.espi_grants import grants_of


def asking(*, dir: Dir = HERE, json: Json = False) -> None:
    """List customers whom a third party sent here, and who wait. A customer names the number that the page shows."""
    with opened(dir) as it:
        book, now = grants_of(it).book, it.clock()
        waiting = [
            one
            for one in book.askings()
            if one.consent is None and not one.denied and now - one.asked <= ASKING_LIFE
        ]
        names = {one.id: one.name for one in book.applications()}
    if json:
        listed = [
            {
                "number": one.id,
                "application": names.get(one.application, one.application),
                "scope": one.scope,
                "asked": one.asked,
            }
            for one in waiting
        ]
        print_json({"asking": listed})
        return
    print_table(
        "Customers who wait",
        ("number", "application", "scope", "since"),
        ((one.id, names.get(one.application, ""), one.scope, when(one.asked)) for one in waiting),
        empty="Nobody waits.",
    )
