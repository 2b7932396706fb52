"""Upload: files of any kind that this gateway reads come in pieces, are looked at row by row, and wait for what to do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from intertie.bindings.upload.form import Uploaded
from intertie.gateway.office.office_acts import NotHere
from intertie.gateway.office.office_rights import Right
from intertie.gateway.office.uploaded import READINGS, Look, Way, look
from intertie.gateway.office.uploaded_acts import BY_HAND, Came, read_came
from intertie.gateway.office.uploaded_ports import FILE_BYTES_MAX, PIECE_BYTES_MAX, Coming
from intertie.model.ids import UUID7
from intertie.model.message import Mode
from intertie.portal.pages.reading import FieldError, Fields
from intertie.portal.pages.visit import Data, Done, Download, View, Visit
from intertie.portal.pages.web import page, upload

UPLOAD = "/upload"
ONE = UPLOAD + "/files/{upload:str}"


@page(UPLOAD, Right.SEND)
def upload_page(visit: Visit) -> View:
    """Where to drop a file, and those that wait."""
    files = visit.office.beside.uploads
    if files is not None:
        files.sweep(visit.now)
    return View(
        "upload.html",
        "Upload",
        {
            "mine": () if files is None else files.mine(visit.person),
            "taken": files is not None,
            "file_bytes": FILE_BYTES_MAX,
            "piece_bytes": PIECE_BYTES_MAX,
        },
    )


@upload(UPLOAD + "/begin", Right.SEND, 0)
def begin_upload(visit: Visit, form: Fields, files: Sequence[Uploaded]) -> Data:
    """For the script: a file of so many bytes is to come."""
    store, size = visit.office.beside.files(), form.number("size", 1, 2**53)
    return Data(_state(store.begin(visit.person, form.maybe("name", 1000) or "", size, visit.now)))


@upload(ONE + "/piece", Right.SEND, PIECE_BYTES_MAX)
def add_piece(visit: Visit, form: Fields, files: Sequence[Uploaded]) -> Data:
    """For the script: the next piece. Where it does not begin at the end, the answer says where that is."""
    store = visit.office.beside.files()
    coming, offset = store.find(visit.person, id_of(visit)), form.number("offset", 0, FILE_BYTES_MAX)
    if not files:
        raise FieldError("the piece is missing", do="Send it again.")
    if offset == coming.there:
        coming = store.add(visit.person, coming.id, offset, files[0].content)
    return Data(_state(coming))


@page(ONE + "/state", Right.SEND)
def upload_state(visit: Visit) -> Data:
    """For the script: how much of it is here."""
    return Data(_state(visit.office.beside.files().find(visit.person, id_of(visit))))


@upload(UPLOAD + "/whole", Right.SEND, FILE_BYTES_MAX)
def bring_whole(visit: Visit, form: Fields, files: Sequence[Uploaded]) -> Done:
    """Without the script: all of a file at once."""
    store = visit.office.beside.files()
    if not files:
        raise FieldError("the file is missing, or empty", do="Choose a file.")
    name, content = files[0]
    coming = store.begin(visit.person, name, len(content), visit.now)
    for offset in range(0, len(content), PIECE_BYTES_MAX):
        store.add(visit.person, coming.id, offset, content[offset : offset + PIECE_BYTES_MAX])
    return Done(f"{UPLOAD}/files/{coming.id}", "")


@page(ONE, Right.SEND)
def file_page(visit: Visit) -> View:
    """What a file is, and what may be done; or what came of it."""
    store = visit.office.beside.files()
    coming = store.find(visit.person, id_of(visit))
    if coming.done:
        return View("upload_done.html", coming.name, {"coming": coming, "came": came_of(visit, coming)})
    if not coming.whole:
        return View("upload_part.html", coming.name, {"coming": coming, "piece_bytes": PIECE_BYTES_MAX})
    content = store.content(visit.person, coming.id)
    found = look(visit.gateway, coming.name, content, visit.office.beside.zone)
    if found.kind in READINGS:
        found = _with_readings(visit, found, content)
    return View("upload_file.html", coming.name, {"coming": coming, "found": found, **_choices(visit, found)})


@page(ONE + "/answers/{number:int}", Right.SEND)
def answer_file(visit: Visit) -> Download:
    """A file to bring back to whoever gave us this one: our receipt, and what its format answers."""
    store, number = visit.office.beside.files(), int(visit.at["number"])
    answers = came_of(visit, store.find(visit.person, id_of(visit))).answers
    if not 0 <= number < len(answers):
        raise NotHere("there is no such answer", do="The page of the file lists them.")
    one = answers[number]
    return Download(one.name, one.content, one.kind)


def id_of(visit: Visit) -> str:
    """The id in the path. NotHere if it is none."""
    text = visit.at["upload"]
    if Fields([("id", text)]).matching("id", UUID7, "the file's id") is None:
        raise NotHere("there is no such file", do="Upload lists those that wait.")
    return text


def came_of(visit: Visit, coming: Coming) -> Came:
    """What came of a file."""
    return read_came(visit.office.beside.files().result(visit.person, coming.id))


def _state(coming: Coming) -> dict[str, Any]:
    return {
        "id": coming.id,
        "there": coming.there,
        "size": coming.size,
        "page": f"{UPLOAD}/files/{coming.id}",
    }


def _with_readings(visit: Visit, found: Look, content: bytes) -> Look:
    """Judged by whoever reads readings."""
    looked = visit.office.beside.settler().look(content, visit.now)
    return found._replace(
        rows=looked.rows, right=looked.days, wrong=looked.wrong, rows_left_out=looked.rows_left_out
    )


def _choices(visit: Visit, found: Look) -> dict[str, Any]:
    """What may be done, and with whom."""
    partners = visit.gateway.partners.all()
    by_hand = [one.party for one in partners if one.foreign is not None and one.foreign.binding in BY_HAND]
    ways = [way for way in found.ways if way is not Way.KEEP or visit.may(Right.METER)]
    return {
        "ways": ways,
        "sends_to": sorted(one.party for one in partners if not one.suspended),
        "takes_from": sorted(by_hand),
        "modes": [mode.value for mode in Mode],
        "interfaces": list(visit.gateway.catalogue.interfaces),
    }


ROUTES = [upload_page, begin_upload, add_piece, upload_state, bring_whole, file_page, answer_file]
