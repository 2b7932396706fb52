"""`intertie inbox`: what partners sent and this gateway accepted."""

from __future__ import annotations

import sys
import time
from typing import Annotated

import msgspec
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
from intertie.gateway.ports import MessageRow, Query, Store
from intertie.model.ids import DocumentName
from intertie.run import opened

# How long `--follow` sleeps between looks: a person does not see the difference.
FOLLOW_SECONDS = 0.1


def inbox(
    *,
    after: Annotated[int, Parameter(help="Only messages after this seq.")] = 0,
    limit: Annotated[int, Parameter(help="At most this many.")] = 100,
    sender: Annotated[PartyOption | None, Parameter(name="--from", help="Only from this partner.")] = None,
    document: Annotated[DocumentName | None, Parameter(help="Only this document.")] = None,
    follow: Annotated[
        bool, Parameter(negative=(), help="Keep printing new ones, a JSON object a line.")
    ] = False,
    dir: Dir = HERE,
    json: Json = False,
) -> None:
    """List accepted messages, oldest first. Remember the last seq, and ask for what comes `--after` it."""
    query = Query(outgoing=False, after=after, limit=limit, partner=sender, document=document, bodies=False)
    with opened(dir) as it:
        store = it.gateway.store
        rows = store.messages(query)
        if follow:
            _follow(store, query, rows)
        elif json:
            print_json({"messages": [message_json(row) for row in rows]})
        else:
            print_table(
                f"Inbox of {it.settings.party.id}",
                ["seq", "received", "from", "interface", "document", "mode", "id", "body"],
                [
                    [r.seq, when(r.at), r.sender, r.interface, r.document, r.mode, r.id, body_state(r)]
                    for r in rows
                ],
                empty=f"No messages{f' after {after}' if after else ''}.",
            )


def _follow(store: Store, query: Query, rows: list[MessageRow]) -> None:
    while True:
        for row in rows:
            sys.stdout.write(msgspec.json.encode(message_json(row)).decode() + "\n")
        sys.stdout.flush()
        query = query._replace(after=rows[-1].seq if rows else query.after)
        seen = store.changed()
        rows = store.messages(query)
        while not rows and store.changed() == seen:
            time.sleep(FOLLOW_SECONDS)
