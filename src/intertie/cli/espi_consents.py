"""`intertie espi consents`: who may have whose readings."""

from __future__ import annotations

from intertie.cli._espi_consent import consent_json
from intertie.cli._shared import HERE, Dir, Json, print_json, print_table, when
from intertie.run import opened
from intertie.run.espi_grants import grants_of


def consents(client_id: str = "", /, *, dir: Dir = HERE, json: Json = False) -> None:
    """List consents: which application may have the readings of which meters, and until when.

    Parameters
    ----------
    client_id
        Of one application; of all if not said.
    """
    with opened(dir) as it:
        book = grants_of(it).book
        whose = [one for one in book.applications() if client_id in ("", one.id)]
        found = [each for one in whose for each in book.consents(one.id)]
        names = {one.id: one.name for one in whose}
    if json:
        print_json({"consents": list(map(consent_json, found))})
        return
    print_table(
        "Consents",
        ("consent", "client id", "application", "customer", "meters", "scope", "until", "revoked"),
        (
            (
                one.id,
                one.application,
                names[one.application],
                one.customer,
                len(one.meters),
                one.scope,
                when(one.until),
                when(one.revoked),
            )
            for one in found
        ),
        empty="No consents.",
    )
