"""Tables as a format of files: each document of a table is a message, and a table of results is the answer (docs/csv.md)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

from msgspec import Meta

from intertie.formats.file_terms import CsvTerms
from intertie.formats.table_csv import record_of, rows_of
from intertie.formats.tables.read import TableError, Told, is_table_of, read_table
from intertie.formats.tables.write import write_lines, write_table
from intertie.gateway.translating.accept_translated import Said
from intertie.gateway.translating.files import File, FileReply, Item, Judged
from intertie.gateway.translating.foreign import Foreign
from intertie.model.errors import IntertieError, SettingsError
from intertie.model.ids import UUID7, MessageId, MessageRef, PartyId
from intertie.model.message import Header, utc
from intertie.model.record import Record

KIND = "text/csv"
KINDS = (KIND, "text/plain", "application/octet-stream", "application/vnd.ms-excel")
# The columns of a table of results; `message` is what the writer of the document called it, `received` when we had it.
RESULTS = ("line", "message", "status", "code", "detail", "received")
# Where another format tells the place in a file.
PLACE = "place"
ACCEPTED, REFUSED = "accepted", "refused"


class _Result(Record, frozen=True, kw_only=True):
    message: MessageRef
    status: Annotated[str, Meta(pattern=f"^({ACCEPTED}|{REFUSED})(?!\\n)$")]
    code: Annotated[str, Meta(max_length=64)] = ""
    detail: Annotated[str, Meta(max_length=300)] = ""
    line: Annotated[str, Meta(max_length=20)] = ""
    place: Annotated[str, Meta(max_length=100)] = ""
    received: datetime | None = None


class CsvFormat:
    """`files.FileFormat`."""

    name = "csv"
    suffix = "csv"
    kinds: tuple[str, ...] = KINDS

    def knows(self, content: bytes) -> bool:
        """Text with a first line: what is none of the others."""
        return content.lstrip()[:1] not in (b"{", b"[", b"<") and not content.startswith(b"ISA")

    def read(self, content: bytes, foreign: Foreign, sender: PartyId) -> Sequence[Item]:
        """Its documents, or the results of a table of ours."""
        terms = terms_of(foreign)
        if is_results(content, terms.separator):
            return [answers_in(content, terms.separator)]
        return [item_of(one) for one in read_table(content, terms)]

    def write(self, foreign: Foreign, header: Header, body: Record, number: int) -> File:
        """A table with one document."""
        name = f"{header.document}-{header.id}.{self.suffix}"
        return File(
            name=name, kind=KIND, content=write_table(header, body, terms_of(foreign)), about=header.id
        )

    def answer(
        self, judged: Sequence[Judged], foreign: Foreign, us: PartyId, at: datetime, number: int
    ) -> Sequence[File]:
        """A line for each document."""
        terms = terms_of(foreign)
        if not terms.results or any(one.item.replies for one in judged):
            return []
        lines = [list(RESULTS), *(_result(one, at) for one in judged)]
        content = write_lines(lines, terms.separator)
        return [File(name=f"results-{number}.{self.suffix}", kind=KIND, content=content)]


def terms_of(foreign: Foreign) -> CsvTerms:
    """SettingsError if its files are no tables."""
    if foreign.csv is None:
        raise SettingsError(f"{foreign.name} sends no tables", do="See its legacy file.")
    return foreign.csv


def item_of(one: Told) -> Item:
    """A document of a table, with the lines that say it."""
    place = f"line {one.first}" if one.first == one.last else f"lines {one.first} to {one.last}"
    if one.body is None:
        return Item(place, one.part, error=one.error, source=one)
    about = one.about
    named = MessageId(about.message) if re.fullmatch(UUID7, about.message) else None
    said = Said(one.body, about.conversation, about.in_reply_to, about.mode, named, about.agreement)
    return Item(place, one.part, said, source=one)


def _result(one: Judged, at: datetime) -> list[str]:
    told = one.item.source if isinstance(one.item.source, Told) else None
    status = REFUSED if one.outcome.status == "refused" else ACCEPTED
    line, name = (str(told.first), told.about.message) if told is not None else ("", "")
    return [line, name, status, one.outcome.code or "", one.outcome.detail, utc(at).isoformat()]


def is_results(content: bytes, separator: str) -> bool:
    head = content[:400].decode("utf-8-sig", "replace").splitlines()[:1]
    names = {name.strip().strip('"') for line in head for name in line.split(separator)}
    return {"message", "status"} <= names and not is_table_of(content, separator)


def answers_in(content: bytes, separator: str) -> Item:
    """What a table of results says about messages of ours."""
    place = "the results"
    try:
        rows = rows_of(content, ("message", "status"), (*RESULTS, PLACE), separator)
        results = [record_of(_Result, number, dict(fields)) for number, fields in rows]
        if not results:
            raise TableError("results of nothing")
    except IntertieError as error:
        return Item(place, content, error=TableError(error.why))
    return Item(place, content, replies=tuple(map(_reply, results)))


def _reply(one: _Result) -> FileReply:
    detail = " ".join(part for part in (one.code, one.detail) if part)
    return FileReply(
        "business",
        one.status == ACCEPTED,
        detail,
        one.message,
        lambda message: False,
        lambda file: False,
        one.received,
    )
