"""`intertie message show`: one message, in or out."""

from __future__ import annotations

import sys
from typing import Annotated

from cyclopts import App, Parameter

from intertie.cli._shared import HERE, Dir, Json, message_json, print_json, print_pairs, when
from intertie.cli.message_cancel import cancel
from intertie.cli.message_resend import resend
from intertie.gateway.erase import what_is_left
from intertie.gateway.ports import Mark
from intertie.model.errors import SettingsError
from intertie.model.ids import MessageId
from intertie.run import opened

app = App(name="message", help="One message, in or out.")
for command in (cancel, resend):
    app.command(command)


@app.command
def show(
    id: MessageId,
    /,
    *,
    body: Annotated[
        bool, Parameter(negative=(), help="Print the message's exact bytes and nothing else.")
    ] = False,
    dir: Dir = HERE,
    json: Json = False,
) -> None:
    """Show what became of one message, or (--body) its exact bytes as they were sent.

    Parameters
    ----------
    id
        The message's id, as `send`, `inbox` and `outbox` print it.
    """
    with opened(dir) as it:
        row = it.gateway.store.message(id, body=body)
        if row is None:
            raise SettingsError(
                f"there is no message {id} here", do="`intertie inbox` and `outbox` list them."
            )
        mark = it.gateway.store.marks([id]).get(id, Mark()) if row.outgoing else Mark()
        parcel = it.gateway.store.parcel(row.parcel, outgoing=row.outgoing) if row.parcel else None
    receipted = parcel is not None and parcel.receipt is not None
    if body and row.erased is not None:
        raise SettingsError(f"of message {id} {what_is_left(row)}")
    if body:
        sys.stdout.buffer.write(row.body)
        sys.stdout.buffer.flush()
    elif json:
        print_json({**message_json(row), "receipted": receipted, **mark._asdict()})
    else:
        print_pairs(
            [
                ("message", row.id),
                ("from", row.sender),
                ("to", row.recipient),
                ("flow", f"{row.interface} {row.document} {row.mode}"),
                ("state", f"{row.state} {row.detail}".strip()),
                ("agreement", row.agreement),
                ("conversation", row.conversation),
                ("created", when(row.created)),
                ("expires", when(row.expires)),
                ("kept", when(row.at)),
                ("done", when(row.done_at)),
                ("attempts", row.attempts),
                ("next attempt", when(row.next_attempt)),
                ("parcel", row.parcel),
                ("receipt", "yes" if receipted else "no"),
                ("bytes", row.size),
                *(
                    (name, value)
                    for name, value in (
                        ("answer due", when(mark.answer_by)),
                        ("escalated", when(mark.escalated)),
                        ("resends", mark.resends),
                        ("resent as", mark.resent_as),
                    )
                    if value
                ),
                ("body", what_is_left(row) or "kept"),
            ]
        )
