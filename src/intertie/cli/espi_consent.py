"""`intertie espi consent`: a customer who waits consents."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from cyclopts import Parameter

from intertie.cli._espi_consent import DAYS, life, print_consent
from intertie.cli._shared import HERE, Dir, Json
from intertie.run import opened
from intertie.run.espi_grants import grants_of


def consent(
    number: str,
    /,
    *,
    customer: Annotated[str, Parameter(help="Your reference to the customer; no name.")],
    meter: Annotated[Sequence[str], Parameter(help="A meter of the customer; several times for several.")],
    scope: Annotated[str, Parameter(help="Less than was asked for.")] = "",
    days: Annotated[float, Parameter(help="How long the consent counts.")] = DAYS,
    dir: Dir = HERE,
    json: Json = False,
) -> None:
    """Consent on behalf of a customer who waits: its browser goes back to the third party, which gets its tokens.

    Make sure that it is this customer: whoever waits under the number gets the readings of these meters sent to the application.

    Parameters
    ----------
    number
        As the customer's page shows it, and `intertie espi asking` lists it.
    """
    with opened(dir) as it:
        now = it.clock()
        one = grants_of(it).decide(number, customer, meter, now + life(days), scope or None, now)
    print_consent(one, json)
