"""`intertie message show`: one message, in or out."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from intertie.cli._files import watched, write_whole
from intertie.cli._shared import HERE, Dir, Json, PartyOption, message_json, print_json, print_pairs, when
from intertie.cli.message_cancel import cancel
from intertie.cli.message_resend import resend
from intertie.gateway.attaching.attachments import attachments_of, open_attachment
from intertie.gateway.gateway import Gateway
from intertie.gateway.ports import Mark, MessageRow, Store
from intertie.gateway.proving.erase import partner_of, what_is_left
from intertie.model.attachment import AttachmentRef
from intertie.model.errors import SettingsError
from intertie.model.ids import MessageId
from intertie.run import opened
from intertie.seal.body_cipher import StoreLockedError

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
        files = _files(it.gateway.store, row)
        where = _where(it.gateway, row) if files else None
    receipted = parcel is not None and parcel.receipt is not None
    if body and row.erased is not None:
        raise SettingsError(f"of message {id} {what_is_left(row)}")
    if body:
        sys.stdout.buffer.write(row.body)
        sys.stdout.buffer.flush()
    elif json:
        listed = None if files is None else [_json(file) for file in files]
        said = {"receipted": receipted, "attachments": listed, "attachments_are": where}
        print_json({**message_json(row), **said, **mark._asdict()})
    else:
        print_pairs([*_about(row, receipted), *_marked(mark), *_kept(row, files, where)])


def _about(row: MessageRow, receipted: bool) -> list[tuple[str, object]]:
    """What the index says of a message."""
    return [
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
    ]


def _kept(
    row: MessageRow, files: Sequence[AttachmentRef] | None, where: str | None
) -> list[tuple[str, object]]:
    """What is left of its body, and the files beside it."""
    return [
        ("body", what_is_left(row) or "kept"),
        *(
            ("attachment", f"{file.name}, {file.media_type}, {file.size} bytes, SHA-256 {file.sha256}")
            for file in files or ()
        ),
        *([("attachments are", where)] if where else []),
    ]


def _marked(mark: Mark) -> list[tuple[str, object]]:
    """What there is to say of escalation and of sending again."""
    pairs = [
        ("answer due", when(mark.answer_by)),
        ("escalated", when(mark.escalated)),
        ("resends", mark.resends),
        ("resent as", mark.resent_as),
    ]
    return [(name, value) for name, value in pairs if value]


@app.command
def attachment(
    id: MessageId,
    name: str,
    /,
    *,
    out: Annotated[Path, Parameter(name=("--out", "-o"), help="Where to write it; never over a file.")],
    partner: Annotated[
        PartyOption | None, Parameter(help="Whose message, if two partners chose the same id.")
    ] = None,
    dir: Dir = HERE,
    json: Json = False,
) -> None:
    """Open a file that came, or went, with a message. It is written whole and verified, or not at all.

    Parameters
    ----------
    id
        The message's id.
    name
        The file's name or id, as `message show` lists it.
    """
    with opened(dir) as it:
        row = it.gateway.store.message(id, partner=partner)
        if row is None:
            raise SettingsError(
                f"there is no message {id} here", do="`intertie inbox` and `outbox` list them."
            )
        if row.erased is not None:
            raise SettingsError(f"of message {id} {what_is_left(row)}; its files went with it")
        ref, chunks = open_attachment(it.gateway, row, name)
        with watched("opening", ref.size) as count:
            write_whole(out, chunks, count)
    if json:
        print_json({**_json(ref), "file": str(out)})
    else:
        print(f"{ref.name}: {ref.size} bytes, as {row.sender} signed them, written to {out}")


def _files(store: Store, row: MessageRow) -> tuple[AttachmentRef, ...] | None:
    """What the message's body names; None if no key is here that opens it."""
    try:
        whole = store.message(row.id, outgoing=row.outgoing, partner=partner_of(row))
    except (StoreLockedError, SettingsError):  # the second: the file of the key is not here
        return None
    return attachments_of(whole) if whole is not None else ()


def _where(gateway: Gateway, row: MessageRow) -> str | None:
    """Why a message may still be queued: its files go first."""
    if not row.outgoing or gateway.attachments is None:
        return None
    sent = gateway.attachments.files.is_sent(row.id)
    return "with the partner" if sent else "not with the partner yet"


def _json(ref: AttachmentRef) -> dict[str, object]:
    """A file as programs see it: without its key."""
    return {
        "id": ref.id,
        "name": ref.name,
        "media_type": ref.media_type,
        "size": ref.size,
        "sha256": ref.sha256,
    }
