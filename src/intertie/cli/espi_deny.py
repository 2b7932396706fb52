"""`intertie espi deny`: a customer who waits does not consent."""

from __future__ import annotations

from intertie.cli._shared import HERE, Dir, Json, print_json
from intertie.run import opened
from intertie.run.espi_grants import grants_of


def deny(number: str, /, *, dir: Dir = HERE, json: Json = False) -> None:
    """Deny on behalf of a customer who waits: its browser goes back, and the third party hears that it was denied.

    Parameters
    ----------
    number
        As the customer's page shows it, and `intertie espi asking` lists it.
    """
    with opened(dir) as it:
        one = grants_of(it).deny(number, it.clock())
    if json:
        print_json({"number": one.id, "denied": True})
    else:
        print(f"{one.id}: denied.")
