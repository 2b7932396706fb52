"""`intertie espi applications`: the third parties' applications."""

from __future__ import annotations

from intertie.cli._shared import HERE, Dir, Json, print_json, print_table, when
from intertie.run import opened
from intertie.run.espi_grants import grants_of


def applications(*, dir: Dir = HERE, json: Json = False) -> None:
    """List applications: who may ask customers for their readings, and for what."""
    with opened(dir) as it:
        book = grants_of(it).book
        now = it.clock()
        found = [
            (one, sum(each.counts(now) for each in book.consents(one.id))) for one in book.applications()
        ]
    if json:
        listed = [
            {
                "client_id": one.id,
                "name": one.name,
                "scope": one.scope,
                "notify": one.notify_uri,
                "made": one.made,
                "revoked": one.revoked,
                "consents": count,
            }
            for one, count in found
        ]
        print_json({"applications": listed})
        return
    print_table(
        "Applications",
        ("client id", "name", "scope", "since", "ended", "consents"),
        ((one.id, one.name, one.scope, when(one.made), when(one.revoked), count) for one, count in found),
        empty="No applications: `intertie espi register` adds one.",
    )
