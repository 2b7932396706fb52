"""Files that came by SFTP are taken in, each once, and what became of each is written down for the partner to read."""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Callable, Sequence
from datetime import datetime

import msgspec

from intertie.bindings.sftp.boxes import Arrived, Box, plain, receipt_name
from intertie.bindings.sftp.names import Folder
from intertie.gateway.gateway import Gateway
from intertie.gateway.translating.accept_file import AnswerWriter, Brought, accept_file
from intertie.gateway.translating.deliver_file import take_level
from intertie.gateway.translating.deliver_translated import Reply
from intertie.gateway.translating.files import File, Judged, Purpose, read_files, write_files
from intertie.gateway.translating.foreign import Level
from intertie.model.errors import IntertieError, Refused, StoreError
from intertie.model.ids import UUID7, MessageId, PartyId

LOG = logging.getLogger("intertie.sftp")
# How files of ours are called: document, message, format.
_OURS = re.compile(rf"[a-z0-9_]+-({UUID7.strip('^').replace('(?!' + chr(92) + 'n)$', '')})\.[a-z0-9]+")
# Lines of a receipt: who sends more documents in a file has the format's answer.
LINES_MAX = 1000
JSON = "application/json"


def take_file(
    gateway: Gateway, party: PartyId, name: str, content: bytes, clock: Callable[[], datetime]
) -> File:
    """Take a file in; our receipt for it, once it is owed. Raises StoreError, and Refused for one that is no partner."""
    now = clock()
    brought = Brought(party, content, now, message=message_of(name))
    kept = accept_file(gateway, brought, receipt_of(name, content, now), now)
    return read_files(kept)[0]


def take_arrived(gateway: Gateway, box: Box, limit: int, clock: Callable[[], datetime]) -> int:
    """Take in what waits in a mailbox, in its order; how much that was. Raises StoreError, and then the rest waits."""
    taken = 0
    for one in box.arrived():
        try:
            _take(gateway, box, one, limit, clock)
        except Refused as refused:  # the partner was removed: its file stays where it is
            LOG.warning("sftp refused", extra={"partner": box.party, "code": refused.code.value})
            break
        taken += 1
    return taken


def _take(gateway: Gateway, box: Box, one: Arrived, limit: int, clock: Callable[[], datetime]) -> None:
    content = box.read(one, limit)
    said = take_file(gateway, box.party, one.name, content, clock)
    if said.purpose is Purpose.REFUSAL:  # the partner finds it beside its reason
        box.put(Folder.REFUSED, said.name.removesuffix(".txt"), content)
    box.done(one)
    LOG.info("sftp file", extra={"partner": box.party, "count": len(content)})


def receipt_of(name: str, content: bytes, now: datetime, *, json: bool = False) -> AnswerWriter:
    """Writes our receipt for a file, as text or as JSON, and puts the format's own answers behind it."""
    write_receipt, suffix, kind = (
        (receipt_json, "json", JSON) if json else (receipt_text, "txt", "text/plain")
    )

    def write(judged: Sequence[Judged], files: Sequence[File]) -> bytes:
        refused = sum(one.outcome.status == "refused" for one in judged)
        purpose = Purpose.REFUSAL if refused == len(judged) else Purpose.RECEIPT
        text = write_receipt(name, content, judged, now).encode()
        called = f"{receipt_name(name, content).removesuffix('txt')}{suffix}"
        answers = [msgspec.structs.replace(f, purpose=_answering(f.purpose)) for f in files]
        return write_files([File(name=called, kind=kind, content=text, purpose=purpose), *answers])

    return write


def _answering(purpose: Purpose) -> Purpose:
    """A signed receipt lies beside ours for people; all else that a format says is for who fetches."""
    return Purpose.RECEIPT if purpose is Purpose.RECEIPT else Purpose.ANSWER


def receipt_json(name: str, content: bytes, judged: Sequence[Judged], now: datetime) -> str:
    """For programs."""
    refused = sum(one.outcome.status == "refused" for one in judged)
    said = {
        "file": plain(name),
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        "received": now,
        "taken": len(judged) - refused,
        "refused": refused,
        "messages": [_line(one) for one in judged[:LINES_MAX]],
    }
    return msgspec.json.encode(said).decode()


def _line(one: Judged) -> dict[str, object]:
    outcome = one.outcome
    said: dict[str, object] = {"place": one.item.place, "status": outcome.status}
    if outcome.message is not None:
        said["message"] = outcome.message
    if outcome.status == "refused":
        said |= {"code": outcome.code, "detail": outcome.detail.removeprefix(f"{one.item.place}: ")}
    return said


def receipt_text(name: str, content: bytes, judged: Sequence[Judged], now: datetime) -> str:
    """For people, and for programs that read lines."""
    refused = sum(one.outcome.status == "refused" for one in judged)
    lines = [
        f"file: {plain(name)}",
        f"bytes: {len(content)}",
        f"sha256: {hashlib.sha256(content).hexdigest()}",
        f"received: {now.isoformat()}",
        f"result: {len(judged) - refused} taken, {refused} refused",
    ]
    for one in judged[:LINES_MAX]:
        outcome = one.outcome
        detail = outcome.detail.removeprefix(f"{one.item.place}: ")
        why = f": {outcome.code}: {detail}" if outcome.status == "refused" else ""
        lines.append(f"{one.item.place}: {outcome.status}{why}")
    if len(judged) > LINES_MAX:
        lines.append(f"... and {len(judged) - LINES_MAX} more")
    return "\n".join(lines) + "\n"


def message_of(name: str) -> MessageId | None:
    """The message that a file of ours is, by its name."""
    found = _OURS.fullmatch(name)
    return MessageId(found[1]) if found else None


def take_fetched(gateway: Gateway, party: PartyId, name: str, who: str, now: datetime) -> None:
    """The partner took a file of ours away: said of its message, if it is one. Raises StoreError."""
    message = message_of(name)
    partner = gateway.partners.find(party)
    if message is None or partner is None or partner.foreign is None:
        return
    detail = f"fetched by {who}"
    said = f"{name} {detail}".encode()
    try:
        reply = Reply(party, message, True, detail, said, now)
        take_level(gateway, partner.foreign, reply, Level.FETCHED, now)
    except StoreError:
        raise
    except IntertieError as error:  # no message of ours, or none that went
        LOG.info("sftp fetched", extra={"partner": party, "why": error.why})
