"""`intertie espi end`: an application gets nothing any more."""

from __future__ import annotations

from intertie.cli._shared import HERE, Dir, Json, print_json
from intertie.run import opened
from intertie.run.espi_grants import grants_of


def end(client_id: str, /, *, dir: Dir = HERE, json: Json = False) -> None:
    """End an application: its tokens, and those under its consents, open nothing from now on.

    Parameters
    ----------
    client_id
        As `intertie espi applications` lists it.
    """
    with opened(dir) as it:
        one = grants_of(it).revoke_application(client_id, it.clock())
    if json:
        print_json({"client_id": one.id, "revoked": one.revoked})
    else:
        print(f"{one.name} gets nothing any more.")
