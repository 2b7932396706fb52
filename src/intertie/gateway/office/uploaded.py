"""A file that one of our own people brings: what it is, by its bytes and never by its name, and what is in it, row by row, with
what to mend. Looking changes nothing; `uploaded_acts` and `uploaded_readings` do what is then asked for."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum
from typing import NamedTuple

import msgspec

from intertie.formats.file_terms import CsvTerms
from intertie.formats.tables.read import read_table
from intertie.formats.x12.answers import judge
from intertie.formats.x12.findings import Finding, X12Error
from intertie.formats.x12.interchange import Reader
from intertie.formats.x12.layout import profile
from intertie.gateway.gateway import Gateway
from intertie.gateway.translating.file_csv import item_of
from intertie.gateway.translating.file_json import documents_in
from intertie.gateway.translating.files import Item
from intertie.model.documents import document_of
from intertie.model.errors import IntertieError, Refused
from intertie.model.ids import PartyId
from intertie.seal.parcel import MAGIC, read_frame

# Rows that are told one by one; a file with more is wrong, or right, in the same way all over.
ROWS_MAX = 1000
# Whose guides an interchange is held to before anybody said with whom it is.
X12_PROFILE = "ny"
# Enough of a text to see its first line.
HEAD_BYTES = 64 * 1024


class Kind(StrEnum):
    """What a file is."""

    PARCEL = "parcel"
    X12 = "x12"
    TABLE = "table"  # documents as CSV
    JSON = "json"  # documents as JSON
    READINGS_CSV = "readings_csv"
    READINGS_JSON = "readings_json"
    ESPI = "espi"
    UNKNOWN = "unknown"


class Way(StrEnum):
    """What can be done with a file."""

    SEND = "send"  # its documents are ours, and go to a partner
    TAKE = "take"  # a partner of an older protocol gave it to us by hand
    ACCEPT = "accept"  # a parcel that came otherwise than over the street door
    KEEP = "keep"  # readings


WAYS: dict[Kind, tuple[Way, ...]] = {
    Kind.PARCEL: (Way.ACCEPT,),
    Kind.X12: (Way.TAKE, Way.SEND),
    Kind.TABLE: (Way.SEND, Way.TAKE),
    Kind.JSON: (Way.SEND, Way.TAKE),
    Kind.READINGS_CSV: (Way.KEEP,),
    Kind.READINGS_JSON: (Way.KEEP,),
    Kind.ESPI: (Way.KEEP,),
    Kind.UNKNOWN: (),
}


READINGS = frozenset({Kind.READINGS_CSV, Kind.READINGS_JSON, Kind.ESPI})


class Row(NamedTuple):
    """One thing in a file, or what became of it: where it stands, what it is, and if it is wrong, why and what to do."""

    place: str
    what: str
    ok: bool
    why: str = ""
    do: str = ""
    message: str = ""


class Look(NamedTuple):
    """A file as it was looked at. `wrong` counts all rows, also those that are not told."""

    kind: Kind
    name: str
    size: int
    sha256: str
    says: str
    ways: tuple[Way, ...]
    rows: tuple[Row, ...]
    right: int
    wrong: int
    rows_left_out: int
    sender: PartyId | None = None  # of a parcel, as its header says: nothing is believed yet
    separator: str = ","


# What people bring that is nothing of ours, by how it begins, and what they mean to bring.
_STRANGE = (
    (b"PK\x03\x04", "It is a ZIP: a spreadsheet, or an archive", "Save the sheet as CSV; unpack an archive."),
    (b"%PDF", "It is a PDF", "A PDF is for people: bring the CSV, X12 or JSON of the same document."),
    (b"\x1f\x8b", "It is compressed with gzip", "Unpack it first."),
    (b"\xd0\xcf\x11\xe0", "It is an old Office file", "Save the sheet as CSV."),
    (
        b"-----BEGIN",
        "It is PEM: a certificate or a key",
        "Keys and certificates belong under Partners and Settings.",
    ),
)
_SEPARATORS = ",;\t"
_BOM = b"\xef\xbb\xbf"


def kind_of(content: bytes) -> tuple[Kind, str]:
    """What a file is, and between the fields of a table what separates them."""
    if content.startswith(MAGIC):
        return Kind.PARCEL, ","
    head = content[:HEAD_BYTES].removeprefix(_BOM).lstrip()
    if not head or b"\x00" in head or any(head.startswith(begins) for begins, *_ in _STRANGE):
        return Kind.UNKNOWN, ","
    if re.match(rb"ISA[^A-Za-z0-9\s]", head):
        return Kind.X12, ","
    if head.startswith(b"<"):
        return (Kind.ESPI if b"espi" in head.lower() else Kind.UNKNOWN), ","
    if head.startswith((b"{", b"[")):
        return _kind_of_json(content), ","
    return _kind_of_table(head)


def _kind_of_json(content: bytes) -> Kind:
    try:
        names = msgspec.json.decode(content, type=dict[str, msgspec.Raw])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return Kind.JSON  # a list, or broken: its reader says where
    return Kind.READINGS_JSON if "meters" in names and "document" not in names else Kind.JSON


def _kind_of_table(head: bytes) -> tuple[Kind, str]:
    line = head.split(b"\n", 1)[0].decode("utf-8", "replace").strip()
    for separator in _SEPARATORS:
        names = {name.strip().strip('"') for name in line.split(separator)}
        if "document" in names:
            return Kind.TABLE, separator
        if {"meter", "value"} <= names:
            return Kind.READINGS_CSV, separator
    return Kind.UNKNOWN, ","


def look(gateway: Gateway, name: str, content: bytes, zone: str = "UTC") -> Look:
    """What a file is and what its own reader says of it. Readings are looked at by `uploaded_readings`. Never raises for what is
    in the file."""
    kind, separator = kind_of(content)
    told, sender = _LOOKS[kind](gateway, content, CsvTerms(zone=zone, separator=separator))
    rows = list(told)
    wrong = sum(not row.ok for row in rows)
    return Look(
        kind=kind,
        name=name,
        size=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        says=_SAYS[kind],
        ways=WAYS[kind],
        rows=worst_first(rows)[:ROWS_MAX],
        right=len(rows) - wrong,
        wrong=wrong,
        rows_left_out=max(0, len(rows) - ROWS_MAX),
        sender=sender,
        separator=separator,
    )


def worst_first(rows: Sequence[Row]) -> tuple[Row, ...]:
    """What has to be mended stands on top; else in the order of the file."""
    return (*(row for row in rows if not row.ok), *(row for row in rows if row.ok))


_SAYS = {
    Kind.PARCEL: "A sealed parcel.",
    Kind.X12: "An X12 interchange.",
    Kind.TABLE: "A table of documents.",
    Kind.JSON: "Documents as JSON.",
    Kind.READINGS_CSV: "Meter readings, one line for each interval.",
    Kind.READINGS_JSON: "Meter readings as JSON.",
    Kind.ESPI: "An ESPI (Green Button) feed of meter readings.",
    Kind.UNKNOWN: "Nothing that this gateway reads.",
}
_Looked = tuple[Iterable[Row], PartyId | None]


def _look_unknown(gateway: Gateway, content: bytes, terms: CsvTerms) -> _Looked:
    head = content.removeprefix(_BOM).lstrip()[:HEAD_BYTES]
    why, do = (
        "Its first bytes are those of no parcel, X12, ESPI, JSON or CSV that is known here",
        "A CSV names its columns in the first line: `document`, or `meter` and `value`.",
    )
    for begins, said, then in _STRANGE:
        if head.startswith(begins):
            why, do = said, then
    if not head:
        why, do = "It is empty", "Choose the file again."
    return [Row("the file", "", False, f"{why}.", do)], None


def _look_parcel(gateway: Gateway, content: bytes, terms: CsvTerms) -> _Looked:
    try:
        header = read_frame(content, limit=gateway.limits.parcel_bytes).header
    except Refused as refused:
        return [failed("the parcel", refused)], None
    sender = PartyId(header.sender)
    row = Row("the parcel", f"parcel {header.parcel} from {sender}", True)
    if header.recipient != gateway.party.id:
        row = row._replace(ok=False, why=f"It is for {header.recipient}.", do="Bring it to that gateway.")
    elif gateway.partners.find(sender) is None:
        row = row._replace(
            ok=False, why=f"{sender} is no partner here.", do="Invite it under Partners first."
        )
    return [row], sender


def _look_x12(gateway: Gateway, content: bytes, terms: CsvTerms) -> _Looked:
    by, rows = profile(X12_PROFILE), []
    try:
        for number, one in enumerate(Reader([content]), 1):
            place = f"set {number} ({one.set_id} {one.control}, from segment {one.first})"
            findings = judge(one, by).findings
            rows += [_finding(place, one.set_id, found) for found in findings] or [
                Row(place, one.set_id, True)
            ]
    except X12Error as error:
        rows += [_finding("the interchange", "", found) for found in error.findings]
    return rows or [Row("the interchange", "", False, "It has no set.", "Ask who made it.")], None


def _finding(place: str, what: str, found: Finding) -> Row:
    at = found.place
    where = ", ".join(
        f"{name} {value}"
        for name, value in (
            ("segment", at.segment),
            ("", at.id),
            ("element", at.element),
            ("component", at.component),
        )
        if value
    )
    sentence = str(found).rpartition("): ")[2] or str(found)
    do = "Correct the segment where it was made, and bring the whole interchange again."
    return Row(f"{place}: {where}" if where else place, what, False, found.detail or f"{sentence}.", do)


def _look_table(gateway: Gateway, content: bytes, terms: CsvTerms) -> _Looked:
    return [row for row, _ in rows_of_table(content, terms)], None


def _look_json(gateway: Gateway, content: bytes, terms: CsvTerms) -> _Looked:
    return [row for row, _ in rows_of_json(content)], None


def _look_elsewhere(gateway: Gateway, content: bytes, terms: CsvTerms) -> _Looked:
    return (), None


_LOOKS: dict[Kind, Callable[[Gateway, bytes, CsvTerms], _Looked]] = {
    Kind.PARCEL: _look_parcel,
    Kind.X12: _look_x12,
    Kind.TABLE: _look_table,
    Kind.JSON: _look_json,
    Kind.READINGS_CSV: _look_elsewhere,
    Kind.READINGS_JSON: _look_elsewhere,
    Kind.ESPI: _look_elsewhere,
    Kind.UNKNOWN: _look_unknown,
}


def rows_of_table(content: bytes, terms: CsvTerms) -> list[tuple[Row, Item | None]]:
    """The documents of a table, each with the row that tells of it."""
    try:
        told = read_table(content, terms)
    except IntertieError as error:
        return [(failed("the table", error), None)]
    return [_of_item(item_of(one)) for one in told]


def rows_of_json(content: bytes) -> list[tuple[Row, Item | None]]:
    """The documents of a JSON file, each with the row that tells of it."""
    try:
        return [_of_item(one) for one in documents_in(content)]
    except IntertieError as error:
        return [(failed("the file", error), None)]


def _of_item(item: Item) -> tuple[Row, Item]:
    if item.error is not None:
        return failed(item.place, item.error), item
    body = None if item.said is None else item.said.body
    return Row(item.place, "" if body is None else document_of(body).name, True), item


def failed(place: str, error: IntertieError) -> Row:
    """A row that tells of an error; it quotes nothing of the file but what its reader found safe to say."""
    do = error.do or "Correct it, and bring the file again."
    return Row(place, "", False, error.why.removeprefix(f"{place}: "), do)
