"""`intertie relay status`: the routes, and what of others waits here for whom."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from intertie.cli._shared import HERE, Dir, Json, print_json, print_table, when
from intertie.exchange.relaying import Back, Passage
from intertie.gateway.configuration.relay_settings import Route
from intertie.gateway.relaying.relay_ports import Relayed
from intertie.run import opened


def status(
    *,
    all: Annotated[bool, Parameter(negative=(), help="Also what is done.")] = False,
    limit: Annotated[
        int, Parameter(validator=Number(gte=1, lte=10_000), help="How many parcels, the newest first.")
    ] = 100,
    dir: Dir = HERE,
    json: Json = False,
) -> None:
    """Show the routes of this relay, and the parcels of others that wait here: for whom, since when, why.

    Example: intertie relay status --all
    """
    with opened(dir) as it:
        rules = it.settings.relay
        rows = it.gateway.store.relayed_rows(waiting=not all, limit=limit)
    if json:
        print_json(
            {"routes": [_route_json(route) for route in rules.routes], "parcels": [_json(r) for r in rows]}
        )
        return
    print_table(
        "Routes",
        ["from", "to", "handed in by", "goes to"],
        [
            [", ".join(r.senders), ", ".join(r.recipients), r.by or "its sender", r.next or "its recipient"]
            for r in rules.routes
        ],
        empty="This gateway relays for nobody: [relay] of intertie.toml has no routes.",
    )
    print_table(
        "Parcels of others" if all else "Parcels of others that wait",
        ["parcel", "from", "to", "waits for", "since", "until", "attempts", "state", "last"],
        [
            [
                r.parcel,
                r.sender,
                r.recipient,
                waits_for(r),
                when(r.at),
                when(r.expires),
                r.attempts,
                state_of(r),
                r.detail,
            ]
            for r in rows
        ],
        empty="Nothing of others is here." if all else "Nothing of others waits here.",
    )


def waits_for(row: Relayed) -> str:
    """Whose turn it is."""
    if row.back is Back.OWED:
        return row.previous
    return row.next if row.passage in (Passage.TAKEN, Passage.PASSED) else ""


def state_of(row: Relayed) -> str:
    """For people: the way on, and the way back once there is something to tell."""
    back = {Back.NOTHING: "", Back.OWED: ", to be told", Back.GIVEN: ", told", Back.LOST: ", not told"}
    return row.passage.value + back[row.back]


def _route_json(route: Route) -> dict[str, object]:
    return {"from": route.senders, "to": route.recipients, "by": route.by or None, "next": route.next or None}


def _json(row: Relayed) -> dict[str, object]:
    return {
        "parcel": row.parcel,
        "from": row.sender,
        "to": row.recipient,
        "previous": row.previous,
        "next": row.next,
        "hop": row.hop,
        "bytes": row.size,
        "at": row.at,
        "expires": row.expires,
        "passage": row.passage.value,
        "back": row.back.value,
        "waits_for": waits_for(row) or None,
        "attempts": row.attempts,
        "next_attempt": row.next_attempt,
        "detail": row.detail,
    }
