"""Documents of ours as JSON files: one object, or a list of them, each with the document's name and its body (docs/files.md)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from intertie.gateway.translating.accept_translated import Said
from intertie.gateway.translating.files import File, FileError, FileReply, Item, Judged
from intertie.gateway.translating.foreign import Foreign
from intertie.model.documents import DOCUMENTS
from intertie.model.errors import IntertieError
from intertie.model.explain import why_unreadable
from intertie.model.ids import AgreementRef, ConversationRef, DocumentRef, MessageId, MessageRef, PartyId
from intertie.model.message import Header, Mode, utc
from intertie.model.record import Record

KIND = "application/json"
# Documents of one file: each becomes a message, all in one transaction.
DOCUMENTS_MAX = 10_000
# Kept with a message that has to fit one.
CONTENT_MAX = 64 * 1024 * 1024


class Stated(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A document in a file. `id` is ours in files that we write; a result names it as `of`."""

    document: DocumentRef
    body: msgspec.Raw
    mode: Mode | None = None
    conversation: ConversationRef | None = None
    in_reply_to: MessageRef | None = None
    id: MessageRef | None = None
    agreement: AgreementRef | None = None


class Result(Record, frozen=True, kw_only=True):
    """What became of a document of a file: `of` is its id if it has one, `number` its place, `received` when we had it."""

    number: Annotated[int, Meta(ge=1)]
    status: Literal["accepted", "refused"]
    of: MessageRef | None = None
    code: Annotated[str, Meta(max_length=64)] = ""
    detail: Annotated[str, Meta(max_length=300)] = ""
    received: datetime | None = None


class Results(Record, frozen=True, kw_only=True):
    """The answer to a file."""

    results: Annotated[tuple[Result, ...], Meta(min_length=1, max_length=DOCUMENTS_MAX)]


_LIST = msgspec.json.Decoder(list[msgspec.Raw])
_ONE = msgspec.json.Decoder(Stated)
_RESULTS = msgspec.json.Decoder(Results)
_ENCODER = msgspec.json.Encoder(decimal_format="string")


class JsonFormat:
    """`files.FileFormat`."""

    name = "json"
    suffix = "json"
    kinds: tuple[str, ...] = (KIND, "application/octet-stream", "text/plain")

    def knows(self, content: bytes) -> bool:
        """An object or a list."""
        return content.lstrip()[:1] in (b"{", b"[")

    def read(self, content: bytes, foreign: Foreign, sender: PartyId) -> Sequence[Item]:
        """Its documents, or the results of a file of ours."""
        raw = content.strip()
        results = _results(raw) if raw.startswith(b"{") else None
        return [_answer(raw, results)] if results is not None else documents_in(raw)

    def write(self, foreign: Foreign, header: Header, body: Record, number: int) -> File:
        """One object."""
        said = Stated(
            document=header.document,
            body=msgspec.Raw(_ENCODER.encode(body)),
            mode=header.mode,
            conversation=header.conversation,
            in_reply_to=header.in_reply_to,
            id=header.id,
            agreement=header.agreement,
        )
        name = f"{header.document}-{header.id}.{self.suffix}"
        return File(name=name, kind=KIND, content=_ENCODER.encode(said) + b"\n", about=header.id)

    def answer(
        self, judged: Sequence[Judged], foreign: Foreign, us: PartyId, at: datetime, number: int
    ) -> Sequence[File]:
        """The results of its documents."""
        if foreign.json is None or not foreign.json.results or any(one.item.replies for one in judged):
            return []
        results = [
            Result(
                number=place,
                status="refused" if one.outcome.status == "refused" else "accepted",
                of=MessageId(one.item.source) if isinstance(one.item.source, str) else None,
                code=one.outcome.code or "",
                detail=one.outcome.detail,
                received=utc(at),
            )
            for place, one in enumerate(judged, 1)
        ]
        content = _ENCODER.encode(Results(results=tuple(results))) + b"\n"
        return [File(name=f"results-{number}.{self.suffix}", kind=KIND, content=content)]


def documents_in(raw: bytes) -> Sequence[Item]:
    """The documents of a file, whosever it is. FileError if it is no JSON of documents."""
    raw = raw.strip()
    if len(raw) > CONTENT_MAX:
        raise FileError(f"larger than {CONTENT_MAX} bytes", do="Send it in several files.")
    if raw.startswith(b"{"):
        return [_item(raw, 1)]
    try:
        found = _LIST.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise FileError(f"no JSON of documents: {why_unreadable(error)}") from error
    if not 0 < len(found) <= DOCUMENTS_MAX:
        raise FileError(f"{len(found)} documents, not 1 to {DOCUMENTS_MAX}", do="Send several files.")
    return [_item(bytes(one), number) for number, one in enumerate(found, 1)]


def _item(raw: bytes, number: int) -> Item:
    place = f"document {number}"
    try:
        said = _ONE.decode(raw)
        kind = DOCUMENTS.get(said.document)
        if kind is None:
            raise FileError(f"no document is called {said.document}", do="See `intertie documents`.")
        body = msgspec.json.decode(said.body, type=kind.type)
    except FileError as error:
        return Item(place, raw, error=error)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        return Item(place, raw, error=FileError(why_unreadable(error)))
    told = Said(body, said.conversation, said.in_reply_to, said.mode, said.id, said.agreement)
    return Item(place, raw, told, source=said.id)


def _results(raw: bytes) -> Results | None:
    try:
        return _RESULTS.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def _answer(raw: bytes, results: Results) -> Item:
    replies = tuple(
        FileReply(
            "business",
            one.status == "accepted",
            " ".join(part for part in (one.code, one.detail) if part),
            one.of,
            lambda message: False,
            lambda file: False,
            one.received,
        )
        for one in results.results
        if one.of is not None
    )
    error: IntertieError | None = None if replies else FileError("results that name no message")
    return Item("the results", raw, replies=replies, error=error)
