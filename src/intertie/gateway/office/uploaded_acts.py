"""What is done with a file that one of our own people brought: its documents go to a partner, or are taken in from a partner of
an older protocol; a parcel is accepted as if it had come over the street door. Each row has its own result, and what is wrong
with one is no matter of the others.

Came again with the same stamp, or with the same file, nothing happens twice.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from intertie.formats.file_terms import CsvTerms
from intertie.gateway.gateway import Gateway, Partner, Peer
from intertie.gateway.office.office_once import Stamp
from intertie.gateway.office.office_rights import Roles, check_category
from intertie.gateway.office.uploaded import Kind, Row, failed, kind_of, rows_of_json, rows_of_table
from intertie.gateway.receiving.accept_parcel import accept
from intertie.gateway.sending.compose import agreement_with, flow_for
from intertie.gateway.sending.send_message import Outgoing, check_sendable, find_partner, send
from intertie.gateway.translating.accept_file import Brought, accept_file
from intertie.gateway.translating.file_formats import FILE_FORMATS
from intertie.gateway.translating.files import File, Item, Judged, Purpose, read_files, write_files
from intertie.model.documents import document_of
from intertie.model.errors import IntertieError, SettingsError
from intertie.model.ids import InterfaceCode, MessageId, PartyId, uuid7
from intertie.model.message import Mode
from intertie.seal.jws import read_jws
from intertie.seal.parcel import read_frame
from intertie.seal.receipt import RECEIPT_BYTES_MAX, RECEIPT_TYP, Outcome, read_receipt

# Documents that one act sends: each is a transaction of its own, some milliseconds long.
SEND_MAX = 1000
# Carriers without signatures: a file of theirs is worth the same whoever carried it. Of the others the signature is the worth.
BY_HAND = frozenset({"sftp", "ftps", "upload"})
# Rows of a kept answer.
LINES_MAX = 1000


class Brings(NamedTuple):
    """A file, who brings it, and when."""

    name: str
    content: bytes
    roles: Roles
    stamp: Stamp
    zone: str = "UTC"


class Along(NamedTuple):
    """On which interface, and in which mode, documents go that do not say it and can go on several."""

    interface: InterfaceCode | None = None
    mode: Mode | None = None


ANY = Along()


class Came(NamedTuple):
    """What became of each row, and files that are answers to bring back to whoever gave us this one."""

    rows: tuple[Row, ...]
    right: int
    wrong: int
    answers: tuple[File, ...] = ()


# Made once, and ready before threads read (model/ready.py).
read_came = msgspec.json.Decoder(Came).decode


def _done(rows: Sequence[Row], answers: Sequence[File] = ()) -> Came:
    wrong = sum(not row.ok for row in rows)
    return Came(tuple(rows), len(rows) - wrong, wrong, tuple(answers))


# Sending


def send_rows(
    gateway: Gateway,
    brings: Brings,
    partner: PartyId,
    along: Along = ANY,
    *,
    check: bool = False,
) -> Came:
    """Send each document of a file that is right; the others say what to mend. With `check` nothing is sent.

    Raises Refused if this is no partner, SettingsError for a file that holds no documents of ours.
    """
    known = find_partner(gateway, partner)
    items = _items(gateway, known, brings)
    if len(items) > SEND_MAX:
        raise SettingsError(f"{len(items)} documents, at most {SEND_MAX} at once", do="Bring it in parts.")
    rows = []
    for number, (row, item) in enumerate(items, 1):
        if row.ok and item is not None:
            row = _send(gateway, brings, known, along, number, row, item, check=check)
        rows.append(row)
    return _done(rows)


def _id(stamp: Stamp, number: int) -> MessageId:
    """The same for the same act and place, and later for a later place: what stands first counts first where both arrive."""
    base = int.from_bytes(hashlib.sha256(stamp.message.encode()).digest()[:8], "big")
    return MessageId(uuid7(int(stamp.at.timestamp() * 1000), base + number))


def _items(gateway: Gateway, partner: Partner, brings: Brings) -> list[tuple[Row, Item | None]]:
    kind, separator = kind_of(brings.content)
    if kind is Kind.TABLE:
        return rows_of_table(brings.content, CsvTerms(zone=brings.zone, separator=separator))
    if kind is Kind.JSON:
        return rows_of_json(brings.content)
    if kind is Kind.X12 and partner.foreign is not None and partner.foreign.x12 is not None:
        try:
            found = FILE_FORMATS["x12"].read(brings.content, partner.foreign, gateway.party.id)
        except IntertieError as error:
            return [(failed("the interchange", error), None)]
        return [(_row(item), item) for item in found]
    if kind is Kind.X12:
        raise SettingsError(
            f"with {partner.party} no X12 was agreed",
            do="Bring the documents as CSV or JSON; or see docs/x12.md.",
        )
    raise SettingsError("there are no documents in this file", do="Bring a CSV, JSON or X12 of documents.")


def _row(item: Item) -> Row:
    if item.error is not None:
        return failed(item.place, item.error)
    if item.said is None or item.said.body is None:
        return Row(
            item.place, "answers", False, "It answers a file, and is no document.", "Take it in instead."
        )
    return Row(item.place, document_of(item.said.body).name, True)


def _send(
    gateway: Gateway,
    brings: Brings,
    partner: Partner,
    along: Along,
    number: int,
    row: Row,
    item: Item,
    *,
    check: bool,
) -> Row:
    """One document on its way, under an id that follows from the act and its place in the file."""
    assert item.said is not None and item.said.body is not None  # of a row that is right
    said, body = item.said, item.said.body
    try:
        flow = flow_for(gateway, partner, document_of(body).name, along.interface, said.mode or along.mode)
        check_category(brings.roles, flow.category)
        out = Outgoing(
            id=_id(brings.stamp, number),
            body=body,
            recipient=partner.party,
            interface=flow.interface,
            mode=flow.mode,
            agreement=agreement_with(gateway, partner, brings.stamp.at) if flow.agreement else None,
            conversation=said.conversation,
            in_reply_to=said.in_reply_to,
        )
        if check:
            check_sendable(gateway, out, brings.stamp.at)
            return row
        if brings.stamp.again and gateway.store.message(out.id or MessageId(""), outgoing=True, body=False):
            return row._replace(message=out.id or "")
        return row._replace(message=send(gateway, [out], brings.stamp.at)[0])
    except IntertieError as error:
        return failed(row.place, error)._replace(what=row.what)


# Taking in what a partner gave us by hand


def take_from(gateway: Gateway, brings: Brings, partner: PartyId) -> Came:
    """Take a file in as if its partner's carrier had brought it. The same file again changes nothing and is answered alike.

    Raises Refused if this is no partner, SettingsError if it has a gateway, or signs its files; StoreError.
    """
    known = find_partner(gateway, partner)
    if known.foreign is None:
        raise SettingsError(
            f"{partner} has a gateway, and sends parcels",
            do="Ask for its parcel, and bring that: it is signed.",
        )
    if known.foreign.binding not in BY_HAND:
        raise SettingsError(
            f"files of {partner} are signed when they come by {known.foreign.binding}; this one is not",
            do="Let it send the file again.",
        )
    arrived = Brought(partner, brings.content, brings.stamp.at)
    kept = read_files(accept_file(gateway, arrived, _write_answer, brings.stamp.at))
    receipt = next(one for one in kept if one.purpose in (Purpose.RECEIPT, Purpose.REFUSAL))
    answers = [one for one in kept if one.purpose is Purpose.ANSWER]
    return _done(_rows_of(receipt), [receipt, *answers])


def _write_answer(judged: Sequence[Judged], files: Sequence[File]) -> bytes:
    """Our receipt as lines of text, then the format's own answers."""
    refused = sum(one.outcome.status == "refused" for one in judged)
    purpose = Purpose.REFUSAL if refused == len(judged) else Purpose.RECEIPT
    lines = [f"result: {len(judged) - refused} taken, {refused} refused", *map(_line, judged[:LINES_MAX])]
    if len(judged) > LINES_MAX:
        lines.append(f"and {len(judged) - LINES_MAX} more")
    text = "\n".join((*lines, "")).encode()
    name = f"receipt-{hashlib.sha256(text).hexdigest()[:16]}.txt"
    answers = [File(name=f.name, kind=f.kind, content=f.content, purpose=Purpose.ANSWER) for f in files]
    return write_files([File(name=name, kind="text/plain", content=text, purpose=purpose), *answers])


