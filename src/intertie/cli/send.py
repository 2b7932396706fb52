"""`intertie send`: queue messages from JSON files."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated

import msgspec
from cyclopts import Parameter, Token

from intertie.cli._files import seal_paths
from intertie.cli._receipts import wait_for
from intertie.cli._shared import HERE, Dir, Json, PartyOption, parse_instant, print_json, read_file
from intertie.exchange.outbound import State
from intertie.gateway.attaching.attachments import check_reachable
from intertie.gateway.gateway import Gateway
from intertie.gateway.sending.compose import agreement_with, flow_for
from intertie.gateway.sending.send_message import Outgoing, check_sendable, find_partner, queue
from intertie.gateway.sending.send_message import send as send_messages
from intertie.model.attachment import AttachmentRef
from intertie.model.documents import DOCUMENTS
from intertie.model.errors import SettingsError
from intertie.model.explain import why_unreadable
from intertie.model.ids import (
    AgreementId,
    ConversationId,
    DocumentName,
    InterfaceCode,
    MessageId,
    PartyId,
    new_message_id,
)
from intertie.model.message import Mode, Verb
from intertie.model.record import Record
from intertie.run import Opened, opened

_DURATION = re.compile(r"(\d{1,6})\s*(s|min|h|d)")
_UNITS = {"s": "seconds", "min": "minutes", "h": "hours", "d": "days"}


class Given(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"sender": "from", "recipient": "to"}
):
    """What a file's header or the options say of a message; the rest follows from document, partner and flow."""

    id: MessageId | None = None
    verb: Verb = Verb.CREATED
    document: DocumentName | None = None
    version: int | None = None
    interface: InterfaceCode | None = None
    mode: Mode | None = None
    sender: PartyId | None = None
    recipient: PartyId | None = None
    agreement: AgreementId | None = None
    conversation: ConversationId | None = None
    in_reply_to: MessageId | None = None
    created: datetime | None = None
    expires: datetime | None = None
    priority: int | None = None


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    header: Given
    body: msgspec.Raw
    attachments: tuple[AttachmentRef, ...] = ()


def _life(hint: object, tokens: Sequence[Token]) -> timedelta | datetime:
    """ "90 min" from now, or a time."""
    text = tokens[0].value
    found = _DURATION.fullmatch(text)
    return timedelta(**{_UNITS[found[2]]: int(found[1])}) if found else parse_instant(text)


def send(
    files: Annotated[list[Path], Parameter(negative=(), allow_leading_hyphen=True)],
    /,
    *,
    to: Annotated[PartyOption | None, Parameter(help="The partner.")] = None,
    document: Annotated[DocumentName | None, Parameter(help="What the file's body is, as `invoice`.")] = None,
    interface: Annotated[InterfaceCode | None, Parameter(help="Only needed if several would do.")] = None,
    mode: Annotated[Mode | None, Parameter(help="Only needed if several would do.")] = None,
    verb: Annotated[Verb, Parameter(help="What the message does to its document.")] = Verb.CREATED,
    agreement: Annotated[
        AgreementId | None, Parameter(help="Default: the one in force, if there is one.")
    ] = None,
    conversation: Annotated[ConversationId | None, Parameter(help="Order is kept within it.")] = None,
    reply_to: Annotated[MessageId | None, Parameter(help="The message this one answers.")] = None,
    expires: Annotated[
        timedelta | datetime | None,
        Parameter(converter=_life, help="After '90 min', '2 d', or at a time (3 d)."),
    ] = None,
    attach: Annotated[
        list[Path] | None,
        Parameter(negative=(), help="A file that goes with the message, up to 2 GB; may be given again."),
    ] = None,
    wait: Annotated[
        float, Parameter(help="Seconds to wait for the receipts; 1 is the exit if one is missing.")
    ] = 0.0,
    dir: Dir = HERE,
    json: Json = False,
) -> int:
    """Queue messages and print their ids; `intertie serve` delivers them. All bodies are queued, or none.

    Parameters
    ----------
    files
        JSON files ("-" is standard input). Each is a body, or a whole message {"header": ..., "body": ...}; a header
        with an id is sent as it stands, one without is completed.
    """
    said = Given(None, verb, document, None, interface, mode, None, to, agreement, conversation, reply_to)
    with opened(dir) as it:
        now = it.clock()
        end = now + expires if isinstance(expires, timedelta) else expires
        said = msgspec.structs.replace(said, expires=end)
        ready, whole = _read_files(it.gateway, files, said, now)
        if attach:
            ready = [_with_files(it, ready, whole, attach, now)]
        ids = queue(it.gateway, whole, now) if whole else []
        ids += send_messages(it.gateway, ready, now) if ready else []
        states = {id: row.state for id, row in wait_for(it.gateway.store, ids, wait).items()}
    _print(ids, states, json=json, waited=wait > 0)
    return int(wait > 0 and any(state not in (State.ACCEPTED, State.DUPLICATE) for state in states.values()))


