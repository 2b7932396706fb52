"""`intertie espi give`: a customer consented on paper."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from cyclopts import Parameter

from intertie.cli._espi_consent import DAYS, life, print_consent
from intertie.cli._shared import HERE, Dir, Json
from intertie.run import opened
from intertie.run.espi_grants import grants_of


def give(
    client_id: str,
    /,
    *,
    customer: Annotated[str, Parameter(help="Your reference to the customer; no name.")],
    meter: Annotated[Sequence[str], Parameter(help="A meter of the customer; several times for several.")],
    scope: Annotated[str, Parameter(help="The application's own if not said.")] = "",
    days: Annotated[float, Parameter(help="How long the consent counts.")] = DAYS,
    dir: Dir = HERE,
    json: Json = False,
) -> None:
    """Note a consent that a customer gave elsewhere: the application gets it in its bulk (BR= of its scope).

    Parameters
    ----------
    client_id
        As `intertie espi applications` lists it.
    """
    with opened(dir) as it:
        now = it.clock()
        one = grants_of(it).give(client_id, customer, meter, now + life(days), scope or None, now)
    print_consent(one, json)
