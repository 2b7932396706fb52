"""`intertie outbox`: what this gateway sends, and what became of it."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from intertie.cli._shared import (
    HERE,
    Dir,
    Json,
    PartyOption,
    body_state,
    message_json,
    print_json,
    print_table,
    when,
)
from intertie.exchange.outbound import State
from intertie.gateway.ports import Query
from intertie.model.ids import DocumentName
from intertie.run import opened


def outbox(
    *,
    after: Annotated[int, Parameter(help="Only messages after this seq.")] = 0,
    limit: Annotated[int, Parameter(help="At most this many.")] = 100,
    to: Annotated[PartyOption | None, Parameter(help="Only to this partner.")] = None,
    document: Annotated[DocumentName | None, Parameter(help="Only this document.")] = None,
    state: Annotated[
        tuple[State, ...], Parameter(help="Only in this state (may be given again).", negative=())
    ] = (),
    dir: Dir = HERE,
    json: Json = False,
) -> None:
    """List messages on their way and done, oldest first, with their state: accepted means receipted by the partner."""
    query = Query(
        outgoing=True,
        after=after,
        limit=limit,
        partner=to,
        document=document,
        states=state or None,
        bodies=False,
    )
    with opened(dir) as it:
        rows = it.gateway.store.messages(query)
    if json:
        print_json({"messages": [message_json(row) for row in rows]})
        return
    print_table(
        f"Outbox of {it.settings.party.id}",
        ["seq", "queued", "to", "interface", "document", "state", "detail", "id", "body"],
        [
            [r.seq, when(r.at), r.recipient, r.interface, r.document, r.state, r.detail, r.id, body_state(r)]
            for r in rows
        ],
        empty="No messages.",
    )