def _read_files(
    gateway: Gateway, files: Sequence[Path], said: Given, now: datetime
) -> tuple[list[Outgoing], list[bytes]]:
    """Bodies to be completed, and finished messages."""
    ready: list[Outgoing] = []
    whole: list[bytes] = []
    for path in files:
        raw = read_file(path)
        header, body = _split(path, raw, said)
        if header.id is not None:
            whole.append(raw)
        else:
            ready.append(_outgoing(gateway, path, header, body, now))
    return ready, whole


def _with_files(
    it: Opened, ready: Sequence[Outgoing], whole: Sequence[bytes], paths: Sequence[Path], now: datetime
) -> Outgoing:
    """The one message that files go with; sealed, and on disk, when this returns. Checked without them first: a mistake is
    better heard of before a gigabyte was sealed."""
    if len(ready) != 1 or whole:
        raise SettingsError(
            "--attach goes with one body",
            do="Send one body at a time; a finished message (with an id) takes none.",
        )
    check_sendable(it.gateway, ready[0], now)
    check_reachable(find_partner(it.gateway, ready[0].recipient))
    id = new_message_id(now)
    return msgspec.structs.replace(ready[0], id=id, attachments=seal_paths(it.gateway, id, paths, now))


def _split(path: Path, raw: bytes, said: Given) -> tuple[Given, bytes]:
    """The header (from the file, else the options) and the body's bytes."""
    try:
        if "header" in msgspec.json.decode(raw, type=dict[str, msgspec.Raw]):
            file = msgspec.json.decode(raw, type=_File)
            if file.attachments and file.header.id is None:
                raise SettingsError(
                    f"{path} names files, but was never sealed with them", do="Give the files with --attach."
                )
            return file.header, bytes(file.body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise SettingsError(
            f"{path} is no message: {why_unreadable(error)}",
            do="`intertie example` lists the documents and prints a body of each.",
        ) from error
    return said, raw


def _outgoing(gateway: Gateway, path: Path, said: Given, raw: bytes, now: datetime) -> Outgoing:
    if said.recipient is None:
        raise SettingsError(
            f"{path}: to whom?", do="Name the partner with --to; `intertie partner list` shows them."
        )
    partner = find_partner(gateway, said.recipient)
    body, document = _body(path, said.document, raw)
    flow = flow_for(gateway, partner, document, said.interface, said.mode)
    return Outgoing(
        body=body,
        recipient=partner.party,
        interface=flow.interface,
        mode=flow.mode,
        verb=said.verb,
        agreement=said.agreement or (agreement_with(gateway, partner, now) if flow.agreement else None),
        conversation=said.conversation,
        in_reply_to=said.in_reply_to,
        expires=said.expires,
    )


def _body(path: Path, document: DocumentName | None, raw: bytes) -> tuple[Record, DocumentName]:
    if document is None or document not in DOCUMENTS:
        raise SettingsError(
            f"{path}: {'which document is it?' if document is None else f'there is no document {document}'}",
            do=f"--document is one of: {', '.join(sorted(DOCUMENTS))}.",
        )
    try:
        return msgspec.json.decode(raw, type=DOCUMENTS[document].type), document
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise SettingsError(
            f"{path} is no {document}: {why_unreadable(error)}",
            do=f"`intertie example {document}` prints one.",
        ) from error


def _print(ids: Sequence[MessageId], states: dict[MessageId, State], *, json: bool, waited: bool) -> None:
    if json:
        print_json({"messages": [{"id": id, "state": states[id].value} for id in ids]})
        return
    for id in ids:
        sys.stdout.write(f"{id} {states[id]}\n" if waited else f"{id}\n")