def _line(one: Judged) -> str:
    """Tabs between what a row tells: place, status, message, code, detail."""
    said = one.outcome
    detail = said.detail.removeprefix(f"{one.item.place}: ")
    fields = (one.item.place, said.status, said.message or "", said.code or "", detail)
    return "\t".join(" ".join(field.split()) for field in fields)


def _rows_of(receipt: File) -> list[Row]:
    """The rows that a receipt tells of; one row for a receipt that another carrier wrote for the same file before."""
    rows = []
    for line in receipt.content.decode("utf-8", "replace").splitlines():
        if len(fields := line.split("\t")) == len(Outcome.__struct_fields__):
            place, status, message, code, detail = fields
            ok = status != "refused"
            do = "" if ok else "Let the partner correct it and send it again."
            rows.append(Row(place, status, ok, " ".join(filter(None, (code, detail))), do, message))
    if rows:
        return rows
    ok = receipt.purpose is Purpose.RECEIPT
    return [
        Row("the file", "taken in before", ok, "" if ok else "It was refused before.", "See its receipt.")
    ]


# Accepting a parcel


def accept_brought(gateway: Gateway, brings: Brings) -> Came:
    """Accept a parcel that somebody carried; the answer is its signed receipt, to be carried back.

    Who carried it proves nothing, and need not: its signatures do. Raises Refused, which is journaled; StoreError.
    """
    sender = PartyId(read_frame(brings.content, limit=gateway.limits.parcel_bytes).header.sender)
    raw = accept(gateway, brings.content, peer=Peer(sender), now=brings.stamp.at)
    receipt = read_receipt(read_jws(raw, RECEIPT_TYP, limit=RECEIPT_BYTES_MAX).payload, gateway.party.id)
    rows = [
        Row(
            f"message {number}",
            one.status,
            one.status != "refused",
            " ".join(filter(None, (one.code, one.detail))),
            "" if one.status != "refused" else "Its sender hears of it by the receipt.",
            one.message or "",
        )
        for number, one in enumerate(receipt.outcomes, 1)
    ]
    file = File(
        name=f"receipt-{receipt.parcel}.jws",
        kind="application/jose+json",
        content=raw,
        purpose=Purpose.RECEIPT,
    )
    return _done(rows, [file])
