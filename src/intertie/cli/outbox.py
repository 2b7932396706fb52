"""`intertie outbox`: what this gateway sends, and what became of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

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
from intertie.gateway.ports import Mark, MessageRow, Query
from intertie.gateway.sending.resend import why_dead
from intertie.model.errors import SettingsError
from intertie.model.ids import DocumentName, MessageId, PartyId
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
    dead: Annotated[
        bool, Parameter(negative=(), help="Only what came to nothing and was not sent again, and why.")
    ] = False,
    escalated: Annotated[
        bool, Parameter(negative=(), help="Only urgent messages that were not acknowledged in time.")
    ] = False,
    dir: Dir = HERE,
    json: Json = False,
) -> None:
    """List messages on their way and done, oldest first, with their state: accepted means receipted by the partner."""
    if (dead or escalated) and (document or state or dead is escalated):
        raise SettingsError("--dead and --escalated go with --to, --after and --limit only")
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
        store = it.gateway.store
        if dead:
            rows = store.dead_letters(after=after, limit=limit, partner=to)
        elif escalated:
            rows = store.escalated(after=after, limit=limit, partner=to)
        else:
            rows = store.messages(query)
        marks = store.marks([row.id for row in rows])
    if json:
        print_json({"messages": [_json(row, marks.get(row.id, Mark())) for row in rows]})
    elif dead:
        _print_dead(rows, it.settings.party.id)
    else:
        _print(rows, marks, it.settings.party.id)


def _json(row: MessageRow, mark: Mark) -> dict[str, Any]:
    return {**message_json(row), "why": why_dead(row), **mark._asdict()}


def _print(rows: Sequence[MessageRow], marks: Mapping[MessageId, Mark], us: PartyId) -> None:
    late = {id for id, mark in marks.items() if mark.escalated is not None}
    print_table(
        f"Outbox of {us}",
        ["seq", "queued", "to", "interface", "document", "state", "detail", "id", "body"],
        [
            [
                *(r.seq, when(r.at), r.recipient, r.interface, r.document),
                f"{r.state} (late)" if r.id in late else r.state,
                *(r.detail, r.id, body_state(r)),
            ]
            for r in rows
        ],
        empty="No messages.",
    )


def _print_dead(rows: Sequence[MessageRow], us: PartyId) -> None:
    print_table(
        f"Dead letters of {us}",
        ["seq", "queued", "ended", "to", "document", "why", "detail", "sent", "id"],
        [
            [
                *(r.seq, when(r.at), when(r.done_at), r.recipient, r.document, why_dead(r), r.detail),
                *(f"{r.attempts} times" if r.parcel else "never", r.id),
            ]
            for r in rows
        ],
        empty="No dead letters.",
    )
