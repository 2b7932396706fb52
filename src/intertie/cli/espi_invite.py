"""`intertie espi invite`: a code for a customer, who decides on readings by itself."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated

from cyclopts import Parameter

from intertie.cli._shared import HERE, Dir, Json, print_json, when
from intertie.gateway.espi.espi_customers import CODE_DAYS
from intertie.run import opened
from intertie.run.espi_grants import customers_of


def invite(
    *,
    customer: Annotated[str, Parameter(help="Your reference to the customer; no name.")],
    meter: Annotated[Sequence[str], Parameter(help="A meter of the customer; several times for several.")],
    days: Annotated[int, Parameter(help="How long the code counts, if it is not used.")] = CODE_DAYS,
    dir: Dir = HERE,
    json: Json = False,
) -> None:
    """Make a code that lets a customer in once: to answer a third party that asks for readings, and to end what was agreed to.

    Hand it out so that only this customer gets it, as in a letter to the account's address: whoever has it decides.
    """
    with opened(dir) as it:
        now = it.clock()
        life = timedelta(days=days)
        code = customers_of(it).invite(customer, meter, life, now)
        where = f"{it.settings.espi.url}/espi/1_1/oauth/customer"
    if json:
        print_json({"code": code, "until": now + life, "url": where})
        return
    print(f"Code: {code}")
    print(
        f"For {customer}, {len(meter)} meters, until {when(now + life)}, and one use. It is shown this once."
    )
    print(f"At {where}, or on the page to which a third party sends the customer.")
