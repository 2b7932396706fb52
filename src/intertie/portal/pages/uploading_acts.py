"""What is done with a file that was uploaded: sent, taken in, accepted, kept, or dropped."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from intertie.gateway.office.office_once import Stamp
from intertie.gateway.office.office_rights import Right
from intertie.gateway.office.uploaded_acts import (
    Along,
    Brings,
    Came,
    accept_brought,
    read_came,
    send_rows,
    take_from,
)
from intertie.model.ids import INTERFACE, PARTY, InterfaceCode, PartyId
from intertie.model.message import Mode
from intertie.portal.pages.reading import Fields
from intertie.portal.pages.uploading import ONE, UPLOAD, id_of
from intertie.portal.pages.visit import Done, Visit
from intertie.portal.pages.web import act


def _did(visit: Visit, stamp: Stamp, what: str, doing: Callable[[Brings], Came]) -> Done:
    """Do it with the file, and keep what came of it in its place. Done before, what came of it then counts."""
    store, id = visit.office.beside.files(), id_of(visit)
    coming = store.find(visit.person, id)
    if coming.done:
        came = read_came(store.result(visit.person, id))
    else:
        content = store.content(visit.person, id)
        came = doing(Brings(coming.name, content, visit.roles, stamp, visit.office.beside.zone))
        store.end(visit.person, id, msgspec.json.encode(came))
    said = f"{came.right} {what}, {came.wrong} not." if came.wrong else f"{came.right} {what}."
    return Done(f"{UPLOAD}/files/{id}", said, f"{id}: {came.right} {what}, {came.wrong} not")


@act(ONE + "/send", Right.SEND)
def send_upload(visit: Visit, form: Fields, stamp: Stamp) -> Done:
    """Its documents go to a partner."""
    partner = PartyId(form.matching("partner", PARTY, "the partner") or form.text("partner", "the partner"))
    interface = form.matching("interface", INTERFACE)
    along = Along(None if interface is None else InterfaceCode(interface), form.one_of("mode", Mode))
    return _did(visit, stamp, "queued", lambda brings: send_rows(visit.gateway, brings, partner, along))


@act(ONE + "/take", Right.SEND)
def take_upload(visit: Visit, form: Fields, stamp: Stamp) -> Done:
    """A partner of an older protocol gave it to us by hand."""
    partner = PartyId(form.matching("partner", PARTY, "the partner") or form.text("partner", "the partner"))
    return _did(visit, stamp, "taken in", lambda brings: take_from(visit.gateway, brings, partner))


@act(ONE + "/accept", Right.SEND)
def accept_upload(visit: Visit, form: Fields, stamp: Stamp) -> Done:
    """A parcel that was carried here."""
    return _did(visit, stamp, "accepted", lambda brings: accept_brought(visit.gateway, brings))


@act(ONE + "/keep", Right.METER)
def keep_upload(visit: Visit, form: Fields, stamp: Stamp) -> Done:
    """Readings."""
    settler = visit.office.beside.settler()
    return _did(visit, stamp, "meter days kept", lambda brings: settler.keep(brings.content, stamp.at))


@act(ONE + "/drop", Right.SEND)
def drop_upload(visit: Visit, form: Fields, stamp: Stamp) -> Done:
    """Nothing: it is forgotten."""
    visit.office.beside.files().drop(visit.person, id_of(visit))
    return Done(UPLOAD, "The file is forgotten.", id_of(visit))


ROUTES = [send_upload, take_upload, accept_upload, keep_upload, drop_upload]
