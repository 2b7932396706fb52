"""Sending files: a message becomes a file when it is queued, the same bytes each time, and a carrier takes it to the partner.

That a carrier took it is no receipt. What counts as one, the partner's legacy file says (`received`): the carrier's receipt, the
format's answer, or that the partner took the file away. It may come with the file, or much later, by another way (`take_level`).
"""

from __future__ import annotations

import hashlib
import logging
from datetime import datetime
from typing import NamedTuple, Protocol

from intertie.exchange.outbound import State
from intertie.gateway.gateway import Gateway
from intertie.gateway.translating.deliver_translated import (
    DOUBT,
    SAID_MAX,
    PostAnswer,
    Reply,
    take_reply,
    with_doubt,
)
from intertie.gateway.translating.file_formats import write_file
from intertie.gateway.translating.files import File, FileError, read_files, write_files
from intertie.gateway.translating.foreign import Foreign, ForeignKeys, Known, Level
from intertie.gateway.translating.said_ids import ANSWERED, ids_in, ids_of_file
from intertie.journal.entry import Entry, Kind
from intertie.model.errors import Code, Refused
from intertie.model.message import MESSAGE_BYTES_MAX, Header, utc
from intertie.model.record import Record
from intertie.seal.translated_evidence import NEVER, UNSIGNED, ForeignFacts, ForeignVerifier

LOG = logging.getLogger("intertie.files")
# What is kept of a message is base64 in it, with the translation beside.
KEPT_BYTES_MAX = MESSAGE_BYTES_MAX * 3 // 4 - 512 * 1024


class Sent(NamedTuple):
    """What became of a file that was handed to a carrier: how it was taken, and what the partner said of it, if it did."""

    answer: PostAnswer
    receipt: Reply | None = None
    level: Level = Level.RECEIPT  # what the receipt says


class Carrier(Protocol):
    """What moves files to partners. `foreign` has the terms of its section."""

    async def send(self, foreign: Foreign, file: File) -> Sent:
        """Hand it over. The same file (by name and content) again is harmless. PartnerError when it is not known whether the
        partner has it, or it cannot be had now."""

    async def aclose(self) -> None:
        """Let go of connections."""


class FilePosts:
    """`deliver_translated.Post` by a carrier: posts what was kept of a message of ours, or of our answer."""

    def __init__(self, gateway: Gateway, carrier: Carrier, clock: Clock) -> None:
        self._gateway, self._carrier, self._clock = gateway, carrier, clock

    async def post(self, foreign: Foreign, kept: bytes) -> PostAnswer:
        """Each file in turn, until one is not taken."""
        said = PostAnswer(200)
        for file in read_files(kept):
            sent = await self._carrier.send(foreign, file)
            if sent.receipt is not None:
                take_level(self._gateway, foreign, sent.receipt, sent.level, self._clock())
            said = sent.answer
            if not said.taken:
                break
        return said

    async def put(self, foreign: Foreign, file: File) -> PostAnswer:
        """A file that no message of ours became: a sealed parcel. As `post`."""
        return (await self._carrier.send(foreign, file)).answer

    async def aclose(self) -> None:
        """Let go of connections."""
        await self._carrier.aclose()


class Clock(Protocol):
    """The gateway's."""

    def __call__(self) -> datetime:
        """Now."""


class FileTranslator:
    """`gateway.translating.foreign.Translator` for a carrier that signs nothing: what goes is the format's file, as it is."""

    def __init__(self, binding: str) -> None:
        self.verifier: ForeignVerifier = Unsigned(binding)

    def keys(self, foreign: Foreign, now: datetime) -> ForeignKeys:
        """None: whose a file is, its carrier knows by the connection alone."""
        return ForeignKeys(("",), ())

    def write(self, foreign: Foreign, header: Header, body: Record, known: Known) -> bytes:
        """What is kept of a message of ours."""
        file = write_file(foreign, header, body, known)
        kept = write_files([file])
        if len(kept) > KEPT_BYTES_MAX:
            raise FileError("the file does not fit a message", do="Send it in parts.")
        return kept


class OneWay(FileTranslator):
    """The same for a carrier by which nothing goes: files are fetched from the partner."""

    def write(self, foreign: Foreign, header: Header, body: Record, known: Known) -> bytes:
        """Always FileError."""
        raise FileError(
            f"nothing goes to {foreign.name}: its files are fetched",
            do="See its legacy file; reach it by another way.",
        )


class Unsigned:
    """`seal.translated_evidence.ForeignVerifier` of such a carrier: there is no signature to verify, and nobody's key. What the
    bytes say of themselves is compared; whose they are, the exporter's statement and journal say."""

    algorithm = UNSIGNED

    def __init__(self, binding: str) -> None:
        self._binding = binding

    def check(self, signed: bytes, key: str) -> ForeignFacts:
        """The ids in them. Refused(SIGNATURE_INVALID) for any key: there is none that could have signed."""
        if key != UNSIGNED:
            raise Refused(Code.SIGNATURE_INVALID, f"{self._binding} signs no files, and has no keys")
        content = _content(signed)
        return ForeignFacts(ids_of_file(content), "", "", NEVER, ids_in(signed), ANSWERED)


def _content(kept: bytes) -> bytes:
    """Of a message of ours its file; what came is as it came."""
    try:
        return read_files(kept)[0].content
    except (FileError, IndexError):
        return kept


def take_level(gateway: Gateway, foreign: Foreign, reply: Reply, level: Level, now: datetime) -> None:
    """What a partner says about a message of ours, at one level. Bad news always counts, good news if it says enough; what
    does not close the message is journaled. The same again changes nothing.

    Raises Refused(UNKNOWN_SENDER | BAD_MESSAGE) if there is nothing that it could be about.
    """
    row = gateway.store.message(reply.message, outgoing=True, partner=reply.partner, body=False)
    if row is not None and row.parcel is not None:
        if row.state is State.ACCEPTED and not reply.accepted:
            LOG.warning("refused after its receipt", extra={"message_id": row.id, "partner": reply.partner})
            _note(gateway, reply, Kind.REFUSAL, level, now)
            return
        if row.state is State.SENDING and reply.accepted and not level.reaches(foreign.closing):
            _note(gateway, reply, Kind.RECEIPT_IN, level, now)
            return
    take_reply(gateway, reply, now)


def doubt(gateway: Gateway, reply: Reply, now: datetime) -> None:
    """A signed answer that may be about other bytes than ours: anybody can have one made, by posting what names our message. It
    closes nothing. It is journaled and shown with the message, which goes on being tried; once, since it can be brought again
    and again."""
    row = gateway.store.message(reply.message, outgoing=True, partner=reply.partner, body=False)
    LOG.warning("doubtful receipt", extra={"message_id": reply.message, "partner": reply.partner})
    if row is None or row.parcel is None or row.state is not State.SENDING or DOUBT in row.detail:
        return
    _note(gateway, reply, Kind.RECEIPT_IN, "doubtful", now)
    said = f"{DOUBT}{(reply.detail or 'it does not say over which bytes')[:SAID_MAX]}]"
    gateway.store.retry_parcel(row.parcel, row.next_attempt or now, with_doubt(said, row.detail))


def _note(gateway: Gateway, reply: Reply, kind: Kind, level: str, now: datetime) -> None:
    entry = Entry(
        kind=kind,
        at=utc(now),
        partner=reply.partner,
        message=reply.message,
        digest=hashlib.sha256(reply.signed).hexdigest(),
        note=f"{level}: {reply.detail}"[:200],
    )
    gateway.store.note([entry])
