"""`intertie espi register`: a third party's application, which may ask customers for their readings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from cyclopts import Parameter

from intertie.cli._shared import HERE, Dir, Json, print_json, print_pairs
from intertie.formats.espi.service import OAUTH
from intertie.run import opened
from intertie.run.espi_grants import grants_of


def register(
    name: str,
    /,
    *,
    redirect: Annotated[Sequence[str], Parameter(help="Where customers go back to; https://.")],
    scope: Annotated[
        str, Parameter(help="The most that it may ask for, as FB=4_5_15_39;IntervalDuration=900.")
    ],
    notify: Annotated[str, Parameter(help="Where it is told that there is something to fetch.")] = "",
    dir: Dir = HERE,
    json: Json = False,
) -> None:
    """Register an application of a third party and print its id and secret: the secret is shown this once.

    Example: intertie espi register "Sun App" --redirect https://app.example/back --scope "FB=4_5_15_39;IntervalDuration=900"

    Parameters
    ----------
    name
        What customers are shown.
    """
    with opened(dir) as it:
        made, secret = grants_of(it).add_application(name, redirect, notify or None, scope, it.clock())
        url = it.settings.espi.url
    said = {"client_id": made.id, "client_secret": secret}
    if json:
        print_json(said)
    else:
        print_pairs(
            [*said.items(), ("authorize", f"{url}{OAUTH}/authorize"), ("token", f"{url}{OAUTH}/token")]
        )
