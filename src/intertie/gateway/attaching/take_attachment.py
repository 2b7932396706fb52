"""Files coming in: what a partner may bring, bytes added where the last connection ended, and the check of step 9."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from datetime import datetime
from threading import Lock
from typing import BinaryIO

from intertie.gateway.attaching.attachment_ports import Attachments, AttachmentStore, Coming
from intertie.gateway.gateway import Gateway
from intertie.model.attachment import AttachmentRef
from intertie.model.errors import Code, Refused, StoreError
from intertie.model.ids import MessageId, PartyId
from intertie.seal.attachment import AttachmentError, open_file, sealed_size

# Two uploads that begin at once must not both find the last room.
_ADMITTING = Lock()


def begin(keeping: Attachments, coming: Coming, now: datetime) -> int:
    """Where a file goes on, in bytes; its room is taken from now on.

    Refused(TOO_LARGE | ATTACHMENT_QUOTA), StoreError if the disk is too full: nothing of it is kept then.
    """
    limits = keeping.limits
    if coming.length > sealed_size(limits.file_bytes):
        detail = f"a file of {coming.length} bytes, {sealed_size(limits.file_bytes)} are taken"
        raise Refused(Code.TOO_LARGE, detail, partner=coming.partner)
    there = keeping.files.there(coming)
    if there:
        return there
    with _ADMITTING:
        waiting = {known for known, _ in keeping.files.coming(coming.partner)} - {coming}
        taken = sum(known.length for known in waiting)
        if len(waiting) >= limits.waiting_files or taken + coming.length > limits.waiting_bytes:
            detail = f"{len(waiting)} files of {taken} bytes wait for the messages that name them"
            raise Refused(Code.ATTACHMENT_QUOTA, detail, partner=coming.partner)
        if keeping.files.free() - coming.length < limits.free_bytes:
            raise StoreError(
                "the disk has no room for it", do="Make room, or lower [attachments] free_bytes."
            )
        return keeping.files.append(coming, 0, b"", now)


def check_arrived(
    gateway: Gateway, partner: PartyId, message: MessageId, refs: Sequence[AttachmentRef], now: datetime
) -> None:
    """The last of step 9: every file that a message names is here whole, and opens to what was signed. They belong to it from
    then on. Refused(ATTACHMENT_MISSING | ATTACHMENT_BROKEN); where one does not open, all of them are removed.

    Opening takes a second for each gigabyte. Files are opened only when all are there, and are then either the message's or
    gone: whoever wants to cost us that second again has to bring the gigabyte again.
    """
    if not refs:
        return
    if gateway.attachments is None:
        detail = "files cannot be brought to this gateway"
        raise Refused(Code.ATTACHMENT_MISSING, detail, message=message, partner=partner)
    files = gateway.attachments.files
    comings = [Coming(partner, ref.id, sealed_size(ref.size)) for ref in refs]
    with ExitStack() as stack:
        opened = [_received(files, coming, message, stack) for coming in comings]
        try:
            for ref, sealed in zip(refs, opened, strict=True):
                for _ in open_file(sealed, ref):
                    pass
        except AttachmentError as error:
            for coming in comings:
                files.drop(coming, message)
            raise Refused(Code.ATTACHMENT_BROKEN, error.why, message=message, partner=partner) from error
        for coming in comings:
            files.keep(coming, message, now)


def _received(files: AttachmentStore, coming: Coming, message: MessageId, stack: ExitStack) -> BinaryIO:
    sealed = files.received(coming, message)
    if sealed is None:
        detail = f"attachment {coming.id} is not here, or not whole"
        raise Refused(Code.ATTACHMENT_MISSING, detail, message=message, partner=coming.partner)
    return stack.enter_context(sealed)
