"""Files beside messages: sealed when they are queued, held to be with the partner before the message goes, opened again from
the message that has their key, and gone when its body is.

The file goes first and the message after it, so that "accepted" always means: the message, and every file it names.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import BinaryIO, NamedTuple

from intertie.exchange.outbound import State
from intertie.gateway.attaching.attachment_ports import Attachments
from intertie.gateway.gateway import Gateway, Partner
from intertie.gateway.ports import MessageRow
from intertie.journal.entry import Entry, Kind
from intertie.model.attachment import AttachmentId, AttachmentRef
from intertie.model.errors import Code, IntertieError, Refused, SettingsError
from intertie.model.ids import ConversationId, MessageId, PartyId, new_uuid7
from intertie.model.message import Envelope, read_envelope
from intertie.seal.attachment import (
    Progress,
    Readable,
    make_ref,
    new_attachment_key,
    no_progress,
    open_file,
    seal_file,
    sealed_size,
)

# One of these is in the bytes of every message with files (JSON may escape a letter); most have neither, and need not be
# read to know it.
_ATTACHMENTS, _ESCAPED = b'"attachments"', b"\\u00"


class NoAttachmentError(IntertieError):
    """The message has no such file, or it is not here any more; `why` says which."""


class FileToSend(NamedTuple):
    """A file that a caller wants to go with a message."""

    source: Readable
    name: str
    media_type: str


def seal_attachments(
    gateway: Gateway,
    message: MessageId,
    files: Sequence[FileToSend],
    now: datetime,
    progress: Progress = no_progress,
) -> tuple[AttachmentRef, ...]:
    """Seal files for a message of this id, to be queued next with what this returns in its envelope.

    They are on disk when this returns. SettingsError for an empty or too large file, StoreError if they cannot be kept.
    What is sealed for a message that is never queued is swept away.
    """
    keeping = _keeping(gateway)
    refs = []
    for file in files:
        id, key = AttachmentId(new_uuid7(now)), new_attachment_key()
        with keeping.files.draft(message, id, now) as sink:
            sealed = seal_file(file.source, sink, id, key, progress)
        if sealed.size > keeping.limits.file_bytes:
            raise SettingsError(
                f"{file.name} is larger than [attachments] file_bytes", do="Send it in parts, or compressed."
            )
        refs.append(make_ref(id, key, sealed, file.name, file.media_type))
    if refs:
        keeping.files.queue(message, now)
    return tuple(refs)


def check_reachable(partner: Partner) -> None:
    """Files are brought to a partner's door; Refused(ATTACHMENT_MISSING) if it has none, or none that we may call."""
    if partner.via is not None:
        detail = f"files do not go by a relay, and the way to {partner.party} is by {partner.via}"
        raise Refused(Code.ATTACHMENT_MISSING, detail, partner=partner.party)
    if not partner.has_door:
        detail = (
            f"files cannot be brought to {partner.party}: it has no door, and comes for its parcels only. "
            "Put the content into the message, or agree on another way for the file"
        )
        raise Refused(Code.ATTACHMENT_MISSING, detail, partner=partner.party)


def check_sealed(gateway: Gateway, envelope: Envelope) -> None:
    """Every file that a message of ours names is here, sealed; Refused(ATTACHMENT_MISSING)."""
    header = envelope.header
    for ref in envelope.attachments:
        file = _open(gateway, None, header.id, ref.id)
        if file is None:
            detail = f"{ref.name} was not sealed here for this message; `intertie send --attach` does it"
            raise Refused(Code.ATTACHMENT_MISSING, detail, message=header.id)
        with file:
            if file.seek(0, 2) != sealed_size(ref.size):
                raise Refused(Code.ATTACHMENT_MISSING, f"{ref.name} is not whole", message=header.id)


def ready_to_go(gateway: Gateway, rows: Sequence[MessageRow], now: datetime) -> list[MessageRow]:
    """The messages whose files are all with the partner; what follows another one in its conversation waits with it. One
    whose files are gone fails, by itself."""
    ready: list[MessageRow] = []
    waiting: set[ConversationId] = set()
    for row in rows:
        if row.conversation in waiting:
            continue
        if not attachments_of(row) or (gateway.attachments and gateway.attachments.files.is_sent(row.id)):
            ready.append(row)
            continue
        if not _all_here(gateway, row):
            fail(gateway, row, f"{Code.ATTACHMENT_MISSING}: a file of it is not here any more", now)
        elif row.conversation is not None:
            waiting.add(row.conversation)
    return ready


def fail(gateway: Gateway, row: MessageRow, detail: str, now: datetime) -> None:
    """A message that cannot go because of its files."""
    entry = Entry(
        kind=Kind.ACT,
        at=now,
        partner=row.recipient,
        message=row.id,
        digest=row.leaf.hex(),
        note=State.FAILED.value,
    )
    gateway.store.set_state(row.id, State.FAILED, detail[:300], [entry], now)


def attachments_of(row: MessageRow) -> tuple[AttachmentRef, ...]:
    """What a message names; nothing if its body was erased, or not asked for."""
    if _ATTACHMENTS not in row.body and _ESCAPED not in row.body:
        return ()
    return read_envelope(row.body).attachments


def open_attachment(gateway: Gateway, row: MessageRow, name: str) -> tuple[AttachmentRef, Iterator[bytes]]:
    """A file of a message, by its name or id, in chunks that are verified one by one. It is the file only when they have
    come to their end without AttachmentError. NoAttachmentError if there is none, or it is not here."""
    refs = attachments_of(row)
    ref = next((ref for ref in refs if name in (ref.name, ref.id)), None)
    if ref is None:
        has = ", ".join(ref.name for ref in refs) or "no files"
        raise NoAttachmentError(f"message {row.id} has no file {name!r}", do=f"It has {has}.")
    sealed = _open(gateway, _partner(row), row.id, ref.id)
    if sealed is None:
        raise NoAttachmentError(
            f"{ref.name} of message {row.id} is not here",
            do="Was the attachments' folder moved, or not restored with the store?",
        )

    def chunks() -> Iterator[bytes]:
        with sealed:
            yield from open_file(sealed, ref)

    return ref, chunks()


def attach_again(gateway: Gateway, old: MessageId, new: MessageId, now: datetime) -> None:
    """The files of a message go out once more, with a message that is its content sent again."""
    if gateway.attachments is not None:
        gateway.attachments.files.link(old, new, now)


def destroy_attachments(gateway: Gateway, row: MessageRow) -> None:
    """Remove the files of a message whose body, and with it their keys, was erased."""
    if gateway.attachments is not None:
        gateway.attachments.files.destroy(_partner(row), row.id)


def _keeping(gateway: Gateway) -> Attachments:
    if gateway.attachments is None:
        raise SettingsError("this gateway keeps no files", do="Give it a folder for attachments.")
    return gateway.attachments


def _open(gateway: Gateway, partner: PartyId | None, message: MessageId, id: AttachmentId) -> BinaryIO | None:
    return gateway.attachments.files.open(partner, message, id) if gateway.attachments else None


def _all_here(gateway: Gateway, row: MessageRow) -> bool:
    for ref in attachments_of(row):
        file = _open(gateway, None, row.id, ref.id)
        if file is None:
            return False
        file.close()
    return True


def _partner(row: MessageRow) -> PartyId | None:
    return None if row.outgoing else row.sender
